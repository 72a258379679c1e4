/*
 * latency.c - the latency pass: how long every single op takes.
 *
 * Only the call into the allocator is timed; touching the block is not. The ticks of every op go to a table that the
 * driver shares, which makes of them the histogram, the observed maximum and, over several runs, each op's minimum.
 * The warm-up replays are timed as well, so that they leave caches and branch predictors as the counted one finds them.
 */
#include <sys/mman.h>

#include "driver/loop.h"

static uint64_t replay(const struct bench *bench)
{
    const struct loop loop = loop_of(bench);
    return loop_run_touching(&loop, LOOP_TIMED, (enum touch)bench->job->touch);
}

static uint64_t replay_diagnosed(const struct bench *bench)
{
    const struct loop loop = loop_of(bench);
    return loop_run_touching(&loop, LOOP_TIMED | LOOP_PROGRESS, (enum touch)bench->job->touch);
}

void pass_latency(struct bench *bench)
{
    const struct job *job = bench->job;
    struct latency_result *result = &bench->job->latency;
    const size_t bytes = (size_t)bench->plan.header->nsteps * sizeof *bench->ticks;
    bench->ticks = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, job->ticks_fd, 0);
    if (bench->ticks == MAP_FAILED)
        bench_lacks(bench, "no memory for the ticks of every op (%zu bytes)", bytes);

    struct timer timer;
    timer_calibrate(&timer);
    strncpy(result->clock, timer.name, sizeof result->clock - 1);
    result->ticks_per_ns = timer.ticks_per_ns;
    result->cost_ticks = timer.cost_ticks;
    result->resolution_ticks = timer.resolution_ticks;

    uint64_t spent = bench_replay(bench, job->diagnose ? replay_diagnosed : replay).wall_ns;
    while (result->warmups < job->warmups && spent < job->limit_ns) {
        result->warmups++;
        spent += bench_replay(bench, job->diagnose ? replay_diagnosed : replay).wall_ns;
    }
}
