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

/* Done again before an op that is timed again, so that it finds the caches and the branch predictors as they leave
 * them: with 64, some ops take longer; with 8192, what some gain others lose. */
#define REWIND_STEPS UINT64_C(1024)

struct rewind {
    char *bytes;     /* of these pages, one after the other */
    uint32_t *pages; /* of the arena, by number: those in memory */
    size_t npages;
    unsigned char *in_memory; /* of each page of the arena */
    void *pages_state;
    uint64_t from;             /* the step */
    void *slots[REWIND_STEPS]; /* what each step after it found in its slot */
    uint64_t keep_ns;          /* what keeping took the last time; 0: never kept */
};

/* Keeps the heap of the replay at work as it is before step `from`, at most REWIND_STEPS before its end, with the live
 * blocks and the page source. Memory is taken at the first time, and kept until the end of the run. False, and nothing
 * is kept: the heap cannot be copied, as it has memory elsewhere than in the arena (which a heap of the contract has
 * not, see allocators/alloc.h), or more than REWIND_MOST of that was ever written, or parts of it are swapped out, or
 * somebody watches what is done to it, or there is no memory for the copy. */
bool rewind_keep(struct rewind *rewind, const struct bench *bench, uint64_t from);

/* As it was then. */
void rewind_back(const struct rewind *rewind, const struct bench *bench);

#endif
