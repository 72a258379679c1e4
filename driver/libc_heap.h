/*
 * libc_heap.h - what the C library's malloc has of the system, as it says itself.
 */
#ifndef HEAPBENCH_LIBC_HEAP_H
#define HEAPBENCH_LIBC_HEAP_H

#include <stdint.h>

struct libc_heap {
    uint64_t held; /* bytes taken from the system */
    uint64_t used; /* of these, bytes in blocks */
};

/* Walks the bins of the heap: not for every op. */
struct libc_heap libc_heap_read(void);

/* NULL, or why libc_heap_read() says nothing here, in words. */
const char *libc_heap_missing(void);

#endif
