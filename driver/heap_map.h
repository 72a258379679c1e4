/*
 * heap_map.h - where in memory the live blocks lie while a replay goes on: address × time, from the blocks' addresses
 * alone, so that it can be drawn of any allocator.
 */
#ifndef HEAPBENCH_HEAP_MAP_H
#define HEAPBENCH_HEAP_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "driver/job.h"

struct map_bin {
    uint64_t key;                  /* its address over the bytes of a bin */
    uint64_t live;                 /* requested bytes of live blocks in it, now */
    uint64_t history[JOB_MAP_OPS]; /* the same after each op that was noted */
};

/* All zero: an empty map. */
struct heap_map {
    struct map_bin bins[JOB_MAP_BINS]; /* those that a block ever lay in, ascending */
    uint64_t steps[JOB_MAP_OPS];
    uint32_t nbins, nops;
    unsigned coarser; /* how often the bins were made twice as large */
};

/* A block of `size` requested bytes is there, or no longer. No time in a library, no memory but the map's. */
void heap_map_add(struct heap_map *map, const void *block, size_t size);
void heap_map_drop(struct heap_map *map, const void *block, size_t size);

/* Keeps what is live after `step`; at most JOB_MAP_OPS times. */
void heap_map_note(struct heap_map *map, uint64_t step);

/* The map as the result has it. */
void heap_map_finish(const struct heap_map *map, struct heap_map_result *result);

#endif
