/*
 * ring_writer.h - the recorded program's side of a ring: the few instructions that every malloc and free pays for.
 */
#ifndef HEAPBENCH_RING_WRITER_H
#define HEAPBENCH_RING_WRITER_H

#include "traces/record/ring.h"

/*
 * A thread's own. It lies in memory that is zero in a forked child (MADV_WIPEONFORK), where cursor < limit then does
 * not hold: so the short way below finds by the one comparison it makes that a thread has no ring yet, that its process
 * is a new one, that the chunk is full, or that events have to be numbered.
 */
struct writer {
    uint64_t *cursor; /* the next word */
    uint64_t *limit;  /* the short way is good below it; NULL: never */
    struct ring *ring;
    uint64_t *end; /* an event begins below it: then it fits, and a jump behind it */
    struct slot *slot;
    unsigned chunk;
    volatile bool busy; /* an event is being written: only a signal handler can see it */
    bool refused;       /* there was no ring for this thread: do not ask at every event */
};

extern _Thread_local struct writer *writer __attribute__((visibility("hidden"), tls_model("initial-exec")));

/* Any event by the long way. Leaves errno as it was. */
__attribute__((visibility("hidden"), noinline, cold)) void write_event(enum event_kind kind, const void *block,
                                                                       size_t size, size_t align, const void *site);

/* An event of kind EVENT_MALLOC, CALLOC, FREE, RESIZE_BEGIN or RESIZE_END. */
static inline __attribute__((always_inline)) void write_short(enum event_kind kind, const void *block, size_t size,
                                                              const void *site)
{
    struct writer *w = writer;
    /* The four low bits rotated to the top: one comparison tells a pointer that fills the field, and only that. */
    const uintptr_t turned = (uintptr_t)block >> 4 | (uintptr_t)block << (8 * sizeof block - 4);
    if (__builtin_expect(!w->busy, 1)) {
        w->busy = true; /* a handler that wrote between here and there would be written over */
        atomic_signal_fence(memory_order_seq_cst);
        uint64_t *cursor = w->cursor;
        const bool fits = cursor < w->limit && turned - 1 < (uintptr_t)WORD_POINTER >> 4 && size < WORD_SIZE_MAX;
        if (__builtin_expect(fits, 1)) {
            *cursor++ = (uintptr_t)block | (uint64_t)size << WORD_SIZE_SHIFT | kind;
            w->cursor = cursor;
            atomic_store_explicit(&w->ring->head, (uintptr_t)cursor, memory_order_release);
        }
        atomic_signal_fence(memory_order_seq_cst);
        w->busy = false;
        if (__builtin_expect(fits, 1))
            return;
    }
    write_event(kind, block, size, 0, site);
}

#endif
