/*
 * skeleton.c - a template for a new allocator: copy it, rename it, replace the algorithm, add a line to table.c.
 *
 * It is a small but complete allocator, Kingsley's of 4.2BSD: `make check` puts it through the tests that every
 * allocator must pass, built in and as a plug-in. Yours may be a plug-in too, with no change to the workbench:
 *     cc -shared -fPIC -O2 -I <this tree> -o mine.so mine.c allocators/resize.c
 *     ./replay --alloc=./mine.so ...
 * An allocator file begins with the following paragraphs; write your own.
 *
 * Algorithm: a request and its word are rounded up to a power of two; each power has a list of free blocks, taken from
 * and given to at its head. An empty list is fed from the current run of pages; blocks are never split nor merged.
 * (Kingsley 1982, as described in Wilson et al., "Dynamic Storage Allocation: A Survey and Critical Review",
 * 1995, 4.1.)
 *
 * Cost: O(1), but for the page source's part and, when a run that cannot be extended is left, O(log page) to put its
 * rest on the lists. Bound: at most twice the requests, and a word each, are used; blocks of one power never serve
 * another, so that held memory may reach log2(largest/smallest) times the peak. Overhead: a word a block. Checked by:
 * check() below, and the model checker in tests/.
 *
 *   [ run | heap ][ w | block ···· ][ w | block ············ ][ w | ······················· ]
 *                                                                 ^ top                     ^ end
 *   w: the block's power, and whether it is used. A free block's first word leads to the next free one.
 */
#include "allocators/alloc.h"

/* ---- Layout: what must hold is asserted, so that a port that breaks it does not compile
 * ------------------------------ */

#define WORD sizeof(size_t)
#define POWERS                                                                                                         \
    (8 * sizeof(size_t) - 4) /* HEAP_ALIGN, 2 HEAP_ALIGN, … up to at least a quarter of the address space            \
                              */
#define USED ((size_t)1)     /* in a block's word; the power is in the bits above */

struct run {
    struct run *next; /* older */
    size_t npages;
    char *first, *stop; /* its blocks; `stop` counts once the run is left, see run_stop() */
};

struct free_block {
    struct free_block *next;
};

struct heap {
    char *top, *end; /* of the current run: the next block, and the end of its pages */
    struct run *run; /* the current one */
    size_t grow;     /* pages taken at once, at least */
    struct page_source source;
    struct free_block *free[POWERS];
};

_Static_assert(HEAP_ALIGN == 2 * WORD, "a word fits the gap before an aligned block");
_Static_assert(sizeof(struct free_block) <= HEAP_ALIGN - WORD, "the smallest block holds a link");
_Static_assert(sizeof(struct run) + sizeof(struct heap) + 2 * HEAP_ALIGN <= 4096, "the smallest page holds a heap");

/* Optional. The command line writes "skeleton:grow=8"; create() finds the values in config->opt, in this order. */
static const struct alloc_option skeleton_options[] = {
    {"grow", "pages taken from the page source at once, at least", OPTION_NUMBER, 4, 1, 1024, NULL},
    {.name = NULL},
};

/* ---- Internals: short functions, each with what it is for
 * ------------------------------------------------------------ */

static size_t *word_of(const void *block)
{
    return (size_t *)((uintptr_t)block - WORD);
}

static unsigned power_of(const void *block)
{
    return (unsigned)(*word_of(block) >> 1);
}

/* Bytes from a block of that power to what follows it. */
static size_t stride_of(unsigned power)
{
    return HEAP_ALIGN << power;
}

/* The smallest power that holds `size` bytes and the word; POWERS when none does: 8 -> 0, 9 -> 1, 24 -> 1, 25 -> 2. */
static unsigned power_for(size_t size)
{
    if (size > stride_of(POWERS - 1) - WORD)
        return POWERS;
    const size_t units = (size + WORD - 1) / HEAP_ALIGN; /* the highest HEAP_ALIGN-unit touched */
    return units == 0 ? 0 : 8 * (unsigned)sizeof(unsigned long) - (unsigned)__builtin_clzl(units);
}

static char *run_stop(const struct heap *heap, const struct run *run)
{
    return run == heap->run ? heap->top : run->stop;
}

static char *run_end(const struct heap *heap, const struct run *run)
{
    return (char *)run + run->npages * heap->source.page_size;
}

/* Cuts a block from the current run, which has room for it. */
static void *carve(struct heap *heap, unsigned power)
{
    char *block = heap->top;
    heap->top += stride_of(power);
    *word_of(block) = (size_t)power << 1;
    return block;
}

static void push(struct heap *heap, void *block)
{
    struct free_block *free = block;
    free->next = heap->free[power_of(block)];
    heap->free[power_of(block)] = free;
}

/* Puts what is left of the current run on the free lists, largest blocks first. */
static void use_up(struct heap *heap)
{
    for (unsigned power = POWERS; power-- > 0;)
        while (stride_of(power) <= (size_t)(heap->end - heap->top))
            push(heap, carve(heap, power));
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

/* Makes room for a block of `power` at the end of the heap. False: out of pages; the heap is as it was. */
static bool grow(struct heap *heap, unsigned power)
{
    const struct page_source *source = &heap->source;
    const size_t bytes = stride_of(power) + sizeof(struct run) + 2 * HEAP_ALIGN;
    const size_t least = alloc_whole_pages(bytes + source->page_size - 1, source->page_size);
    size_t npages = ALLOC_MAX(least, heap->grow);
    struct run *pages = source->alloc_page(source->ctx, npages);
    if (pages == NULL && npages > least)
        pages = source->alloc_page(source->ctx, npages = least);
    if (pages == NULL)
        return false;
    if ((char *)pages == heap->end) { /* neighbours join; a later free_page() may take both at once */
        heap->run->npages += npages;
        heap->end = run_end(heap, heap->run);
    } else {
        use_up(heap);
        enter_run(heap, pages, npages, sizeof *pages);
    }
    return true;
}

/* ---- The hooks, in the order of struct allocator; alloc.h says what each promises
 * -------------------------------------- */

/* Required. All state lies in pages from the source; a global would be shared by two heaps. */
static struct heap *skeleton_create(const struct page_source *source, const struct heap_config *config)
{
    struct run *pages = source->alloc_page(source->ctx, 1);
    if (pages == NULL)
        return NULL;
    struct heap *heap = (struct heap *)(pages + 1);
    *heap = (struct heap){.grow = (size_t)config->opt[0], .source = *source};
    enter_run(heap, pages, 1, sizeof *pages + sizeof *heap);
    return heap;
}

/* Required. The page that holds the heap goes last, so the source is copied first. */
static void skeleton_destroy(struct heap *heap)
{
    const struct page_source source = heap->source;
    for (struct run *run = heap->run, *next; run != NULL; run = next) {
        next = run->next;
        source.free_page(source.ctx, run, run->npages);
    }
}

/* Required. Mind sizes near SIZE_MAX: adding a header to them overflows. */
static void *skeleton_alloc(struct heap *heap, size_t size)
{
    const unsigned power = power_for(size);
    if (power == POWERS)
        return NULL;
    struct free_block *block = heap->free[power];
    if (ALLOC_LIKELY(block != NULL))
        heap->free[power] = block->next;
    else if (stride_of(power) <= (size_t)(heap->end - heap->top) || grow(heap, power))
        block = carve(heap, power);
    else
        return NULL;
    *word_of(block) |= USED;
    return block;
}

/* Required; it may do nothing, without CAP_FREE. */
static void skeleton_release(struct heap *heap, void *block)
{
    *word_of(block) &= ~USED;
    push(heap, block);
}

/* zalloc: optional; worth having if the allocator knows of bytes that are zero already. This one does not.
 * aligned: optional; this one has no block whose neighbour could take the gap before an aligned one. */

/* Optional. Here: stay when the new size has the same power, else move. */
static void *skeleton_resize(struct heap *heap, void *block, size_t size)
{
    return power_for(size) == power_of(block) ? block : alloc_resize_by_copy(&heapbench_allocator, heap, block, size);
}

/* Required. */
static size_t skeleton_usable(const struct heap *heap, const void *block)
{
    (void)heap;
    return stride_of(power_of(block)) - WORD;
}

/* Optional, but the fragmentation figures come from it. A loop over the runs, and over the blocks of each; memory never
 * handed out counts as one free block at the end of its run. */
static bool skeleton_walk(const struct heap *heap, heap_visit *visit, void *arg)
{
    for (const struct run *run = heap->run; run != NULL; run = run->next) {
        char *stop = run_stop(heap, run), *end = run_end(heap, run);
        for (char *at = run->first; at < stop; at += stride_of(power_of(at)))
            if (!visit(&(struct heap_block){at, stride_of(power_of(at)) - WORD, *word_of(at) & USED}, arg))
                return false;
        if (stop < end && !visit(&(struct heap_block){stop, (size_t)(end - stop) - WORD, false}, arg))
            return false;
    }
    return true;
}

/* Blocks of a run that are free; SIZE_MAX when the run is not a row of blocks. */
static size_t count_free(const struct heap *heap, const struct run *run)
{
    const char *stop = run_stop(heap, run);
    size_t count = 0;
    for (const char *at = run->first; at != stop; at += stride_of(power_of(at))) {
        if (at > stop || power_of(at) >= POWERS || stride_of(power_of(at)) > (size_t)(stop - at))
            return SIZE_MAX;
        count += !(*word_of(at) & USED);
    }
    return count;
}

/* Optional, but the tests find your mistakes with it: count what should agree, name what does not. */
static const char *skeleton_check(const struct heap *heap)
{
    size_t in_runs = 0, in_lists = 0;
    for (const struct run *run = heap->run; run != NULL; run = run->next) {
        const size_t count = count_free(heap, run);
        if (count == SIZE_MAX)
            return "a block does not end where another begins";
        in_runs += count;
    }
    for (unsigned power = 0; power < POWERS; power++)
        for (const struct free_block *block = heap->free[power]; block != NULL; block = block->next)
            if (*word_of(block) != (size_t)power << 1)
                return "a free list holds a block of another size, or a used one";
            else if (++in_lists > in_runs)
                return "a free block is in the lists twice";
    return in_lists == in_runs ? NULL : "a free block is in no list";
}

/* A plug-in exports this name; an allocator that is built in is called allocator_<its name>, as table.c expects. */
const struct allocator heapbench_allocator = {
    .abi = ALLOC_ABI,
    .caps = CAP_FREE | CAP_ANY_SIZE,
    .name = "skeleton",
    .summary = "powers of two with a free list each (Kingsley): the template of a new allocator",
    .options = skeleton_options,
    .create = skeleton_create,
    .destroy = skeleton_destroy,
    .alloc = skeleton_alloc,
    .release = skeleton_release,
    .resize = skeleton_resize,
    .usable = skeleton_usable,
    .walk = skeleton_walk,
    .check = skeleton_check,
};
