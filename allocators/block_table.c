/*
 * block_table.c - a hash table with linear probing in pages of its own; see block_table.h.
 *
 * Entries are never taken out one by one. When half of the table is in use it is made anew for what must be kept, at
 * most a quarter full, and what is gone is forgotten; so the work is O(1) an entry, and memory at most eight entries
 * for each block that was kept at once. When there are no pages for that, the old table fills up to seven eighths
 * first. (Knuth, TAOCP 6.4: Algorithm L, and its multiplicative hash.)
 */
#include "allocators/block_table.h"

#define FIRST_CAPACITY ((size_t)64)

static size_t pages_for(const struct block_table *table)
{
    const size_t page = table->source.page_size;
    return alloc_whole_pages(table->capacity * sizeof(struct known) + page - 1, page);
}

/* An empty table of that capacity. False: no pages. */
static bool take_pages(struct block_table *table, size_t capacity)
{
    table->capacity = capacity;
    table->used = table->kept = 0;
    if (capacity > SIZE_MAX / 2 / sizeof(struct known))
        return false;
    table->entries = table->source.alloc_page(table->source.ctx, pages_for(table));
    if (table->entries == NULL)
        return false;
    __builtin_memset(table->entries, 0, capacity * sizeof(struct known));
    return true;
}

/* Where a block is, or would be. */
static struct known *place_of(const struct block_table *table, uintptr_t block)
{
    const uintptr_t golden = (uintptr_t)UINT64_C(0x9e3779b97f4a7c15);
    const uintptr_t hash = block * golden;
    size_t at = (size_t)(hash ^ hash >> 4 * sizeof hash) & (table->capacity - 1);
    while (table->entries[at].state != KNOWN_NOT && table->entries[at].block != block)
        at = (at + 1) & (table->capacity - 1);
    return &table->entries[at];
}

bool block_table_open(struct block_table *table, const struct page_source *source)
{
    table->source = *source;
    return take_pages(table, FIRST_CAPACITY);
}

void block_table_close(struct block_table *table)
{
    table->source.free_page(table->source.ctx, table->entries, pages_for(table));
}

struct known *block_table_find(const struct block_table *table, const void *block)
{
    struct known *place = place_of(table, (uintptr_t)block);
    return place->state != KNOWN_NOT ? place : NULL;
}

static bool make_anew(struct block_table *table)
{
    struct block_table anew = {.source = table->source};
    size_t capacity = FIRST_CAPACITY;
    while (capacity / 4 <= table->kept)
        capacity *= 2;
    if (!take_pages(&anew, capacity))
        return false;
    for (size_t i = 0; i < table->capacity; i++) {
        const struct known *old = &table->entries[i];
        if (old->state != KNOWN_LIVE && old->state != KNOWN_FREED)
            continue;
        *place_of(&anew, old->block) = *old;
        anew.used++;
    }
    anew.kept = anew.used;
    block_table_close(table);
    *table = anew;
    return true;
}

bool block_table_reserve(struct block_table *table)
{
    return table->used < table->capacity / 2 || make_anew(table) || table->used < table->capacity / 8 * 7;
}

struct known *block_table_add(struct block_table *table, const void *block)
{
    struct known *place = place_of(table, (uintptr_t)block);
    if (place->state == KNOWN_NOT)
        table->used++;
    place->block = (uintptr_t)block;
    return place;
}
