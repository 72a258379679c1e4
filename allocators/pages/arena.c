/*
 * arena.c - a given region of memory: a watermark over it, and the runs that came back below the watermark.
 *
 * Algorithm: a request takes the first free run, in address order, that is long enough, from its low end; when none is,
 * it takes fresh pages at the watermark. A run that comes back is merged with its free neighbours, and lowers the
 * watermark if it ends there. First fit in address order keeps the low end dense and lets a heap's pages join up
 * (Knuth, TAOCP 1, 2.5, algorithms A and B, on pages).
 *
 * Cost: a single page is taken in O(1), since the first free run always has one; n pages in O(free runs). A run is
 * given back in O(free runs between it and the last place where one was given back), for the search for its place
 * starts there; at the watermark in O(1). Bound: at any time no more than (1 + ceil(log2 n)) times the most pages ever
 * out at once lie below the watermark, n being the longest run asked for in pages (Robson 1977 for first fit).
 * Overhead: none: a free run's record lies in its first page, and nothing is written into pages that were never out.
 * Checked by: the page-source tests in tests/, which compare every step with a map of the region.
 *
 *   base                                                        mark                    end
 *   | out | free run  | out  | free run | out | out             | never out             |
 *           npages             npages
 *           prev next <------> prev next
 */
#include "allocators/alloc.h"

struct free_run { /* address-ordered; the state's `list` is before the first and after the last */
    struct free_run *prev, *next;
    size_t npages;
};

struct state {
    struct free_run list;  /* of 0 pages, so that it never fits */
    struct free_run *hint; /* the run, or `list`, after which one was last inserted or taken */
    char *base, *mark, *end;
    char *high;          /* the highest that the watermark ever was */
    uintptr_t zero_from; /* `high` before the last request: pages above it were never out */
    size_t page_size;
};

static size_t run_bytes(const struct state *state, const struct free_run *run)
{
    return run->npages * state->page_size;
}

static bool run_touches(const struct state *state, const struct free_run *run, const void *next)
{
    return run != &state->list && (const char *)run + run_bytes(state, run) == next;
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

static void *arena_alloc_page(void *ctx, size_t npages)
{
    struct state *state = ctx;
    state->zero_from = (uintptr_t)state->high;
    for (struct free_run *run = state->list.next; run != &state->list; run = run->next)
        if (run->npages >= npages)
            return take(state, run, npages);
    if (npages > alloc_whole_pages((size_t)(state->end - state->mark), state->page_size))
        return NULL;
    void *pages = state->mark;
    state->mark += npages * state->page_size;
    state->high = ALLOC_MAX(state->high, state->mark);
    return pages;
}

/* The last free run below `at`, or the list itself; from the hint, in either direction. */
static struct free_run *find_before(const struct state *state, const void *at)
{
    struct free_run *run = state->hint;
    while (run != &state->list && (void *)run > at)
        run = run->prev;
    while (run->next != &state->list && (void *)run->next < at)
        run = run->next;
    return run;
}

/* Lowers the watermark to `mark`, and on past a free run that ends there; there is one at most, since runs merge. */
static void retreat(struct state *state, char *mark)
{
    struct free_run *last = state->list.prev;
    if (run_touches(state, last, mark)) {
        mark = (char *)last;
        unlink_run(state, last);
    }
    state->mark = mark;
}

static void arena_free_page(void *ctx, void *pages, size_t npages)
{
    struct state *state = ctx;
    char *end = (char *)pages + npages * state->page_size;
    if (end == state->mark) {
        retreat(state, pages);
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
    if ((void *)next == end) {
        run->npages += next->npages;
        unlink_run(state, next);
    }
    state->hint = run;
}

static bool arena_open(struct page_source *source, void *state, void *region, size_t region_bytes, size_t page_size,
                       const uint64_t *opt)
{
    struct state *own = state;
    (void)opt;
    if (((uintptr_t)region & (page_size - 1)) != 0)
        return false;
    *own = (struct state){.base = region,
                          .mark = region,
                          .high = region,
                          .end = (char *)region + (region_bytes & ~(page_size - 1)),
                          .page_size = page_size};
    own->list.prev = own->list.next = own->hint = &own->list;
    *source = (struct page_source){.alloc_page = arena_alloc_page,
                                   .free_page = arena_free_page,
                                   .ctx = own,
                                   .page_size = page_size,
                                   .zero_from = &own->zero_from};
    return true;
}

static void arena_close(struct page_source *source)
{
    (void)source;
}

const struct page_kind page_kind_arena = {
    .caps = 0,
    .name = "arena",
    .summary = "the region itself: a watermark, and an address-ordered list of free runs",
    .state_size = sizeof(struct state),
    .open = arena_open,
    .close = arena_close,
};
