/*
 * memory_load.h - how long a load takes that the core's own caches do not hold, found by work of its own.
 *
 * What lies beyond them, the last cache and the memory, is shared with everybody on the machine; of a virtual machine's
 * neighbours nothing else is seen. A run of a large heap is as fast as these loads are at that moment.
 */
#ifndef HEAPBENCH_MEMORY_LOAD_H
#define HEAPBENCH_MEMORY_LOAD_H

#include "driver/bench.h"

struct memory_load {
    void **at; /* a line of memory, which holds the address of another */
};

/* Lays lines of 4 MiB out in a cycle; 2 ms. */
void memory_load_open(struct memory_load *load, struct bench *bench);

/* The time of a load in ns, the mean of some thousand that wait for each other; 0.4 ms. */
double memory_load_ns(struct memory_load *load);

#endif
