/*
 * oracle.c - hands out addresses computed before; see oracle.h.
 *
 * alloc() is two loads and a multiplication by a constant; release() does nothing, since the packing knows when a
 * block ends. All memory is taken at once at create(). usable() looks its block up among those of the same place: the
 * last one made. Overhead: none in the heap's pages; the packing is read in order, eight bytes a block.
 */
#include "driver/oracle.h"

#include <string.h>

struct heap {
    const struct packed *next; /* block to be made */
    char *base;
    const struct packing *packing;
    struct page_source source;
    void *pages;
    size_t npages;
};

static struct heap only;
static const struct packing *used_packing;

void oracle_use(const struct packing *packing)
{
    used_packing = packing;
}

static char *place_of(const struct heap *heap, const struct packed *block)
{
    return heap->base + (size_t)block->place * PACKING_UNIT;
}

static struct heap *create(const struct page_source *source, const struct heap_config *config)
{
    (void)config;
    if (used_packing == NULL)
        return NULL;
    const uint64_t align = ALLOC_MAX(used_packing->header->align, source->page_size);
    const uint64_t bytes = used_packing->header->height * PACKING_UNIT + (align - source->page_size);
    if (bytes > SIZE_MAX - source->page_size)
        return NULL;
    only = (struct heap){.next = used_packing->blocks, .packing = used_packing, .source = *source};
    only.npages = alloc_whole_pages((size_t)bytes + source->page_size - 1, source->page_size);
    only.pages = source->alloc_page(source->ctx, only.npages);
    if (only.pages == NULL)
        return NULL;
    only.base = (char *)ALLOC_ROUND_UP((uintptr_t)only.pages, (uintptr_t)align);
    return &only;
}

static void destroy(struct heap *heap)
{
    heap->source.free_page(heap->source.ctx, heap->pages, heap->npages);
}

static void *alloc(struct heap *heap, size_t size)
{
    (void)size;
    return place_of(heap, heap->next++);
}

static void *aligned(struct heap *heap, size_t align, size_t size)
{
    (void)align;
    return alloc(heap, size);
}

static void release(struct heap *heap, void *block)
{
    (void)heap, (void)block;
}

/* The old and the new place may overlap. */
static void *resize(struct heap *heap, void *block, size_t size)
{
    const size_t kept = (size_t)heap->next->kept * PACKING_UNIT;
    void *moved = alloc(heap, size);
    return moved != block ? memmove(moved, block, kept) : block;
}

/* Of the blocks in the order of their places, and then of their making, the last at this place that was made. */
static size_t usable(const struct heap *heap, const void *block)
{
    const struct packing *packing = heap->packing;
    const size_t place = (size_t)((const char *)block - heap->base) / PACKING_UNIT;
    const size_t made = (size_t)(heap->next - packing->blocks);
    size_t low = 0, high = packing->header->nblocks;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2, number = packing->by_place[middle];
        const size_t at = packing->blocks[number].place;
        *(at < place || (at == place && number < made) ? &low : &high) = middle;
    }
    return (size_t)packing->units[packing->by_place[low]] * PACKING_UNIT;
}

const struct allocator allocator_oracle = {
    .abi = ALLOC_ABI,
    .caps = CAP_FREE | CAP_ANY_SIZE,
    .name = "oracle",
    .summary = "places computed from the whole trace beforehand: what placement alone could reach",
    .create = create,
    .destroy = destroy,
    .alloc = alloc,
    .release = release,
    .aligned = aligned,
    .resize = resize,
    .usable = usable,
};
