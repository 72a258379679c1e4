/* shadow_test.c - the map of claimed units against a plain array, and at the ends of its regions and of the space. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "driver/shadow.h"
#include "driver/statistics.h"

#define REGION (UINT64_C(1) << 20)

static void claims_agree_with_an_array(void **state)
{
    enum { UNITS = 3000, OPS = 60000 };
    static bool claimed[UNITS];
    const uint64_t base = 7 * REGION - UNITS / 2; /* across the border of two regions */
    struct shadow *shadow = shadow_open();
    uint64_t random = 5;
    (void)state;
    assert_non_null(shadow);
    for (int op = 0; op < OPS; op++) {
        const uint64_t first = statistics_random(&random) % UNITS;
        uint64_t count = statistics_random(&random) % 200, set = 0;
        if (count > UNITS - first)
            count = UNITS - first;
        for (uint64_t i = 0; i < count; i++)
            set += claimed[first + i];
        assert_int_equal(shadow_any(shadow, base + first, count), set > 0);
        assert_int_equal(shadow_all(shadow, base + first, count), set == count);
        const bool drop = statistics_random(&random) % 2;
        const bool done = drop ? shadow_drop(shadow, base + first, count) : shadow_claim(shadow, base + first, count);
        assert_int_equal(done, drop ? set == count : set == 0);
        if (done)
            memset(claimed + first, !drop, count);
    }
    shadow_close(shadow);
}

static void any_address_will_do(void **state)
{
    enum { PLACES = 5000 }; /* more than the first table holds */
    struct shadow *shadow = shadow_open();
    uint64_t random = 9;
    (void)state;
    for (int i = 0; i < PLACES; i++)
        assert_true(shadow_claim(shadow, (uint64_t)i * 977 * REGION + statistics_random(&random) % 1000, 8));
    random = 9;
    for (int i = 0; i < PLACES; i++) {
        const uint64_t first = (uint64_t)i * 977 * REGION + statistics_random(&random) % 1000;
        assert_true(shadow_all(shadow, first, 8));
        assert_false(shadow_any(shadow, first + 8, 100));
        assert_true(shadow_drop(shadow, first, 8));
    }
    assert_true(shadow_claim(shadow, UINT64_MAX - 7, 8));
    assert_true(shadow_all(shadow, UINT64_MAX - 7, 8));
    assert_false(shadow_claim(shadow, UINT64_MAX, 1));
    shadow_close(shadow);
}

static void extents_span_regions(void **state)
{
    struct shadow *shadow = shadow_open();
    (void)state;
    assert_true(shadow_claim(shadow, 100, 3 * REGION));
    assert_true(shadow_all(shadow, 100, 3 * REGION));
    assert_false(shadow_any(shadow, 0, 100));
    assert_false(shadow_any(shadow, 100 + 3 * REGION, REGION));
    assert_false(shadow_drop(shadow, 99, 2));
    assert_true(shadow_drop(shadow, 2 * REGION, 1));
    assert_false(shadow_all(shadow, 100, 3 * REGION));
    assert_true(shadow_claim(shadow, 90 * REGION + 7, 1)); /* regions between were never claimed */
    assert_false(shadow_any(shadow, 4 * REGION, 86 * REGION + 7));
    assert_true(shadow_any(shadow, 4 * REGION, 86 * REGION + 8));
    assert_false(shadow_all(shadow, 90 * REGION + 7, 2 * REGION));
    shadow_close(shadow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims_agree_with_an_array),
        cmocka_unit_test(any_address_will_do),
        cmocka_unit_test(extents_span_regions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
