/*
 * slob.h - what the files of slob share: its pages and their frames, and how they are read.
 *
 *   slob.c         the contract: first fit in the pages of a list, release, options
 *   slob_check.c   walk and check
 */
#ifndef HEAPBENCH_SLOB_H
#define HEAPBENCH_SLOB_H

#include "allocators/chunks.h"

#define UNIT     2
#define PAGE_MAX 65536
#define NONE     32767 /* no unit's number; units of a page can be told in 15 bits */

enum list { SMALL, MEDIUM, LARGE, FULL, LISTS }; /* FULL: pages that no search goes through */

/* A page's frame. */
struct page {
    struct page *next, *prev;
    int16_t *units;
    uint16_t free;   /* units */
    uint16_t first;  /* free block, in units from the page's start; NONE */
    uint64_t ends[]; /* bit: the unit ends a block; not there when blocks have headers */
};

/* A page of frames. */
struct frames {
    struct frames *next;
    uint64_t room[];
};

struct heap {
    struct chunks chunks; /* of one page; each is known by its address there, and owned by its frame */
    struct page lists[LISTS];
    struct page *free_frames; /* by their next */
    struct frames *frames;
    size_t frame_size;
    bool headers;
};

/* ---- Blocks of a page ----------------------------------------------------------------------------------------------
 */

static inline int16_t *unit_at(const struct page *page, unsigned at)
{
    return page->units + at;
}

static inline unsigned units_at(const struct page *page, unsigned at)
{
    const int16_t *unit = unit_at(page, at);
    return unit[0] > 0 ? (unsigned)unit[0] : 1;
}

static inline unsigned next_at(const struct page *page, unsigned at)
{
    const int16_t *unit = unit_at(page, at);
    return (unsigned)(unit[0] > 0 ? unit[1] : -unit[0]);
}

/* The first unit in [at, end) that ends a block; `end`: none does. */
static inline unsigned next_end(const struct page *page, unsigned at, unsigned end)
{
    while (at < end) {
        const uint64_t ends = page->ends[at / 64] >> at % 64;
        if (ends)
            return ALLOC_MIN(at + alloc_first_bit(ends), end);
        at = (at / 64 + 1) * 64;
    }
    return end;
}

/* The minimal alignment of a block, which is also what stands before it: the largest power of two that is no larger. */
static inline size_t minimal_align(size_t size)
{
    size_t align = HEAP_ALIGN;
    while (align > size)
        align /= 2;
    return align;
}

/* ---- Where things are ----------------------------------------------------------------------------------------------
 */

static inline void *start_of_page(const struct heap *h, const void *p)
{
    return (void *)((uintptr_t)p & ~(uintptr_t)(h->chunks.size - 1));
}

/* The frame of a block's page; NULL: it is whole pages. */
static inline struct page *page_of(const struct heap *h, const void *p)
{
    return large_owner(large_place(&h->chunks, start_of_page(h, p)));
}

static inline unsigned page_units(const struct heap *h)
{
    return (unsigned)ALLOC_MIN(h->chunks.size / UNIT, (size_t)NONE);
}

/* ---- slob_check.c --------------------------------------------------------------------------------------------------
 */

bool slob_walk(const struct heap *h, heap_visit *visit, void *arg);
const char *slob_check(const struct heap *h);

#endif
