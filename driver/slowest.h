/*
 * slowest.h - which ops may be the slowest of all, by the least that each took so far.
 *
 * The noise-free worst case is the largest least of all ops. The least only falls: an op that took less once than
 * another takes at best is not the slowest, and need not be timed again to know that.
 */
#ifndef HEAPBENCH_SLOWEST_H
#define HEAPBENCH_SLOWEST_H

#include <stdbool.h>
#include <stdint.h>

#define SLOWEST_MOST 1024

struct slowest {
    uint32_t n;                   /* 0: none were chosen, or they would be too many */
    uint32_t others;              /* ticks: the least of no other op is more */
    uint32_t timed;               /* the first so many are timed alone in the replay at work; 0: every op is */
    uint64_t steps[SLOWEST_MOST]; /* rising */
    uint32_t ticks[SLOWEST_MOST]; /* of those timed in the replay at work */
    /* For slowest_replay.c, since they were chosen: */
    bool again[SLOWEST_MOST];     /* was done again in a replay that counts, or once more where it cannot be */
    bool again_now[SLOWEST_MOST]; /* was so in the replay at work */
    bool alone[SLOWEST_MOST];     /* with those near it writes more than can be copied */
    bool too_much[SLOWEST_MOST];  /* so it does alone */
    bool cut_short;               /* the replay before ended before all had their turn, as that took too long */
};

/* Chooses those whose least is more than half the largest, or if these are more than SLOWEST_MOST, more than three
 * quarters of it, and so on, 255 of 256 parts at last. least: ticks, of nsteps steps; read ten times at most. */
void slowest_choose(struct slowest *slowest, const uint32_t *least, uint64_t nsteps);

/* Whether the slowest is still one of those that were chosen. */
bool slowest_is_among(const struct slowest *slowest, const uint32_t *least);

#endif
