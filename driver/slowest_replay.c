/*
 * slowest_replay.c - goes from one op that may be the slowest to the next, and does each again from a copy of the heap;
 * see slowest_replay.h.
 *
 * Some ops before it are done again with it, so that it finds the caches and the branch predictors as they leave them;
 * together they are a stretch. Ops near each other share one.
 *
 * As long as an op has the largest least that was never done again, such are done again, those near the largest in one
 * replay, or where that takes too long, the largest. Then the largest is, until another is the largest.
 */
#include "driver/slowest_replay.h"

#include "driver/rewind.h"

/* A stretch has so many before the op: with 64, some ops take longer; with 8192, what some gain others lose. Or as many
 * as took a million ns, or cycles: slow ones fill the caches sooner. */
#define LEAD_STEPS UINT64_C(1023)
#define LEAD_UNITS 1e6

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
    bool fresh;                  /* those have their turn that were never done again; else all */
    uint32_t bar;                /* ticks: those whose least is no less */
};

struct stretch {
    uint64_t from, end;   /* steps */
    uint32_t first, last; /* of slowest->steps, those in it; the last not included */
    uint32_t turn, turns; /* the first that has its turn, and how many have. Those before it have no whole lead here */
};

static uint32_t least_so_far(const struct search *search, uint32_t i)
{
    const struct slowest *slowest = search->slowest;
    return ALLOC_MIN(slowest->ticks[i], search->least[slowest->steps[i]]);
}

static bool has_its_turn(const struct search *search, uint32_t i)
{
    return !(search->fresh && search->slowest->again[i]) && least_so_far(search, i) >= search->bar;
}

static uint32_t slowest_in(const struct search *search, const struct stretch *stretch)
{
    uint32_t most = 0;
    for (uint32_t i = stretch->turn; i < stretch->last; i++)
        most = ALLOC_MAX(most, least_so_far(search, i));
    return most;
}

/* Of those that were done again: what others have may still fall. */
static uint32_t slowest_elsewhere(const struct search *search, const struct stretch *stretch)
{
    const struct slowest *slowest = search->slowest;
    uint32_t most = 0;
    for (uint32_t i = 0; i < slowest->n; i++)
        if ((i < stretch->turn || i >= stretch->last) && (slowest->again[i] || slowest->again_now[i]))
            most = ALLOC_MAX(most, least_so_far(search, i));
    return most;
}

/* Goes on to `end`, and times the chosen ops from the first-th on to the last-th, that not included. As loop_run(). */
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

/* The first step of the i-th op's lead. */
static uint64_t lead_of(const struct search *search, uint32_t i)
{
    const uint64_t step = search->slowest->steps[i];
    const double most = LEAD_UNITS * search->bench->job->latency.ticks_per_unit;
    uint64_t from = step, ticks = 0;
    while (from > 0 && step - from < LEAD_STEPS) {
        ticks += search->least[from - 1];
        if ((double)ticks > most)
            break;
        from--;
    }
    return from;
}

/* The next that has its turn, from the i-th on, with its lead after step `at`; slowest->n: none. */
static uint32_t next_turn(const struct search *search, uint32_t i, uint64_t at)
{
    while (i < search->slowest->n && !(has_its_turn(search, i) && lead_of(search, i) >= at))
        i++;
    return i;
}

/* With the i-th, and those that have their turn and whose lead begins in it. */
static struct stretch stretch_of(const struct search *search, uint32_t i)
{
    const struct slowest *slowest = search->slowest;
    const uint64_t *steps = slowest->steps;
    struct stretch stretch = {.from = lead_of(search, i), .end = steps[i] + 1, .first = slowest->timed, .turn = i};
    while (steps[stretch.first] < stretch.from)
        stretch.first++;
    stretch.last = i + 1;
    stretch.turns = 1;
    while (++i < slowest->n && steps[i] - stretch.from < REWIND_STEPS) {
        if (!has_its_turn(search, i))
            continue;
        if (slowest->alone[i] || slowest->alone[stretch.turn] || lead_of(search, i) > stretch.end)
            break;
        stretch.end = steps[i] + 1;
        stretch.last = i + 1;
        stretch.turns++;
    }
    return stretch;
}

/* Until its slowest falls no more, or below another; and on until `enough_ns`, while it does not. */
static uint64_t do_again(struct search *search, const struct stretch *stretch, uint64_t enough_ns)
{
    const uint64_t most_ns = clock_ns() + AGAIN_SHARE(search->bench->job->timed_ns);
    const uint32_t elsewhere = slowest_elsewhere(search, stretch);
    uint32_t slowest = slowest_in(search, stretch);
    unsigned quiet = 0;
    uint64_t now_ns;
    do {
        rewind_back(search->bench->rewind, search->bench);
        search->loop.begin = stretch->from;
        const uint64_t done = go_on(search, stretch->turn, stretch->last, stretch->end);
        if (done < stretch->end)
            return done;
        const uint32_t least = slowest_in(search, stretch);
        if (least < elsewhere - elsewhere / 16) /* which may fall, too */
            break;
        quiet = least < slowest - slowest / 64 ? 0 : quiet + 1;
        if (quiet == 0)
            slowest = least;
        now_ns = clock_ns();
    } while ((quiet < QUIET_TURNS && now_ns < most_ns) || now_ns < enough_ns);
    return stretch->end;
}

/* Its pages could not be copied: next time each op alone, and who is alone already, not again. */
static void give_up(struct slowest *slowest, const struct stretch *stretch)
{
    slowest->too_much[stretch->turn] |= stretch->turns == 1;
    for (uint32_t i = stretch->turn; i < stretch->last; i++)
        slowest->alone[i] = true;
}

static void take_turns(struct search *search, const struct stretch *stretch)
{
    const uint32_t slowest = slowest_in(search, stretch);
    for (uint32_t i = stretch->turn; i < stretch->last; i++)
        search->slowest->again_now[i] = true;
    search->bar = ALLOC_MAX(slowest, search->fresh ? search->bar : slowest_elsewhere(search, stretch));
}

/* Does a stretch, and again where it can be; the last for as long as it took to come to it. */
static uint64_t do_stretch(struct search *search, const struct stretch *stretch, bool is_last)
{
    struct bench *bench = search->bench;
    const uint64_t begin = clock_ns(), came_ns = begin - search->begin_ns - search->again_ns;
    const bool tried =
        !search->slowest->too_much[stretch->turn] && rewind_keep(bench->rewind, bench, stretch->from, stretch->end);
    uint64_t done = go_on(search, stretch->first, stretch->last, stretch->end);
    const bool kept = tried && rewind_kept();
    if (kept && done == stretch->end)
        done = do_again(search, stretch, is_last ? begin + came_ns : 0);
    if (tried)
        search->again_ns += clock_ns() - begin;
    if (tried && !kept)
        give_up(search->slowest, stretch);
    else
        take_turns(search, stretch);
    return done;
}

/* What is done again takes no longer than coming there, or its share of the run. */
static bool may_go_on(const struct search *search)
{
    const uint64_t came_ns = clock_ns() - search->begin_ns - search->again_ns;
    return search->again_ns <= ALLOC_MAX(came_ns, AGAIN_SHARE(search->bench->job->timed_ns));
}

/* From what the replays before found. */
static void choose_whose_turn_it_is(struct search *search)
{
    struct slowest *slowest = search->slowest;
    uint32_t fresh = 0, again = 0;
    for (uint32_t i = 0; i < slowest->n; i++) {
        uint32_t *most = slowest->again[i] ? &again : &fresh;
        *most = ALLOC_MAX(*most, search->least[slowest->steps[i]]);
        slowest->ticks[i] = UINT32_MAX;
        slowest->again_now[i] = false;
    }
    search->fresh = fresh > again;
    search->bar = ALLOC_MAX(again, slowest->cut_short ? fresh : fresh - fresh / 8);
}

uint64_t slowest_replay(struct bench *bench, some_steps *others, some_steps *one)
{
    struct slowest *slowest = bench->slowest;
    const uint64_t nsteps = bench->plan.header->nsteps;
    struct search search = {.bench = bench,
                            .slowest = slowest,
                            .least = latency_least(bench->ticks, nsteps),
                            .loop = loop_of(bench),
                            .others = others,
                            .one = one,
                            .touch = (enum touch)bench->job->touch,
                            .begin_ns = clock_ns()};
    uint64_t done = 0;
    slowest->timed = 0;
    choose_whose_turn_it_is(&search);
    for (;;) {
        const uint32_t i = next_turn(&search, slowest->timed, search.loop.begin);
        slowest->cut_short = i < slowest->n && !may_go_on(&search);
        if (i == slowest->n || slowest->cut_short)
            break;
        const struct stretch stretch = stretch_of(&search, i);
        done = go_on(&search, slowest->timed, stretch.first, stretch.from);
        if (done == stretch.from)
            done = do_stretch(&search, &stretch, next_turn(&search, stretch.last, stretch.end) == slowest->n);
        if (done < stretch.end) {
            bench_end_at(bench, nsteps); /* it was to go on */
            return done;
        }
        slowest->timed = stretch.last;
    }
    const bool outlives = bench->allocator.allocator->caps & CAP_HOSTED;
    if (outlives)
        done = go_on(&search, slowest->timed, slowest->timed, nsteps);
    bench_end_at(bench, outlives ? nsteps : done);
    return done;
}
