/*
 * packing.h - a place for every block of a plan, chosen with the whole trace in view.
 *
 * A block that is resized is, from then on, another block. Blocks are numbered in the order of the ops that make them.
 * A packing lives in one anonymous file, as a plan does: the driver computes it once, the workers map it.
 */
#ifndef HEAPBENCH_PACKING_H
#define HEAPBENCH_PACKING_H

#include "allocators/alloc.h"
#include "traces/plan.h"

#define PACKING_UNIT HEAP_ALIGN /* bytes; places and sizes are in these */

struct packing_header {
    uint64_t bytes;   /* of the whole file */
    uint64_t nblocks; /* in each of the tables */
    uint64_t height;  /* units that all blocks lie in */
    uint64_t load;    /* the most units live at once, which no packing can be lower than */
    uint64_t align;   /* bytes, of the block that asks for most */
};

struct packed {
    uint32_t place;
    uint32_t kept; /* units to be copied from the block that this one is the new size of; 0: none */
};

struct packing {
    int fd; /* -1: not open */
    const struct packing_header *header;
    const struct packed *blocks;
    const uint32_t *units;    /* of each block */
    const uint32_t *by_place; /* the blocks' numbers, ascending by place and then by number */
};

/* False: *error (no memory, or blocks of more than 2^32 units side by side). */
bool packing_build(struct packing *packing, const struct plan *plan, struct error *error);

/* Maps a packing that another process built. */
bool packing_map(struct packing *packing, int fd, struct error *error);

void packing_close(struct packing *packing);

#endif
