/*
 * buddy.h - what a heap of buddies consists of: chunks, each with the table of its blocks; the free blocks of each
 * order; and the released ones that wait. How they are halved and merged is in buddy.c.
 *
 * Blocks are named by their chunk and their place in it, bytes from its start: the buddy of a block of order k is at
 * the place that differs in bit k.
 */
#ifndef HEAPBENCH_BUDDY_H
#define HEAPBENCH_BUDDY_H

#include "allocators/chunks.h"
#include "allocators/links.h"
#include "allocators/treap.h"

#define ORDERS 32 /* 2^31 bytes is more than a chunk has */

#define ALWAYS_INLINE inline __attribute__((always_inline)) /* so that the `pick` of a call is a constant */

enum pick { LIFO, LOWEST };

/* What a byte says of the block that begins at its place: its order and whether it is free. Of two smallest blocks,
 * which share a byte, it says which are free. */
enum { ORDER = ORDERS - 1, FREE = 32, FREE_UPPER = 64 };

struct chunk {
    struct chunk *next, *prev;
    uint32_t live;    /* blocks in use or waiting */
    uint8_t states[]; /* one for two smallest blocks */
};

/* Released blocks of an order that wait, a ring. To the tables they are in use. */
struct waiting {
    void **places;
    uint32_t head, tail; /* in and out so far: as many as they differ are there */
    uint32_t mask;       /* places less one */
    uint32_t limit;      /* at most mask */
};

struct heap {
    size_t most;          /* bytes of a block of the largest order */
    uintptr_t mask;       /* of an address, its place in a chunk */
    uintptr_t chunk_mask; /* and its chunk */
    size_t min_last;      /* bytes of the smallest block less one */
    unsigned min_order;   /* log2 of the smallest block's bytes */
    unsigned pair_order;  /* one more */
    uint32_t filled;      /* bit: there is a free block of this order */
    enum pick pick;
    struct waiting waiting[ORDERS];
    struct link lists[ORDERS];   /* pick=lifo */
    struct treap *trees[ORDERS]; /* pick=lowest */
    struct chunks chunks;
    struct chunk *all; /* the heap's own is the last */
    unsigned spare;    /* chunks without a live block; one is kept, against a see-saw */
    size_t start;      /* the place of the first block of a chunk */
    size_t own_start;  /* the same of the heap's own chunk */
    void *places[];    /* of all rings */
};

_Static_assert(sizeof(struct link) == sizeof(struct treap), "the smallest block holds either");

/* ---- The tables ----------------------------------------------------------------------------------------------------
 */

/* Places in a chunk are told in bytes from its start. */
static inline size_t place_of(const struct heap *h, const void *p)
{
    return (uintptr_t)p & h->mask;
}

static inline struct chunk *chunk_of(const struct heap *h, const void *p)
{
    return (struct chunk *)((uintptr_t)p & h->chunk_mask);
}

static inline void *block_at(const struct chunk *c, size_t place)
{
    return (char *)(uintptr_t)c + place;
}

static inline uint8_t *state_of(const struct heap *h, const struct chunk *c, size_t place)
{
    return &((struct chunk *)(uintptr_t)c)->states[place >> h->pair_order];
}

static inline unsigned order_at(const struct heap *h, const struct chunk *c, size_t place)
{
    return *state_of(h, c, place) & ORDER;
}

/* What says in its state that a block is free. */
static inline unsigned free_bit(const struct heap *h, size_t place, unsigned order)
{
    return order == h->min_order && place >> order & 1 ? FREE_UPPER : FREE;
}

static inline bool is_free(const struct heap *h, const struct chunk *c, size_t place)
{
    return *state_of(h, c, place) & free_bit(h, place, order_at(h, c, place));
}

/* Of a block whose order is in the table. */
static inline void set_free(const struct heap *h, const struct chunk *c, size_t place, bool free)
{
    uint8_t *state = state_of(h, c, place);
    unsigned bit = free_bit(h, place, *state & ORDER);
    *state = (uint8_t)(free ? *state | bit : *state & ~bit);
}

/* The order that serves a request of 1 to h->most bytes. */
static inline unsigned order_for(const struct heap *h, size_t size)
{
    unsigned long last = (unsigned long)((size - 1) | h->min_last);
    return (unsigned)(8 * sizeof last) - (unsigned)__builtin_clzl(last);
}

/* ---- Free blocks ----------------------------------------------------------------------------------------------------
 */

static ALWAYS_INLINE void link_in(struct heap *h, enum pick pick, void *block, size_t order)
{
    if (pick == LIFO)
        link_behind(block, &h->lists[order]);
    else
        treap_insert(&h->trees[order], block);
}

/* Whether it was the last of its order; then its bit of h->filled is wrong. */
static ALWAYS_INLINE bool link_out(struct heap *h, enum pick pick, void *block, size_t order)
{
    if (pick == LIFO)
        return unlink_from_list(block);
    treap_remove(&h->trees[order], block);
    return !h->trees[order];
}

static void take_out(struct heap *h, void *block, unsigned order)
{
    if (link_out(h, h->pick, block, order))
        h->filled &= ~(UINT32_C(1) << order);
}

static inline void *choose(const struct heap *h, enum pick pick, unsigned order)
{
    return pick == LIFO ? (void *)h->lists[order].next : treap_lowest(h->trees[order]);
}

#endif
