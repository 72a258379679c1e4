/*
 * block_table.h - the blocks that a caller was given, by address: what is true of a block without looking at its
 * memory.
 *
 * For a layer above an allocator that must not trust what it reads from the heap (guard.c). A block that is gone stays
 * known until the table is made anew, or until its address is handed out again.
 */
#ifndef HEAPBENCH_BLOCK_TABLE_H
#define HEAPBENCH_BLOCK_TABLE_H

#include "allocators/alloc.h"

enum known_state {
    KNOWN_NOT,   /* an entry that was never used */
    KNOWN_LIVE,  /* the caller has it */
    KNOWN_FREED, /* the caller gave it back, the allocator does not have it yet */
    KNOWN_GONE,  /* the allocator has it */
};

struct known {
    uintptr_t block;      /* as the caller knows it */
    size_t before;        /* bytes from where the allocator's own block begins */
    size_t size;          /* bytes the caller asked for */
    uint64_t born, freed; /* the caller's words for when */
    enum known_state state;
    uint32_t looks; /* a count of the caller's, from when the state last changed */
};

struct block_table {
    struct page_source source;
    struct known *entries;
    size_t capacity;   /* a power of two */
    size_t used, kept; /* entries that are not KNOWN_NOT; that are LIVE or FREED */
};

/* False: the page source is exhausted. */
bool block_table_open(struct block_table *table, const struct page_source *source);
void block_table_close(struct block_table *table);

/* The entry of a block, valid until the next reserve; NULL: none. O(1) on average, as is the rest. */
struct known *block_table_find(const struct block_table *table, const void *block);

/* Makes room for one entry more. False: the page source is exhausted; the table is as it was. */
bool block_table_reserve(struct block_table *table);

/* The entry for a block, made if there is none; after a block_table_reserve(). The caller sets all but `block`, and
 * counts in table->kept. */
struct known *block_table_add(struct block_table *table, const void *block);

#endif
