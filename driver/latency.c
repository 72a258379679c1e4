/*
 * latency.c - the latency pass: how long every single op takes, or every batch of ops.
 *
 * Only the call into the allocator is timed; touching the block is not. A clock that steps by many ops' time at once
 * tells nothing of one op: then batches are timed, all of the loop included. The ticks of every op or batch go to a
 * table that the driver shares, which makes of them the histogram and the observed maximum. After it stands the least
 * that each took in any of the run's replays, which are as many as JOB.timed_ns takes; that over several runs is its
 * minimum. The warm-up replays are timed as well, so that they leave caches and branch predictors as the counted ones
 * find them.
 */
#include <sys/mman.h>

#include "driver/loop.h"

#define REPLAY(NAME, FLAGS)                                                                                            \
    static uint64_t NAME(const struct bench *bench)                                                                    \
    {                                                                                                                  \
        const struct loop loop = loop_of(bench);                                                                       \
        return loop_run_touching(&loop, FLAGS, (enum touch)bench->job->touch);                                         \
    }
REPLAY(replay_ops, LOOP_TIMED)
REPLAY(replay_ops_diagnosed, LOOP_TIMED | LOOP_PROGRESS)
REPLAY(replay_batches, LOOP_BATCHED)
REPLAY(replay_batches_diagnosed, LOOP_BATCHED | LOOP_PROGRESS)
#if CYCLES_IN_USER_SPACE
REPLAY(replay_cycles, LOOP_TIMED | LOOP_CYCLES)
REPLAY(replay_cycles_diagnosed, LOOP_TIMED | LOOP_CYCLES | LOOP_PROGRESS)
#else
#define replay_cycles           NULL /* never asked for: clock.c knows */
#define replay_cycles_diagnosed NULL
#endif

/* The loops, by unit and by whether the op at work is kept. */
static uint64_t (*const replays[LATENCY_UNITS][2])(const struct bench *) = {
    [LATENCY_NS] = {replay_ops, replay_ops_diagnosed},
    [LATENCY_CYCLES] = {replay_cycles, replay_cycles_diagnosed},
    [LATENCY_NS_PER_OP] = {replay_batches, replay_batches_diagnosed}};

/* The timer's ticks of one op in a unit are its ticks over this. */
static void set_up_clock(struct bench *bench)
{
    struct latency_result *result = &bench->job->latency;
    struct timer timer;
#if CYCLES_IN_USER_SPACE
    char why[CYCLES_WHY];
    if (bench->job->unit == LATENCY_CYCLES) {
        if (cycles_open(&bench->cycles, why) != COUNTERS_USER)
            bench_lacks(bench, "the cycle counter could be read before, but not in this run: %s", why);
        timer_calibrate_cycles(&timer, &bench->cycles);
    } else
#endif
        timer_calibrate(&timer);
    result->batch_ops = bench->job->batch_ops;
    strncpy(result->clock, timer.name, sizeof result->clock - 1);
    result->ticks_per_unit = timer.ticks_per_ns * result->batch_ops;
    result->cost_ticks = timer.cost_ticks;
    result->resolution_ticks = timer.resolution_ticks;
}

/* Takes the ticks of the replay that was just timed into the least of all. */
static void keep(struct bench *bench, const struct replay_time *time, uint32_t index)
{
    const uint64_t nsteps = bench->plan.header->nsteps;
    const uint32_t *ticks = bench->ticks;
    uint32_t *least = bench->ticks + nsteps;
    (void)time;
    for (uint64_t i = 0; i < nsteps; i++)
        least[i] = index == 0 ? ticks[i] : ALLOC_MIN(least[i], ticks[i]);
}

void pass_latency(struct bench *bench)
{
    const struct job *job = bench->job;
    const size_t bytes = (size_t)latency_table_bytes(bench->plan.header->nsteps);
    uint64_t (*const replay)(const struct bench *) = replays[job->unit][job->diagnose != 0];
    bench->ticks = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, job->ticks_fd, 0);
    if (bench->ticks == MAP_FAILED)
        bench_lacks(bench, "no memory for the ticks of every op (%zu bytes)", bytes);
    set_up_clock(bench);

    bench_repeat(bench, replay, keep);
    if (job->unit == LATENCY_CYCLES && !cycles_were_counted(&bench->cycles))
        bench_lacks(bench,
                    "the cycle counter was taken away during the run: stop other users of perf, or --clock=timer");
}
