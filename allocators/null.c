/*
 * null.c - hands out the same block for every request: the cost of the replay loop itself.
 *
 * alloc() and resize() return one fixed block, release() does nothing. What a replay takes with it is the floor that is
 * subtracted from every other allocator's time, so that each of the three must be as short as a call can be: the heap
 * is its own block, and alloc() returns its argument. There is nothing to bound or to check: the blocks overlap, hence
 * CAP_YARDSTICK, and no figure of memory or correctness is taken from it. The block has the bytes of the largest
 * request that the configuration announces; a larger request than that breaks the caller's word and is not looked for.
 * Its alignment is that of a page, whatever alignment is asked for.
 *
 *   page 0                page 1 …
 *   [ struct info ······ ][ the block ·············· ]
 *                          ^ struct heap
 */
#include "allocators/alloc.h"

struct info {
    struct page_source source;
    size_t npages;     /* of the whole run */
    size_t block_size; /* bytes from the heap to the run's end */
};
_Static_assert(sizeof(struct info) <= 4096, "the information fits the smallest page");

static struct info *info_of(const struct heap *heap)
{
    return (struct info *)((uintptr_t)heap - sizeof(struct info));
}

static struct heap *null_create(const struct page_source *source, const struct heap_config *config)
{
    const size_t page = source->page_size;
    if (config->max_request > SIZE_MAX - 2 * page)
        return NULL;
    const size_t block_size = ALLOC_ROUND_UP(ALLOC_MAX(config->max_request, 1), page);
    const size_t npages = 1 + alloc_whole_pages(block_size, page);
    char *run = source->alloc_page(source->ctx, npages);
    if (run == NULL)
        return NULL;
    struct heap *heap = (struct heap *)(run + page);
    *info_of(heap) = (struct info){*source, npages, block_size};
    return heap;
}

static void null_destroy(struct heap *heap)
{
    const struct info info = *info_of(heap);
    info.source.free_page(info.source.ctx, (char *)heap - info.source.page_size, info.npages);
}

static void *null_alloc(struct heap *heap, size_t size)
{
    (void)size;
    return heap;
}

static void null_release(struct heap *heap, void *block)
{
    (void)heap, (void)block;
}

static void *null_aligned(struct heap *heap, size_t align, size_t size)
{
    (void)align, (void)size;
    return heap;
}

static void *null_resize(struct heap *heap, void *block, size_t size)
{
    (void)block, (void)size;
    return heap;
}

static size_t null_usable(const struct heap *heap, const void *block)
{
    (void)block;
    return info_of(heap)->block_size;
}

const struct allocator allocator_null = {
    .abi = ALLOC_ABI,
    .caps = CAP_FREE | CAP_ANY_SIZE | CAP_YARDSTICK,
    .name = "null",
    .summary = "one fixed block for every request: the floor of the replay loop",
    .create = null_create,
    .destroy = null_destroy,
    .alloc = null_alloc,
    .release = null_release,
    .aligned = null_aligned,
    .resize = null_resize,
    .usable = null_usable,
};
