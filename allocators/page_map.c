/*
 * page_map.c - an owner for every 4 KiB that a heap holds; see page_map.h.
 *
 * Cost: get, set and find are O(1) a page; covering a new run is O(1) but when the directory must grow, which at least
 * doubles it. Overhead: 4 KiB for each 4 MiB of addresses in use, a page at least.
 */
#include "allocators/page_map.h"

#define UNIT  ((uintptr_t)1 << PAGE_MAP_UNIT_LOG2)
#define UNITS ((size_t)1 << PAGE_MAP_LEAF_LOG2) /* of a leaf */

_Static_assert(sizeof(struct page_leaf) <= UNIT, "a leaf fits in the smallest page");

static size_t leaf_number(uintptr_t at)
{
    return at >> (PAGE_MAP_UNIT_LOG2 + PAGE_MAP_LEAF_LOG2);
}

/* The directory's entry; NULL when it does not reach that leaf. */
static uintptr_t *entry_of(const struct page_map *map, size_t leaf)
{
    const size_t index = leaf - map->first; /* wraps when below */
    return index < map->capacity ? &map->leaves[index] : NULL;
}

/* The directory is there, and its first entry is that leaf's. */
static void place_directory(struct page_map *map, uintptr_t *leaves, size_t first)
{
    map->leaves = leaves;
    map->first = first;
    map->origin = (uintptr_t)leaves - first * sizeof *leaves;
}

/* A leaf, for an entry of the directory and back. */
static uintptr_t entry_for(const struct page_leaf *leaf, size_t number)
{
    return (uintptr_t)leaf->owners - (number << PAGE_MAP_LEAF_LOG2) * sizeof *leaf->owners;
}

static struct page_leaf *leaf_in(const struct page_map *map, size_t number)
{
    return (struct page_leaf *)(*entry_of(map, number) + (number << PAGE_MAP_LEAF_LOG2) * sizeof(uint16_t));
}

static size_t unit_of(uintptr_t at)
{
    return at >> PAGE_MAP_UNIT_LOG2 & (UNITS - 1);
}

static void clear_directory(uintptr_t *leaves, size_t n)
{
    for (size_t i = 0; i < n; i++)
        leaves[i] = 0;
}

void page_map_open(struct page_map *map, const struct page_source *source, void *room, size_t room_bytes)
{
    *map = (struct page_map){.leaves = room,
                             .capacity = room_bytes / sizeof *map->leaves,
                             .shift = (unsigned)__builtin_ctzl((unsigned long)source->page_size),
                             .source = *source};
    place_directory(map, map->leaves, 0);
    clear_directory(map->leaves, map->capacity);
}

void page_map_close(struct page_map *map)
{
    const struct page_source *source = &map->source;
    for (size_t i = 0; i < map->capacity; i++) {
        struct page_leaf *leaf = map->leaves[i] != 0 ? leaf_in(map, map->first + i) : NULL;
        if (leaf != NULL && ((uintptr_t)leaf & (source->page_size - 1)) == 0)
            source->free_page(source->ctx, leaf, 1); /* the first of its page */
    }
    if (map->own_pages > 0)
        source->free_page(source->ctx, map->leaves, map->own_pages);
}

/* Where a directory of `capacity` begins so that [low, high] lies in its middle. */
static size_t centred(size_t low, size_t high, size_t capacity)
{
    const size_t slack = (capacity - (high - low + 1)) / 2;
    return low > slack ? low - slack : 0;
}

/* A larger directory that also spans [low, high], in pages of its own. */
static bool grow_directory(struct page_map *map, size_t low, size_t high)
{
    const struct page_source *source = &map->source;
    low = ALLOC_MIN(low, map->first);
    high = ALLOC_MAX(high, map->first + map->capacity - 1);
    const size_t bytes = 2 * (high - low + 1) * sizeof *map->leaves;
    const size_t npages = alloc_whole_pages(bytes + source->page_size - 1, source->page_size);
    const size_t capacity = npages * source->page_size / sizeof *map->leaves;
    const size_t first = centred(low, high, capacity);
    uintptr_t *leaves = source->alloc_page(source->ctx, npages);
    if (leaves == NULL)
        return false;
    clear_directory(leaves, capacity);
    for (size_t i = 0; i < map->capacity; i++)
        leaves[map->first - first + i] = map->leaves[i];
    if (map->own_pages > 0)
        source->free_page(source->ctx, map->leaves, map->own_pages);
    place_directory(map, leaves, first);
    map->capacity = capacity;
    map->own_pages = npages;
    return true;
}

/* The directory spans the leaves from low to high. */
static bool reach(struct page_map *map, size_t low, size_t high)
{
    if (!map->used && high - low < map->capacity) {
        place_directory(map, map->leaves, centred(low, high, map->capacity));
        map->used = true;
    }
    if (entry_of(map, low) != NULL && entry_of(map, high) != NULL)
        return true;
    if (!map->used)
        place_directory(map, map->leaves, low);
    map->used = grow_directory(map, low, high) || map->used;
    return entry_of(map, low) != NULL && entry_of(map, high) != NULL;
}

/* A larger page holds several leaves. */
static bool add_leaf(struct page_map *map, size_t number)
{
    const uintptr_t in_page = map->source.page_size - 1;
    if ((map->next & in_page) == 0 && !(map->next = (uintptr_t)map->source.alloc_page(map->source.ctx, 1)))
        return false;
    struct page_leaf *leaf = __builtin_memset((void *)map->next, 0, sizeof *leaf);
    *entry_of(map, number) = entry_for(leaf, number);
    map->next += UNIT;
    return true;
}

bool page_map_cover(struct page_map *map, const void *pages, size_t npages)
{
    const uintptr_t start = (uintptr_t)pages, last = start + (npages << map->shift) - 1;
    const size_t low = leaf_number(start), high = leaf_number(last);
    if (!reach(map, low, high))
        return false;
    for (size_t leaf = low; leaf <= high; leaf++)
        if (*entry_of(map, leaf) == 0 && !add_leaf(map, leaf))
            return false;
    return true;
}

static void set_unit(struct page_map *map, uintptr_t at, uint16_t owner, bool head)
{
    const size_t unit = unit_of(at);
    struct page_leaf *leaf = leaf_in(map, leaf_number(at));
    leaf->owners[unit] = owner;
    leaf->heads[unit / 8] = (uint8_t)((leaf->heads[unit / 8] & ~(1u << unit % 8)) | (unsigned)head << unit % 8);
}

void page_map_set(struct page_map *map, const void *pages, size_t npages, uint16_t owner, bool head)
{
    const uintptr_t start = (uintptr_t)pages, end = start + (npages << map->shift);
    for (uintptr_t at = start; at != end; at += UNIT)
        set_unit(map, at, owner, head && at == start);
}

uint16_t page_map_find(const struct page_map *map, const void *at)
{
    const uintptr_t *entry = entry_of(map, leaf_number((uintptr_t)at));
    return entry == NULL || *entry == 0 ? 0 : page_map_get(map, at);
}

static bool is_head(const struct page_map *map, uintptr_t page)
{
    return leaf_in(map, leaf_number(page))->heads[unit_of(page) / 8] >> unit_of(page) % 8 & 1;
}

uintptr_t page_map_run_end(const struct page_map *map, uintptr_t page)
{
    const uint16_t owner = page_map_get(map, (void *)page);
    do
        page += (uintptr_t)1 << map->shift;
    while (page_map_find(map, (void *)page) == owner && !is_head(map, page));
    return page;
}

/* The first unit of a leaf, from `i` on, that has an owner; UNITS: none. Four that have none are passed at once, since
 * a small heap leaves most of a leaf empty. */
static size_t next_unit(const struct page_leaf *leaf, size_t i)
{
    uint64_t four = 0;
    while (i < UNITS && leaf->owners[i] == 0) {
        if (i % 4 == 0)
            __builtin_memcpy(&four, leaf->owners + i, sizeof four);
        i += i % 4 == 0 && four == 0 ? 4 : 1;
    }
    return i;
}

bool page_map_next(const struct page_map *map, uintptr_t at, uintptr_t *page)
{
    size_t i = unit_of(at), leaf = leaf_number(at);
    if (leaf < map->first) {
        leaf = map->first;
        i = 0;
    }
    for (; leaf - map->first < map->capacity; leaf++, i = 0) {
        if (*entry_of(map, leaf) != 0 && (i = next_unit(leaf_in(map, leaf), i)) < UNITS) {
            *page = (uintptr_t)((leaf << PAGE_MAP_LEAF_LOG2) + i) << PAGE_MAP_UNIT_LOG2;
            return true;
        }
    }
    return false;
}
