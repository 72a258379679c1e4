/*
 * repetitions.c - how often a timed pass replays, and which replays count.
 *
 * After the warm-up, until JOB.timed_ns were timed. A replay counts when the core was whole at the looks before and
 * after it (see core.h), which are a millisecond of replays apart at least, so that they take less time than these:
 * figures of a shared core are of another machine, one slower by a third, and which of the two it is changes from one
 * minute to the next. While the core is shared, replays go on for JOB.settle_ns more; if it is shared still, those that
 * there are count, and the run says so. What cannot be waited for is only measured: how fast memory is.
 */
#include "driver/bench.h"
#include "driver/core.h"
#include "driver/memory_load.h"

#define LOOK_EVERY_NS 1000000

struct repeater {
    struct bench *bench;
    bench_keep *keep;
    struct core core;
    uint64_t spent_ns; /* in replays, but those that were waited in */
    uint64_t timed_ns; /* in replays that count */
    double clock_hz;   /* sum over those that count */
    bool whole;        /* at the last look */
    uint64_t since_ns; /* of replays since then */
};

static void look(struct repeater *repeater)
{
    repeater->whole = !repeater->bench->job->watch_core || core_is_whole(&repeater->core);
    repeater->since_ns = 0;
}

static bool enough(const struct repeater *repeater)
{
    const struct job *job = repeater->bench->job;
    const bool full = job->pass == PASS_THROUGHPUT && job->repetitions.count == JOB_REPETITIONS; /* keeps each */
    return repeater->timed_ns >= job->timed_ns || full;
}

/* After one replay that counts, however long it took. */
static bool done(const struct repeater *repeater)
{
    const struct job *job = repeater->bench->job;
    const struct repetitions *result = &job->repetitions;
    if (result->count == 0)
        return false;
    if (repeater->spent_ns >= job->limit_ns)
        return true;
    if (result->shared)
        return enough(repeater) && result->waited_ns >= job->settle_ns;
    return enough(repeater) || result->waited_ns >= job->timed_ns + job->settle_ns;
}

static void count(struct repeater *repeater, const struct replay_time *time)
{
    struct repetitions *result = &repeater->bench->job->repetitions;
    repeater->keep(repeater->bench, time, result->count++);
    repeater->timed_ns += time->wall_ns;
    repeater->clock_hz += repeater->core.clock_hz;
}

/* The first replay with a whole core puts out those that counted for want of such. */
static void take_whole(struct repeater *repeater, const struct replay_time *time)
{
    struct repetitions *result = &repeater->bench->job->repetitions;
    if (result->shared) {
        result->left_out += result->count;
        result->shared = result->count = 0;
        repeater->timed_ns = 0;
        repeater->clock_hz = 0;
    }
    count(repeater, time);
}

static void take_shared(struct repeater *repeater, const struct replay_time *time)
{
    struct repetitions *result = &repeater->bench->job->repetitions;
    if (enough(repeater) || (result->count > 0 && !result->shared)) {
        result->left_out++;
        result->waited_ns += time->wall_ns;
        repeater->spent_ns -= time->wall_ns;
        return;
    }
    result->shared = true;
    count(repeater, time);
}

void bench_repeat(struct bench *bench, uint64_t replay(const struct bench *), bench_keep *keep)
{
    struct job *job = bench->job;
    struct repetitions *result = &job->repetitions;
    struct repeater repeater = {.bench = bench, .keep = keep};
    struct memory_load load;
    if (job->watch_core) {
        core_open(&repeater.core, job->whole);
        memory_load_open(&load, bench);
        result->load_ns = memory_load_ns(&load) / 2;
    }
    look(&repeater);
    while (!done(&repeater)) {
        const bool before = repeater.whole;
        const struct replay_time time = bench_replay(bench, replay);
        repeater.since_ns += time.wall_ns;
        if (repeater.since_ns >= LOOK_EVERY_NS)
            look(&repeater);
        repeater.spent_ns += time.wall_ns;
        if (result->warmups < job->warmups && repeater.spent_ns < job->limit_ns)
            result->warmups++;
        else if (before && repeater.whole)
            take_whole(&repeater, &time);
        else
            take_shared(&repeater, &time);
    }
    if (job->watch_core)
        result->load_ns += memory_load_ns(&load) / 2;
    result->whole = repeater.core.whole;
    result->clock_hz = repeater.clock_hz / result->count;
}
