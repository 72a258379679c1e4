/*
 * arena.c - a given region of memory: a watermark at either end of it, and the runs that came back behind these.
 *
 * Algorithm: a request takes the first free pages, in address order, that are long enough: of a run below the watermark
 * from its low end, else fresh pages at the watermark. A run that comes back is merged with its free neighbours, and
 * lowers the watermark if it ends there. First fit in address order keeps the low end dense and lets a heap's pages
 * join up (Knuth, TAOCP 1, 2.5, algorithms A and B, on pages). alloc_far() does the same from the far end down.
 *
 * Cost: a single page is taken in O(1), since the first free run always has one; n pages in O(free runs). A run is
 * given back in O(free runs between it and the last place where one was given back), for the search for its place
 * starts there; at the watermark in O(1). Bound: at any time no more than (1 + ceil(log2 n)) times the most pages ever
 * out at once lie below the watermark, n being the longest run asked for in pages (Robson 1977 for first fit).
 * Overhead: none: a free run's record lies in its first page, and nothing is written into pages that were never out.
 * Checked by: the page-source tests in tests/, which compare every step with a map of the region.
 *
 *   base                                            low                 high
 *   | out | free run  | out  | free run | out | out | between           | out | free run  | out |
 *           npages             npages                                           npages
 *           prev next <------> prev next <------------------------------------> prev next
 */
#include "allocators/alloc.h"

struct free_run { /* address-ordered */
    struct free_run *prev, *next;
    size_t npages;
};

struct state {
    struct free_run list, between; /* of 0 pages: before the first run and after the last; between low and high ones */
    struct free_run *hint;         /* the run, or one of these, after which one was last inserted or taken */
    char *low, *high;              /* the watermarks: nothing between them is out, or on the list */
    char *highest_low, *lowest_high; /* that they ever were: what lies between these was never out */
    uintptr_t zero_from;
    size_t page_size;
};

static bool is_run(const struct state *state, const struct free_run *run)
{
    return run != &state->list && run != &state->between;
}

static size_t run_bytes(const struct state *state, const struct free_run *run)
{
    return run->npages * state->page_size;
}

static bool run_touches(const struct state *state, const struct free_run *run, const void *next)
{
    return is_run(state, run) && (const char *)run + run_bytes(state, run) == next;
}

static void link_after(struct free_run *prev, struct free_run *run)
{
    run->prev = prev;
    run->next = prev->next;
    prev->next->prev = run;
    prev->next = run;
}

/* The neighbour before it becomes the hint. */
static void unlink_run(struct state *state, struct free_run *run)
{
    run->prev->next = run->next;
    run->next->prev = run->prev;
    state->hint = run->prev;
}

/* Takes the first npages of a free run; the rest of it stays in its place. */
static void *take(struct state *state, struct free_run *run, size_t npages)
{
    struct free_run *prev = run->prev, *rest = (struct free_run *)((char *)run + npages * state->page_size);
    const size_t left = run->npages - npages;
    unlink_run(state, run);
    if (left > 0) {
        rest->npages = left;
        link_after(prev, rest);
    }
    return run;
}

/* Takes the last npages of a free run. */
static void *take_last(struct state *state, struct free_run *run, size_t npages)
{
    run->npages -= npages;
    if (run->npages == 0)
        unlink_run(state, run);
    return (char *)run + run_bytes(state, run);
}

/* Of the pages that go out now, those are zero that never did before, if nothing behind them is otherwise. */
static void *hand_out(struct state *state, char *pages, size_t npages)
{
    char *end = pages + npages * state->page_size;
    state->zero_from = (uintptr_t)(end <= state->lowest_high ? state->highest_low : end);
    return pages;
}

static bool fits_between(const struct state *state, size_t npages)
{
    return npages <= alloc_whole_pages((size_t)(state->high - state->low), state->page_size);
}

/* The first run from `run` on that is long enough; `end`, a sentinel: there is none before it. */
static struct free_run *first_fit(struct free_run *run, const struct free_run *end, size_t npages)
{
    while (run != end && run->npages < npages)
        run = run->next;
    return run;
}

static struct free_run *last_fit(struct free_run *run, const struct free_run *end, size_t npages)
{
    while (run != end && run->npages < npages)
        run = run->prev;
    return run;
}

static void *arena_alloc_page(void *ctx, size_t npages)
{
    struct state *state = ctx;
    struct free_run *run = first_fit(state->list.next, &state->between, npages);
    if (run == &state->between && fits_between(state, npages)) {
        char *pages = hand_out(state, state->low, npages);
        state->low += npages * state->page_size;
        state->highest_low = ALLOC_MAX(state->highest_low, state->low);
        return pages;
    }
    run = first_fit(run, &state->list, npages);
    return run == &state->list ? NULL : hand_out(state, take(state, run, npages), npages);
}

static void *arena_alloc_far(void *ctx, size_t npages)
{
    struct state *state = ctx;
    struct free_run *run = last_fit(state->list.prev, &state->between, npages);
    if (run == &state->between && fits_between(state, npages)) {
        state->high -= npages * state->page_size;
        char *pages = hand_out(state, state->high, npages);
        state->lowest_high = ALLOC_MIN(state->lowest_high, state->high);
        return pages;
    }
    run = last_fit(run, &state->list, npages);
    return run == &state->list ? NULL : hand_out(state, take_last(state, run, npages), npages);
}

static bool is_below(const struct state *state, const struct free_run *run)
{
    return run == &state->list || (run != &state->between && (const char *)run < state->low);
}

/* The last free run below `at`, on its side of what is between the watermarks, or what stands there at the beginning of
 * that side; from the hint, in either direction. */
static struct free_run *find_before(struct state *state, const void *at)
{
    const bool below = (const char *)at < state->low;
    struct free_run *run = state->hint;
    if (is_below(state, run) != below)
        run = below ? state->between.prev : &state->between;
    while (is_run(state, run) && (void *)run > at)
        run = run->prev;
    while (is_run(state, run->next) && (void *)run->next < at)
        run = run->next;
    return run;
}

/* Lowers the low watermark, and on past a free run that ends there; there is one at most, since runs merge. */
static void lower_low(struct state *state, char *mark)
{
    struct free_run *last = state->between.prev;
    if (run_touches(state, last, mark)) {
        mark = (char *)last;
        unlink_run(state, last);
    }
    state->low = mark;
}

/* The same, upwards, of the high one. */
static void raise_high(struct state *state, char *mark)
{
    struct free_run *first = state->between.next;
    if (is_run(state, first) && (char *)first == mark) {
        mark += run_bytes(state, first);
        unlink_run(state, first);
    }
    state->high = mark;
}

/* Pages of one side. */
static void take_back(struct state *state, void *pages, char *end)
{
    const size_t npages = alloc_whole_pages((size_t)(end - (char *)pages), state->page_size);
    if (end == state->low) {
        lower_low(state, pages);
        return;
    }
    if (pages == state->high) {
        raise_high(state, end);
        return;
    }
    struct free_run *prev = find_before(state, pages), *next = prev->next, *run = pages;
    if (run_touches(state, prev, run)) {
        prev->npages += npages;
        run = prev;
    } else {
        run->npages = npages;
        link_after(prev, run);
    }
    if (is_run(state, next) && (void *)next == end) {
        run->npages += next->npages;
        unlink_run(state, next);
    }
    state->hint = run;
}

static void arena_free_page(void *ctx, void *pages, size_t npages)
{
    struct state *state = ctx;
    char *end = (char *)pages + npages * state->page_size, *low = state->low;
    if ((char *)pages < low && low < end) { /* of both sides, with nothing between */
        take_back(state, low, end);
        take_back(state, pages, low);
    } else {
        take_back(state, pages, end);
    }
}

static bool arena_open(struct page_source *source, void *state, void *region, size_t region_bytes, size_t page_size,
                       const uint64_t *opt)
{
    struct state *own = state;
    (void)opt;
    if (((uintptr_t)region & (page_size - 1)) != 0)
        return false;
    char *end = (char *)region + (region_bytes & ~(page_size - 1));
    *own =
        (struct state){.low = region, .high = end, .highest_low = region, .lowest_high = end, .page_size = page_size};
    own->list.prev = own->list.next = &own->between;
    own->between.prev = own->between.next = own->hint = &own->list;
    *source = (struct page_source){.alloc_page = arena_alloc_page,
                                   .free_page = arena_free_page,
                                   .ctx = own,
                                   .page_size = page_size,
                                   .zero_from = &own->zero_from,
                                   .alloc_far = arena_alloc_far};
    return true;
}

static void arena_close(struct page_source *source)
{
    (void)source;
}

const struct page_kind page_kind_arena = {
    .caps = 0,
    .name = "arena",
    .summary = "the region itself: a watermark at either end, and an address-ordered list of free runs",
    .state_size = sizeof(struct state),
    .open = arena_open,
    .close = arena_close,
};
