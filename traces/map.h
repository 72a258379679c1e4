/*
 * map.h - a hash table from 64-bit keys to 64-bit values, as small and fast as a trace's inner loops need it.
 *
 * Open addressing with linear probing, at most half full; a removal shifts the run back, so that there are no
 * tombstones and memory is in proportion to the entries that are live. A zeroed struct is an empty map.
 */
#ifndef HEAPBENCH_MAP_H
#define HEAPBENCH_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAP_NONE UINT64_MAX /* no value: never stored */

struct map_entry {
    uint64_t key, value; /* value MAP_NONE: the entry is empty */
};

struct map {
    struct map_entry *entries; /* 1 << bits of them; NULL while nothing was stored */
    size_t count;
    unsigned bits;
};

static inline size_t map_home(const struct map *map, uint64_t key)
{
    return (size_t)(((key ^ key >> 32) * UINT64_C(0x9E3779B97F4A7C15)) >> (64 - map->bits));
}

/* The entry of `key`, or the empty one where it would go. The map has entries. */
static inline struct map_entry *map_probe(const struct map *map, uint64_t key)
{
    size_t mask = ((size_t)1 << map->bits) - 1, i = map_home(map, key);
    while (map->entries[i].value != MAP_NONE && map->entries[i].key != key)
        i = (i + 1) & mask;
    return &map->entries[i];
}

/* MAP_NONE: not there. */
static inline uint64_t map_get(const struct map *map, uint64_t key)
{
    return map->entries ? map_probe(map, key)->value : MAP_NONE;
}

static inline bool map_grow(struct map *map)
{
    struct map bigger = {.bits = map->entries ? map->bits + 1 : 6, .count = map->count};
    size_t n = (size_t)1 << bigger.bits;
    if (n > SIZE_MAX / sizeof(struct map_entry) || !(bigger.entries = malloc(n * sizeof(struct map_entry))))
        return false;
    memset(bigger.entries, 0xff, n * sizeof(struct map_entry)); /* every value MAP_NONE */
    for (size_t i = 0; map->entries && i < (size_t)1 << map->bits; i++)
        if (map->entries[i].value != MAP_NONE)
            *map_probe(&bigger, map->entries[i].key) = map->entries[i];
    free(map->entries);
    *map = bigger;
    return true;
}

/* Stores or replaces; false: no memory, and the map is as it was. */
static inline bool map_set(struct map *map, uint64_t key, uint64_t value)
{
    if ((!map->entries || map->count >= (size_t)1 << (map->bits - 1)) && !map_grow(map))
        return false;
    struct map_entry *entry = map_probe(map, key);
    map->count += entry->value == MAP_NONE;
    *entry = (struct map_entry){key, value};
    return true;
}

/* Removes; the value that was there, or MAP_NONE. */
static inline uint64_t map_take(struct map *map, uint64_t key)
{
    if (!map->entries)
        return MAP_NONE;
    struct map_entry *hole = map_probe(map, key);
    uint64_t value = hole->value;
    if (value == MAP_NONE)
        return MAP_NONE;
    map->count--;
    size_t mask = ((size_t)1 << map->bits) - 1, at = (size_t)(hole - map->entries), next = at;
    while (map->entries[next = (next + 1) & mask].value != MAP_NONE) {
        size_t home = map_home(map, map->entries[next].key);
        if (((next - home) & mask) >= ((next - at) & mask)) { /* its run began at or before the hole */
            map->entries[at] = map->entries[next];
            at = next;
        }
    }
    map->entries[at].value = MAP_NONE;
    return value;
}

static inline void map_clear(struct map *map)
{
    free(map->entries);
    *map = (struct map){0};
}

#endif
