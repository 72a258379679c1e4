/*
 * tags.h - blocks with boundary tags (D. Knuth, TAOCP 1, 2.5, algorithm C): each knows its size and whether the block
 * before it is used; a free one tells its size at its end too, so that both neighbours are found in constant time.
 *
 *   used block   [ head ][ payload .................................... ]       head = units of HEAP_ALIGN | flags
 *   free block   [ head ][ next ][ prev ] ...................... [ foot ]       foot = units
 *
 * A tag is 32 bits wide: half a word on 64-bit, where that saves 4 bytes a block on average, as payloads stand at
 * multiples of 16. A fence, a used block of no size, ends each run of blocks.
 */
#ifndef HEAPBENCH_TAGS_H
#define HEAPBENCH_TAGS_H

#include "allocators/links.h"

typedef uint32_t tag_t;

enum { USED = 1, PREV_USED = 2, FIRST = 4, FLAG_BITS = 3, FLAGS = 7 }; /* FIRST: no block stands before */

#define UNIT        HEAP_ALIGN
#define TAG         sizeof(tag_t)
#define MIN_BLOCK   (2 * UNIT)                                     /* head, two links, foot */
#define RUN_MAX     ((((size_t)1 << (32 - FLAG_BITS)) - 1) * UNIT) /* bytes of a run, so that a tag can hold any block */
#define REQUEST_MAX (RUN_MAX / 2)

struct block {
    tag_t head; /* a struct link follows while it is free, with no padding between */
};

_Static_assert(TAG + sizeof(struct link) + TAG <= MIN_BLOCK, "a free block holds its links and tags");

static inline size_t units_of(const struct block *b)
{
    return b->head >> FLAG_BITS;
}
/* Bytes from this head to the next. */
static inline size_t size_of(const struct block *b)
{
    return units_of(b) * UNIT;
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
    return (struct block *)((uintptr_t)p - TAG);
}
static inline struct block *at(const struct block *b, size_t bytes)
{
    return (struct block *)((uintptr_t)b + bytes);
}
static inline struct block *next_of(const struct block *b)
{
    return at(b, size_of(b));
}
static inline tag_t make_head(size_t size, tag_t flags)
{
    return (tag_t)(size / UNIT) << FLAG_BITS | flags;
}

/* The block before; only where PREV_USED is clear. */
static inline struct block *prev_of(const struct block *b)
{
    return (struct block *)((uintptr_t)b - (size_t)((const tag_t *)b)[-1] * UNIT);
}

/* Makes [b, b + size) a free block behind a used one; of `flags`, FIRST is kept. */
static inline void set_free(struct block *b, size_t size, tag_t flags)
{
    b->head = make_head(size, PREV_USED | (flags & FIRST));
    ((tag_t *)at(b, size))[-1] = (tag_t)(size / UNIT);
}

/* Makes a free block on no list used, as it is. */
static inline void set_used(struct block *b, size_t size)
{
    b->head |= USED;
    at(b, size)->head |= PREV_USED;
}

/* Bytes of the block that serves a request; only for size <= REQUEST_MAX. */
static inline size_t block_size(size_t size)
{
    size_t n = ALLOC_ROUND_UP(size + TAG, UNIT);
    return ALLOC_MAX(n, MIN_BLOCK);
}

/* Cuts n bytes for use from the front of a free block on no list; what is left is free, on no list, and returned. NULL:
 * too little to stand alone; it goes with the block. */
static inline struct block *cut_front(struct block *b, size_t n)
{
    size_t size = size_of(b);
    if (size - n < MIN_BLOCK) {
        set_used(b, size);
        return NULL;
    }
    struct block *rest = at(b, n);
    b->head = make_head(n, (b->head & FLAGS) | USED);
    set_free(rest, size - n, 0);
    return rest;
}

#endif
