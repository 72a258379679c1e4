/*
 * bench.h - what a worker sets up once and every pass works with: the plan, the allocator, the memory, the tables.
 */
#ifndef HEAPBENCH_BENCH_H
#define HEAPBENCH_BENCH_H

#include "allocators/guard.h"
#include "driver/cycles.h"
#include "driver/job.h"
#include "driver/packing.h"
#include "driver/pages.h"
#include "driver/slowest.h"
#include "driver/spec.h"
#include "traces/plan.h"

struct bench {
    struct job *job;
    struct plan plan;
    struct packing packing; /* the oracle's */
    struct allocator_spec allocator;
    struct pages_spec pages;
    struct guard guard; /* around the allocator, when asked for */
    struct heap_config config;
    void *region; /* the arena; NULL for a page source that brings its own memory */
    size_t region_bytes;
    bool region_used;  /* by a heap before: it is not all zero any more */
    void *pages_state; /* of the page source */
    struct pages_watch watch;
    struct page_source inner, source; /* the page source itself, and what heaps are created with */
    struct page_source counted;       /* instructions: the page source that `source` hands on to, between marks */
    struct heap *heap;
    void **slots;   /* the live blocks, plan.header->nslots of them, in memory already */
    uint64_t end;   /* the step that a replay ends before: plan.header->nsteps, unless bench_end_at() says otherwise */
    uint32_t *left; /* the slots that hold a block then */
    size_t nleft;
    uint8_t *live;            /* of each slot, to find these by */
    struct shadow *pages_out; /* verify: which pages are out; NULL: not kept */
    uint32_t *ticks;          /* latency: the table of job.h, shared with the driver */
    struct slowest *slowest;  /* latency: the ops that alone are timed in the end */
    struct rewind *rewind;    /* latency: what some of these and the ops before write */
    struct cycles cycles;     /* latency in cycles: the counter */
    uint64_t visited;         /* blocks that walks have seen so far */
    size_t page;              /* bytes */
};

/* Zeroed pages of the worker's own, never the C library's heap, in memory already; ends the run when there are none. */
void *bench_table(struct bench *bench, size_t count, size_t size);

/* A fresh heap in bench->heap over a page source opened anew, watched or bare; ends the run when it cannot be made. */
void bench_open(struct bench *bench, bool watched);

/* The heap destroyed, the page source closed. */
void bench_close(struct bench *bench);

/* Replays end before that step, the one at work too if it did not come to it yet. Finds out which blocks that leaves,
 * so that it takes a pass over the steps when this is another one than before. */
void bench_end_at(struct bench *bench, uint64_t end);

/* What a replay took: time that its thread had a processor, and time that went by; and all of it, with the making of
 * the heap and the end of it. */
struct replay_time {
    uint64_t cpu_ns, wall_ns, all_ns;
};

/* Replays the plan once from an empty heap, and leaves it so: what the trace never freed is released afterwards, since
 * the C library's heap outlives a destroy(). `replay` is the pass's loop, which alone is timed. */
struct replay_time bench_replay(struct bench *bench, uint64_t replay(struct bench *));

/* Takes a replay that counts, the index-th so far; from 0 again where those before no longer count. */
typedef void bench_keep(struct bench *bench, const struct replay_time *time, uint32_t index);

/* Replays until enough was timed, and hands `keep` the replays that count: those in which the core was whole and the
 * last cache the run's own, as long as there are such; see repetitions.c. Fills job->repetitions. */
void bench_repeat(struct bench *bench, uint64_t replay(struct bench *), bench_keep *keep);

/* Ends the worker: what the allocator did wrong at `step` (or NO_STEP), in words. */
void bench_failed(struct bench *bench, uint64_t step, const char *format, ...)
    __attribute__((noreturn, format(printf, 3, 4)));

/* Ends the worker: the run could not be set up. */
void bench_lacks(struct bench *bench, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));

/* Ends the worker: `step` was refused a block; finds out why. */
void bench_refused(struct bench *bench, uint64_t step) __attribute__((noreturn));

/* Whether a walk over the heap is due after `step`: not when the walks so far have seen more than this share of a fixed
 * number of blocks, so that a heap of millions of blocks is walked less often, and a replay takes no clock to know it.
 */
bool bench_may_walk(const struct bench *bench, uint64_t step);

/* One function a pass; each fills its part of the job's answer and returns, or ends the worker. */
void pass_verify(struct bench *bench);
void pass_space(struct bench *bench);
void pass_arena(struct bench *bench);
void pass_throughput(struct bench *bench);
void pass_latency(struct bench *bench);
void pass_instructions(struct bench *bench);

#endif
