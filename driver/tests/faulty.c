/*
 * faulty.c - a plug-in that is a plain, right allocator until it is told to go wrong: what the verify pass must find.
 *
 * Every block has pages of its own, with a header in front: [ header, 64 bytes | the block … ]. The option `fault`
 * plants one mistake, which `at` lets happen at the call of that number (alloc, resize or release, counted from 0
 * together), and `heap` in the heap of that number in the process, from 0; by default in each.
 */
#include <string.h>
#include <unistd.h>

#include "allocators/alloc.h"

#ifndef FAULTY_ABI
#define FAULTY_ABI ALLOC_ABI
#endif

enum fault {
    NOTHING,
    OVERLAP,     /* a block on the one before it */
    MISALIGN,    /* a block 4 bytes off */
    OUTSIDE,     /* a block on no page of the heap's */
    TOO_SMALL,   /* usable() says one byte too few */
    UNSTEADY,    /* usable() changes its mind about the oldest block */
    SCRIBBLE,    /* alloc writes into the block before */
    LOSE,        /* resize loses the last byte it had to keep */
    DIRTY,       /* zalloc leaves a byte */
    REFUSE,      /* alloc returns NULL */
    CRASH,       /* a write to nowhere */
    QUIT,        /* the process ends */
    HANG,        /* never returns */
    SLOW,        /* alloc takes SLOW_US at least, from that call on */
    DOUBLE_PAGE, /* gives a page back twice */
    LEAK_PAGE,   /* destroy() keeps a page */
    CHECK,       /* check() complains */
    WALK_FREE,   /* walk() calls a live block free */
    WALK_SHORT,  /* walk() leaves a block out */
    NO_HEAP,     /* create() returns NULL */
    LATE_CRASH,  /* destroy() crashes */
    PICKY,       /* create() returns NULL when there are exactly `at` pages to be had */
    FRAGILE,     /* crashes when it gets no pages */
    GREEDY,      /* create() takes GREED pages more when at least `at` are to be had */
};

enum { EVERY_HEAP = 1000, GREED = 30, SLOW_US = 100 };

static const char *const faults[] = {
    "nothing",    "overlap", "misalign",   "outside", "too-small", "unsteady",    "scribble",  "lose",  "dirty",
    "refuse",     "crash",   "quit",       "hang",    "slow",      "double-page", "leak-page", "check", "walk-free",
    "walk-short", "no-heap", "late-crash", "picky",   "fragile",   "greedy",      NULL};

static const struct alloc_option options[] = {
    {.name = "fault", .help = "what goes wrong", .type = OPTION_CHOICE, .def = NOTHING, .choices = faults},
    {.name = "at", .help = "at which call", .type = OPTION_NUMBER, .def = 0, .max = UINT32_MAX},
    {.name = "heap", .help = "in which heap", .type = OPTION_NUMBER, .def = EVERY_HEAP, .max = EVERY_HEAP},
    {.name = NULL},
};

struct header {
    struct header *before, *after; /* the live blocks, the newest first */
    size_t size, npages;
};
enum { HEADER = 64 };

static int *volatile nowhere; /* NULL, but the compiler cannot know */

struct heap {
    struct page_source source;
    enum fault fault;
    uint64_t at, calls;
    struct header *newest;
    void *greed; /* GREED pages, or NULL */
    bool went_wrong;
    size_t wrong_size; /* of the block at fault, bytes */
};

static struct header *header_of(const void *block)
{
    return (struct header *)((uintptr_t)block - HEADER);
}

static void *block_of(struct header *header)
{
    return (char *)header + HEADER;
}

/* Whether this call is the one that goes wrong in that way. */
static bool now(struct heap *heap, enum fault fault)
{
    const bool wrong = heap->fault == fault && heap->calls == heap->at;
    heap->went_wrong |= wrong;
    return wrong;
}

/* The longest run of pages to be had. */
static size_t available(const struct page_source *source)
{
    size_t has = 0, has_not = SIZE_MAX / source->page_size;
    while (has_not - has > 1) {
        const size_t middle = has + (has_not - has) / 2;
        void *pages = source->alloc_page(source->ctx, middle);
        if (pages != NULL)
            source->free_page(source->ctx, pages, middle);
        *(pages != NULL ? &has : &has_not) = middle;
    }
    return has;
}

static struct heap *faulty_create(const struct page_source *source, const struct heap_config *config)
{
    static uint64_t heaps;
    const bool faulty = config->opt[2] == EVERY_HEAP || config->opt[2] == heaps++;
    const enum fault fault = faulty ? (enum fault)config->opt[0] : NOTHING;
    const bool refuses = fault == NO_HEAP || (fault == PICKY && available(source) == config->opt[1]);
    struct heap *heap = refuses ? NULL : source->alloc_page(source->ctx, 1);
    const bool takes_more = heap != NULL && fault == GREEDY && available(source) >= config->opt[1];
    if (heap != NULL)
        *heap = (struct heap){.source = *source, .fault = fault, .at = config->opt[1]};
    if (takes_more)
        heap->greed = source->alloc_page(source->ctx, GREED);
    return heap;
}

static void faulty_destroy(struct heap *heap)
{
    const struct page_source source = heap->source;
    if (heap->fault == LATE_CRASH)
        *nowhere = 1;
    for (struct header *at = heap->newest, *next; at != NULL; at = next) {
        next = at->after;
        source.free_page(source.ctx, at, at->npages);
    }
    if (heap->greed != NULL)
        source.free_page(source.ctx, heap->greed, GREED);
    if (heap->fault != LEAK_PAGE)
        source.free_page(source.ctx, heap, 1);
}

static void *give(struct heap *heap, size_t size)
{
    const size_t npages = (HEADER + size) / heap->source.page_size + 1;
    struct header *header = heap->source.alloc_page(heap->source.ctx, npages);
    if (header == NULL && heap->fault == FRAGILE)
        *nowhere = 1;
    if (header == NULL)
        return NULL;
    *header = (struct header){.after = heap->newest, .size = size, .npages = npages};
    if (heap->newest != NULL)
        heap->newest->before = header;
    heap->newest = header;
    return block_of(header);
}

static void *faulty_alloc(struct heap *heap, size_t size)
{
    static char elsewhere[1 << 16] __attribute__((aligned(64)));
    struct header *const last = heap->newest;
    char *block = now(heap, REFUSE) ? NULL : give(heap, size);
    heap->wrong_size = size;
    if (now(heap, OVERLAP) && last != NULL)
        block = (char *)block_of(last) + 16;
    if (now(heap, MISALIGN))
        block += 4;
    if (now(heap, OUTSIDE))
        block = elsewhere;
    if (now(heap, SCRIBBLE) && last != NULL && last->size > 0)
        ((char *)block_of(last))[last->size - 1] ^= 1;
    if (now(heap, CRASH))
        *nowhere = 1;
    if (now(heap, QUIT))
        _exit(7);
    while (now(heap, HANG))
        usleep(1000);
    if (heap->fault == SLOW && heap->calls >= heap->at)
        usleep(SLOW_US); /* which may take longer, but never less */
    heap->calls++;
    return block;
}

static void take(struct heap *heap, struct header *header)
{
    if (header->before != NULL)
        header->before->after = header->after;
    else
        heap->newest = header->after;
    if (header->after != NULL)
        header->after->before = header->before;
    heap->source.free_page(heap->source.ctx, header, header->npages);
}

static void faulty_release(struct heap *heap, void *block)
{
    struct header *header = header_of(block);
    take(heap, header);
    if (now(heap, DOUBLE_PAGE))
        heap->source.free_page(heap->source.ctx, header, 1);
    heap->calls++;
}

static void *faulty_resize(struct heap *heap, void *block, size_t size)
{
    struct header *old = header_of(block);
    const size_t kept = ALLOC_MIN(size, old->size);
    char *moved = give(heap, size);
    if (moved == NULL)
        return NULL;
    memcpy(moved, block, kept);
    if (now(heap, LOSE) && kept > 0)
        moved[kept - 1] ^= 1;
    take(heap, old);
    heap->calls++;
    return moved;
}

static void *faulty_zalloc(struct heap *heap, size_t size)
{
    const bool dirty = now(heap, DIRTY);
    char *block = faulty_alloc(heap, size);
    if (block != NULL)
        memset(block, 0, size);
    if (block != NULL && dirty && size > 0)
        block[size / 2] = 1;
    return block;
}

static size_t faulty_usable(const struct heap *heap, const void *block)
{
    if (heap->went_wrong && (heap->fault == OUTSIDE || heap->fault == OVERLAP || heap->fault == MISALIGN))
        return heap->wrong_size; /* the block that went wrong has no header of its own */
    if (heap->fault == TOO_SMALL && heap->calls > heap->at)
        return header_of(block)->size - 1;
    const bool oldest = header_of(block)->after == NULL;
    return header_of(block)->size + (heap->fault == UNSTEADY && heap->calls > heap->at && oldest);
}

static bool faulty_walk(const struct heap *heap, heap_visit *visit, void *arg)
{
    const bool wrong = heap->calls > heap->at;
    bool first = true;
    for (struct header *at = heap->newest; at != NULL; at = at->after, first = false) {
        const struct heap_block block = {block_of(at), at->size, !(wrong && heap->fault == WALK_FREE)};
        if (wrong && first && heap->fault == WALK_SHORT)
            continue;
        if (!visit(&block, arg))
            return false;
    }
    return true;
}

static const char *faulty_check(const struct heap *heap)
{
    return heap->fault == CHECK && heap->calls > heap->at ? "a planted complaint" : NULL;
}

const struct allocator heapbench_allocator = {
    .abi = FAULTY_ABI,
    .caps = CAP_FREE | CAP_ANY_SIZE,
    .name = "faulty",
    .summary = "right until it is told to go wrong",
    .options = options,
    .create = faulty_create,
    .destroy = faulty_destroy,
    .alloc = faulty_alloc,
    .release = faulty_release,
    .zalloc = faulty_zalloc,
    .resize = faulty_resize,
    .usable = faulty_usable,
    .walk = faulty_walk,
    .check = faulty_check,
};
