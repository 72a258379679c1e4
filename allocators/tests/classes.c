/*
 * classes.c - the choice of block sizes: never worse than any other, compared with all of them on small cases.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "allocators/classes.h"

static struct classes_work work;
static uint64_t seed = 1;

static size_t below(size_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)((seed >> 33) % n);
}

/* What the blocks and the classes cost; SIZE_MAX when a size has no class. */
static uint64_t cost_of(const struct size_use *sizes, size_t n, const size_t *classes, size_t nclasses, size_t fixed)
{
    uint64_t cost = fixed * nclasses;
    for (size_t i = 0; i < n; i++) {
        size_t class = 0;
        while (class < nclasses && classes[class] < sizes[i].size)
            class ++;
        if (class == nclasses)
            return UINT64_MAX;
        cost += classes[class] * ALLOC_MAX(sizes[i].peak, 1);
    }
    return cost;
}

/* The least cost of all subsets of the sizes, rounded, with at most `most` members. */
static uint64_t least_cost(const struct size_use *sizes, size_t n, size_t granule, size_t fixed, size_t most)
{
    uint64_t least = UINT64_MAX;
    for (unsigned subset = 1; subset < 1u << n; subset++) {
        size_t classes[16], nclasses = 0;
        for (size_t i = 0; i < n; i++)
            if (subset & 1u << i)
                classes[nclasses++] = ALLOC_ROUND_UP(ALLOC_MAX(sizes[i].size, 1), granule);
        if (nclasses <= most)
            least = ALLOC_MIN(least, cost_of(sizes, n, classes, nclasses, fixed));
    }
    return least;
}

static void test_against_all(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        struct size_use sizes[10];
        size_t classes[CLASSES_MOST], size = below(40);
        const size_t n = 1 + below(10), most = 1 + below(5), granule = (size_t)8 << below(3), fixed = below(3) * 500;
        for (size_t i = 0; i < n; i++) {
            sizes[i] = (struct size_use){size, below(4) == 0 ? 0 : below(200)};
            size += 1 + below(100);
        }
        const size_t nclasses = classes_choose(&work, sizes, n, granule, fixed, classes, most);
        assert_in_range(nclasses, 1, most);
        for (size_t i = 0; i < nclasses; i++)
            assert_true(classes[i] % granule == 0 && (i == 0 || classes[i] > classes[i - 1]));
        assert_int_equal(cost_of(sizes, n, classes, nclasses, fixed), least_cost(sizes, n, granule, fixed, most));
    }
}

/* More sizes than candidates: joining neighbours first costs little against even spacing, which is best here. */
static void test_many_sizes(void **state)
{
    static struct size_use sizes[5000];
    size_t classes[CLASSES_MOST];
    uint64_t requested = 0;
    (void)state;
    for (size_t i = 0; i < 5000; i++) {
        sizes[i] = (struct size_use){16 * (i + 1), 10};
        requested += sizes[i].size * sizes[i].peak;
    }
    assert_int_equal(classes_choose(&work, sizes, 5000, 16, 0, classes, 50), 50);
    assert_int_equal(classes[49], 16 * 5000);
    const uint64_t wasted = cost_of(sizes, 5000, classes, 50, 0) - requested;
    const uint64_t even = UINT64_C(16) * 99 / 2 * 5000 * 10; /* steps of 100 sizes: 0 to 99 steps too large */
    assert_in_range(wasted, even, even * 4 / 3);
}

static void test_extremes(void **state)
{
    const struct size_use huge[] = {
        {1, 1}, {SIZE_MAX / 2 - 100, UINT32_MAX}, {SIZE_MAX / 2, UINT32_MAX}, {SIZE_MAX, 1}};
    size_t classes[CLASSES_MOST];
    (void)state;
    assert_int_equal(classes_choose(&work, NULL, 0, 16, 0, classes, 8), 0);
    assert_int_equal(classes_choose(&work, &huge[3], 1, 16, 0, classes, 8), 0);
    const size_t n = classes_choose(&work, huge, 4, 16, 0, classes, 2);
    assert_in_range(n, 1, 2);
    assert_true(classes[n - 1] == ALLOC_ROUND_UP(SIZE_MAX / 2, (size_t)16));
    const struct size_use zero = {0, 3};
    assert_int_equal(classes_choose(&work, &zero, 1, 16, 4096, classes, 8), 1);
    assert_int_equal(classes[0], 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_all),
        cmocka_unit_test(test_many_sizes),
        cmocka_unit_test(test_extremes),
    };
    return cmocka_run_group_tests_name("classes", tests, NULL, NULL);
}
