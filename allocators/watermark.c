/*
 * watermark.c - a pointer that only moves up; nothing is ever reused.
 *
 * Algorithm: alloc() returns where the watermark stands and moves it past the block; when a run of pages is used up,
 * the next is taken, and joined to the last if it follows it. release() does nothing. Only the last block can be
 * resized in place. This is the arena or region allocator in its plainest form (Hanson, "Fast Allocation and
 * Deallocation of Memory Based on Object Lifetimes", Software: Practice and Experience 20(1), 1990).
 *
 * Cost: O(1) but for the page source's part; 11 instructions on x86-64 from call to return of alloc() while the run
 * lasts. Bound: held memory is the sum of all requests, each plus the overhead, plus one growth step (option `grow`); a
 * request that does not fit the rest of a run that cannot be joined loses that rest. Overhead: one word a block, which
 * usable() and walk() need, and the rounding to HEAP_ALIGN. Checked by: check(), the model checker in tests/, and the
 * instruction pass for the bound on alloc().
 *
 *   [ run ][ heap ][ n | block 0 ··· ][ n | block 1 ··· ][ n | ······················ ]
 *                                                            ^ top                     ^ end
 *   n: where the next block begins, so that the word before `top` is already reserved for the next block's n.
 */
#include "allocators/alloc.h"

#define WORD sizeof(size_t)
#define LOST ((uintptr_t)1) /* in n: a gap that an aligned block left behind */

struct run {
    struct run *next; /* older */
    size_t npages;
    char *first, *stop; /* its blocks: from first up to stop; `stop` is set when the run is left, see run_stop() */
};

struct heap {
    char *top;       /* the next block */
    char *end;       /* of the current run; aligned like `top` and never below it */
    struct run *run; /* the current one */
    size_t grow;     /* bytes taken at once, at least */
    struct page_source source;
};

#define STRIDE_ROUND (WORD + HEAP_ALIGN - 1) /* what is added to a size before it is rounded down */
_Static_assert(HEAP_ALIGN == 2 * WORD, "a block's word fits the gap before an aligned block");
_Static_assert(sizeof(struct run) + sizeof(struct heap) + WORD + HEAP_ALIGN <= 4096, "a page holds a heap");

static const struct alloc_option watermark_options[] = {
    {"grow", "bytes taken from the page source at once, at least", OPTION_SIZE, 65536, 4096, UINT64_C(1) << 30, NULL},
    {.name = NULL},
};

static uintptr_t *word_of(const void *block)
{
    return (uintptr_t *)((uintptr_t)block - WORD);
}

/* Where the block behind this one begins, or would. */
static char *next_of(const void *block)
{
    return (char *)(*word_of(block) & ~LOST);
}

/* Where the blocks of a run end so far. */
static char *run_stop(const struct heap *heap, const struct run *run)
{
    return run == heap->run ? heap->top : run->stop;
}

static char *run_end(const struct heap *heap, const struct run *run)
{
    return (char *)run + run->npages * heap->source.page_size;
}

/* Where a block of `size` bytes at `block` ends: the next word and the next block begin. False: no address space holds
 * it. One addition tells, since `block` and STRIDE_ROUND are far from overflow. */
static inline bool end_of(const char *block, size_t size, char **end)
{
    uintptr_t at;
    if (ALLOC_UNLIKELY(__builtin_add_overflow((uintptr_t)block + STRIDE_ROUND, size, &at)))
        return false;
    *end = (char *)(at & ~(uintptr_t)(HEAP_ALIGN - 1));
    return true;
}

/* Makes `pages` the current run; its blocks begin after `reserved` bytes. */
static void enter_run(struct heap *heap, struct run *pages, size_t npages, size_t reserved)
{
    char *first = (char *)pages + ALLOC_ROUND_UP(reserved + WORD, HEAP_ALIGN);
    *pages = (struct run){heap->run, npages, first, NULL};
    if (heap->run != NULL)
        heap->run->stop = heap->top;
    heap->run = pages;
    heap->top = first;
    heap->end = run_end(heap, pages);
}

/* Makes room for a block of `size` bytes. False: out of pages; the heap is as it was. */
static bool grow(struct heap *heap, size_t size)
{
    const struct page_source *source = &heap->source;
    size_t bytes, npages;
    if (__builtin_add_overflow(size, sizeof(struct run) + WORD + 3 * HEAP_ALIGN + source->page_size - 1, &bytes))
        return false;
    const size_t least = alloc_whole_pages(bytes, source->page_size);
    npages = ALLOC_MAX(least, alloc_whole_pages(heap->grow, source->page_size));
    struct run *pages = source->alloc_page(source->ctx, npages);
    if (pages == NULL && npages > least)
        pages = source->alloc_page(source->ctx, npages = least);
    if (pages == NULL)
        return false;
    if ((char *)pages == heap->end) {
        heap->run->npages += npages;
        heap->end += npages * source->page_size;
    } else {
        enter_run(heap, pages, npages, sizeof *pages);
    }
    return true;
}

static struct heap *watermark_create(const struct page_source *source, const struct heap_config *config)
{
    struct run *pages = source->alloc_page(source->ctx, 1);
    if (pages == NULL)
        return NULL;
    struct heap *heap = (struct heap *)(pages + 1);
    *heap = (struct heap){.grow = (size_t)config->opt[0], .source = *source};
    enter_run(heap, pages, 1, sizeof *pages + sizeof *heap);
    return heap;
}

static void watermark_destroy(struct heap *heap)
{
    const struct page_source source = heap->source;
    struct run *next;
    for (struct run *run = heap->run; run != NULL; run = next) {
        next = run->next; /* the oldest run holds the heap itself */
        source.free_page(source.ctx, run, run->npages);
    }
}

/* Hands out what is between the watermark and `next`, and moves it there. */
static inline void *advance(struct heap *heap, char *next)
{
    char *block = heap->top;
    *word_of(block) = (uintptr_t)next;
    heap->top = next;
    return block;
}

static __attribute__((noinline)) void *grow_and_advance(struct heap *heap, size_t size)
{
    char *next;
    return grow(heap, size) && end_of(heap->top, size, &next) ? advance(heap, next) : NULL;
}

static void *watermark_alloc(struct heap *heap, size_t size)
{
    char *next;
    if (ALLOC_UNLIKELY(!end_of(heap->top, size, &next) || next > heap->end))
        return grow_and_advance(heap, size);
    return advance(heap, next);
}

/* Pages that were taken for the block may be known to be zero. */
static void *watermark_zalloc(struct heap *heap, size_t size)
{
    const char *end = heap->end;
    char *block = watermark_alloc(heap, size);
    if (block == NULL)
        return NULL;
    if (heap->end == end)
        return __builtin_memset(block, 0, size);
    alloc_clear(&heap->source, block, size, end);
    return block;
}

static void watermark_release(struct heap *heap, void *block)
{
    (void)heap, (void)block;
}

/* The gap before the block becomes a block of its own, which is lost. */
static void *watermark_aligned(struct heap *heap, size_t align, size_t size)
{
    char *start = (char *)ALLOC_ROUND_UP((uintptr_t)heap->top, align), *next;
    size_t most;
    if (start < heap->top || start > heap->end || !end_of(start, size, &next) || next > heap->end) {
        if (__builtin_add_overflow(size, align, &most) || !grow(heap, most))
            return NULL;
        start = (char *)ALLOC_ROUND_UP((uintptr_t)heap->top, align);
        if (!end_of(start, size, &next))
            return NULL;
    }
    if (start > heap->top)
        *word_of(advance(heap, start)) |= LOST;
    return advance(heap, next);
}

static size_t watermark_usable(const struct heap *heap, const void *block)
{
    (void)heap;
    return *word_of(block) - (uintptr_t)block - WORD;
}

extern const struct allocator allocator_watermark;

static void *watermark_resize(struct heap *heap, void *block, size_t size)
{
    char *next;
    if (!end_of(block, size, &next)) /* not here: the end of all addresses may be near */
        return alloc_resize_by_copy(&allocator_watermark, heap, block, size);
    if (next_of(block) == heap->top && next <= heap->end) {
        *word_of(block) = (uintptr_t)next;
        heap->top = next;
        return block;
    }
    if (next <= next_of(block))
        return block;
    return alloc_resize_by_copy(&allocator_watermark, heap, block, size);
}

/* Released blocks cannot be told from live ones: they count as used, which they are to the rest of the system. */
static bool watermark_walk(const struct heap *heap, heap_visit *visit, void *arg)
{
    for (const struct run *run = heap->run; run != NULL; run = run->next) {
        char *stop = run_stop(heap, run), *end = run_end(heap, run);
        for (char *at = run->first; at < stop; at = next_of(at))
            if (!visit(&(struct heap_block){at, (size_t)(next_of(at) - at) - WORD, !(*word_of(at) & LOST)}, arg))
                return false;
        if (stop < end && !visit(&(struct heap_block){stop, (size_t)(end - stop) - WORD, false}, arg))
            return false;
    }
    return true;
}

static const char *watermark_check(const struct heap *heap)
{
    for (const struct run *run = heap->run; run != NULL; run = run->next) {
        char *stop = run_stop(heap, run), *end = run_end(heap, run);
        if (stop < run->first || stop > end)
            return "the watermark lies outside its run";
        for (char *at = run->first; at != stop; at = next_of(at))
            if (next_of(at) <= at || next_of(at) > stop || (uintptr_t)next_of(at) % HEAP_ALIGN != 0)
                return "a block does not end where another begins";
    }
    return NULL;
}

const struct allocator allocator_watermark = {
    .abi = ALLOC_ABI,
    .caps = CAP_ANY_SIZE,
    .name = "watermark",
    .summary = "a pointer that moves up; nothing is reused",
    .options = watermark_options,
    .create = watermark_create,
    .destroy = watermark_destroy,
    .alloc = watermark_alloc,
    .release = watermark_release,
    .zalloc = watermark_zalloc,
    .aligned = watermark_aligned,
    .resize = watermark_resize,
    .usable = watermark_usable,
    .walk = watermark_walk,
    .check = watermark_check,
};
