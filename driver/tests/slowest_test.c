/* slowest_test.c - which ops may be the slowest of all: whatever the others would take if they were timed again. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "driver/slowest.h"

enum { MANY = 5000 };

static struct slowest slowest;
static uint32_t least[MANY];

static void those_above_half_the_largest(void **state)
{
    static const uint32_t some[] = {10, 101, 0, 200, 100, 99, 150};
    (void)state;

    slowest_choose(&slowest, some, sizeof some / sizeof *some);

    assert_int_equal(slowest.n, 3);
    assert_int_equal(slowest.steps[0], 1);
    assert_int_equal(slowest.steps[1], 3);
    assert_int_equal(slowest.steps[2], 6);
}

static void higher_up_where_these_are_too_many(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < MANY; i++)
        least[i] = 1000 + i;

    slowest_choose(&slowest, least, MANY);

    assert_in_range(slowest.n, 1, SLOWEST_MOST);
    assert_int_equal(slowest.steps[slowest.n - 1], MANY - 1);
    for (uint32_t i = 0; i < slowest.n; i++)
        assert_int_equal(slowest.steps[i], MANY - slowest.n + i);
    assert_int_equal(slowest.others, least[MANY - slowest.n - 1]);
}

static void none_where_too_many_are_alike(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < MANY; i++)
        least[i] = 7;

    slowest_choose(&slowest, least, MANY);
    assert_int_equal(slowest.n, 0);
    assert_false(slowest_is_among(&slowest, least));
    slowest_choose(&slowest, least, 0);
    assert_int_equal(slowest.n, 0);
    least[3] = UINT32_MAX; /* as a call that took longer has it */
    slowest_choose(&slowest, least, MANY);
    assert_int_equal(slowest.n, 1);
}

/* Another may be the slowest once all that were chosen have taken less than it. */
static void chosen_until_they_fall_below_the_others(void **state)
{
    uint32_t falling[] = {40, 100, 50, 90};
    (void)state;

    slowest_choose(&slowest, falling, 4);
    assert_int_equal(slowest.n, 2);
    assert_int_equal(slowest.others, 50);
    falling[1] = 45;
    assert_true(slowest_is_among(&slowest, falling));
    falling[3] = 50;
    assert_true(slowest_is_among(&slowest, falling));
    falling[3] = 49;
    assert_false(slowest_is_among(&slowest, falling));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_above_half_the_largest),
        cmocka_unit_test(higher_up_where_these_are_too_many),
        cmocka_unit_test(none_where_too_many_are_alike),
        cmocka_unit_test(chosen_until_they_fall_below_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
