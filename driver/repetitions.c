/*
 * repetitions.c - how often a timed pass replays, and which replays count.
 *
 * After the warm-up, for JOB.timed_ns, the making of heaps included: that takes more time than a replay of a few ops. A
 * replay counts when the core was whole at the looks before and after it (see core.h): figures of a shared core are of
 * another machine, one slower by a third, and which of the two it is changes from one minute to the next. Looks are a
 * millisecond of replays apart at least, so that they take less time than these; of shorter replays those between two
 * looks count, unless there are no others and the core was shared at the second. While the core is shared, replays go
 * on for JOB.settle_ns more; if it is shared still, those that there are count, and the run says so.
 *
 * Nor should others have filled the last cache (see last_cache.h). A look at that drives out what the heap had there,
 * so that there is one before all replays and one after them. For JOB.cache_settle_ns the run waits for the cache to be
 * its own, and begins again when it was not at the end; then it goes on with the cache as it is, and says so.
 */
#include "driver/bench.h"
#include "driver/core.h"
#include "driver/last_cache.h"
#include "driver/timer.h"

#define LOOK_EVERY_NS 1000000

struct repeater {
    struct bench *bench;
    bench_keep *keep;
    struct core core;
    struct last_cache cache;
    uint64_t spent_ns;  /* in replays, but those that were waited in */
    uint64_t waited_ns; /* in replays that are left out, since all began, or began again */
    uint64_t timed_ns;  /* in replays that count */
    double clock_hz;    /* sum over those that count */
    uint32_t sure;      /* replays that count of a whole core, at the last look that found it whole */
    bool whole;         /* at the last look */
    uint64_t since_ns;  /* of replays since then */
};

/* Those that counted since the look before, on the chance that the core was whole, did not if they are the only ones.
 */
static void look(struct repeater *repeater)
{
    struct repetitions *result = &repeater->bench->job->repetitions;
    repeater->whole = !repeater->bench->job->watch_core || core_is_whole(&repeater->core);
    repeater->since_ns = 0;
    if (!repeater->whole && repeater->sure == 0 && result->count > 0)
        result->shared = true;
}

static bool enough(const struct repeater *repeater)
{
    const struct job *job = repeater->bench->job;
    const bool full = job->pass == PASS_THROUGHPUT && job->repetitions.count == JOB_REPETITIONS; /* keeps each */
    return repeater->timed_ns >= job->timed_ns || full;
}

/* After one replay that counts, however long it took. A few do when no more came while a run might take. */
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
    return enough(repeater) ||
           (repeater->waited_ns >= job->timed_ns && result->waited_ns >= job->timed_ns + job->settle_ns);
}

/* The same, of a last look. */
static bool ended(struct repeater *repeater)
{
    if (done(repeater) && repeater->since_ns > 0)
        look(repeater);
    return done(repeater);
}

static void count(struct repeater *repeater, const struct replay_time *time)
{
    struct repetitions *result = &repeater->bench->job->repetitions;
    repeater->keep(repeater->bench, time, result->count++);
    repeater->timed_ns += time->all_ns;
    repeater->clock_hz += repeater->core.clock_hz;
}

/* The first replay with a whole core puts out those that counted for want of such. */
static void take_whole(struct repeater *repeater, const struct replay_time *time)
{
    struct repetitions *result = &repeater->bench->job->repetitions;
    if (result->shared) {
        result->left_out += result->count;
        result->shared = result->count = repeater->sure = 0;
        repeater->timed_ns = 0;
        repeater->clock_hz = 0;
    }
    count(repeater, time);
}

static void take_shared(struct repeater *repeater, const struct replay_time *time)
{
    struct repetitions *result = &repeater->bench->job->repetitions;
    if (result->count > 0 && (enough(repeater) || !result->shared)) {
        result->left_out++;
        result->waited_ns += time->all_ns;
        repeater->waited_ns += time->all_ns;
        repeater->spent_ns -= time->all_ns;
        return;
    }
    result->shared = true;
    count(repeater, time);
}

static void replay_until_enough(struct repeater *repeater, uint64_t replay(struct bench *))
{
    struct job *job = repeater->bench->job;
    look(repeater);
    while (!ended(repeater)) {
        const bool before = repeater->whole;
        const struct replay_time time = bench_replay(repeater->bench, replay);
        repeater->since_ns += time.all_ns;
        if (repeater->since_ns >= LOOK_EVERY_NS)
            look(repeater);
        repeater->spent_ns += time.all_ns;
        if (job->repetitions.warmups < job->warmups && repeater->spent_ns < job->limit_ns)
            job->repetitions.warmups++;
        else if (before && repeater->whole)
            take_whole(repeater, &time);
        else
            take_shared(repeater, &time);
        if (repeater->whole && repeater->since_ns == 0 && !job->repetitions.shared)
            repeater->sure = job->repetitions.count;
    }
}

/* Those that counted do no more. */
static void begin_again(struct repeater *repeater)
{
    struct repetitions *result = &repeater->bench->job->repetitions;
    result->left_out += result->count;
    result->warmups = result->shared = result->count = repeater->sure = 0;
    repeater->timed_ns = repeater->spent_ns = repeater->waited_ns = 0;
    repeater->clock_hz = 0;
}

/* All time since then but that for the core. */
static uint64_t waited_for_cache_ns(const struct repeater *repeater, uint64_t begin_ns)
{
    return clock_ns() - begin_ns - repeater->bench->job->repetitions.waited_ns;
}

/* Looks until the last cache is the run's own. False: it is not, and has been waited for long enough. */
static bool wait_for_cache(struct repeater *repeater, uint64_t begin_ns)
{
    struct job *job = repeater->bench->job;
    for (;;) {
        const bool ours = last_cache_is_ours(&repeater->cache);
        job->repetitions.cache_waited_ns = waited_for_cache_ns(repeater, begin_ns);
        if (ours || job->repetitions.cache_waited_ns >= job->cache_settle_ns)
            return ours;
    }
}

/* Of throughput only: latency takes of each op its fastest replay, and many short runs. */
static double most_load_ns(struct repeater *repeater)
{
    return repeater->bench->job->pass == PASS_THROUGHPUT ? last_cache_most_load_ns(&repeater->cache) : 0;
}

/* Replays while the last cache is the run's own, as far as that can be waited for. */
static void replay_uncrowded(struct repeater *repeater, uint64_t replay(struct bench *))
{
    const struct job *job = repeater->bench->job;
    struct repetitions *result = &repeater->bench->job->repetitions;
    const uint64_t begin_ns = clock_ns();
    for (;;) {
        const bool ours = wait_for_cache(repeater, begin_ns);
        result->load_ns = repeater->cache.load_ns;
        result->most_load_ns = most_load_ns(repeater);
        replay_until_enough(repeater, replay);
        result->cache_shared = !last_cache_is_ours(&repeater->cache) || !ours;
        result->load_ns = ALLOC_MAX(result->load_ns, repeater->cache.load_ns);
        result->most_load_ns = (result->most_load_ns + most_load_ns(repeater)) / 2;
        if (!result->cache_shared || waited_for_cache_ns(repeater, begin_ns) >= job->cache_settle_ns ||
            result->waited_ns >= CORE_TURNS * job->timed_ns + job->settle_ns) /* each turn may wait for the core anew */
            return;
        begin_again(repeater);
    }
}

void bench_repeat(struct bench *bench, uint64_t replay(struct bench *), bench_keep *keep)
{
    struct job *job = bench->job;
    struct repetitions *result = &job->repetitions;
    struct repeater repeater = {.bench = bench, .keep = keep};
    if (job->watch_core) {
        core_open(&repeater.core, job->whole);
        last_cache_open(&repeater.cache, bench, &job->cache);
        replay_uncrowded(&repeater, replay);
    } else {
        replay_until_enough(&repeater, replay);
    }
    result->whole = repeater.core.whole;
    result->cache = repeater.cache.known;
    result->clock_hz = repeater.clock_hz / result->count;
}
