/*
 * slowed.c - a plug-in that is segfit made slower by a chosen amount: what the comparison of times has to find.
 *
 * Every EVERY-th call into the heap runs a loop of `work` turns, so that the time added is proportional to `work`, in
 * steps far below 0.1 %. With work=0 the same code runs no turn: that is the allocator which others are compared with.
 * The option `copy` changes nothing but the name in the results, so
 * that one allocator can run against itself.
 */
#include "allocators/alloc.h"

enum { EVERY = 1024 }; /* calls: what the branch predictor makes of the loop's end is a thousandth of a call's time */

enum { OPTION_WORK, OPTION_COPY };

static const struct alloc_option options[] = {
    [OPTION_WORK] = {.name = "work",
                     .help = "turns of a loop at every 1024th call",
                     .type = OPTION_NUMBER,
                     .def = 0,
                     .max = 1 << 24},
    [OPTION_COPY] = {.name = "copy",
                     .help = "tells copies of it apart, and does nothing",
                     .type = OPTION_NUMBER,
                     .def = 0,
                     .max = 9},
    {.name = NULL},
};

extern const struct allocator allocator_segfit;
static const struct allocator *const base = &allocator_segfit;

/* Of the one heap that a run has at a time: a heap of base's has no room for them. */
static uint64_t work;
static unsigned calls;

static void burn(void)
{
    for (uint64_t turn = 0; turn < work; turn++)
        __asm__ volatile(""); /* keeps the loop, whose turns are the work */
}

static inline void count(void)
{
    if (ALLOC_UNLIKELY(++calls % EVERY == 0))
        burn();
}

static struct heap *create(const struct page_source *source, const struct heap_config *config)
{
    uint64_t defaults[ALLOC_MAX_OPTIONS] = {0};
    for (size_t i = 0; base->options != NULL && base->options[i].name != NULL; i++)
        defaults[i] = base->options[i].def;
    struct heap_config of_base = *config;
    of_base.opt = defaults;
    work = config->opt[OPTION_WORK];
    calls = 0;
    return base->create(source, &of_base);
}

static void destroy(struct heap *heap)
{
    base->destroy(heap);
}

static void *alloc(struct heap *heap, size_t size)
{
    count();
    return base->alloc(heap, size);
}

static void release(struct heap *heap, void *block)
{
    count();
    base->release(heap, block);
}

static void *zalloc(struct heap *heap, size_t size)
{
    count();
    return base->zalloc(heap, size);
}

static void *aligned(struct heap *heap, size_t align, size_t size)
{
    count();
    return base->aligned(heap, align, size);
}

static void *resize(struct heap *heap, void *block, size_t size)
{
    count();
    return base->resize(heap, block, size);
}

static size_t usable(const struct heap *heap, const void *block)
{
    return base->usable(heap, block);
}

static bool walk(const struct heap *heap, heap_visit *visit, void *arg)
{
    return base->walk(heap, visit, arg);
}

static const char *check(const struct heap *heap)
{
    return base->check(heap);
}

const struct allocator heapbench_allocator = {
    .abi = ALLOC_ABI,
    .caps = CAP_FREE | CAP_ANY_SIZE,
    .name = "slowed",
    .summary = "segfit, slower by a chosen amount",
    .options = options,
    .create = create,
    .destroy = destroy,
    .alloc = alloc,
    .release = release,
    .zalloc = zalloc,
    .aligned = aligned,
    .resize = resize,
    .usable = usable,
    .walk = walk,
    .check = check,
};
