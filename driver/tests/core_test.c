/* core_test.c - what a look at a core finds: its clock rate, and whether it is whole, as compared with what was found
 * before. Which of the two it is depends on the neighbours, and is not asserted. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "driver/core.h"

static void a_core_has_a_clock(void **state)
{
    struct core core;
    (void)state;
    core_open(&core, 0);
    assert_true(core.whole > 0);
    core_is_whole(&core);
    assert_true(core.clock_hz > 1e6 && core.clock_hz < 1e10); /* an emulator's may be low */
}

static void a_whole_core_is_compared_with(void **state)
{
    struct core core;
    (void)state;
    core_open(&core, 1e-6);
    assert_true(core.whole == 1e-6);
    assert_false(core_is_whole(&core));
    core.whole = 1e6;
    assert_true(core_is_whole(&core));
}

/* As on a core that is shared most of the time: the looks are spread, and each so many are of a whole core. */
static void spread(double looks[], int n, int whole_every)
{
    for (int i = 0; i < n; i++)
        looks[i] = i % whole_every == 0 ? 0.784 + i * 1e-6 : 0.85 + i * 1e-3;
}

static void looks_of_a_whole_core_are_alike(void **state)
{
    double looks[400];
    (void)state;
    spread(looks, 400, 15);
    assert_true(core_of_looks(looks, 400, 0) == 0.784);
    spread(looks, 400, 15);
    assert_true(core_of_looks(looks, 400, 0.8) == 0.784);
    spread(looks, 400, 15);
    assert_true(core_of_looks(looks, 400, 0.65) == 0.65);
}

static void lone_lower_looks_are_wrong(void **state)
{
    double looks[100];
    (void)state;
    spread(looks, 100, 2);
    for (int i = 0; i < 10; i++)
        looks[i * 9] = 0.5 + i * 0.02;
    assert_true(core_of_looks(looks, 100, 0) > 0.78);
    assert_true(looks[0] == 0.5);
    spread(looks, 100, 101); /* a shared core from first to last: nothing new is known */
    assert_true(core_of_looks(looks, 100, 0.784) == 0.784);
    assert_true(core_of_looks(looks, 100, 0) > 0.85);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_core_has_a_clock),
        cmocka_unit_test(a_whole_core_is_compared_with),
        cmocka_unit_test(looks_of_a_whole_core_are_alike),
        cmocka_unit_test(lone_lower_looks_are_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
