/*
 * guard.h - puts the debugging layer (allocators/guard.h) around the allocator of a run, and ends the run with its
 * first fault, in words with the ops. A run without --guard never comes here.
 */
#ifndef HEAPBENCH_DRIVER_GUARD_H
#define HEAPBENCH_DRIVER_GUARD_H

#include "driver/bench.h"

/* From here on bench->allocator.allocator is the guarded one, if the job asks for it. */
void bench_guard(struct bench *bench);

#endif
