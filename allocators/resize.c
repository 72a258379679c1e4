/*
 * resize.c - resizing by moving, the last resort of every allocator that can resize at all.
 */
#include "allocators/alloc.h"

void *alloc_resize_by_copy(const struct allocator *allocator, struct heap *heap, void *block, size_t size)
{
    const size_t old = allocator->usable(heap, block);
    void *moved = allocator->alloc(heap, size);
    if (moved == NULL)
        return NULL;
    __builtin_memcpy(moved, block, ALLOC_MIN(old, size));
    allocator->release(heap, block);
    return moved;
}
