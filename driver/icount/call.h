/* call.h - calls between marks; see marks.h. The instructions of both sides of a call are the same whatever is called.
 */
#ifndef HEAPBENCH_ICOUNT_CALL_H
#define HEAPBENCH_ICOUNT_CALL_H

#include "allocators/alloc.h"

#if defined(__x86_64__) && defined(__LP64__)
#define ICOUNT_SET "x86_64"
#elif defined(__aarch64__) && defined(__LP64__)
#define ICOUNT_SET "aarch64"
#endif /* no other has marks */

#ifdef ICOUNT_SET

/* function(a, b, c, d), in an interval of its own. */
void *icount_call(const void *a, const void *b, const void *c, const void *d, const void *function);

/* The functions of a page source that hands its calls on to `ctx`, a struct page_source, between marks. */
void *icount_alloc_page(void *ctx, size_t npages);
void *icount_alloc_far(void *ctx, size_t npages);
void icount_free_page(void *ctx, void *pages, size_t npages);

/* One instruction: the return. */
void icount_nothing(void);

#endif
#endif
