/*
 * loop.h - the measured loop: a plan's steps against one heap, and nothing else.
 *
 * One template, specialised by constants: with timers or not, with the op at work kept or not, through the interface or
 * with the null allocator compiled in. The two common kinds come first: a malloc is a comparison, a load, a call and
 * two stores. Nothing here calls the C library but what an op itself asks for.
 */
#ifndef HEAPBENCH_LOOP_H
#define HEAPBENCH_LOOP_H

#include "driver/bench.h"
#include "driver/op.h"
#include "driver/timer.h"

struct loop {
    const struct plan *plan;
    const struct allocator *allocator;
    struct heap *heap;
    uint64_t begin, end; /* the steps to do, the last not included */
    void **slots;        /* the live blocks */
    void *fixed_block;   /* what the inlined null allocator hands out */
    uint32_t *ticks;     /* LOOP_TIMED: of each op, UINT32_MAX when more; LOOP_BATCHED: of its batch, at its first */
    uint64_t batch_ops;  /* LOOP_BATCHED: how many ops make a batch */
    const struct perf_event_mmap_page *cycles; /* LOOP_CYCLES: the counter */
    volatile uint64_t *step;                   /* LOOP_PROGRESS: the op at work */
    size_t page;                               /* bytes */
};

enum loop_flags {
    LOOP_TIMED = 1 << 0,
    LOOP_PROGRESS = 1 << 1,
    LOOP_NULL_INLINE = 1 << 2, /* the floor: the same loop with the null allocator compiled in */
    LOOP_CYCLES = 1 << 3,      /* with LOOP_TIMED: ticks are cycles */
    LOOP_BATCHED = 1 << 4,     /* not with LOOP_TIMED: the clock is read between batches */
};

/* The loop's part of what the worker set up, over the heap of the moment. */
static inline struct loop loop_of(const struct bench *bench)
{
    return (struct loop){.plan = &bench->plan,
                         .allocator = bench->allocator.allocator,
                         .heap = bench->heap,
                         .end = bench->end,
                         .slots = bench->slots,
                         .ticks = bench->ticks,
                         .batch_ops = bench->job->latency.batch_ops,
                         .cycles = bench->cycles.page,
                         .step = &bench->job->step,
                         .page = bench->page};
}

OP_INLINE uint64_t loop_ticks(const struct loop *loop, const unsigned flags)
{
#if CYCLES_IN_USER_SPACE
    if (flags & LOOP_CYCLES)
        return cycles_now(loop->cycles);
#endif
    (void)loop;
    (void)flags;
    return timer_ticks();
}

static inline uint32_t loop_clamp(uint64_t ticks)
{
    return ticks < UINT32_MAX ? (uint32_t)ticks : UINT32_MAX;
}

/* The batch at work. Batches lie side by side, so that the time of each holds the touching of its blocks, the loop
 * itself, and one reading of the clock; an op that does nothing is of none. */
struct batch {
    uint64_t ops_left;
    uint64_t first; /* the index of its first op; NO_STEP: none has begun */
    uint64_t start; /* ticks */
};

/* Ends the batch at work, and begins another at the op of that index. */
static inline void loop_next_batch(const struct loop *loop, struct batch *batch, uint64_t index)
{
    const uint64_t now = timer_ticks();
    if (batch->first != NO_STEP)
        loop->ticks[batch->first] = loop_clamp(now - batch->start);
    *batch = (struct batch){loop->batch_ops, index, now};
}

/* Times one call when asked to: the interval holds the call and the cost of the timer. */
#define LOOP_CALL(call)                                                                                                \
    do {                                                                                                               \
        const uint64_t before_ = flags & LOOP_TIMED ? loop_ticks(loop, flags) : 0;                                     \
        call;                                                                                                          \
        if (flags & LOOP_TIMED) {                                                                                      \
            loop->ticks[at - steps] = loop_clamp(loop_ticks(loop, flags) - before_);                                   \
        }                                                                                                              \
    } while (0)

/* Does the steps from begin on. The index of the first that was refused a block; the end when all were served. */
OP_INLINE uint64_t loop_run(const struct loop *loop, const unsigned flags, const enum touch touch)
{
    const struct allocator *const a = loop->allocator;
    struct heap *const heap = loop->heap;
    void *(*const alloc)(struct heap *, size_t) = a->alloc;
    void (*const release)(struct heap *, void *) = a->release;
    void **const slots = loop->slots;
    const size_t page = loop->page;
    const uint64_t *const steps = loop->plan->steps, *const end = steps + loop->end;
    const bool inlined = flags & LOOP_NULL_INLINE;
    void *const fixed = loop->fixed_block;
    struct batch batch = {.first = NO_STEP};

    for (const uint64_t *at = steps + loop->begin; at < end; at++) {
        const uint64_t step = *at;
        const unsigned kind = plan_kind(step);
        size_t size = plan_size(step);
        void **const slot = &slots[plan_slot(step)];
        void *block;
        if (flags & LOOP_PROGRESS)
            *loop->step = (uint64_t)(at - steps);
        if (flags & LOOP_BATCHED && kind != PLAN_NOTHING) {
            if (batch.ops_left == 0)
                loop_next_batch(loop, &batch, (uint64_t)(at - steps));
            batch.ops_left--;
        }
        if (ALLOC_LIKELY(kind == PLAN_MALLOC)) {
            LOOP_CALL(block = inlined ? fixed : alloc(heap, size));
        } else if (ALLOC_LIKELY(kind == PLAN_FREE)) {
            block = *slot;
            if (inlined)
                __asm__ volatile("" ::"r"(block)); /* the loop hands it over; null has nothing to do with it */
            else
                LOOP_CALL(release(heap, block));
            continue;
        } else if (kind == PLAN_REALLOC) {
            LOOP_CALL(block = inlined ? fixed : op_resize(a, heap, *slot, size));
        } else if (kind == PLAN_CALLOC) {
            LOOP_CALL(block = inlined ? memset(fixed, 0, size) : op_zalloc(a, heap, size));
        } else if (kind == PLAN_EXTRA) {
            const struct request request = request_of(loop->plan, step);
            size = request.size;
            if (inlined)
                block = request.kind == OP_CALLOC ? memset(fixed, 0, size) : fixed;
            else
                LOOP_CALL(block = request_do(a, heap, &request, *slot));
        } else { /* PLAN_NOTHING */
            if (flags & LOOP_TIMED)
                loop->ticks[at - steps] = 0;
            continue;
        }
        if (ALLOC_UNLIKELY(block == NULL))
            return (uint64_t)(at - steps);
        *slot = block;
        touch_block(block, size, touch, page);
    }
    if (flags & LOOP_BATCHED && batch.ops_left == 0)
        loop_next_batch(loop, &batch, NO_STEP);
    return (uint64_t)(end - steps);
}

/* loop_run() with the touch policy made a constant. */
OP_INLINE uint64_t loop_run_touching(const struct loop *loop, const unsigned flags, enum touch touch)
{
    switch (touch) {
    case TOUCH_NONE:
        return loop_run(loop, flags, TOUCH_NONE);
    case TOUCH_WORD:
        return loop_run(loop, flags, TOUCH_WORD);
    case TOUCH_ALL:
        return loop_run(loop, flags, TOUCH_ALL);
    default:
        return loop_run(loop, flags, TOUCH_PAGE);
    }
}

#endif
