/*
 * line.h - a line of addresses without memory behind it: blocks are put at places and taken away, best fit.
 *
 * The packing of a trace (packing.c) is tried on it. Addresses and sizes are in units of the caller's; the line goes on
 * for ever, and its end is used only for what fits no gap. Putting and taking a block cost O(log gaps).
 */
#ifndef HEAPBENCH_LINE_H
#define HEAPBENCH_LINE_H

#include <stdbool.h>
#include <stdint.h>

#define LINE_ROOM UINT32_MAX /* no block ends behind this */

struct segment;
struct gap;

struct line {
    struct segment *segments; /* blocks by their numbers, the beginning of the line, then gaps */
    struct gap *gaps;         /* the same gaps, as a tree */
    uint32_t *unused;         /* numbers of gaps that are none */
    uint32_t nblocks, ngaps, nunused;
    uint32_t root, last; /* of the tree; the last block or gap of the line */
    uint32_t random;
    uint64_t highest; /* end of the highest block ever put since line_clear() */
};

/* A line for blocks numbered below `nblocks`, of which at most `nlive` are on it at once. False: no memory. */
bool line_open(struct line *line, uint32_t nblocks, uint32_t nlive);
void line_close(struct line *line);

/* Takes all blocks away. */
void line_clear(struct line *line);

/* Puts a block into the smallest gap that holds it, of those the lowest; `align` is a power of two. False: it would end
 * behind LINE_ROOM, and is not put. */
bool line_put(struct line *line, uint32_t block, uint32_t units, uint32_t align);
void line_take(struct line *line, uint32_t block);

/* Where a block is, or was when it was taken away. */
uint32_t line_place(const struct line *line, uint32_t block);

#endif
