/*
 * slowest_replay.h - a replay that times only the ops that may be the slowest, and does those again that are by now.
 *
 * Who really is the slowest is known when nobody else's least is more. An op whose least is, because it was timed at
 * few times and found others at work, has to be timed again until it is not: from a copy of the heap (see rewind.h),
 * which takes no replay for each.
 *
 * A replay ends when there is nothing more to time. But that of a heap which outlives it, as the C library's: what it
 * leaves there the next one finds, and where it ended elsewhere each time, the same op would be another each time.
 */
#ifndef HEAPBENCH_SLOWEST_REPLAY_H
#define HEAPBENCH_SLOWEST_REPLAY_H

#include "driver/loop.h"

/* Does the loop's steps, as loop_run(). */
typedef uint64_t some_steps(const struct loop *loop, enum touch touch);

/* As a pass's loop, see bench_replay(). `one` times the step that it does, `others` do not. What bench->slowest has are
 * timed into its ticks, the first bench->slowest->timed of them; the replay ends (see bench_end_at()) after those that
 * are the slowest by now, or when doing these again took longer than coming to them and than a 16th of the run; of an
 * allocator with CAP_HOSTED, after the last step.
 * bench->ticks is as before. */
uint64_t slowest_replay(struct bench *bench, some_steps *others, some_steps *one);

#endif
