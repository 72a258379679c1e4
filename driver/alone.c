/*
 * alone.c - a page source as an allocator of whole pages; see alone.h.
 *
 * A page source is told how many pages come back, an allocator is not: the books have the length of every run that is
 * out, under the number of its first page. They are a directory of leaves over all addresses that a process can have,
 * mapped without being touched, so that the measured source lies as it would without them.
 *
 * Cost: a look-up is two loads; the first run in every few MiB of addresses faults a page of the books in, which a
 * replay that warms up has done before it is measured, since the books outlive the heap. Overhead: none in the pages.
 *
 *   page number:  | leaf | page in leaf |
 *                    └─► [ 0 3 0 0 1 0 ··· ]      0: no run begins here
 */
#include "driver/alone.h"

#include <string.h>
#include <sys/mman.h>

#define LEAF_LOG2    20
#define LEAF_PAGES   ((size_t)1 << LEAF_LOG2)
#define ADDRESS_BITS (sizeof(void *) == 8 ? 48 : 32)
#define LEAVES       ((size_t)1 << (ADDRESS_BITS - 12 - LEAF_LOG2)) /* pages are no smaller than 4096 bytes */
#define MOST_PAGES   UINT32_MAX

struct heap {
    struct page_source source;
    unsigned page_log2;
    size_t lowest, behind; /* all that was ever out lies in pages from lowest up to, not including, behind */
    uint32_t *leaves[];    /* LEAVES of them; NULL: no run ever began there */
};

static const struct allocator *const self = &allocator_pages;

/* The books of the last heap, empty; NULL: in use, or none were made. */
static struct heap *spare;

static void *map_zeroed(size_t bytes)
{
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return map != MAP_FAILED ? map : NULL;
}

static size_t page_number(const struct heap *heap, const void *at)
{
    return (uintptr_t)at >> heap->page_log2;
}

static void *page_at(const struct heap *heap, size_t number)
{
    return (void *)((uintptr_t)number << heap->page_log2);
}

/* Pages of the run that begins at a page number; the leaf is there. */
static uint32_t *length_of(const struct heap *heap, size_t number)
{
    return &heap->leaves[number >> LEAF_LOG2][number & (LEAF_PAGES - 1)];
}

/* The first page from `number` on where a run begins; heap->behind: none. */
static size_t next_run(const struct heap *heap, size_t number)
{
    while (number < heap->behind) {
        if (heap->leaves[number >> LEAF_LOG2] == NULL)
            number = ((number >> LEAF_LOG2) + 1) << LEAF_LOG2;
        else if (*length_of(heap, number) == 0)
            number++;
        else
            return number;
    }
    return heap->behind;
}

static struct heap *create(const struct page_source *source, const struct heap_config *config)
{
    struct heap *heap = __atomic_exchange_n(&spare, NULL, __ATOMIC_ACQUIRE);
    (void)config;
    if (heap == NULL && (heap = map_zeroed(sizeof *heap + LEAVES * sizeof heap->leaves[0])) == NULL)
        return NULL;
    heap->source = *source;
    heap->page_log2 = alloc_first_bit(source->page_size);
    heap->lowest = SIZE_MAX;
    heap->behind = 0;
    return heap;
}

static void unmap_books(struct heap *heap)
{
    for (size_t i = 0; i < LEAVES; i++)
        if (heap->leaves[i] != NULL)
            munmap(heap->leaves[i], LEAF_PAGES * sizeof(uint32_t));
    munmap(heap, sizeof *heap + LEAVES * sizeof heap->leaves[0]);
}

static void destroy(struct heap *heap)
{
    for (size_t at = next_run(heap, heap->lowest); at < heap->behind; at = next_run(heap, at)) {
        heap->source.free_page(heap->source.ctx, page_at(heap, at), *length_of(heap, at));
        *length_of(heap, at) = 0;
    }
    heap = __atomic_exchange_n(&spare, heap, __ATOMIC_ACQ_REL);
    if (heap != NULL)
        unmap_books(heap);
}

/* Whole pages for `size` bytes; 0: more than can be counted. */
static size_t pages_for(const struct heap *heap, size_t size)
{
    const size_t npages = size != 0 ? ((size - 1) >> heap->page_log2) + 1 : 1;
    return npages <= MOST_PAGES ? npages : 0;
}

/* A run that is out goes into the books. False: no memory for them. */
static bool book(struct heap *heap, void *pages, size_t npages)
{
    const size_t number = page_number(heap, pages);
    uint32_t **leaf = &heap->leaves[number >> LEAF_LOG2];
    if (ALLOC_UNLIKELY(*leaf == NULL) && (*leaf = map_zeroed(LEAF_PAGES * sizeof **leaf)) == NULL)
        return false;
    *length_of(heap, number) = (uint32_t)npages;
    heap->lowest = ALLOC_MIN(heap->lowest, number);
    heap->behind = ALLOC_MAX(heap->behind, number + npages);
    return true;
}

static void *book_or_return(struct heap *heap, void *pages, size_t npages)
{
    if (ALLOC_LIKELY(book(heap, pages, npages)))
        return pages;
    heap->source.free_page(heap->source.ctx, pages, npages);
    return NULL;
}

static void *alloc(struct heap *heap, size_t size)
{
    const size_t npages = pages_for(heap, size);
    void *pages = npages != 0 ? heap->source.alloc_page(heap->source.ctx, npages) : NULL;
    return pages != NULL ? book_or_return(heap, pages, npages) : NULL;
}

static void *zalloc(struct heap *heap, size_t size)
{
    void *pages = alloc(heap, size);
    return pages != NULL ? memset(pages, 0, alloc_bytes_to_clear(&heap->source, pages, size)) : NULL;
}

static void release(struct heap *heap, void *block)
{
    uint32_t *length = length_of(heap, page_number(heap, block));
    const size_t npages = *length;
    *length = 0;
    heap->source.free_page(heap->source.ctx, block, npages);
}

/* Beyond a page: pages enough for the block at any place, of which those before and behind it go back. */
static void *aligned(struct heap *heap, size_t align, size_t size)
{
    const size_t npages = pages_for(heap, size), page = heap->source.page_size;
    if (align <= page)
        return alloc(heap, size);
    const size_t slack = (align >> heap->page_log2) - 1;
    if (npages == 0 || slack > MOST_PAGES - npages)
        return NULL;
    char *pages = heap->source.alloc_page(heap->source.ctx, npages + slack);
    if (pages == NULL)
        return NULL;
    const size_t before = (-(uintptr_t)pages & (align - 1)) >> heap->page_log2;
    if (before > 0)
        heap->source.free_page(heap->source.ctx, pages, before);
    pages += before * page;
    if (slack > before)
        heap->source.free_page(heap->source.ctx, pages + npages * page, slack - before);
    return book_or_return(heap, pages, npages);
}

static size_t usable(const struct heap *heap, const void *block)
{
    return (size_t)*length_of(heap, page_number(heap, block)) << heap->page_log2;
}

/* A page source can take the end of a run back, but never makes one longer. */
static void *resize(struct heap *heap, void *block, size_t size)
{
    uint32_t *length = length_of(heap, page_number(heap, block));
    const size_t npages = pages_for(heap, size), before = *length;
    if (npages == 0 || npages > before)
        return npages != 0 ? alloc_resize_by_copy(self, heap, block, size) : NULL;
    if (npages < before) {
        *length = (uint32_t)npages;
        heap->source.free_page(heap->source.ctx, (char *)block + (npages << heap->page_log2), before - npages);
    }
    return block;
}

static bool walk(const struct heap *heap, heap_visit *visit, void *arg)
{
    for (size_t at = heap->lowest; at < heap->behind;) {
        const size_t run = next_run(heap, at), free = run - at;
        struct heap_block seen = {page_at(heap, at), free << heap->page_log2, false};
        if (free > 0 && !visit(&seen, arg))
            return false;
        at = run;
        if (run == heap->behind)
            break;
        seen = (struct heap_block){page_at(heap, run), usable(heap, page_at(heap, run)), true};
        if (!visit(&seen, arg))
            return false;
        at += *length_of(heap, run);
    }
    return true;
}

#define WHOLE_PAGES                                                                                                    \
    .abi = ALLOC_ABI, .caps = CAP_FREE | CAP_ANY_SIZE, .name = "pages",                                                \
    .summary = "a page source alone, on its own pages", .create = create, .destroy = destroy, .alloc = alloc,          \
    .release = release, .zalloc = zalloc, .aligned = aligned, .resize = resize, .usable = usable

const struct allocator allocator_pages = {WHOLE_PAGES};
const struct allocator allocator_pages_of_region = {WHOLE_PAGES, .walk = walk};
