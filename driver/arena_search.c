/*
 * arena_search.c - the search itself; see arena_search.h.
 *
 * From what was used of the largest arena, which is often the answer, it goes up or down in growing steps until one
 * size does and one does not, halves the gap to one page, and then tries sizes around: the nearest ones, and some
 * spread from the peak of live, below which no arena can do, to a quarter above.
 */
#include "driver/arena_search.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "driver/timer.h"

enum {
    NEAR = 4,       /* sizes tried next to the smallest, on either side */
    SPREAD = 8,     /* sizes tried further away, on either side */
    MOST_SEEN = 512 /* probes of one search */
};

struct seen {
    uint64_t pages;
    bool does;
};

struct search {
    struct run *run;
    struct launcher *launcher;
    const struct progress *progress;
    struct arena_study *found;
    uint64_t page;  /* bytes */
    uint64_t floor; /* pages: the peak of live, rounded down to below it: cannot do */
    uint64_t most;  /* pages: the largest arena */
    uint64_t deadline_ns;
    bool broken; /* a run ended otherwise than by doing or by being refused: run->status and reason say how */
    struct seen seen[MOST_SEEN];
};

/* Puts the arena before the reason of a run that broke. */
static void say_arena(struct run *run)
{
    char reason[sizeof run->reason];
    snprintf(reason, sizeof reason, "%s", run->reason);
    snprintf(run->reason, sizeof run->reason, "in an arena of %llu bytes: %.700s",
             (unsigned long long)run->job->arena_bytes, reason);
}

/* Whether the trace completes in an arena of so many pages. False when the search is broken, too. */
static bool probe(struct search *search, uint64_t pages)
{
    struct run *run = search->run;
    struct job *job = search->launcher->job;
    struct arena_study *found = search->found;
    char what[80];
    if (search->broken || (pages <= search->floor && pages != search->most))
        return false;
    for (uint32_t i = 0; i < found->probes; i++)
        if (search->seen[i].pages == pages)
            return search->seen[i].does;
    if (found->probes == MOST_SEEN)
        return false;
    snprintf(what, sizeof what, "arena of %.2f MiB, probe %u", (double)(pages * search->page) / (1 << 20),
             (unsigned)found->probes + 1);
    progress_show(search->progress, run->study->name, run->cell->text, what);
    job->arena_bytes = pages * search->page;
    run_do(run, search->launcher);
    const bool does = run->status == RUN_DONE;
    search->broken = !does && (run->status != RUN_FAILED || job->outcome != OUTCOME_FAILED);
    if (search->broken && run->status == RUN_FAILED)
        say_arena(run);
    search->seen[found->probes++] = (struct seen){pages, does};
    return does;
}

/* The largest size below `pages` that does not do, of those that were tried or are known. */
static uint64_t fails_below(const struct search *search, uint64_t pages)
{
    uint64_t most = search->floor;
    for (uint32_t i = 0; i < search->found->probes; i++)
        if (!search->seen[i].does && search->seen[i].pages < pages && search->seen[i].pages > most)
            most = search->seen[i].pages;
    return most;
}

/* The end of a row of sizes that do, each but a page from one that does not; `does` does. */
static uint64_t halve(struct search *search, uint64_t fails, uint64_t does)
{
    while (does - fails > 1 && !search->broken) {
        const uint64_t middle = fails + (does - fails) / 2;
        if (probe(search, middle))
            does = middle;
        else
            fails = middle;
    }
    return does;
}

/* From a guess in growing steps to a size that does and one that does not, then halves. */
static uint64_t search_from(struct search *search, uint64_t guess)
{
    uint64_t step = 1, does = search->most, fails = search->floor;
    if (probe(search, guess)) {
        does = guess;
        for (; does - fails > step && probe(search, does - step); step *= 2)
            does -= step;
        fails = does - fails > step ? does - step : fails;
    } else {
        fails = guess;
        for (; does - fails > step && !probe(search, fails + step) && !search->broken; step *= 2)
            fails += step;
        does = does - fails > step ? fails + step : does;
    }
    return halve(search, fails, does);
}

/* A size that does below `smallest`, the least of those tried; `smallest` when none does. */
static uint64_t look_below(struct search *search, uint64_t smallest)
{
    for (uint64_t i = 1; i <= SPREAD; i++) {
        const uint64_t pages = search->floor + (smallest - search->floor) * i / (SPREAD + 1);
        if (probe(search, pages))
            return pages;
    }
    for (uint64_t i = NEAR + 1; i > 1; i--)
        if (smallest > search->floor + i && probe(search, smallest - i))
            return smallest - i;
    return smallest;
}

static void look_above(struct search *search, uint64_t smallest)
{
    for (uint64_t i = 1; i <= NEAR; i++)
        if (smallest + i < search->most)
            probe(search, smallest + i);
    for (uint64_t i = 1; i <= SPREAD; i++) {
        const uint64_t pages = smallest + smallest * i / (4 * SPREAD);
        if (pages < search->most)
            probe(search, pages);
    }
}

static bool out_of_time(const struct search *search)
{
    return clock_ns() >= search->deadline_ns;
}

/* Every size that is found to do below takes a search of its own; there are fewer of them each time. */
static uint64_t look_around(struct search *search, uint64_t smallest)
{
    for (uint64_t below; !search->broken && !out_of_time(search); smallest = below) {
        below = look_below(search, smallest);
        if (below == smallest)
            break;
        below = halve(search, fails_below(search, below), below);
    }
    look_above(search, smallest);
    search->found->checked = !out_of_time(search);
    return smallest;
}

/* The smallest arena is no good if blocks overlap in it. */
static void verify_in(struct search *search, uint64_t pages)
{
    struct run *run = search->run;
    struct job *job = search->launcher->job;
    job->pass = PASS_VERIFY;
    job->arena_bytes = pages * search->page;
    progress_show(search->progress, run->study->name, run->cell->text, "verify in the smallest arena");
    run_do(run, search->launcher);
    search->broken = run->status != RUN_DONE;
    if (run->status == RUN_FAILED)
        say_arena(run);
}

static void search_all(struct search *search)
{
    struct arena_study *found = search->found;
    const struct job *job = search->launcher->job;
    const uint64_t peak = search->run->study->plan.header->peak_live;
    if (!probe(search, search->most) || job->arena.missing[0] != '\0') {
        snprintf(found->missing, sizeof found->missing, "%s", job->arena.missing);
        return;
    }
    uint64_t guess = job->arena.span / search->page;
    if (guess == 0)
        guess = (peak + peak / 16) / search->page + 1;
    guess = guess <= search->floor ? search->floor + 1 : guess;
    const uint64_t smallest = look_around(search, search_from(search, guess < search->most ? guess : search->most));
    if (!search->broken && !spec_is_libc(&search->run->cell->spec)) /* the verify pass' own tables break its limit */
        verify_in(search, smallest);
    if (search->broken)
        return;
    found->smallest = smallest * search->page;
    found->largest_failed = fails_below(search, search->most) * search->page;
    found->monotonic = found->largest_failed < found->smallest;
    search->run->status = RUN_DONE;
    search->run->reason[0] = '\0';
    search->run->step = NO_STEP;
}

void arena_search(struct run *run, struct launcher *launcher, const struct progress *progress,
                  struct arena_study *found)
{
    const struct allocator *a = run->cell->spec.allocator;
    struct search search = {.run = run, .launcher = launcher, .progress = progress, .found = found};
    const uint64_t peak = run->study->plan.header->peak_live;
    *found = (struct arena_study){.smallest = UNKNOWN_BYTES};
    search.page = (uint64_t)sysconf(_SC_PAGESIZE);
    search.floor = peak > 0 ? (peak - 1) / search.page : 0;
    search.most = launcher->job->arena_bytes / search.page;
    search.deadline_ns = clock_ns() + launcher->job->limit_ns;
    run->job = launcher->job;
    run->step = NO_STEP;
    run->status = RUN_DONE;
    run->reason[0] = '\0';
    if (a->caps & CAP_HOSTED && !spec_is_libc(&run->cell->spec))
        snprintf(found->missing, sizeof found->missing,
                 "it maps more than it writes, so that a limit on mappings measures its reserves; see touched");
    else
        search_all(&search);
    found->done = run->status == RUN_DONE;
}
