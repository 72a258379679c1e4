/*
 * op.h - one op of a plan done through the interface, the same in every pass.
 *
 * Where an allocator leaves an optional function out, what the contract says the caller does instead is done here.
 */
#ifndef HEAPBENCH_OP_H
#define HEAPBENCH_OP_H

#include <string.h>

#include "allocators/alloc.h"
#include "driver/job.h"
#include "traces/plan.h"

#define OP_INLINE static inline __attribute__((always_inline))

OP_INLINE void *op_zalloc(const struct allocator *a, struct heap *heap, size_t size)
{
    if (a->zalloc)
        return a->zalloc(heap, size);
    void *block = a->alloc(heap, size);
    return block ? memset(block, 0, size) : NULL;
}

/* An alignment that alloc() gives anyway is not asked of aligned(), which need not exist. */
OP_INLINE void *op_aligned(const struct allocator *a, struct heap *heap, size_t align, size_t size)
{
    if (align <= HEAP_ALIGN)
        return a->alloc(heap, ALLOC_MAX(size, align));
    return a->aligned ? a->aligned(heap, align, size) : NULL;
}

OP_INLINE void *op_resize(const struct allocator *a, struct heap *heap, void *block, size_t size)
{
    return a->resize ? a->resize(heap, block, size) : alloc_resize_by_copy(a, heap, block, size);
}

/* A step with its extra looked up: what the slower passes work on. */
struct request {
    enum op_kind kind; /* OP_THREAD_END: nothing to do */
    uint32_t slot;
    size_t size, align;
    uint64_t bytes; /* the size as the trace has it */
    bool too_large; /* that or the alignment is more than a pointer can span; size and align mean nothing then */
};

static inline struct request request_of(const struct plan *plan, uint64_t step)
{
    static const uint8_t kinds[8] = {OP_MALLOC,     OP_FREE,       OP_CALLOC,     OP_REALLOC,
                                     OP_THREAD_END, OP_THREAD_END, OP_THREAD_END, OP_THREAD_END};
    struct request request = {.kind = (enum op_kind)kinds[plan_kind(step)], .slot = plan_slot(step)};
    uint64_t align = 0;
    request.bytes = plan_size(step);
    if (plan_kind(step) == PLAN_EXTRA) {
        const struct plan_extra *extra = &plan->extras[plan_size(step)];
        request.kind = (enum op_kind)extra->kind;
        request.bytes = extra->size;
        align = extra->align;
    }
    request.size = (size_t)request.bytes;
    request.align = (size_t)align;
    request.too_large = request.bytes > PTRDIFF_MAX || align > PTRDIFF_MAX;
    return request;
}

/* Does a request that makes or resizes a block; `block` is the one to resize. NULL: refused. */
static inline void *request_do(const struct allocator *a, struct heap *heap, const struct request *request, void *block)
{
    if (request->too_large)
        return NULL;
    switch (request->kind) {
    case OP_MALLOC:
        return a->alloc(heap, request->size);
    case OP_CALLOC:
        return op_zalloc(a, heap, request->size);
    case OP_ALIGNED:
        return op_aligned(a, heap, request->align, request->size);
    default:
        return op_resize(a, heap, block, request->size);
    }
}

/* Bytes by which the place in a page moves on from page to page: the same place in each would fall into one set of the
 * cache, and a large block would cost a miss a page. */
#define TOUCH_STRIDE 64

/*
 * Writes into a block of `size` bytes as the policy says, and never past it. TOUCH_PAGE is the first word and a byte in
 * every page that the block lies on; a block of up to a page lies on at most two, and is served without a branch.
 */
OP_INLINE void touch_block(void *block, size_t size, const enum touch policy, size_t page)
{
    unsigned char *at = block;
    if (policy == TOUCH_NONE)
        return;
    if (policy == TOUCH_ALL) {
        memset(at, 0x5a, size);
        return;
    }
    if (ALLOC_LIKELY(size - sizeof(uint64_t) <= page - sizeof(uint64_t))) { /* 8 <= size <= page */
        __builtin_memcpy(at, &size, sizeof size);
        if (policy == TOUCH_PAGE) {
            uintptr_t span = (uintptr_t)at ^ (uintptr_t)(at + size - 1);
            size_t other = (size - 1) & -(size_t)(span >= page); /* the last byte, if it is on another page */
            at[other] = 1;
        }
        return;
    }
    if (size == 0)
        return;
    if (size < sizeof(uint64_t)) {
        at[0] = 1;
        if (policy == TOUCH_PAGE)
            at[size - 1] = 1;
        return;
    }
    __builtin_memcpy(at, &size, sizeof size);
    if (policy == TOUCH_PAGE) {
        unsigned char *whole = (unsigned char *)ALLOC_ROUND_UP((uintptr_t)at + 1, (uintptr_t)page);
        for (size_t line = 0; page <= size - (size_t)(whole - at); whole += page, line += TOUCH_STRIDE)
            whole[line & (page - 1)] = 1;
        at[size - 1] = 1;
    }
}

#endif
