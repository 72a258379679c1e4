/*
 * rewind.h - a heap as it was at a step of a replay, to do the steps after it again from there.
 *
 * An op that comes late takes a whole replay to come to, and finds in the caches what that and others left there. From
 * a copy of the heap it can be done many times, on the same bytes at the same addresses. Only what these steps write is
 * copied, as they write it the first time: however large the heap is, that is little.
 */
#ifndef HEAPBENCH_REWIND_H
#define HEAPBENCH_REWIND_H

#include "driver/bench.h"

#define REWIND_MOST  ((size_t)32 << 20) /* bytes that are copied */
#define REWIND_STEPS UINT64_C(4096)     /* that are done again at once */

struct rewind {
    char *bytes;     /* of these pages, one after the other */
    uint32_t *pages; /* of the arena, by number */
    size_t npages, page;
    void *pages_state;         /* of the page source */
    uint64_t from, end;        /* the steps */
    void *slots[REWIND_STEPS]; /* what each of them found in its slot */
};

/* Keeps the heap of the replay at work, before step `from`, with the live blocks and the page source: from now on each
 * page is copied before it is written, which takes time, until rewind_kept(). The steps that follow end before `end`,
 * REWIND_STEPS on at most. Memory is taken at the first time, and kept until the end of the run. False, and nothing is
 * kept: the heap cannot be copied, as it has memory elsewhere than in the arena (which a heap of the contract has not,
 * see allocators/alloc.h), or somebody watches what is done to it, or its pages cannot be protected, or there is no
 * memory for the copy. */
bool rewind_keep(struct rewind *rewind, const struct bench *bench, uint64_t from, uint64_t end);

/* These steps were done, and no page is copied any more. False: they wrote more than REWIND_MOST, or to too many places
 * for the kernel, and nothing is kept. */
bool rewind_kept(void);

/* As it was then. */
void rewind_back(const struct rewind *rewind, const struct bench *bench);

#endif
