/* latency_test.c - which ops a latency run does and times: each in the first replays, then those alone that may be the
 * slowest, up to the one that is so far, and each again once these are not. The replays are real, of a made-up
 * allocator that takes its time at two ops. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "driver/bench.h"
#include "driver/timer.h"

enum { STEPS = 8, EARLY = 2, LATE = 5, UNTIMED = 12345 };

/* In each replay; much, as others may hold up the test. */
static const uint64_t early_ms[] = {70, 70, 70, 70, 70, 30, 0, 0};
static const uint64_t late_ms[] = {120, 90, 90, 130, 65, 0, 20, 0};
enum { REPLAYS = sizeof late_ms / sizeof late_ms[0] };
static bool whole[REPLAYS]; /* every op was timed */
static uint32_t chosen[REPLAYS], early_least[REPLAYS], late_least[REPLAYS];
static unsigned at_replay, calls[REPLAYS];
static void *slots[STEPS];

static void *alloc(struct heap *heap, size_t size)
{
    static char block[64];
    const uint64_t begin = clock_ns();
    const unsigned op = calls[at_replay]++;
    const uint64_t ms = op == EARLY ? early_ms[at_replay] : op == LATE ? late_ms[at_replay] : 0;
    (void)heap, (void)size;
    while (clock_ns() - begin < ms * 1000000)
        ;
    return block;
}

void *bench_table(struct bench *bench, size_t count, size_t size)
{
    (void)bench;
    return calloc(count, size);
}

void bench_lacks(struct bench *bench, const char *format, ...)
{
    (void)bench, (void)format;
    abort();
}

void bench_end_at(struct bench *bench, uint64_t end)
{
    bench->end = end;
}

void bench_repeat(struct bench *bench, uint64_t replay(struct bench *), bench_keep *keep)
{
    struct repetitions *repetitions = &bench->job->repetitions;
    const struct replay_time time = {1, 1, 1};
    for (uint32_t i = 0; i < REPLAYS; i++) {
        at_replay = i;
        for (unsigned step = 0; step < STEPS; step++)
            bench->ticks[step] = UNTIMED;
        const uint64_t done = replay(bench);
        assert_int_equal(done, bench->end);
        assert_int_equal(calls[i], bench->end);
        whole[i] = bench->ticks[0] != UNTIMED && bench->ticks[LATE] != UNTIMED;
        for (unsigned step = 0; step < STEPS; step++) /* all or none: those timed alone go elsewhere */
            assert_int_equal(bench->ticks[step] != UNTIMED, whole[i]);
        repetitions->count++;
        keep(bench, &time, i);
        chosen[i] = bench->slowest->n;
        early_least[i] = bench->ticks[STEPS + EARLY];
        late_least[i] = bench->ticks[STEPS + LATE];
    }
}

static void those_that_may_be_the_slowest_are_timed_alone(void **state)
{
    static uint64_t steps[STEPS];
    static const struct plan_header header = {.nsteps = STEPS, .nslots = STEPS};
    static const struct allocator allocator = {.alloc = alloc};
    static struct job job = {.touch = TOUCH_NONE, .unit = LATENCY_NS, .batch_ops = 1};
    static struct bench bench = {.job = &job, .slots = slots, .page = 4096};
    FILE *table = tmpfile();
    (void)state;
    for (uint64_t i = 0; i < STEPS; i++)
        steps[i] = (uint64_t)PLAN_MALLOC << 61 | i << 32 | 16;
    bench.plan = (struct plan){.fd = -1, .header = &header, .steps = steps};
    bench.allocator.allocator = &allocator;
    assert_non_null(table);
    job.ticks_fd = fileno(table);
    assert_int_equal(ftruncate(job.ticks_fd, (off_t)latency_table_bytes(STEPS)), 0);

    pass_latency(&bench);

    assert_true(whole[0] && whole[1] && whole[2]);
    assert_int_equal(chosen[2], 2);
    assert_false(whole[3] || whole[4] || whole[5] || whole[6]);
    assert_int_equal(calls[3], LATE + 1);           /* what comes after the slowest is not done */
    assert_int_equal(late_least[3], late_least[2]); /* it took longer */
    assert_int_equal(calls[4], LATE + 1);
    assert_true(late_least[4] < late_least[3]);
    assert_int_equal(calls[5], EARLY + 1); /* which is another now */
    assert_true(early_least[5] < early_least[4] && late_least[5] == late_least[4] && chosen[5] == 2);
    assert_int_equal(calls[6], LATE + 1); /* and the first again */
    assert_true(early_least[6] < early_least[5] && late_least[6] < late_least[5] && chosen[6] == 0);
    assert_true(whole[7] && calls[7] == STEPS); /* now others may be the slowest */
    fclose(table);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(those_that_may_be_the_slowest_are_timed_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
