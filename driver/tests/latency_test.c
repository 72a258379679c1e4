/* latency_test.c - which ops a latency run times: each in the first replays, then those alone that may be the slowest,
 * and each again once these are not. The replays are real, of a made-up allocator that takes its time at one op. */
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

enum { STEPS = 8, SLOW = 5, UNTIMED = 12345 };

static const uint64_t slow_ms[] = {40, 20, 20, 80, 15, 0, 0}; /* much, as others may hold up the test */
enum { REPLAYS = sizeof slow_ms / sizeof slow_ms[0] };
static bool whole[REPLAYS]; /* every op was timed */
static uint32_t chosen[REPLAYS], least[REPLAYS];
static uint64_t first_chosen;
static unsigned calls;
static void *slots[STEPS];

static void *alloc(struct heap *heap, size_t size)
{
    static char block[64];
    const uint64_t begin = clock_ns();
    (void)heap, (void)size;
    if (calls % STEPS == SLOW)
        while (clock_ns() - begin < slow_ms[calls / STEPS] * 1000000)
            ;
    calls++;
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

void bench_repeat(struct bench *bench, uint64_t replay(const struct bench *), bench_keep *keep)
{
    struct repetitions *repetitions = &bench->job->repetitions;
    const struct replay_time time = {1, 1};
    for (uint32_t i = 0; i < REPLAYS; i++) {
        for (unsigned step = 0; step < STEPS; step++)
            bench->ticks[step] = UNTIMED;
        assert_int_equal(replay(bench), STEPS);
        whole[i] = bench->ticks[0] != UNTIMED && bench->ticks[SLOW] != UNTIMED;
        assert_int_equal(bench->ticks[0] != UNTIMED, bench->ticks[SLOW] != UNTIMED);
        repetitions->count++;
        keep(bench, &time, i);
        chosen[i] = bench->slowest->n;
        first_chosen = i == 2 ? bench->slowest->steps[0] : first_chosen;
        least[i] = bench->ticks[STEPS + SLOW];
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
    assert_int_equal(chosen[2], 1);
    assert_int_equal(first_chosen, SLOW);
    assert_false(whole[3] || whole[4] || whole[5]);
    assert_int_equal(least[3], least[2]); /* it took longer */
    assert_true(least[4] <= least[3] && chosen[4] == 1);
    assert_true(least[5] < least[4] && chosen[5] == 0); /* now another may be the slowest */
    assert_true(whole[6]);
    fclose(table);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(those_that_may_be_the_slowest_are_timed_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
