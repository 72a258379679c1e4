/*
 * arena.c - one probe of the search for the smallest arena: the plan once, in an arena of the size that is tried.
 *
 * No clock, and nothing is written into blocks: whether every op is served does not depend on it. The C library has no
 * arena of ours; its budget is a limit on the process' private writable memory (RLIMIT_DATA, which counts the break and
 * mappings), above what it has when the replay begins, less what lies free in its heap by then.
 */
#include <stdlib.h>
#include <sys/resource.h>

#include "driver/libc_heap.h"
#include "driver/loop.h"
#include "driver/proc.h"

/* NULL, or why the C library cannot be given a budget of `bytes`. */
static const char *limit_libc(uint64_t bytes)
{
    const char *missing = libc_heap_missing();
    const struct libc_heap heap = libc_heap_read();
    const uint64_t mapped = proc_bytes("status", "VmData"); /* private writable, as RLIMIT_DATA counts it */
    struct rlimit limit;
    if (missing != NULL)
        return missing;
    if (getenv("HEAPBENCH_RUNNER") != NULL)
        return "under HEAPBENCH_RUNNER a limit on memory would be the runner's";
    if (mapped == UNKNOWN_BYTES)
        return "/proc/self/status does not say what is mapped";
    getrlimit(RLIMIT_DATA, &limit);
    limit.rlim_cur = ALLOC_MIN(mapped - (heap.held - heap.used) + bytes, limit.rlim_max);
    return setrlimit(RLIMIT_DATA, &limit) == 0 ? NULL : "RLIMIT_DATA cannot be set";
}

void pass_arena(struct bench *bench)
{
    struct job *job = bench->job;
    if (spec_is_libc(&bench->allocator)) {
        const char *missing = limit_libc(job->arena_bytes);
        if (missing != NULL) {
            strcpy(job->arena.missing, missing);
            return;
        }
    }
    bench_open(bench, true);
    const struct loop loop = loop_of(bench);
    const uint64_t done = loop_run(&loop, LOOP_PROGRESS, TOUCH_NONE);
    if (done < bench->plan.header->nsteps)
        bench_refused(bench, done);
    const bool from_below = bench->region != NULL && bench->source.alloc_far == NULL;
    if (!(bench->allocator.allocator->caps & CAP_HOSTED))
        job->arena.span = from_below ? bench->watch.highest - (uintptr_t)bench->region : bench->watch.held_peak;
}
