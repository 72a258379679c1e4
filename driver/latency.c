/*
 * latency.c - the latency pass: how long every single op takes, or every batch of ops.
 *
 * Only the call into the allocator is timed; touching the block is not. A clock that steps by many ops' time at once
 * tells nothing of one op: then batches are timed, all of the loop included. The ticks of every op or batch go to a
 * table that the driver shares, which makes of them the histogram and the observed maximum. After it stands the least
 * that each took in any of the run's replays, which are as many as JOB.timed_ns takes; that over several runs is its
 * minimum. The warm-up replays are timed as well, so that they leave caches and branch predictors as the counted ones
 * find them.
 *
 * The noise-free worst case is the largest of these minima. After some replays of every op those alone are timed that
 * may have it in this run (see slowest.h), and what has it by now again and again (see slowest_replay.h): reading the
 * clock twice for each op takes most of a replay's time, and the table drives the heap out of the caches. So the least
 * of an op that clears or copies much is found sooner, and less by luck. The histogram and the observed maximum are of
 * the last replay of every op that counts.
 */
#include <string.h>
#include <sys/mman.h>

#include "driver/rewind.h"
#include "driver/slowest_replay.h"

/* Of every op, before those that may be the slowest are timed alone: so many that what disturbs one or two of them is
 * not taken for these. */
#define WHOLE_REPLAYS 3

#define STEPS(NAME, FLAGS)                                                                                             \
    static uint64_t NAME(const struct loop *loop, enum touch touch)                                                    \
    {                                                                                                                  \
        return loop_run_touching(loop, FLAGS, touch);                                                                  \
    }
STEPS(untimed, 0)
STEPS(untimed_diagnosed, LOOP_PROGRESS)
STEPS(timed_ops, LOOP_TIMED)
STEPS(timed_ops_diagnosed, LOOP_TIMED | LOOP_PROGRESS)
STEPS(timed_batches, LOOP_BATCHED)
STEPS(timed_batches_diagnosed, LOOP_BATCHED | LOOP_PROGRESS)
#if CYCLES_IN_USER_SPACE
STEPS(timed_cycles, LOOP_TIMED | LOOP_CYCLES)
STEPS(timed_cycles_diagnosed, LOOP_TIMED | LOOP_CYCLES | LOOP_PROGRESS)
#else
#define timed_cycles           NULL /* never asked for: clock.c knows */
#define timed_cycles_diagnosed NULL
#endif

/* The loops, by unit and by whether the op at work is kept. */
static some_steps *const timed_steps[LATENCY_UNITS][2] = {
    [LATENCY_NS] = {timed_ops, timed_ops_diagnosed},
    [LATENCY_CYCLES] = {timed_cycles, timed_cycles_diagnosed},
    [LATENCY_NS_PER_OP] = {timed_batches, timed_batches_diagnosed}};
static some_steps *const untimed_steps[2] = {untimed, untimed_diagnosed};

/* Batches are timed from one to the next, all of them. Replays that count for want of others, as the core was shared,
 * are put out by the first that has it whole, which then has to be of every op. */
static bool only_the_slowest(const struct bench *bench)
{
    const struct repetitions *repetitions = &bench->job->repetitions;
    return bench->slowest->n > 0 && repetitions->count >= WHOLE_REPLAYS && !repetitions->shared;
}

static uint64_t replay(struct bench *bench)
{
    const struct job *job = bench->job;
    const bool diagnosed = job->diagnose != 0;
    if (only_the_slowest(bench))
        return slowest_replay(bench, untimed_steps[diagnosed], timed_steps[job->unit][diagnosed]);
    bench->slowest->timed = 0;
    bench_end_at(bench, bench->plan.header->nsteps);
    const struct loop loop = loop_of(bench);
    return timed_steps[job->unit][diagnosed](&loop, (enum touch)job->touch);
}

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

static void keep_slowest(struct slowest *slowest, uint32_t *least)
{
    for (uint32_t i = 0; i < slowest->timed; i++) {
        uint32_t *of_step = &least[slowest->steps[i]];
        *of_step = ALLOC_MIN(*of_step, slowest->ticks[i]);
        slowest->again[i] |= slowest->again_now[i];
    }
    if (!slowest_is_among(slowest, least))
        slowest->n = 0; /* another replay of every op tells who is */
}

/* Takes the ticks of the replay that was just timed into the least of all. */
static void keep(struct bench *bench, const struct replay_time *time, uint32_t index)
{
    const uint64_t nsteps = bench->plan.header->nsteps;
    const uint32_t *ticks = bench->ticks;
    uint32_t *least = latency_least(bench->ticks, nsteps);
    (void)time;
    if (bench->slowest->timed > 0) {
        keep_slowest(bench->slowest, least);
        return;
    }
    for (uint64_t i = 0; i < nsteps; i++)
        least[i] = index == 0 ? ticks[i] : ALLOC_MIN(least[i], ticks[i]);
    memcpy(latency_counted(bench->ticks, nsteps), ticks, nsteps * sizeof *ticks);
    if (index + 1 >= WHOLE_REPLAYS && !bench->job->repetitions.shared && bench->job->unit != LATENCY_NS_PER_OP)
        slowest_choose(bench->slowest, least, nsteps);
}

void pass_latency(struct bench *bench)
{
    const struct job *job = bench->job;
    const size_t bytes = (size_t)latency_table_bytes(bench->plan.header->nsteps);
    bench->ticks = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, job->ticks_fd, 0);
    if (bench->ticks == MAP_FAILED)
        bench_lacks(bench, "no memory for the ticks of every op (%zu bytes)", bytes);
    set_up_clock(bench);
    bench->slowest = bench_table(bench, 1, sizeof *bench->slowest);
    bench->rewind = bench_table(bench, 1, sizeof *bench->rewind);

    bench_repeat(bench, replay, keep);
    if (job->unit == LATENCY_CYCLES && !cycles_were_counted(&bench->cycles))
        bench_lacks(bench,
                    "the cycle counter was taken away during the run: stop other users of perf, or --clock=timer");
}
