/*
 * libc.c - the C library's own malloc behind the contract: the yardstick that everyone knows.
 *
 * Algorithm, bounds and overhead are those of the library of this machine, or of what is preloaded in its place.
 * Hosted: it ignores its page source, so its memory is measured from outside the process, and blocks that were not
 * released outlive destroy().
 */
#include "allocators/alloc.h"

#include <malloc.h>
#include <stdlib.h>

/* There is one such heap in a process, without state of ours; a create() must return something all the same. */
struct heap {
    char nothing;
};
static struct heap the_heap;

static struct heap *libc_create(const struct page_source *source, const struct heap_config *config)
{
    (void)source, (void)config;
    return &the_heap;
}

/* Blocks released last may wait to be merged, as in glibc's fast bins, until a large request comes: that is done now,
 * or the first request of the next heap would pay for all of the heap before. */
static void libc_destroy(struct heap *heap)
{
    (void)heap;
    void *volatile large = malloc(64 << 10);
    free(large);
}

static void *libc_alloc(struct heap *heap, size_t size)
{
    (void)heap;
    return malloc(size);
}

static void libc_release(struct heap *heap, void *block)
{
    (void)heap;
    free(block);
}

static void *libc_zalloc(struct heap *heap, size_t size)
{
    (void)heap;
    return calloc(1, size);
}

static void *libc_aligned(struct heap *heap, size_t align, size_t size)
{
    void *block;
    (void)heap;
    return posix_memalign(&block, align, size) == 0 ? block : NULL;
}

/* realloc(block, 0) may free; the contract wants a block of no bytes. */
static void *libc_resize(struct heap *heap, void *block, size_t size)
{
    (void)heap;
    return realloc(block, ALLOC_MAX(size, 1));
}

static size_t libc_usable(const struct heap *heap, const void *block)
{
    (void)heap;
    return malloc_usable_size((void *)block);
}

const struct allocator allocator_libc = {
    .abi = ALLOC_ABI,
    .caps = CAP_FREE | CAP_ANY_SIZE | CAP_HOSTED,
    .name = "libc",
    .summary = "malloc and free of the C library",
    .create = libc_create,
    .destroy = libc_destroy,
    .alloc = libc_alloc,
    .release = libc_release,
    .zalloc = libc_zalloc,
    .aligned = libc_aligned,
    .resize = libc_resize,
    .usable = libc_usable,
};
