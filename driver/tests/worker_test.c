/* worker_test.c - which blocks are live when a replay ends, wherever it does: those are released after it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "driver/bench.h"

#define STEP(KIND, SLOT) ((uint64_t)(KIND) << 61 | (uint64_t)(SLOT) << 32 | 16)

static const uint64_t steps[] = {STEP(PLAN_MALLOC, 0), STEP(PLAN_CALLOC, 1),  STEP(PLAN_FREE, 0), STEP(PLAN_NOTHING, 0),
                                 STEP(PLAN_MALLOC, 0), STEP(PLAN_REALLOC, 1), STEP(PLAN_FREE, 1)};
enum { STEPS = sizeof steps / sizeof steps[0], SLOTS = 2 };

static void of_every_end_those_that_were_not_freed(void **state)
{
    static const struct plan_header header = {.nsteps = STEPS, .nslots = SLOTS};
    static uint32_t left[SLOTS];
    static uint8_t live[SLOTS];
    static const struct {
        uint64_t end;
        size_t nleft;
        uint32_t left[SLOTS];
    } wanted[] = {{STEPS, 1, {0}}, {1, 1, {0}}, {2, 2, {0, 1}}, {3, 1, {1}},    {4, 1, {1}},
                  {4, 1, {1}},     {0, 0, {0}}, {6, 2, {0, 1}}, {STEPS, 1, {0}}};
    struct bench bench = {.plan = {.fd = -1, .header = &header, .steps = steps}, .left = left, .live = live};
    (void)state;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        bench_end_at(&bench, wanted[i].end);
        assert_int_equal(bench.end, wanted[i].end);
        assert_int_equal(bench.nleft, wanted[i].nleft);
        assert_memory_equal(left, wanted[i].left, wanted[i].nleft * sizeof left[0]);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(of_every_end_those_that_were_not_freed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
