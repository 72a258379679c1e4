/*
 * chunks.h - memory in chunks aligned to their own size, so that a block's chunk is found by masking its address; and
 * blocks too large for a chunk, which begin where a chunk would, and are found in a hash table.
 *
 * What buddy, bitmap, slob and slab share; slab has no use for the large blocks. A chunk begins with its owner's
 * header, so no small block has the address of a chunk: one that has is a large one. (A chunk of slob's has no header:
 * it is in the table too, with an owner.) Page sources know no alignment: where pages are not aligned as needed, more
 * are taken and the ends given back. The table (open addressing, linear probing, deletion by shifting back: Knuth,
 * TAOCP 3, 6.4, algorithm R) lives in pages of its own and doubles when three quarters full.
 */
#ifndef HEAPBENCH_CHUNKS_H
#define HEAPBENCH_CHUNKS_H

#include "allocators/alloc.h"

struct large {
    void *block;    /* NULL: an empty place */
    uintptr_t what; /* its pages, times two plus one; or its owner, when it is a chunk */
};

struct chunks {
    struct page_source source;
    size_t size; /* bytes of a chunk, a power of two */
    unsigned page_log2;
    size_t held;           /* bytes taken from the page source */
    uintptr_t zero;        /* the pages taken last are zero from this address on */
    struct large *table;   /* NULL: no large block yet */
    size_t places, nlarge; /* of the table, a power of two; used */
};

static inline void chunks_init(struct chunks *c, const struct page_source *source, size_t chunk_size)
{
    *c = (struct chunks){.source = *source, .size = chunk_size, .page_log2 = alloc_first_bit(source->page_size)};
}

static inline void *chunks_take_pages(struct chunks *c, size_t npages)
{
    void *pages = c->source.alloc_page(c->source.ctx, npages);
    size_t bytes = npages << c->page_log2;
    if (!pages)
        return NULL;
    c->held += bytes;
    c->zero = (uintptr_t)pages + alloc_bytes_to_clear(&c->source, pages, bytes);
    return pages;
}

/* Of a block that begins with the pages taken last: how many bytes, from its start on, must be cleared. */
static inline size_t chunks_dirty(const struct chunks *c, const void *block, size_t size)
{
    return c->zero > (uintptr_t)block ? ALLOC_MIN(size, c->zero - (uintptr_t)block) : 0;
}

static inline void chunks_give_pages(struct chunks *c, void *pages, size_t npages)
{
    if (!npages)
        return;
    c->held -= npages << c->page_log2;
    c->source.free_page(c->source.ctx, pages, npages);
}

/* npages that begin at a multiple of `align` bytes, out of more, of which both ends go back. NULL: exhausted. */
static inline void *chunks_cut_out(struct chunks *c, size_t npages, size_t align)
{
    size_t more = npages + (align >> c->page_log2) - 1;
    char *pages = chunks_take_pages(c, more), *start = (char *)ALLOC_ROUND_UP((uintptr_t)pages, align);
    if (!pages)
        return NULL;
    size_t before = (size_t)(start - pages) >> c->page_log2;
    chunks_give_pages(c, pages, before);
    chunks_give_pages(c, start + (npages << c->page_log2), more - before - npages);
    return start;
}

/* The same, mostly without: when what is missing behind the first try can be had there, only its start goes back. */
static inline void *chunks_take_at(struct chunks *c, size_t npages, size_t align)
{
    char *pages = chunks_take_pages(c, npages);
    if (!((uintptr_t)pages & (align - 1)))
        return pages; /* NULL too */
    uintptr_t zero = c->zero;
    char *start = (char *)ALLOC_ROUND_UP((uintptr_t)pages, align), *end = pages + (npages << c->page_log2);
    size_t before = (size_t)(start - pages) >> c->page_log2;
    char *more = chunks_take_pages(c, before);
    if (more == end) {
        chunks_give_pages(c, pages, before);
        c->zero = c->zero == (uintptr_t)end ? zero : c->zero;
        return start;
    }
    if (more)
        chunks_give_pages(c, more, before);
    chunks_give_pages(c, pages, npages);
    return chunks_cut_out(c, npages, align);
}

/* npages that begin at a multiple of a chunk's size. NULL: exhausted. */
static inline void *chunks_take_aligned(struct chunks *c, size_t npages)
{
    return chunks_take_at(c, npages, c->size);
}

/* ---- Large blocks --------------------------------------------------------------------------------------------------
 */

static inline size_t large_home(const struct chunks *c, const void *block)
{
    uintptr_t n = (uintptr_t)block >> alloc_first_bit(c->size);
    return (size_t)(n * (uintptr_t)0x9E3779B1u >> 7) & (c->places - 1); /* 2^32 / golden ratio: TAOCP 3, 6.4 */
}

/* The pages of a large block as the table tells them. */
static inline uintptr_t large_what(size_t npages)
{
    return 2 * (uintptr_t)npages + 1;
}

static inline size_t large_pages(const struct chunks *c, const struct large *l)
{
    return l->what & 1 ? l->what >> 1 : c->size >> c->page_log2;
}

/* What an allocator that takes its chunks by large_alloc() has set `what` to, at an even address; NULL for a block. */
static inline void *large_owner(const struct large *l)
{
    return l->what & 1 ? NULL : (void *)l->what;
}

/* The block's place, or the empty one where it would go; the table has an empty one. */
static inline struct large *large_place(const struct chunks *c, const void *block)
{
    size_t i = large_home(c, block);
    while (c->table[i].block && c->table[i].block != block)
        i = (i + 1) & (c->places - 1);
    return &c->table[i];
}

/* Room for one more; false: no pages for a larger table. */
static inline bool large_reserve(struct chunks *c)
{
    if (c->table && c->nlarge + 1 <= c->places / 4 * 3)
        return true;
    struct chunks old = *c;
    size_t old_pages = old.places * sizeof(struct large) >> c->page_log2;
    size_t npages = old.table ? 2 * old_pages : 1;
    struct large *table = chunks_take_pages(c, npages);
    if (!table)
        return false;
    c->table = table;
    c->places = (npages << c->page_log2) / sizeof(struct large);
    for (size_t i = 0; i < c->places; i++)
        table[i] = (struct large){NULL, large_what(0)};
    for (size_t i = 0; i < old.places; i++)
        if (old.table[i].block)
            *large_place(c, old.table[i].block) = old.table[i];
    chunks_give_pages(c, old.table, old_pages);
    return true;
}

/* A block of whole pages of its own. NULL: exhausted. */
static inline void *large_alloc(struct chunks *c, size_t size)
{
    if (size > SIZE_MAX / 2 || !large_reserve(c))
        return NULL;
    size_t npages = (size + c->source.page_size - 1) >> c->page_log2;
    void *block = chunks_take_aligned(c, npages);
    if (block) {
        *large_place(c, block) = (struct large){block, large_what(npages)};
        c->nlarge++;
    }
    return block;
}

/* The same, its first `size` bytes zero. */
static inline void *large_zalloc(struct chunks *c, size_t size)
{
    void *block = large_alloc(c, size);
    return block ? __builtin_memset(block, 0, chunks_dirty(c, block, size)) : NULL;
}

static inline void large_release(struct chunks *c, void *block)
{
    struct large *hole = large_place(c, block);
    size_t i = (size_t)(hole - c->table), mask = c->places - 1;
    chunks_give_pages(c, block, large_pages(c, hole));
    for (size_t j = (i + 1) & mask; c->table[j].block; j = (j + 1) & mask) {
        size_t home = large_home(c, c->table[j].block);
        if (((j - home) & mask) < ((j - i) & mask))
            continue; /* it would be looked for behind the hole */
        c->table[i] = c->table[j];
        i = j;
    }
    c->table[i].block = NULL;
    c->nlarge--;
}

static inline size_t large_usable(const struct chunks *c, const void *block)
{
    return large_pages(c, large_place(c, block)) << c->page_log2;
}

/* Gives back what the block has beyond `size` bytes. */
static inline void large_shrink(struct chunks *c, void *block, size_t size)
{
    struct large *l = large_place(c, block);
    size_t npages = (size + c->source.page_size - 1) >> c->page_log2;
    chunks_give_pages(c, (char *)block + (npages << c->page_log2), large_pages(c, l) - npages);
    l->what = large_what(npages);
}

static inline bool large_walk(const struct chunks *c, heap_visit *visit, void *arg)
{
    for (size_t i = 0; i < c->places; i++) {
        const struct large *l = &c->table[i];
        struct heap_block seen = {l->block, large_pages(c, l) << c->page_log2, true};
        if (l->block && !large_owner(l) && !visit(&seen, arg))
            return false;
    }
    return true;
}

/* Gives back every large block and the table; its pages are added to *bytes by large_check(). */
static inline void large_destroy(struct chunks *c)
{
    for (size_t i = 0; i < c->places; i++)
        if (c->table[i].block)
            chunks_give_pages(c, c->table[i].block, large_pages(c, &c->table[i]));
    chunks_give_pages(c, c->table, c->places * sizeof(struct large) >> c->page_log2);
}

static inline const char *large_check(const struct chunks *c, size_t *bytes)
{
    size_t used = 0;
    for (size_t i = 0; i < c->places; i++)
        if (c->table[i].block) {
            if (large_place(c, c->table[i].block) != &c->table[i])
                return "a large block cannot be found in the table";
            *bytes += large_pages(c, &c->table[i]) << c->page_log2;
            used++;
        }
    *bytes += c->places * sizeof(struct large);
    return used == c->nlarge ? NULL : "the table miscounts its large blocks";
}

#endif
