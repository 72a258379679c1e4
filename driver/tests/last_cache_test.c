/* last_cache_test.c - that a look at the last cache comes by every line, and compares with what was found before.
 * Whether others fill the cache depends on the neighbours, and is not asserted. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "driver/last_cache.h"

#define LINE 64

static struct bench bench = {.page = 4096};

static void opened(struct last_cache *cache, uint64_t far_bytes, uint64_t near_bytes, double least_ns)
{
    const struct last_cache_known known = {
        .far_bytes = far_bytes, .near_bytes = near_bytes, .far_ns = least_ns, .near_ns = least_ns};
    last_cache_open(cache, &bench, &known);
}

static void a_cycle_is_of_every_line(void **state)
{
    static const size_t counts[] = {1, 2, 3, 1000, 1024, 170 * 1024 + 7};
    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct last_cache cache;
        opened(&cache, counts[i] * LINE + LINE - 1, 0, 0);
        assert_int_equal(cache.far.bytes, counts[i] * LINE);
        void **at = cache.far.at;
        for (size_t steps = 1; steps <= counts[i]; steps++) {
            const size_t offset = (size_t)((char *)at - cache.far.memory);
            assert_true(offset < cache.far.bytes && offset % LINE == 0);
            at = *at;
            assert_int_equal(at == cache.far.at, steps == counts[i]);
        }
    }
}

static void a_look_is_compared_with_the_least_of_before(void **state)
{
    struct last_cache cache;
    (void)state;
    opened(&cache, 4 << 20, 1 << 20, 1e-6);
    assert_false(last_cache_is_ours(&cache));
    assert_true(cache.load_ns > 1e-6);
    assert_true(cache.known.far_ns == 1e-6 && cache.known.near_ns == 1e-6);
    opened(&cache, 4 << 20, 1 << 20, 1e6);
    last_cache_is_ours(&cache);
    assert_true(cache.known.far_ns == cache.load_ns); /* nothing was faster */
    assert_true(cache.known.near_ns > 0 && cache.known.near_ns < 1e6);
}

static void what_is_learned_has_bounds(void **state)
{
    const struct last_cache_known usual = {.far_ns = 16, .near_ns = 10}, slow = {.far_ns = 30, .near_ns = 10};
    const struct last_cache_known never_alone = {.far_ns = 100, .near_ns = 10};
    (void)state;
    assert_true(last_cache_holds(&usual, 20));
    assert_false(last_cache_holds(&usual, 21));
    assert_true(last_cache_holds(&slow, 37));
    assert_false(last_cache_holds(&slow, 38));
    assert_false(last_cache_holds(&never_alone, 100)); /* the least that was found, and yet memory's */
}

static void where_there_is_none_nobody_fills_it(void **state)
{
    struct last_cache cache;
    (void)state;
    opened(&cache, 4 << 20, 0, 1e-6);
    assert_true(last_cache_is_ours(&cache));
    assert_true(cache.load_ns > 0);
}

static void most_of_it_is_looked_at_where_there_is_one(void **state)
{
    struct last_cache cache;
    const struct last_cache_known known = {.far_bytes = 4 << 20, .near_bytes = 1 << 20, .most_bytes = 16 << 20};
    (void)state;
    last_cache_open(&cache, &bench, &known);
    assert_int_equal(cache.most.bytes, 16 << 20);
    void **begin = cache.most.at;
    assert_true(last_cache_most_load_ns(&cache) > 0);
    assert_true(cache.most.at != begin); /* half of the lines: the next look begins where this one ended */
    assert_true(last_cache_most_load_ns(&cache) > 0);
    assert_true(cache.most.at == begin);
    opened(&cache, 4 << 20, 0, 1);
    assert_true(last_cache_most_load_ns(&cache) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cycle_is_of_every_line),
        cmocka_unit_test(a_look_is_compared_with_the_least_of_before),
        cmocka_unit_test(what_is_learned_has_bounds),
        cmocka_unit_test(where_there_is_none_nobody_fills_it),
        cmocka_unit_test(most_of_it_is_looked_at_where_there_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
