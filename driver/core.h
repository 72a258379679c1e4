/*
 * core.h - whether a run has its processor core for itself, and how fast that is clocked, found by work of its own.
 *
 * Where a core runs two hardware threads, the other may belong to somebody else: on a virtual machine to a neighbour
 * whom nothing here shows. While it is busy, for ms or for minutes, this one has half of the core's units and caches,
 * and most programs take a third longer. A chain of additions, each waiting for the one before, takes a cycle each
 * whoever else is there; additions that wait for nothing take what the core has to give. The second over the first is
 * at its least while the core is whole, whatever the clock: the least that is found again and again is what later looks
 * are compared with.
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

/* What a whole core is by n looks, which are sorted, and by what was found before (or 0). While a neighbour is busy
 * the core is whole for some us at a time, when the neighbour waits for memory: among hundreds of looks there are some
 * like each other. Lone lower ones are wrong, as the clock rate changed in the middle of them: by one such, every core
 * would be taken for a shared one from then on. */
double core_of_looks(double looks[], int n, double before);

/* Looks for 0.1 ms at most: whether the core is whole. */
bool core_is_whole(struct core *core);

#endif
