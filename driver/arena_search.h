/*
 * arena_search.h - the smallest arena in which a trace completes: the arena pass, as the driver sees it.
 *
 * The highest address used flatters or damns an allocator by how it spreads, and the pages it holds say nothing of the
 * room it needs between them; what a system has to be given is the arena. It is searched to the page, each probe a run
 * in a process of its own (arena.c).
 */
#ifndef HEAPBENCH_ARENA_SEARCH_H
#define HEAPBENCH_ARENA_SEARCH_H

#include "driver/progress.h"
#include "driver/run.h"

/*
 * Does the runs, from launcher->job, whose arena is the largest that is tried; fills *found and run's status. The
 * smallest arena is then checked by the verify pass. That a trace completes need not be monotonic in the size of the
 * arena: sizes below and above the smallest are tried as well, and a smaller one that does is the smallest from then
 * on. RUN_FAILED: the trace does not complete in the largest arena, or a run broke (a crash in a small arena is one).
 */
void arena_search(struct run *run, struct launcher *launcher, const struct progress *progress,
                  struct arena_study *found);

#endif
