/*
 * throughput.c - the throughput pass: how long the whole plan takes, without a timer in the loop.
 *
 * A replay begins with an empty heap every time: what the trace never freed is released, the heap destroyed and made
 * anew in between, untimed. The first replays (--warmup) are not counted: they fault the pages in, which is the
 * operating system's cost and would drown a short trace. Then replays are timed until JOB.timed_ns is reached, so that
 * a short trace is not at the mercy of one interrupt; each is kept, and the run's figure is their median.
 *
 * What counts is the time that the thread had a processor: on a machine that others use as well, time that went by says
 * more about them. Both are in the results. A replay contains two readings of each clock, which show on a trace of
 * under some thousand ops, in the floor as well.
 */
#include "driver/loop.h"

static uint64_t replay(const struct bench *bench)
{
    const struct loop loop = loop_of(bench);
    return loop_run_touching(&loop, 0, (enum touch)bench->job->touch);
}

static uint64_t replay_diagnosed(const struct bench *bench)
{
    const struct loop loop = loop_of(bench);
    return loop_run_touching(&loop, LOOP_PROGRESS, (enum touch)bench->job->touch);
}

/* The block that null hands out serves every request, the largest too. */
static uint64_t replay_inlined(const struct bench *bench)
{
    struct loop loop = loop_of(bench);
    loop.fixed_block = loop.allocator->alloc(loop.heap, bench->config.max_request);
    return loop_run_touching(&loop, LOOP_NULL_INLINE, (enum touch)bench->job->touch);
}

void pass_throughput(struct bench *bench)
{
    const struct job *job = bench->job;
    struct throughput_result *result = &bench->job->throughput;
    uint64_t (*const loop)(const struct bench *) = bench->allocator.inlined ? replay_inlined
                                                   : job->diagnose          ? replay_diagnosed
                                                                            : replay;
    uint64_t spent = 0, timed = 0;
    while (result->repetitions == 0 ||
           (timed < job->timed_ns && spent < job->limit_ns && result->repetitions < JOB_REPETITIONS)) {
        const struct replay_time time = bench_replay(bench, loop);
        spent += time.wall_ns;
        if (result->warmups < job->warmups && spent < job->limit_ns) {
            result->warmups++;
            continue;
        }
        timed += time.wall_ns;
        result->wall_ns[result->repetitions] = time.wall_ns;
        result->ns[result->repetitions++] = time.cpu_ns;
    }
}
