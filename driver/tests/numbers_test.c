/* numbers_test.c - the histogram's stated error, the quantiles, and the shuffles, against what they promise. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driver/histogram.h"
#include "driver/statistics.h"

static void buckets_cover_every_value_once(void **state)
{
    (void)state;
    assert_int_equal(histogram_bucket(0), 0);
    assert_int_equal(histogram_bucket(UINT32_MAX), HISTOGRAM_BUCKETS - 1);
    assert_int_equal(histogram_upper(HISTOGRAM_BUCKETS - 1), UINT32_MAX);
    for (size_t i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
        assert_int_equal(histogram_bucket(histogram_upper(i)), i);
        assert_int_equal(histogram_bucket(histogram_upper(i) + 1), i + 1);
    }
}

static void bucket_is_never_too_low_and_at_most_the_error_too_high(void **state)
{
    uint64_t random = 7;
    (void)state;
    for (int i = 0; i < 200000; i++) {
        const uint32_t value = (uint32_t)(statistics_random(&random) >> (32 + statistics_random(&random) % 32));
        const uint32_t upper = histogram_upper(histogram_bucket(value));
        assert_true(upper >= value);
        assert_true(upper - value <= value * HISTOGRAM_ERROR);
    }
}

static void quantiles_of_a_histogram_bound_those_of_the_values(void **state)
{
    enum { N = 5000 };
    static const double shares[] = {0, 0.5, 0.9, 0.99, 0.999, 1};
    struct histogram *histogram = calloc(1, sizeof *histogram);
    double *values = malloc(N * sizeof *values);
    uint64_t random = 3;
    (void)state;
    for (size_t i = 0; i < N; i++) {
        const uint32_t value = (uint32_t)(statistics_random(&random) >> (34 + i % 25));
        histogram_add(histogram, value);
        values[i] = value;
    }
    statistics_quantile(values, N, 0.5); /* sorts */
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        const size_t rank = (size_t)ceil(shares[i] * N);
        const double exact = values[rank > 0 ? rank - 1 : 0];
        const double found = histogram_quantile(histogram, shares[i]);
        assert_true(found >= exact);
        assert_true(found <= exact * (1 + HISTOGRAM_ERROR));
    }
    free(histogram);
    free(values);
}

static void merged_histograms_count_both(void **state)
{
    struct histogram *a = calloc(1, sizeof *a), *b = calloc(1, sizeof *b);
    (void)state;
    assert_int_equal(histogram_quantile(a, 0.5), 0);
    for (uint32_t i = 0; i < 100; i++)
        histogram_add(i < 30 ? a : b, i < 30 ? 5 : 1000000);
    histogram_merge(a, b);
    assert_int_equal(a->total, 100);
    assert_int_equal(histogram_quantile(a, 0.30), 5);
    assert_true(histogram_quantile(a, 0.31) >= 1000000);
    free(a);
    free(b);
}

static void quantiles_interpolate(void **state)
{
    double values[] = {4, 1, 3, 2}, one[] = {7};
    (void)state;
    assert_true(statistics_quantile(values, 4, 0.5) == 2.5);
    assert_true(statistics_quantile(values, 4, 0) == 1);
    assert_true(statistics_quantile(values, 4, 1) == 4);
    assert_true(statistics_spread(values, 4) == (3.25 - 1.75) / 2);
    assert_true(statistics_quantile(one, 1, 0.99) == 7);
    assert_true(isnan(statistics_spread(one, 1)));
    assert_true(isnan(statistics_quantile(one, 0, 0.5)));
}

static void shuffles_repeat_and_are_fair(void **state)
{
    enum { N = 5, ROUNDS = 20000 };
    size_t order[N], again[N], places[N][N] = {{0}};
    uint64_t random = 1, same = 1;
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        size_t sum = 0;
        statistics_shuffle(order, N, &random);
        statistics_shuffle(again, N, &same);
        assert_memory_equal(order, again, sizeof order);
        for (size_t i = 0; i < N; i++) {
            places[order[i]][i]++;
            sum += (size_t)1 << order[i];
        }
        assert_int_equal(sum, (1 << N) - 1); /* each once */
    }
    for (size_t i = 0; i < N; i++) /* 4000 expected, standard deviation 57 */
        for (size_t j = 0; j < N; j++)
            assert_in_range(places[i][j], 3700, 4300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_cover_every_value_once),
        cmocka_unit_test(bucket_is_never_too_low_and_at_most_the_error_too_high),
        cmocka_unit_test(quantiles_of_a_histogram_bound_those_of_the_values),
        cmocka_unit_test(merged_histograms_count_both),
        cmocka_unit_test(quantiles_interpolate),
        cmocka_unit_test(shuffles_repeat_and_are_fair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
