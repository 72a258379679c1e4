/*
 * guard.h - a debugging layer around any allocator: finds what its caller, or the allocator, does to memory that is not
 * theirs, and names the op that had the block.
 *
 * It is an allocator itself, needs no libc, and costs nothing where it is not put in between. A kernel sets the word
 * that `word` leads to, say to its caller's address, before each call; the workbench has its op's index there.
 */
#ifndef HEAPBENCH_GUARD_H
#define HEAPBENCH_GUARD_H

#include "allocators/alloc.h"

enum guard_kind {
    GUARD_OVERFLOW,         /* bytes after a live block were written */
    GUARD_UNDERFLOW,        /* bytes before a live block were written */
    GUARD_DOUBLE_FREE,      /* a block that was freed is freed, resized or asked about */
    GUARD_FOREIGN,          /* so is a pointer that is no block of this heap */
    GUARD_WRITE_AFTER_FREE, /* a freed block was written */
    GUARD_TWICE,            /* the allocator handed out a block that it had not been given back */
    GUARD_KINDS
};
extern const char *const guard_names[GUARD_KINDS]; /* "overflow", "double free", … */

struct guard_fault {
    enum guard_kind kind;
    const void *pointer;  /* what was written, or passed in */
    const void *block;    /* the block concerned; NULL: a foreign pointer that leads into no block */
    size_t size;          /* bytes that were asked for it */
    ptrdiff_t offset;     /* of the pointer in it, bytes; negative: before it */
    uint64_t now;         /* *word at discovery */
    uint64_t born, freed; /* *word when the block was handed out, and freed */
    bool was_freed;       /* `freed` means something */
    bool looked;          /* the last look at every block found this one whole, and was later than that: */
    uint64_t looked_at;   /* *word then */
};

/* Told of each fault. When it returns, the heap goes on: a wrong free is ignored, what was written over is repaired. */
typedef void guard_report(void *arg, const struct guard_fault *fault);

/* The layer's options, in the form of an allocator's. */
extern const struct alloc_option guard_options[];
enum { GUARD_OPT_DEPTH, GUARD_OPT_BYTES, GUARD_OPT_ZONE, GUARD_OPT_EVERY, GUARD_OPTS };

/* What the layer is made with; outlives its heaps. */
struct guard {
    struct allocator allocator; /* the guarded one: its functions work on guarded heaps alone */
    const struct allocator *inner;
    uint64_t settings[GUARD_OPTS]; /* of guard_options */
    const volatile uint64_t *word; /* what names the op at work */
    guard_report *report;
    void *arg;                       /* given to it */
    uint64_t opt[ALLOC_MAX_OPTIONS]; /* of the inner allocator */
};

/*
 * Fills *guard. guard->allocator is as any other, but that the heap_config it is given to create() must have
 * guard->opt for its `opt`: there it finds the rest. `opt`: values of inner's options, NULL when it has none;
 * `settings`: values of guard_options. An allocator whose blocks overlap (CAP_YARDSTICK) cannot be guarded.
 */
void guard_wrap(struct guard *guard, const struct allocator *inner, const uint64_t *opt, const uint64_t *settings,
                const volatile uint64_t *word, guard_report *report, void *arg);

#endif
