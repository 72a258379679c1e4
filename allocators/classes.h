/*
 * classes.h - which block sizes to offer, given what the work will ask for.
 */
#ifndef HEAPBENCH_CLASSES_H
#define HEAPBENCH_CLASSES_H

#include "allocators/alloc.h"

#define CLASSES_MOST       64  /* that may be asked for */
#define CLASSES_CANDIDATES 128 /* different sizes that are weighed against each other; see classes_choose() */

/* What classes_choose() works in; the caller's, of no use afterwards. */
struct classes_work {
    size_t size[CLASSES_CANDIDATES + 1];      /* ascending */
    uint64_t weight[CLASSES_CANDIDATES + 1];  /* of the blocks of that size; then summed up, weight[i] before size[i] */
    uint64_t best[2][CLASSES_CANDIDATES + 1]; /* least cost of the first i sizes in so many classes */
    uint8_t from[CLASSES_MOST][CLASSES_CANDIDATES + 1]; /* where the last of those classes begins */
};

/*
 * Rounds the sizes up to multiples of `granule`, a power of two, and chooses at most `most` of them into classes[],
 * ascending, the largest always among them, so that the sum of the blocks' classes at their peaks, and of `fixed` bytes
 * for each class, is least. Exact for up to CLASSES_CANDIDATES different sizes after rounding; of more, neighbours that
 * cost least to treat as one are joined first. Sizes over half the address space are left out. Returns the number of
 * classes.
 */
size_t classes_choose(struct classes_work *work, const struct size_use *sizes, size_t nsizes, size_t granule,
                      size_t fixed, size_t *classes, size_t most);

/*
 * The same into classes[most], most <= CLASSES_MOST, weighed against half a page for each class where the peaks are
 * known, in pages that are given back at once. Returns the number of classes; 0: exhausted, or no size was given.
 */
size_t classes_from_work(const struct page_source *source, const struct size_use *sizes, size_t nsizes, size_t *classes,
                         size_t most);

#endif
