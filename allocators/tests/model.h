/*
 * model.h - the model checker: drives an allocator with random operations, and compares each answer with a shadow of
 * what must be true.
 *
 * The shadow knows every live block. Checked at each operation: alignment; that the block lies in pages that the
 * allocator holds and overlaps no live block; usable() at least the request and constant; zeros from zalloc(); content
 * kept, by a pattern that covers all usable bytes (of blocks over 4 KiB: both ends and the start of each page); NULL
 * only when the page source refused. Checked as often as asked, and whenever pages were refused: that
 * walk() visits every live block once, as used, and nothing twice; that check() is content.
 */
#ifndef HEAPBENCH_TESTS_MODEL_H
#define HEAPBENCH_TESTS_MODEL_H

#include "allocators/tests/counted.h"

/* What a run asks for. */
struct model_mix {
    const char *name;
    unsigned percent;             /* of all operations that a test makes */
    size_t low, high;             /* sizes are log-uniform between these, inclusive */
    const struct size_use *sizes; /* or, when not NULL, drawn from these and announced in heap_config */
    size_t nsizes;
};

/* A range of mixes that every allocator must manage; ends with .name NULL. */
extern const struct model_mix model_mixes[];

struct model {
    const struct allocator *allocator;
    const uint64_t *opt;                 /* of the allocator */
    const struct size_use *option_sizes; /* of its OPTION_SIZES, which replace those of the mix; NULL: none */
    size_t noption_sizes;
    struct counted *pages;
    const struct model_mix *mix;
    uint64_t seed;
    uint64_t ops;
    size_t max_live; /* blocks */
    size_t inspect;  /* walk() and check() after so many operations, and after each that was refused pages */
    uint64_t done;   /* operations that were made: all, but for those without a heap since create() was refused pages */
    char error[400]; /* what went wrong, at which operation; "" when nothing did */
};

/* One heap from create() to destroy(), then the pages' books are checked too. A heap that cannot be created, or loses
 * an operation, for want of pages is no failure; one that keeps no blocks for reuse (no CAP_FREE) is begun anew then.
 * False: model->error. */
bool model_run(struct model *model);

#endif
