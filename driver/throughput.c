/*
 * throughput.c - the throughput pass: how long the whole plan takes, without a timer in the loop.
 *
 * A replay begins with an empty heap every time: what the trace never freed is released, the heap destroyed and made
 * anew in between, untimed. The first replays (--warmup) are not counted: they fault the pages in, which is the
 * operating system's cost and would drown a short trace. Then replays are timed until JOB.timed_ns is reached; see
 * repetitions.c for which of them count.
 *
 * The clock is read between parts of thousands of ops, and the run's figure is the sum of the parts, each as fast as it
 * was in its fastest replay. Replays are alike op for op, and what disturbs one, an interrupt or a neighbour in the
 * caches, hits another part of the next: it can only add. On a virtual machine whose neighbours slow it by up to half
 * for some ms at a time, hardly a whole replay is undisturbed, while each part soon was. The whole replays are kept
 * too, both the time that the thread had a processor and the time that went by. They contain two readings of each
 * clock, which show on a trace of under some thousand ops, in the floor as well.
 */
#include "driver/loop.h"

/* Steps to a part, at least: they take some 20 us or more, of which reading the clock is less than 0.3 %. */
#define PART_STEPS 8192u

static uint64_t steps_to_a_part(const struct bench *bench)
{
    return ALLOC_MAX(PART_STEPS, (bench->plan.header->nsteps + JOB_PARTS - 1) / JOB_PARTS);
}

/* Runs the loop over the plan, part by part, with flags that are a constant. */
OP_INLINE uint64_t replay_in_parts(const struct bench *bench, struct loop loop, const unsigned flags)
{
    struct throughput_result *result = &bench->job->throughput;
    const uint64_t steps = bench->plan.header->nsteps, each = steps_to_a_part(bench);
    result->parts = 0;
    for (uint64_t last = clock_ns(); loop.begin < steps; loop.begin = loop.end) {
        loop.end = ALLOC_MIN(loop.begin + each, steps);
        const uint64_t done = loop_run_touching(&loop, flags, (enum touch)bench->job->touch);
        if (done < loop.end)
            return done;
        const uint64_t now = clock_ns();
        result->part_ns[result->parts++] = now - last;
        last = now;
    }
    return steps;
}

static uint64_t replay(struct bench *bench)
{
    return replay_in_parts(bench, loop_of(bench), 0);
}

static uint64_t replay_diagnosed(struct bench *bench)
{
    return replay_in_parts(bench, loop_of(bench), LOOP_PROGRESS);
}

/* The block that null hands out serves every request, the largest too. */
static uint64_t replay_inlined(struct bench *bench)
{
    struct loop loop = loop_of(bench);
    loop.fixed_block = loop.allocator->alloc(loop.heap, bench->config.max_request);
    return replay_in_parts(bench, loop, LOOP_NULL_INLINE);
}

static void keep(struct bench *bench, const struct replay_time *time, uint32_t index)
{
    struct throughput_result *result = &bench->job->throughput;
    for (uint32_t i = 0; i < result->parts; i++)
        result->least_ns[i] = index == 0 ? result->part_ns[i] : ALLOC_MIN(result->least_ns[i], result->part_ns[i]);
    result->wall_ns[index] = time->wall_ns;
    result->ns[index] = time->cpu_ns;
}

void pass_throughput(struct bench *bench)
{
    bench_repeat(bench,
                 bench->allocator.inlined ? replay_inlined
                 : bench->job->diagnose   ? replay_diagnosed
                                          : replay,
                 keep);
}
