/*
 * touched.h - how much memory under the allocator was really written.
 */
#ifndef HEAPBENCH_TOUCHED_H
#define HEAPBENCH_TOUCHED_H

#include "driver/bench.h"

struct touched {
    bool in_arena;         /* known after every op; elsewhere looking takes time */
    uint64_t before;       /* bytes the process had written before the replay */
    char missing[MISSING]; /* why it is not known; "": it is */
};

/* Begins to count. Before bench_open(): what creating the page source and the heap writes is counted, too. */
void touched_open(struct touched *touched, struct bench *bench);

/* Bytes in pages written so far, or now; UNKNOWN_BYTES, and from then on touched->missing says why. */
uint64_t touched_now(struct touched *touched);

#endif
