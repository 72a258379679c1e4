/*
 * bitmap.c - a given region of memory: a bitmap of its free pages at its start; first fit or next fit.
 *
 * Algorithm: a request takes the first pages in a row that are free, and goes from one end of a run of free pages to
 * the other by counting trailing zeros of the bitmap's words. The search begins at the lowest page that may be free:
 * where the last search ended if that took the first free pages, or where pages were given back below it. Next fit
 * begins behind the pages handed out last, or where these began if they came back, and again at the lowest when it found
 * none up to the end. Runs merge by themselves. This is how early kernels kept their frames, and how Linux's bootmem did (M. Gorman, Understanding the
 * Linux Virtual Memory Manager, ch. 5).
 *
 * Cost: a request O(region / word + free runs passed); a single page O(1) while pages are taken in order; n pages given
 * back O(n / word). Bound of first fit: at any time no more than (1 + ceil(log2 n)) times the most pages ever out lie
 * below the highest page out, n being the longest run asked for (Robson 1977). Overhead: a bit a page, in whole pages
 * at the region's start; free pages are never written to. Checked by: tests/page_sources.c, which compares every
 * placement with a search of the whole region.
 *
 *   region  [ bits | page 0 | page 1 | ··· ]        bit i: page i is free
 */
#include "allocators/alloc.h"

#define WORD_BITS (8 * sizeof(size_t))

enum fit { FIRST_FIT, NEXT_FIT };

struct state {
    size_t *bits;
    char *base;    /* page 0 */
    size_t npages; /* the bits behind the last one are 0 */
    size_t lowest; /* no page below this is free */
    size_t last;   /* where next fit begins */
    unsigned page_log2;
    enum fit fit;
};

static const struct alloc_option options[] = {
    {.name = "fit",
     .help = "where a search for pages begins: at the lowest free page, or behind the last ones",
     .type = OPTION_CHOICE,
     .def = FIRST_FIT,
     .choices = (const char *const[]){"first", "next", NULL}},
    {.name = NULL},
};

/* The first page in [at, end) whose bit, flipped by `flip`, is set; end: none. */
static size_t next_page(const struct state *state, size_t at, size_t end, size_t flip)
{
    while (at < end) {
        const size_t bits = (state->bits[at / WORD_BITS] ^ flip) >> at % WORD_BITS;
        if (bits != 0)
            return ALLOC_MIN(at + alloc_first_bit(bits), end);
        at = (at / WORD_BITS + 1) * WORD_BITS;
    }
    return end;
}

static size_t next_free(const struct state *state, size_t at)
{
    return next_page(state, at, state->npages, 0);
}

static size_t next_out(const struct state *state, size_t at, size_t end)
{
    return next_page(state, at, end, ~(size_t)0);
}

/* Pages that were all free become out, or the other way round. */
static void flip_pages(struct state *state, size_t at, size_t npages)
{
    while (npages > 0) {
        const size_t in = at % WORD_BITS, some = ALLOC_MIN(npages, WORD_BITS - in);
        state->bits[at / WORD_BITS] ^= ~(size_t)0 >> (WORD_BITS - some) << in;
        at += some;
        npages -= some;
    }
}

/* The first of npages free pages in a row, none below `at`; state->npages: there are none. */
static size_t find_run(const struct state *state, size_t at, size_t npages)
{
    for (size_t end; (at = next_free(state, at)) < state->npages; at = end) {
        end = next_out(state, at, ALLOC_MIN(at + npages, state->npages));
        if (end - at == npages)
            return at;
    }
    return state->npages;
}

static void *bitmap_alloc_page(void *ctx, size_t npages)
{
    struct state *state = ctx;
    if (npages > state->npages)
        return NULL;
    state->lowest = next_free(state, state->lowest);
    size_t at = state->fit == NEXT_FIT ? find_run(state, state->last, npages) : state->npages;
    if (at == state->npages)
        at = find_run(state, state->lowest, npages);
    if (at == state->npages)
        return NULL;
    flip_pages(state, at, npages);
    state->last = at + npages;
    if (at == state->lowest)
        state->lowest = state->last;
    return state->base + (at << state->page_log2);
}

static void bitmap_free_page(void *ctx, void *pages, size_t npages)
{
    struct state *state = ctx;
    const size_t at = (size_t)((char *)pages - state->base) >> state->page_log2;
    flip_pages(state, at, npages);
    state->lowest = ALLOC_MIN(state->lowest, at);
    if (at + npages == state->last)
        state->last = at;
}

static bool bitmap_open(struct page_source *source, void *state, void *region, size_t region_bytes, size_t page_size,
                        const uint64_t *opt)
{
    struct state *own = state;
    const size_t all = alloc_whole_pages(region_bytes, page_size);
    const size_t bytes = (all + WORD_BITS - 1) / WORD_BITS * sizeof(size_t);
    const size_t table = alloc_whole_pages(bytes + page_size - 1, page_size);
    if (((uintptr_t)region & (page_size - 1)) != 0 || all <= table)
        return false;
    *own = (struct state){.bits = region,
                          .base = (char *)region + table * page_size,
                          .npages = all - table,
                          .page_log2 = alloc_first_bit(page_size),
                          .fit = (enum fit)opt[0]};
    __builtin_memset(own->bits, 0, bytes);
    flip_pages(own, 0, own->npages);
    *source = (struct page_source){
        .alloc_page = bitmap_alloc_page, .free_page = bitmap_free_page, .ctx = own, .page_size = page_size};
    return true;
}

static void bitmap_close(struct page_source *source)
{
    (void)source;
}

const struct page_kind page_kind_bitmap = {
    .caps = 0,
    .name = "bitmap",
    .summary = "the region itself: a bitmap of its free pages, first or next fit",
    .options = options,
    .state_size = sizeof(struct state),
    .open = bitmap_open,
    .close = bitmap_close,
};
