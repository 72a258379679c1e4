/*
 * pages.h - a page source between an allocator and the real one, that counts what is held and sees what goes wrong.
 */
#ifndef HEAPBENCH_PAGES_H
#define HEAPBENCH_PAGES_H

#include "allocators/alloc.h"
#include "driver/shadow.h"

struct pages_watch {
    struct page_source inner;
    uint64_t held, held_peak;      /* bytes */
    uintptr_t highest;             /* the end of the highest page handed out so far */
    const volatile uint64_t *step; /* where the run is */
    uint64_t refused_step;         /* where it was when pages were last refused; meaningless while refused is 0 */
    size_t refused;                /* how many pages were asked for then; 0: none were ever refused */
    struct shadow *pages;          /* verify: which pages are out; NULL: not kept */
    const char *broken;            /* verify: what the allocator did wrong with its pages; NULL: nothing */
};

/* *source watches `inner` while the run is at *step; `pages` may be NULL. */
void pages_watch_open(struct pages_watch *watch, struct page_source *source, const struct page_source *inner,
                      const volatile uint64_t *step, struct shadow *pages);

#endif
