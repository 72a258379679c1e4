/*
 * counted.h - a page source for tests: keeps books of what an allocator takes and gives back, and fails on demand.
 *
 * It stands between an allocator and a real page source. Pages are filled with junk when they go out and when they come
 * back, since their content is undefined then; only every other request is told of pages that are zero, and gets them
 * so. Guard pages lie on both sides of the region.
 */
#ifndef HEAPBENCH_TESTS_COUNTED_H
#define HEAPBENCH_TESTS_COUNTED_H

#include "allocators/alloc.h"

struct page_run {
    uintptr_t start, end;
};

struct counted {
    struct page_source source; /* what the allocator under test is given */
    struct page_source inner;
    const struct page_kind *kind;
    void *state;
    char *map; /* the region with its guards */
    size_t map_bytes;
    struct page_run *runs; /* what is out: ascending, neighbours joined */
    size_t nruns, capacity;
    uintptr_t zero_from;     /* of the source */
    uintptr_t highest;       /* end of what was ever out */
    size_t out;              /* pages */
    size_t requests;         /* so far */
    size_t refused;          /* requests that failed, for want of pages or on demand */
    size_t fail_from, fails; /* request number fail_from (from 1) and the following fail, `fails` of them */
    char error[160]; /* the first misuse: a foreign run given back, a page handed out twice; "" when there is none */
};

/* Opens `kind` with its default options over a region of its own. False: this kind cannot have such pages here. */
bool counted_open(struct counted *counted, const struct page_kind *kind, size_t region_bytes, size_t page_size);

/* The same with other options: "bitmap:fit=next". */
bool counted_open_as(struct counted *counted, const struct page_kind *kind, const char *spec, size_t region_bytes,
                     size_t page_size);
void counted_close(struct counted *counted);

/* Whether all of [start, start + bytes) is in pages that are out. */
bool counted_holds(const struct counted *counted, const void *start, size_t bytes);

#endif
