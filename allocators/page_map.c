/*
 * page_map.c - a byte for every page that a heap holds; see page_map.h.
 *
 * Cost: get, set and find are O(1) a page; covering a new run is O(1) but when the directory must grow, which at least
 * doubles it. Overhead: a byte a page, and one leaf at least.
 */
#include "allocators/page_map.h"

static size_t leaf_number(const struct page_map *map, uintptr_t at)
{
    return at >> map->shift >> map->shift;
}

/* The directory's entry; NULL when it does not reach that leaf. */
static uint8_t **entry_of(const struct page_map *map, size_t leaf)
{
    const size_t index = leaf - map->first; /* wraps when below */
    return index < map->capacity ? &map->leaves[index] : NULL;
}

/* The directory is there, and its first entry is that leaf's. */
static void place_directory(struct page_map *map, uint8_t **leaves, size_t first)
{
    map->leaves = leaves;
    map->first = first;
    map->base = (uintptr_t)leaves - first * sizeof *leaves;
}

static void clear_directory(uint8_t **leaves, size_t n)
{
    for (size_t i = 0; i < n; i++)
        leaves[i] = NULL;
}

void page_map_open(struct page_map *map, const struct page_source *source, void *room, size_t room_bytes)
{
    *map = (struct page_map){.leaves = room,
                             .capacity = room_bytes / sizeof *map->leaves,
                             .leaf_mask = source->page_size - 1,
                             .shift = (unsigned)__builtin_ctzl((unsigned long)source->page_size),
                             .source = *source};
    place_directory(map, map->leaves, 0);
    clear_directory(map->leaves, map->capacity);
}

void page_map_close(struct page_map *map)
{
    for (size_t i = 0; i < map->capacity; i++)
        if (map->leaves[i] != NULL)
            map->source.free_page(map->source.ctx, map->leaves[i], 1);
    if (map->own_pages > 0)
        map->source.free_page(map->source.ctx, map->leaves, map->own_pages);
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
    uint8_t **leaves = source->alloc_page(source->ctx, npages);
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

static bool add_leaf(struct page_map *map, uint8_t **entry)
{
    uint8_t *leaf = map->source.alloc_page(map->source.ctx, 1);
    if (leaf == NULL)
        return false;
    __builtin_memset(leaf, 0, map->source.page_size);
    *entry = leaf;
    return true;
}

bool page_map_cover(struct page_map *map, const void *pages, size_t npages)
{
    const uintptr_t start = (uintptr_t)pages, last = start + (npages - 1) * map->source.page_size;
    const size_t low = leaf_number(map, start), high = leaf_number(map, last);
    if (!reach(map, low, high))
        return false;
    for (size_t leaf = low; leaf <= high; leaf++) {
        uint8_t **entry = entry_of(map, leaf);
        if (*entry == NULL && !add_leaf(map, entry))
            return false;
    }
    return true;
}

void page_map_set(struct page_map *map, const void *pages, size_t npages, uint8_t head, uint8_t rest)
{
    const size_t page = (uintptr_t)pages >> map->shift;
    for (size_t i = 0; i < npages; i++)
        map->leaves[((page + i) >> map->shift) - map->first][(page + i) & map->leaf_mask] = i == 0 ? head : rest;
}

uint8_t page_map_find(const struct page_map *map, const void *at)
{
    uint8_t **entry = entry_of(map, leaf_number(map, (uintptr_t)at));
    return entry == NULL || *entry == NULL ? 0 : page_map_get(map, at);
}

/* The index of the first byte of a leaf, from `i` on, that is not 0; the leaf's length when there is none. Words of
 * zeros are skipped whole, since a small heap leaves most of a leaf empty. */
static size_t next_byte(const struct page_map *map, const uint8_t *bytes, size_t i)
{
    const size_t length = map->leaf_mask + 1;
    while (i < length && bytes[i] == 0) {
        size_t word = 0;
        if ((i & (sizeof word - 1)) == 0)
            __builtin_memcpy(&word, bytes + i, sizeof word);
        i += (i & (sizeof word - 1)) == 0 && word == 0 ? sizeof word : 1;
    }
    return i;
}

bool page_map_next(const struct page_map *map, uintptr_t at, uintptr_t *page)
{
    size_t i = (at >> map->shift) & map->leaf_mask, leaf = leaf_number(map, at);
    if (leaf < map->first) {
        leaf = map->first;
        i = 0;
    }
    for (; leaf - map->first < map->capacity; leaf++, i = 0) {
        const uint8_t *bytes = *entry_of(map, leaf);
        if (bytes != NULL && (i = next_byte(map, bytes, i)) <= map->leaf_mask) {
            *page = (uintptr_t)((leaf << map->shift) + i) << map->shift;
            return true;
        }
    }
    return false;
}
