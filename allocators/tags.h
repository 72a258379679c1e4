/*
 * tags.h - blocks with boundary tags (D. Knuth, TAOCP 1, 2.5, algorithm C): each knows its size and whether the block
 * before it is free; a free one tells its size at its end too, so that both neighbours are found in constant time.
 *
 *   used block   [ head ][ payload .................................... ]       head = bytes | flags
 *   free block   [ head ][ next ][ prev ] ...................... [ foot ]       foot = bytes
 *
 * Included after links.h or short_links.h, which say how wide a link is.
 *
 * A tag is 32 bits wide: half a word on 64-bit, where that saves 4 bytes a block on average, as payloads stand at
 * multiples of 16. A fence, a used block of no size, ends each run of blocks.
 *
 * The flags of two neighbours that are both used, at no end of their run, are all 0: one comparison tells that a block
 * between such is released with nothing to merge.
 */
#ifndef HEAPBENCH_TAGS_H
#define HEAPBENCH_TAGS_H

#include "allocators/alloc.h"

typedef uint32_t tag_t;

enum { FREE = 1, PREV_FREE = 2, EDGE = 4, FLAGS = 7 }; /* EDGE: of a run, its first block, and the fence */

#define UNIT        HEAP_ALIGN
#define TAG         sizeof(tag_t)
#define MIN_BLOCK   ALLOC_ROUND_UP(TAG + sizeof(struct link) + TAG, UNIT) /* head, two links, foot */
#define RUN_MAX     ((size_t)UINT32_MAX & ~(size_t)FLAGS) /* bytes of a run, so that a tag can hold any block */
#define REQUEST_MAX (RUN_MAX / 2)

struct block {
    tag_t head; /* a struct link follows while it is free, with no padding between */
};

_Static_assert(UNIT > FLAGS, "sizes are multiples of UNIT and leave the flags their bits");

/* Bytes from this head to the next. */
static inline size_t size_of(const struct block *b)
{
    return b->head & ~(tag_t)FLAGS;
}
static inline struct link *link_of(const struct block *b)
{
    return (struct link *)((uintptr_t)b + TAG);
}
static inline void *payload(const struct block *b)
{
    return link_of(b);
}
static inline struct block *from_payload(const void *p)
{
    struct block *b = (struct block *)((uintptr_t)p - TAG);
    if (!b)
        __builtin_unreachable(); /* nobody needs to ask */
    return b;
}
static inline struct block *at(const struct block *b, size_t bytes)
{
    return (struct block *)((uintptr_t)b + bytes);
}
static inline struct block *next_of(const struct block *b)
{
    return at(b, size_of(b));
}

/* The foot of the free block that ends where b begins: its bytes. Only where PREV_FREE is set. */
static inline tag_t *foot_before(const struct block *b)
{
    return (tag_t *)((uintptr_t)b - TAG);
}

/* Makes [b, b + size) a free block behind a used one; of `flags`, EDGE is kept. The block behind is not told. */
static inline void set_free(struct block *b, size_t size, tag_t flags)
{
    b->head = (tag_t)size | FREE | (flags & EDGE);
    *foot_before(at(b, size)) = (tag_t)size;
}

/* Makes a free block on no list used, as it is. */
static inline void set_used(struct block *b, size_t size)
{
    b->head &= ~(tag_t)FREE;
    at(b, size)->head &= ~(tag_t)PREV_FREE;
}

/* What a free block has beyond n bytes is too little to stand alone: it is used as a whole. False also if it is
 * smaller. Flags are less than a UNIT, and of no matter to the comparison. */
static inline bool fits_whole(const struct block *b, size_t n)
{
    return b->head - n < MIN_BLOCK;
}

/* Bytes of the block that serves a request; only for size <= REQUEST_MAX. */
static inline size_t block_size(size_t size)
{
    size_t n = ALLOC_ROUND_UP(size + TAG, UNIT);
    return ALLOC_MAX(n, MIN_BLOCK);
}

/* Requests of fewer bytes than this have blocks of fewer than n, a multiple of UNIT. */
static inline size_t requests_below(size_t n)
{
    return n > MIN_BLOCK ? n - UNIT - TAG + 1 : 0;
}

/* Cuts n bytes for use from the front of a free block on no list. The `rest` of it is free, on no list, and returned.
 */
static inline struct block *split(struct block *b, size_t n, size_t rest)
{
    struct block *free = at(b, n);
    b->head = (tag_t)n | (b->head & EDGE);
    set_free(free, rest, 0);
    return free;
}

/* Cuts n bytes for use from the back of a free block, which stays free with the `rest`; returns them. */
static inline struct block *split_back(struct block *b, size_t n, size_t rest)
{
    struct block *back = at(b, rest);
    set_free(b, rest, b->head);
    back->head = (tag_t)n | PREV_FREE;
    at(back, n)->head &= ~(tag_t)PREV_FREE;
    return back;
}

/* As split(); or the whole block, if the rest were too little to stand alone: NULL then. */
static inline struct block *cut_front(struct block *b, size_t n)
{
    if (!fits_whole(b, n))
        return split(b, n, size_of(b) - n);
    set_used(b, size_of(b));
    return NULL;
}

#endif
