/*
 * rewind.h - a heap as it was at a step of a replay, to do the steps after it again from there.
 *
 * An op that comes late takes a whole replay to come to, and finds in the caches what that and others left there. From
 * a copy of the heap it can be done many times, on the same bytes at the same addresses.
 */
#ifndef HEAPBENCH_REWIND_H
#define HEAPBENCH_REWIND_H

#include "driver/bench.h"

#define REWIND_MOST ((size_t)32 << 20) /* bytes: to copy more takes longer than most replays */

struct rewind {
    char *bytes;     /* of these pages, one after the other */
    uint32_t *pages; /* of the arena, by number: those in memory */
    size_t npages;
    unsigned char *in_memory; /* of each page of the arena */
    void **slots;
    void *pages_state;
};

/* Keeps the heap of the replay at work, with the live blocks and the page source. Memory is taken at the first time,
 * and kept until the end of the run. False, and nothing is kept: the heap cannot be copied, as it has memory elsewhere
 * than in the arena (which a heap of the contract has not, see allocators/alloc.h), or a copy would be larger than
 * REWIND_MOST, or parts of it are swapped out, or somebody watches what is done to it. */
bool rewind_keep(struct rewind *rewind, struct bench *bench);

/* As it was then. */
void rewind_back(const struct rewind *rewind, struct bench *bench);

#endif
