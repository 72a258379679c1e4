/* alone.h - a page source as an allocator, so that it can be replayed alone: --alloc=pages:avl. */
#ifndef HEAPBENCH_ALONE_H
#define HEAPBENCH_ALONE_H

#include "allocators/alloc.h"

/*
 * Blocks are runs of whole pages of the page source that the heap is created with; size 0 is a page too. The heap keeps
 * its books in memory of its own and takes no page for itself.
 */
extern const struct allocator allocator_pages;

/* The same, for a page source of a given region: walk() visits the source's free pages too, as far as pages were ever
 * out, so that how they are scattered can be told. */
extern const struct allocator allocator_pages_of_region;

#endif
