/* study_test.c - what runs add up to: each op's least time and the largest of those, and how an op is described. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "driver/figures.h"
#include "driver/study.h"

#define STEP(kind, slot, size) ((uint64_t)(kind) << 61 | (uint64_t)(slot) << 32 | (size))

static const uint64_t steps[] = {
    STEP(PLAN_MALLOC, 0, 100), STEP(PLAN_NOTHING, 0, 0), STEP(PLAN_MALLOC, 1, 200), STEP(PLAN_REALLOC, 0, 50),
    STEP(PLAN_FREE, 0, 0),     STEP(PLAN_EXTRA, 0, 0),   STEP(PLAN_FREE, 0, 0),
};
enum { STEPS = sizeof steps / sizeof *steps };
static const struct plan_extra extras[] = {{.size = UINT64_C(5) << 32, .align = 64, .kind = OP_ALIGNED}};
static const struct plan_header header = {.nsteps = STEPS, .nslots = 2, .nothings = 1, .nextras = 1};
static const struct plan plan = {.fd = -1, .header = &header, .steps = steps, .extras = extras};

static void worst_is_the_largest_of_the_least(void **state)
{
    static const uint32_t runs[3][STEPS] = {
        {10, 9999, 20, 5000, 15, 70, 10}, /* a nothing has no time; op 3 was interrupted */
        {4000, 9999, 25, 90, 15, 75, 10}, /* op 0 was */
        {12, 9999, 30, 95, 15, 6000, 10},
    };
    struct latency_study study = {.runs = 0};
    struct latency_run run;
    (void)state;

    assert_true(study_add_latency(&study, &run, &plan, runs[0], runs[0], 1));
    assert_int_equal(run.most, 5000);
    assert_int_equal(run.most_step, 3);
    assert_int_equal(study.worst, 5000);
    assert_true(study_add_latency(&study, &run, &plan, runs[1], runs[1], 1));
    assert_int_equal(run.most, 4000);
    assert_int_equal(run.most_step, 0);
    assert_true(study_add_latency(&study, &run, &plan, runs[2], runs[2], 1));
    assert_int_equal(run.histogram.total, STEPS - 1);
    assert_int_equal(run.nslow, STEPS - 1); /* so few are all there; of this run alone */
    assert_int_equal(run.others, 0);
    assert_int_equal(run.slow_steps[4], 5);
    assert_int_equal(run.slow_ticks[4], 6000);

    assert_int_equal(study.runs, 3);
    assert_int_equal(study.most, 6000);
    assert_int_equal(study.most_step, 5);
    assert_int_equal(study.worst, 90);
    assert_int_equal(study.worst_step, 3);
    assert_int_equal(study.least[0], 10);
    assert_int_equal(study.least[5], 70);
    assert_int_equal(study.histogram.total, 3 * (STEPS - 1));
    free(study.least);
}

static void the_slowest_of_many_are_kept(void **state)
{
    enum { MANY = 1000 };
    static uint64_t mallocs[MANY];
    static uint32_t ticks[MANY];
    static const struct plan_header many = {.nsteps = MANY, .nslots = 1};
    const struct plan all = {.fd = -1, .header = &many, .steps = mallocs};
    struct latency_study study = {.runs = 0};
    struct latency_run run;
    bool seen[SLOW_STEPS] = {false};
    (void)state;
    for (uint32_t i = 0; i < MANY; i++) { /* each from 1000 to 1999 once, in no order */
        mallocs[i] = (uint64_t)PLAN_MALLOC << 61 | 16;
        ticks[i] = 1000 + i * 7 % MANY;
    }
    assert_true(study_add_latency(&study, &run, &all, ticks, ticks, 1));
    assert_int_equal(run.nslow, SLOW_STEPS);
    assert_int_equal(run.others, 1999 - SLOW_STEPS);
    for (uint32_t i = 0; i < SLOW_STEPS; i++) {
        assert_in_range(run.slow_ticks[i], 2000 - SLOW_STEPS, 1999);
        assert_int_equal(ticks[run.slow_steps[i]], run.slow_ticks[i]);
        assert_false(seen[1999 - run.slow_ticks[i]]);
        seen[1999 - run.slow_ticks[i]] = true;
    }
    free(study.least);
}

static void a_batch_has_its_ticks_at_its_first_op(void **state)
{
    static const uint32_t ticks[STEPS] = {40, 9999, 9999, 80, 9999, 60, 9999}; /* of six ops: two each */
    struct latency_study study = {.runs = 0};
    struct latency_run run;
    (void)state;
    assert_true(study_add_latency(&study, &run, &plan, ticks, ticks, 2));
    assert_int_equal(run.histogram.total, 3);
    assert_int_equal(run.most, 80);
    assert_int_equal(run.most_step, 3);
    free(study.least);

    study = (struct latency_study){.runs = 0};
    assert_true(study_add_latency(&study, &run, &plan, ticks, ticks, 4)); /* the last two make no batch */
    assert_int_equal(run.histogram.total, 1);
    assert_int_equal(study.worst, 40);
    assert_int_equal(study.worst_step, 0);
    free(study.least);
}

static void ops_are_described_as_the_trace_has_them(void **state)
{
    char text[OP_TEXT];
    (void)state;
    assert_string_equal(study_op_text(&plan, 0, text), "malloc of 100 bytes");
    assert_string_equal(study_op_text(&plan, 3, text), "realloc to 50 bytes");
    assert_string_equal(study_op_text(&plan, 4, text), "free of 50 bytes");
    assert_string_equal(study_op_text(&plan, 5, text), "aligned of 21474836480 bytes to 64");
    assert_string_equal(study_op_text(&plan, 6, text), "free of 21474836480 bytes");
}

static void runs_give_median_and_spread(void **state)
{
    double ns[] = {5, 1, 3, 2, 4};
    struct cell cell = {.throughput = {.ns_per_op = ns, .runs = 5}}, none = {.text = "none"};
    (void)state;
    assert_true(study_ns(&cell) == 3);
    assert_true(study_spread_ns(&cell) == 1);
    assert_true(ns[0] == 5); /* the runs keep their order */
    assert_true(isnan(study_ns(&none)));
}

static void unknown_bytes_are_no_figure(void **state)
{
    struct space_result *space = calloc(1, sizeof *space);
    struct space_figures figures;
    (void)state;
    space->held_peak = 150;
    space->at_peak = (struct space_sample){
        .requested = 75, .granted = 100, .touched = UNKNOWN_BYTES, .free_total = 40, .free_largest = 30};
    space->touched_peak = UNKNOWN_BYTES;
    space->nsamples = 1;
    space->samples[0] = (struct space_sample){.requested = 5, .granted = 10, .free_total = 100, .free_largest = 10};
    figures = space_figures(space, 75);
    assert_true(figures.held_ratio == 2);
    assert_true(isnan(figures.touched_ratio));
    assert_true(figures.internal_at_peak == 0.25);
    assert_true(figures.internal_max == 0.5);
    assert_true(figures.external_at_peak == 0.25);
    assert_true(figures.external_max == 0.9);

    space->held_peak = UNKNOWN_BYTES;
    space->at_peak.free_total = UNKNOWN_BYTES;
    figures = space_figures(space, 75);
    assert_true(isnan(figures.held_ratio));
    assert_true(isnan(figures.external_at_peak));
    assert_true(isnan(figures.external_max));
    free(space);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worst_is_the_largest_of_the_least),
        cmocka_unit_test(the_slowest_of_many_are_kept),
        cmocka_unit_test(a_batch_has_its_ticks_at_its_first_op),
        cmocka_unit_test(ops_are_described_as_the_trace_has_them),
        cmocka_unit_test(runs_give_median_and_spread),
        cmocka_unit_test(unknown_bytes_are_no_figure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
