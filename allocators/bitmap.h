/*
 * bitmap.h - what the files of bitmap share: its structures, and the bits of a chunk.
 *
 *   bitmap.c        the contract: fast paths over the blocks kept, blocks that grow and shrink, options
 *   bitmap_runs.c   runs of free granules: hints, the search, chunks; cutting them up, making them free
 *   bitmap_check.c  walk and check
 */
#ifndef HEAPBENCH_BITMAP_H
#define HEAPBENCH_BITMAP_H

#include "allocators/chunks.h"

extern const struct allocator allocator_bitmap;

#define GRANULE   16
#define ROW       64 /* granules: those that a word has bits for */
#define ROWS      32 /* of a chunk: as many as a hint has bits */
#define GRANULES  (ROWS * ROW)
#define CHUNK     ((size_t)GRANULES * GRANULE)
#define SMALL_MAX (CHUNK / 2)
#define LONG      512 /* granules; all runs from here on are of one class, the last */
#define CLASSES   57  /* class_of(LONG) + 1 */
#define KEPT_MAX  64  /* granules; longer blocks are not kept */
#define MANY      16  /* blocks kept of each length at most, however large the heap is */
#define SPARE     5   /* granules of a chunk, for which more than a few may be kept, of all lengths together */
#define GROUP     64  /* chunks: as many as a word has bits */

struct chunk {
    uint64_t free[ROWS + 2]; /* bit: the granule is free; the first and the last word stay 0 */
    uint64_t ends[ROWS];     /* bit: the granule ends a block */
    uint32_t hints[CLASSES]; /* bit: in this row a run of that class may begin */
    struct group *group;
    unsigned slot; /* in its group */
    unsigned used; /* granules in blocks */
};

struct links {
    struct group *next, *prev;
};

/* So that a search finds the first chunk with a hint by a bit, and chunks need no links. */
struct group {
    struct links all;
    uint64_t open; /* bit: the chunk is there */
    struct chunk *chunks[GROUP];
    uint64_t hinted[CLASSES]; /* bit: the chunk has a hint of that class */
    struct links on[CLASSES]; /* the heap's list for the class, while there is such a chunk */
};

struct heap {
    struct chunks chunks;
    uint64_t classes; /* bit: the class's list has a group */
    struct group *lists[CLASSES];
    struct group first; /* of all groups */
    struct chunk *newest;
    unsigned fresh;                 /* granules of the newest chunk from here on were never used */
    unsigned empty;                 /* chunks without a block; one is kept, against a see-saw */
    long spare;                     /* granules that `room` may still grow by; below 0 when the heap has shrunk */
    uint8_t nkept[KEPT_MAX + 1];    /* blocks of that many granules */
    uint8_t room[KEPT_MAX + 1];     /* the most of them, for now */
    uint8_t limit[KEPT_MAX + 1];    /* the most that this may become */
    void *kept[KEPT_MAX + 1][MANY]; /* the newest last */
};

_Static_assert(sizeof(struct chunk) + sizeof(struct heap) <= CHUNK / 2, "the heap fits in a chunk");

#define FIRST ((unsigned)(sizeof(struct chunk) + GRANULE - 1) / GRANULE) /* granule behind a chunk's header */

/* ---- Bits ----------------------------------------------------------------------------------------------------------
 */

/* The highest bit set, of bits other than 0; needs no compiler library on a 32-bit machine. */
static inline unsigned last_bit(uint64_t bits)
{
    if (sizeof(long) == 8)
        return 63 - (unsigned)__builtin_clzll(bits);
    return bits >> 32 ? 63 - (unsigned)__builtin_clz((uint32_t)(bits >> 32))
                      : 31 - (unsigned)__builtin_clz((uint32_t)bits);
}

static inline uint64_t free_word(const struct chunk *c, unsigned w)
{
    return c->free[w + 1];
}

static inline bool is_free(const struct chunk *c, unsigned at)
{
    return free_word(c, at / ROW) >> at % ROW & 1;
}

/* Where the free granules from `at` on end; a long run may be told to end from `enough` on. */
static inline unsigned run_end(const struct chunk *c, unsigned at, unsigned enough)
{
    unsigned w = at / ROW;
    uint64_t taken = ~free_word(c, w) >> at % ROW;
    if (ALLOC_LIKELY(taken))
        return at + alloc_first_bit(taken);
    for (w++; w < ROWS && w * ROW < enough; w++)
        if ((taken = ~free_word(c, w)))
            return w * ROW + alloc_first_bit(taken);
    return w * ROW;
}

/* Where the free granules before `at` begin. */
static inline unsigned run_start(const struct chunk *c, unsigned at)
{
    unsigned w = (at - 1) / ROW;
    uint64_t taken = ~free_word(c, w) << (ROW - 1 - (at - 1) % ROW);
    if (ALLOC_LIKELY(taken))
        return at - (ROW - 1 - last_bit(taken));
    do
        taken = ~free_word(c, --w);
    while (!taken);
    return w * ROW + last_bit(taken) + 1;
}

/* Flips n granules, which are all free or all not. */
static inline void flip(struct chunk *c, unsigned at, unsigned n)
{
    uint64_t *word = &c->free[at / ROW + 1];
    unsigned in = at % ROW;
    if (ALLOC_LIKELY(in + n <= ROW)) {
        *word ^= ~(uint64_t)0 >> (ROW - n) << in;
        return;
    }
    *word++ ^= ~(uint64_t)0 << in;
    for (n -= ROW - in; n >= ROW; n -= ROW)
        *word++ ^= ~(uint64_t)0;
    if (n)
        *word ^= ~(uint64_t)0 >> (ROW - n);
}

static inline void flip_end(struct chunk *c, unsigned end)
{
    c->ends[(end - 1) / ROW] ^= (uint64_t)1 << (end - 1) % ROW;
}

/* Behind the last granule of the block at `at`. */
static inline unsigned end_of(const struct chunk *c, unsigned at)
{
    unsigned w = at / ROW;
    uint64_t ends = c->ends[w] >> at % ROW;
    if (ALLOC_LIKELY(ends))
        return at + alloc_first_bit(ends) + 1;
    while (!c->ends[++w])
        ;
    return w * ROW + alloc_first_bit(c->ends[w]) + 1;
}

/* ---- Where things are ----------------------------------------------------------------------------------------------
 */

static inline struct chunk *chunk_of(const void *p)
{
    return (struct chunk *)((uintptr_t)p & ~(uintptr_t)(CHUNK - 1));
}

static inline unsigned index_of(const void *p)
{
    return (unsigned)((uintptr_t)p & (CHUNK - 1)) / GRANULE;
}

static inline void *granule_at(const struct chunk *c, unsigned at)
{
    return (char *)(uintptr_t)c + (size_t)at * GRANULE;
}

static inline size_t chunk_pages(const struct chunks *chunks)
{
    return chunks->size >> chunks->page_log2;
}

static inline size_t group_pages(const struct chunks *chunks)
{
    return (sizeof(struct group) + chunks->source.page_size - 1) >> chunks->page_log2;
}

/* The chunk behind c, or the first one when that is NULL. NULL: c was the last. */
static inline struct chunk *chunk_behind(const struct heap *h, const struct chunk *c)
{
    const struct group *g = c ? c->group : &h->first;
    uint64_t open = c ? g->open >> c->slot >> 1 << c->slot << 1 : g->open;
    while (!open) {
        if (!(g = g->all.next))
            return NULL;
        open = g->open;
    }
    return g->chunks[alloc_first_bit(open)];
}

/* How many blocks of n granules may be kept however small the heap is: long ones hold more, and come less often. */
static inline unsigned few_of(unsigned n)
{
    return n <= 8 ? 4 : n <= 16 ? 2 : 1;
}

static inline unsigned granules_for(size_t size)
{
    return (unsigned)((size + GRANULE - 1) / GRANULE + !size);
}

/* Exact up to 16, then eight classes to a doubling. */
static inline unsigned class_of(unsigned n)
{
    unsigned log2 = last_bit(n | 8);
    return ((log2 - 3) << 3) + (n >> (log2 - 3));
}

static inline unsigned class_of_run(unsigned n)
{
    return class_of(ALLOC_MIN(n, LONG));
}

/* ---- bitmap_runs.c -------------------------------------------------------------------------------------------------
 */

/* Makes a chunk of the aligned memory at c, the newest; no granule of it is free yet. The group has room for it. */
void bitmap_open_chunk(struct heap *h, struct group *g, struct chunk *c);

/* Makes granules free that no block has any more; they may touch free ones. */
void bitmap_give(struct heap *h, struct chunk *c, unsigned at, unsigned end);

/* Takes granules in from behind the block, or lets some go there; else moves it. */
void *bitmap_resize(struct heap *h, void *p, size_t size);

/* A block, when none of its length is kept. NULL: exhausted. */
void *bitmap_alloc(struct heap *h, size_t size);

/* Takes a block of n granules back when it is not kept, or others of its length must go first. */
void bitmap_release(struct heap *h, void *p, unsigned n);

/* ---- bitmap_check.c ------------------------------------------------------------------------------------------------
 */

bool bitmap_walk(const struct heap *h, heap_visit *visit, void *arg);
const char *bitmap_check(const struct heap *h);

#endif
