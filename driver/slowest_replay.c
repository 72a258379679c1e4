/*
 * slowest_replay.c - goes from one op that may be the slowest to the next, and does each again from a copy of the heap;
 * see slowest_replay.h.
 *
 * Some ops before it are done again with it, so that it finds the caches and the branch predictors as they leave them;
 * together they are a stretch. Ops near each other share one.
 */
#include "driver/slowest_replay.h"

#include "driver/rewind.h"

/* Done again before an op that is timed again: with 64, some ops take longer; with 8192, what some gain others lose. */
#define LEAD_STEPS UINT64_C(1024)

/* A stretch is done again until its slowest has not fallen in so many turns, by more than a 64th; or until that took
 * this share of the run. */
#define QUIET_TURNS     16
#define AGAIN_SHARE(ns) ((ns) / 16)

struct search {
    struct bench *bench;
    struct slowest *slowest;
    const uint32_t *least; /* of each step, in the replays before */
    struct loop loop;
    some_steps *others, *one;
    enum touch touch;
    uint64_t begin_ns, again_ns; /* when the replay began, and what of it was for doing ops again */
    uint32_t bar;                /* ticks: the slowest is not faster, as far as is known */
    bool fresh;                  /* somebody may be the slowest who was never done again */
};

struct stretch {
    uint64_t from, end;   /* steps */
    uint32_t first, last; /* of slowest->steps, those in it; the last not included */
};

static uint32_t least_so_far(const struct search *search, uint32_t i)
{
    const struct slowest *slowest = search->slowest;
    return ALLOC_MIN(slowest->ticks[i], search->least[slowest->steps[i]]);
}

/* First those are done again that never were. */
static bool is_in_turn(const struct search *search, uint32_t i)
{
    return !search->fresh || !search->slowest->again[i];
}

/* It may turn out to be the slowest next, if not now. */
static bool is_near_the_slowest(const struct search *search, uint32_t i)
{
    return is_in_turn(search, i) && least_so_far(search, i) >= search->bar - search->bar / 16;
}

/* How many there are up to the last that may be the slowest. */
static uint32_t reach(const struct search *search)
{
    uint32_t n = search->slowest->n;
    while (n > 0 && !(is_in_turn(search, n - 1) && least_so_far(search, n - 1) >= search->bar))
        n--;
    return n;
}

static uint32_t slowest_in(const struct search *search, const struct stretch *stretch)
{
    uint32_t most = 0;
    for (uint32_t i = stretch->first; i < stretch->last; i++)
        most = ALLOC_MAX(most, least_so_far(search, i));
    return most;
}

/* Goes on to `end`, and times the chosen ops from the first-th on. As loop_run(). */
static uint64_t go_on(struct search *search, uint32_t first, uint32_t last, uint64_t end)
{
    struct slowest *slowest = search->slowest;
    struct loop *loop = &search->loop;
    for (uint32_t i = first; i < last; i++) {
        const uint64_t step = slowest->steps[i];
        const uint32_t before = loop->ticks[step];
        loop->end = step;
        const uint64_t done = search->others(loop, search->touch);
        if (done < step)
            return done;
        loop->begin = step;
        loop->end = step + 1;
        if (search->one(loop, search->touch) == step)
            return step;
        loop->begin = step + 1;
        slowest->ticks[i] = ALLOC_MIN(slowest->ticks[i], loop->ticks[step]);
        loop->ticks[step] = before;
    }
    loop->end = end;
    const uint64_t done = search->others(loop, search->touch);
    loop->begin = done;
    return done;
}

/* The next stretch, with an op that is near the slowest before the n-th. */
static struct stretch find(const struct search *search, uint32_t n)
{
    const uint64_t *steps = search->slowest->steps, at = search->loop.begin;
    struct stretch found = {.first = search->slowest->timed};
    uint32_t i = found.first;
    while (!is_near_the_slowest(search, i))
        i++;
    found.from = ALLOC_MAX(at, steps[i] - ALLOC_MIN(steps[i], LEAD_STEPS - 1));
    while (steps[found.first] < found.from)
        found.first++;
    uint64_t last = steps[i];
    for (; i < n && steps[i] - last < LEAD_STEPS && steps[i] - found.from < REWIND_STEPS; i++) {
        if (!is_near_the_slowest(search, i))
            continue;
        last = steps[i];
        found.last = i + 1;
    }
    found.end = last + 1;
    return found;
}

/* Until its slowest falls no more, or below others; and on until `enough_ns`. */
static uint64_t do_again(struct search *search, const struct stretch *stretch, uint64_t enough_ns)
{
    const uint64_t most_ns = clock_ns() + AGAIN_SHARE(search->bench->job->timed_ns);
    uint32_t slowest = slowest_in(search, stretch);
    unsigned quiet = 0;
    uint64_t now_ns;
    do {
        rewind_back(search->bench->rewind, search->bench);
        search->loop.begin = stretch->from;
        const uint64_t done = go_on(search, stretch->first, stretch->last, stretch->end);
        if (done < stretch->end)
            return done;
        const uint32_t least = slowest_in(search, stretch);
        if (least < search->bar - search->bar / 16)
            break;
        quiet = least < slowest - slowest / 64 ? 0 : quiet + 1;
        if (quiet == 0)
            slowest = least;
        now_ns = clock_ns();
    } while ((quiet < QUIET_TURNS && now_ns < most_ns) || now_ns < enough_ns);
    return stretch->end;
}

/* Does a stretch, and again where it can be; the last of a replay for as long as it took to come to it. */
static uint64_t do_stretch(struct search *search, const struct stretch *stretch, bool is_last)
{
    const uint64_t begin = clock_ns(), came_ns = begin - search->begin_ns - search->again_ns;
    const bool kept = rewind_keep(search->bench->rewind, search->bench, stretch->from, stretch->end);
    uint64_t done = go_on(search, stretch->first, stretch->last, stretch->end);
    if (kept && rewind_kept() && done == stretch->end)
        done = do_again(search, stretch, is_last ? begin + came_ns : 0);
    search->again_ns += clock_ns() - begin;
    for (uint32_t i = stretch->first; i < stretch->last; i++)
        search->slowest->again_now[i] = true;
    search->bar = ALLOC_MAX(search->bar, slowest_in(search, stretch));
    return done;
}

/* What is done again takes no longer than coming there, or its share of the run. */
static bool may_go_on(const struct search *search)
{
    const uint64_t came_ns = clock_ns() - search->begin_ns - search->again_ns;
    return search->again_ns <= ALLOC_MAX(came_ns, AGAIN_SHARE(search->bench->job->timed_ns));
}

/* From what the replays before found. */
static void set_bar(struct search *search)
{
    struct slowest *slowest = search->slowest;
    uint32_t fresh = 0;
    for (uint32_t i = 0; i < slowest->n; i++) {
        uint32_t *most = slowest->again[i] ? &search->bar : &fresh;
        *most = ALLOC_MAX(*most, search->least[slowest->steps[i]]);
        slowest->ticks[i] = UINT32_MAX;
        slowest->again_now[i] = false;
    }
    search->fresh = fresh > 0 && fresh >= search->bar;
}

uint64_t slowest_replay(struct bench *bench, some_steps *others, some_steps *one)
{
    struct slowest *slowest = bench->slowest;
    struct search search = {.bench = bench,
                            .slowest = slowest,
                            .least = bench->ticks + bench->plan.header->nsteps,
                            .loop = loop_of(bench),
                            .others = others,
                            .one = one,
                            .touch = (enum touch)bench->job->touch,
                            .begin_ns = clock_ns()};
    uint64_t done = 0;
    slowest->timed = 0;
    set_bar(&search);
    for (uint32_t n; (n = reach(&search)) > slowest->timed && may_go_on(&search);) {
        const struct stretch stretch = find(&search, n);
        done = go_on(&search, slowest->timed, stretch.first, stretch.from);
        if (done == stretch.from)
            done = do_stretch(&search, &stretch, stretch.last == n);
        if (done < stretch.end) {
            bench_end_at(bench, bench->plan.header->nsteps); /* it was to go on */
            return done;
        }
        slowest->timed = stretch.last;
    }
    bench_end_at(bench, done);
    return done;
}
