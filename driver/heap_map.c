/*
 * heap_map.c - the live bytes of every stretch of memory over time, in bounded memory; see heap_map.h.
 *
 * Memory is cut into bins of one size, a power of two, at multiples of it. Only bins that a block ever lay in are kept,
 * so that a malloc whose blocks lie terabytes apart needs no more of them than one whose blocks lie side by side. The
 * bins begin small; when there is no room for another, all become twice as large and neighbours join, as often as
 * needed. So one replay is enough, and the range of addresses need not be known before.
 */
#include "driver/heap_map.h"

#include <string.h>

#include "allocators/alloc.h"

#define SMALLEST_BIN 64u /* bytes */

static uint64_t bin_bytes(const struct heap_map *map)
{
    return (uint64_t)SMALLEST_BIN << map->coarser;
}

/* The place of the first bin whose key is not below this one. */
static uint32_t place_of(const struct heap_map *map, uint64_t key)
{
    uint32_t low = 0, high = map->nbins;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (map->bins[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The bin with this key, an empty one if there was none; NULL: there is no room for it. */
static struct map_bin *bin_of(struct heap_map *map, uint64_t key)
{
    const uint32_t place = place_of(map, key);
    struct map_bin *bin = &map->bins[place];
    if (place < map->nbins && bin->key == key)
        return bin;
    if (map->nbins == JOB_MAP_BINS)
        return NULL;
    memmove(bin + 1, bin, (map->nbins - place) * sizeof *bin);
    memset(bin, 0, sizeof *bin);
    bin->key = key;
    map->nbins++;
    return bin;
}

static void make_coarser(struct heap_map *map)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < map->nbins; i++) {
        const struct map_bin *bin = &map->bins[i];
        struct map_bin *into = n > 0 ? &map->bins[n - 1] : NULL;
        if (into == NULL || into->key != bin->key / 2) {
            into = &map->bins[n++];
            memmove(into, bin, sizeof *bin);
            into->key /= 2;
            continue;
        }
        into->live += bin->live;
        for (uint32_t op = 0; op < map->nops; op++)
            into->history[op] += bin->history[op];
    }
    map->nbins = n;
    map->coarser++;
}

/* Adds to the live bytes of each bin as many as lie in it; `one` is 1, or its negative. */
static void change(struct heap_map *map, const void *block, size_t size, uint64_t one)
{
    uint64_t at = (uintptr_t)block;
    const uint64_t end = at + size;
    while (at < end) {
        const uint64_t key = at / bin_bytes(map);
        struct map_bin *bin = bin_of(map, key);
        if (bin == NULL) {
            make_coarser(map);
            continue;
        }
        const uint64_t next = ALLOC_MIN(end, (key + 1) * bin_bytes(map));
        bin->live += one * (next - at);
        at = next;
    }
}

void heap_map_add(struct heap_map *map, const void *block, size_t size)
{
    change(map, block, size, 1);
}

void heap_map_drop(struct heap_map *map, const void *block, size_t size)
{
    change(map, block, size, -UINT64_C(1));
}

void heap_map_note(struct heap_map *map, uint64_t step)
{
    for (uint32_t i = 0; i < map->nbins; i++)
        map->bins[i].history[map->nops] = map->bins[i].live;
    map->steps[map->nops++] = step;
}

/* In 255ths of the bin, rounded up, so that nothing live is 0; blocks that lie over one another fill it once. */
static uint8_t share_of(uint64_t live, uint64_t bytes)
{
    return (uint8_t)ALLOC_MIN(255, live / bytes * 255 + (live % bytes * 255 + bytes - 1) / bytes);
}

void heap_map_finish(const struct heap_map *map, struct heap_map_result *result)
{
    const uint64_t bytes = bin_bytes(map), first = map->nbins > 0 ? map->bins[0].key : 0;
    *result = (struct heap_map_result){
        .nbins = map->nbins, .nops = map->nops, .bin_bytes = bytes, .lowest_address = first * bytes};
    memcpy(result->steps, map->steps, sizeof result->steps);
    for (uint32_t i = 0; i < map->nbins; i++) {
        result->bins[i] = map->bins[i].key - first;
        for (uint32_t op = 0; op < map->nops; op++)
            result->live[i][op] = share_of(map->bins[i].history[op], bytes);
    }
}
