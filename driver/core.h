/*
 * core.h - whether a run has its processor core for itself, and how fast that is clocked, found by work of its own.
 *
 * Where a core runs two hardware threads, the other may belong to somebody else: on a virtual machine to a neighbour
 * whom nothing here shows. While it is busy, for ms or for minutes, this one has half of the core's units and caches,
 * and most programs take a third longer. A chain of additions, each waiting for the one before, takes a cycle each
 * whoever else is there; additions that wait for nothing take what the core has to give. The second over the first is
 * at its least while the core is whole, whatever the clock: the least seen is what later looks are compared with.
 */
#ifndef HEAPBENCH_CORE_H
#define HEAPBENCH_CORE_H

#include <stdbool.h>

struct core {
    double whole;    /* time of additions side by side over that of a chain, while the core is whole; 0: not known */
    double clock_hz; /* the core's, at the last look */
};

/* Looks some hundred times to know what a whole core is: `whole` is what was found before, and it takes 2 ms; or 0,
 * when nothing was, and it takes 8. */
void core_open(struct core *core, double whole);

/* Looks for 0.1 ms at most: whether the core is whole. */
bool core_is_whole(struct core *core);

#endif
