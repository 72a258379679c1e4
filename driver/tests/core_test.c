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

static void the_least_seen_is_what_a_whole_core_is(void **state)
{
    struct core core;
    (void)state;
    core_open(&core, 1e-6);
    assert_true(core.whole == 1e-6);
    assert_false(core_is_whole(&core));
    core_open(&core, 1e6);
    assert_true(core.whole < 1e6);
    core.whole = 1e6;
    assert_true(core_is_whole(&core));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_core_has_a_clock),
        cmocka_unit_test(the_least_seen_is_what_a_whole_core_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
