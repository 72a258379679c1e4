/*
 * model.c - the model checker; see model.h.
 *
 * The shadow is an array of the live blocks in address order, so that an overlap is seen in the neighbours. Every
 * failure is noted once, with the operation's number and the seed, and ends the run.
 */
#include "allocators/tests/model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct live {
    unsigned char *block;
    size_t size, usable;
    uint64_t key; /* of its pattern */
};

struct run {
    struct model *model;
    struct heap *heap;
    struct live *live; /* ascending */
    size_t nlive, capacity;
    size_t target; /* of nlive, for the time being */
    uint64_t random;
    uint64_t op;
    size_t refused; /* the page source's count before the operation */
    struct heap_block *visited;
    size_t nvisited, visited_capacity;
};

/* The sizes that the tests of sized allocators use: equal neighbours, odd ones, larger than a page. */
static const struct size_use one_size[] = {{48, 2000}};
static const struct size_use some_sizes[] = {{1, 10},   {8, 100},   {16, 100},  {24, 300},   {40, 50},   {100, 500},
                                             {101, 20}, {512, 200}, {1000, 60}, {4096, 100}, {20000, 10}};

const struct model_mix model_mixes[] = {
    {"tiny", 25, 0, 64, NULL, 0},
    {"small", 25, 16, 4096, NULL, 0},
    {"pages", 8, 2000, 40000, NULL, 0},
    {"huge", 2, 1, 2000000, NULL, 0},
    {"one size", 20, 48, 48, one_size, sizeof one_size / sizeof *one_size},
    {"some sizes", 20, 1, 20000, some_sizes, sizeof some_sizes / sizeof *some_sizes},
    {.name = NULL},
};

/* Notes what went wrong, the first time; returns false. */
static __attribute__((format(printf, 2, 3))) bool failed(struct run *run, const char *format, ...)
{
    struct model *model = run->model;
    if (model->error[0] != '\0')
        return false;
    const int n =
        snprintf(model->error, sizeof model->error, "op %llu of mix \"%s\", seed %llu: ", (unsigned long long)run->op,
                 model->mix->name, (unsigned long long)model->seed);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(model->error + n, sizeof model->error - (size_t)n, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- Chance (xorshift64*, Vigna 2016)
 * -------------------------------------------------------------------------------- */

static uint64_t chance(struct run *run)
{
    run->random ^= run->random >> 12;
    run->random ^= run->random << 25;
    run->random ^= run->random >> 27;
    return run->random * UINT64_C(0x2545f4914f6cdd1d);
}

static size_t below(struct run *run, size_t n)
{
    return (size_t)((chance(run) >> 32) * n >> 32);
}

/* Log-uniform: an octave first, then a size in it, cut to the mix's bounds. */
static size_t pick_size(struct run *run)
{
    const struct model_mix *mix = run->model->mix;
    if (run->model->option_sizes != NULL)
        return run->model->option_sizes[below(run, run->model->noption_sizes)].size;
    if (mix->sizes != NULL)
        return mix->sizes[below(run, mix->nsizes)].size;
    size_t octaves = 0;
    while (((mix->low + 1) << octaves) <= mix->high)
        octaves++;
    const size_t base = (mix->low + 1) << below(run, octaves + 1);
    const size_t size = base - 1 + below(run, base);
    return ALLOC_MIN(size, mix->high);
}

/* ---- Patterns
 * -------------------------------------------------------------------------------------------------------- */

#define WHOLE  4096 /* blocks up to this many bytes are covered in whole */
#define ENDS   1024 /* of larger ones, these bytes at each end, and STRIPE bytes at every WHOLE */
#define STRIPE 8

typedef bool on_span(unsigned char *at, size_t from, size_t to, uint64_t key);

static uint64_t pattern_word(uint64_t key, size_t offset)
{
    return key + (offset / 8) * UINT64_C(0x9e3779b97f4a7c15);
}

static bool fill_span(unsigned char *at, size_t from, size_t to, uint64_t key)
{
    for (; to - from >= 8; from += 8) {
        const uint64_t word = pattern_word(key, from);
        memcpy(at + from, &word, 8);
    }
    const uint64_t word = pattern_word(key, from);
    memcpy(at + from, &word, to - from);
    return true;
}

static bool span_is_filled(unsigned char *at, size_t from, size_t to, uint64_t key)
{
    uint64_t seen;
    for (; to - from >= 8; from += 8) {
        memcpy(&seen, at + from, 8);
        if (seen != pattern_word(key, from))
            return false;
    }
    const uint64_t word = pattern_word(key, from);
    return memcmp(at + from, &word, to - from) == 0;
}

static bool span_is_zero(unsigned char *at, size_t from, size_t to, uint64_t key)
{
    (void)key;
    for (; from < to; from++)
        if (at[from] != 0)
            return false;
    return true;
}

/* Calls `visit` for the covered spans of a block of `size` bytes, as far as they lie in its first `limit`. */
static bool each_span(unsigned char *block, size_t size, size_t limit, uint64_t key, on_span *visit)
{
    if (size <= WHOLE)
        return visit(block, 0, ALLOC_MIN(size, limit), key);
    const size_t tail = (size - ENDS) & ~(size_t)7;
    if (!visit(block, 0, ALLOC_MIN(ENDS, limit), key) ||
        (tail < limit && !visit(block, tail, ALLOC_MIN(size, limit), key)))
        return false;
    for (size_t stripe = WHOLE; stripe + STRIPE <= ALLOC_MIN(tail, limit); stripe += WHOLE)
        if (!visit(block, stripe, stripe + STRIPE, key))
            return false;
    return true;
}

/* ---- The shadow
 * ------------------------------------------------------------------------------------------------------ */

/* The index of the first live block at or above `at`. */
static size_t find_live(const struct run *run, const void *at)
{
    size_t low = 0, high = run->nlive;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if ((uintptr_t)run->live[middle].block >= (uintptr_t)at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void insert_live(struct run *run, size_t at, struct live live)
{
    if (run->nlive == run->capacity) {
        run->capacity = run->capacity * 2 + 64;
        run->live = realloc(run->live, run->capacity * sizeof *run->live);
        if (run->live == NULL)
            abort();
    }
    memmove(run->live + at + 1, run->live + at, (run->nlive - at) * sizeof *run->live);
    run->live[at] = live;
    run->nlive++;
}

static void remove_live(struct run *run, size_t at)
{
    run->nlive--;
    memmove(run->live + at, run->live + at + 1, (run->nlive - at) * sizeof *run->live);
}

static bool hosted(const struct run *run)
{
    return (run->model->allocator->caps & CAP_HOSTED) != 0;
}

/* What HEAP_ALIGN says about a block of that size. */
static size_t natural_align(size_t size)
{
    size_t align = 1;
    while (align < HEAP_ALIGN && align * 2 <= size)
        align *= 2;
    return align;
}

/* A block that the allocator handed out for `size` bytes: checks it, fills it, adds it. */
static bool admit(struct run *run, void *block, size_t size, size_t align)
{
    if ((uintptr_t)block % align != 0)
        return failed(run, "block %p of %zu bytes is not aligned to %zu", block, size, align);
    const struct live live = {block, size, run->model->allocator->usable(run->heap, block), chance(run)};
    const size_t at = find_live(run, block);
    if (live.usable < size)
        return failed(run, "usable() of block %p says %zu of %zu bytes asked for", block, live.usable, size);
    if (!hosted(run) && !counted_holds(run->model->pages, block, ALLOC_MAX(live.usable, 1)))
        return failed(run, "block %p of %zu bytes lies outside the pages that the allocator holds", block, live.usable);
    if (at < run->nlive && (uintptr_t)block + ALLOC_MAX(live.usable, 1) > (uintptr_t)run->live[at].block)
        return failed(run, "block %p of %zu bytes overlaps the live block %p above it", block, live.usable,
                      (void *)run->live[at].block);
    if (at > 0 && (uintptr_t)run->live[at - 1].block + run->live[at - 1].usable > (uintptr_t)block)
        return failed(run, "block %p overlaps the live block %p below it", block, (void *)run->live[at - 1].block);
    each_span(block, live.usable, live.usable, live.key, fill_span);
    insert_live(run, at, live);
    return true;
}

/* Its content up to `limit`, and its usable bytes, are what they were. */
static bool intact(struct run *run, const struct live *live, size_t limit, const char *when)
{
    if (!each_span(live->block, live->usable, limit, live->key, span_is_filled))
        return failed(run, "the content of block %p of %zu bytes changed %s", (void *)live->block, live->usable, when);
    return true;
}

/* ---- Operations
 * ------------------------------------------------------------------------------------------------------ */

/* NULL is an answer when the page source refused, or for a size or alignment that the allocator does not offer. */
static bool may_fail(const struct run *run, size_t size, size_t align)
{
    const struct model *model = run->model;
    const size_t page = model->pages->source.page_size;
    if (hosted(run) || model->pages->refused > run->refused || align > page)
        return true;
    return !(model->allocator->caps & CAP_ANY_SIZE) && (align > 0 || size > model->mix->high);
}

static bool begin_heap(struct run *run)
{
    const struct model *model = run->model;
    const struct model_mix *mix = model->mix;
    const struct heap_config config = {.opt = model->opt,
                                       .sizes = model->option_sizes != NULL ? model->option_sizes : mix->sizes,
                                       .nsizes = model->option_sizes != NULL ? model->noption_sizes : mix->nsizes,
                                       .max_request = mix->high};
    run->nlive = 0;
    run->refused = model->pages->refused;
    run->heap = model->allocator->create(&model->pages->source, &config);
    if (run->heap == NULL && model->pages->refused == run->refused)
        return failed(run, "create() failed though every request for pages was granted");
    return true;
}

/* destroy() with blocks still live; those of a hosted allocator would outlive it. */
static bool end_heap(struct run *run)
{
    struct model *model = run->model;
    for (size_t i = 0; i < run->nlive; i++)
        if (!intact(run, &run->live[i], run->live[i].usable, "before the end"))
            return false;
    while (hosted(run) && run->nlive > 0)
        model->allocator->release(run->heap, run->live[--run->nlive].block);
    if (run->heap != NULL)
        model->allocator->destroy(run->heap);
    run->heap = NULL;
    run->nlive = 0;
    if (model->pages->error[0] != '\0')
        return failed(run, "%s", model->pages->error);
    if (model->pages->out != 0)
        return failed(run, "%zu pages were not given back by destroy()", model->pages->out);
    return true;
}

/* Nothing is reused: when memory has run out, only a new heap helps. */
static bool out_of_memory(struct run *run, size_t size, size_t align)
{
    if (!may_fail(run, size, align))
        return failed(run, "no block of %zu bytes, alignment %zu, though every request for pages was granted", size,
                      align);
    if (run->model->allocator->caps & CAP_FREE)
        return true;
    return end_heap(run) && begin_heap(run);
}

static bool do_alloc(struct run *run)
{
    const struct allocator *allocator = run->model->allocator;
    const size_t size = pick_size(run), kind = below(run, 8);
    void *block;
    size_t align = 0;
    if (kind == 0 && allocator->zalloc != NULL) {
        block = allocator->zalloc(run->heap, size);
        if (block != NULL && !each_span(block, size, size, 0, span_is_zero))
            return failed(run, "zalloc() of %zu bytes gave a block that is not zero", size);
    } else if (kind == 1 && allocator->aligned != NULL) {
        align = HEAP_ALIGN << (1 + below(run, 11));
        block = allocator->aligned(run->heap, align, size);
    } else {
        block = allocator->alloc(run->heap, size);
    }
    if (block == NULL)
        return out_of_memory(run, size, align);
    return admit(run, block, size, align > 0 ? align : natural_align(size));
}

static bool do_release(struct run *run, size_t at)
{
    const struct live live = run->live[at];
    if (!intact(run, &live, live.usable, "while it was live"))
        return false;
    if (run->model->allocator->usable(run->heap, live.block) != live.usable)
        return failed(run, "usable() of block %p changed from %zu", (void *)live.block, live.usable);
    run->model->allocator->release(run->heap, live.block);
    remove_live(run, at);
    return true;
}

static bool do_resize(struct run *run, size_t at)
{
    const struct live live = run->live[at];
    const size_t size = pick_size(run);
    if (!intact(run, &live, live.usable, "while it was live"))
        return false;
    void *block = run->model->allocator->resize(run->heap, live.block, size);
    if (block == NULL)
        return intact(run, &live, live.usable, "in a resize() that failed") && out_of_memory(run, size, 0);
    const struct live moved = {block, live.size, live.usable, live.key};
    if (!intact(run, &moved, ALLOC_MIN(live.size, size), "in resize()"))
        return false;
    remove_live(run, at);
    return admit(run, block, size, natural_align(size));
}

/* ---- Inspection
 * ------------------------------------------------------------------------------------------------------ */

static bool collect(const struct heap_block *block, void *arg)
{
    struct run *run = arg;
    if (run->nvisited == run->visited_capacity) {
        run->visited_capacity = run->visited_capacity * 2 + 64;
        run->visited = realloc(run->visited, run->visited_capacity * sizeof *run->visited);
        if (run->visited == NULL)
            abort();
    }
    run->visited[run->nvisited++] = *block;
    return true;
}

static bool stop_at_once(const struct heap_block *block, void *arg)
{
    (void)block;
    ++*(size_t *)arg;
    return false;
}

static int by_address(const void *a, const void *b)
{
    const struct heap_block *left = a, *right = b;
    return (left->ptr > right->ptr) - (left->ptr < right->ptr);
}

/* As most walks go, so that there is nothing to sort. */
static bool ascending(const struct run *run)
{
    size_t i = 1;
    while (i < run->nvisited && by_address(&run->visited[i - 1], &run->visited[i]) <= 0)
        i++;
    return i >= run->nvisited;
}

/* Runs of pages may come in any order, but the blocks of one page never descend. */
static bool check_order(struct run *run)
{
    const uintptr_t page = run->model->pages->source.page_size;
    for (size_t i = 1; i < run->nvisited; i++) {
        const uintptr_t last = (uintptr_t)run->visited[i - 1].ptr, at = (uintptr_t)run->visited[i].ptr;
        if (at <= last && at / page == last / page)
            return failed(run, "walk() visits %p after %p", run->visited[i].ptr, run->visited[i - 1].ptr);
    }
    return true;
}

static bool check_visited(struct run *run)
{
    size_t used = 0;
    if (!ascending(run))
        qsort(run->visited, run->nvisited, sizeof *run->visited, by_address);
    for (size_t i = 0, at = 0; i < run->nvisited; i++) {
        const struct heap_block *block = &run->visited[i];
        if (i > 0 &&
            (const char *)run->visited[i - 1].ptr + ALLOC_MAX(run->visited[i - 1].size, 1) > (const char *)block->ptr)
            return failed(run, "walk() visits %p, which overlaps the block before it", block->ptr);
        if (!counted_holds(run->model->pages, block->ptr, block->size))
            return failed(run, "walk() visits %p of %zu bytes, outside the pages held", block->ptr, block->size);
        while (at < run->nlive && (void *)run->live[at].block < block->ptr)
            at++;
        const bool live = at < run->nlive && run->live[at].block == block->ptr;
        if (live && !block->used)
            return failed(run, "walk() says that the live block %p is free", block->ptr);
        if (live && block->size != run->live[at].usable)
            return failed(run, "walk() says that block %p has %zu bytes, usable() said %zu", block->ptr, block->size,
                          run->live[at].usable);
        if (!live && block->used && (run->model->allocator->caps & CAP_FREE))
            return failed(run, "walk() says that %p is used, which is not live", block->ptr);
        used += live;
    }
    if (used != run->nlive)
        return failed(run, "walk() visits %zu of %zu live blocks", used, run->nlive);
    return true;
}

static bool inspect(struct run *run)
{
    const struct allocator *allocator = run->model->allocator;
    const char *broken = allocator->check != NULL ? allocator->check(run->heap) : NULL;
    size_t stopped = 0;
    if (broken != NULL)
        return failed(run, "check() says: %s", broken);
    if (allocator->walk == NULL)
        return true;
    run->nvisited = 0;
    if (!allocator->walk(run->heap, collect, run))
        return failed(run, "walk() says that it was stopped, and was not");
    if (!check_order(run) || !check_visited(run))
        return false;
    if (run->nvisited > 0 && run->op % 16 == 0 && (allocator->walk(run->heap, stop_at_once, &stopped) || stopped != 1))
        return failed(run, "walk() does not stop when it is told to");
    return true;
}

/* ---- The run
 * --------------------------------------------------------------------------------------------------------- */

static bool step(struct run *run)
{
    const struct model *model = run->model;
    run->refused = model->pages->refused;
    if (run->op % 1024 == 0)
        run->target = below(run, model->max_live + 1);
    const size_t dice = below(run, 16);
    if (run->nlive > 0 && dice < 2 && model->allocator->resize != NULL)
        return do_resize(run, below(run, run->nlive));
    if (run->nlive == 0 || (run->nlive < model->max_live && dice < (run->nlive < run->target ? 11 : 7)))
        return do_alloc(run);
    return do_release(run, below(run, run->nlive));
}

static bool run_ops(struct run *run)
{
    const struct model *model = run->model;
    for (run->op = 0; run->op < model->ops; run->op++) {
        if (!begin_heap(run))
            return false;
        if (run->heap == NULL)
            continue; /* refused: the next attempt may be granted */
        for (; run->op < model->ops && run->heap != NULL; run->op++) {
            if (!step(run))
                return false;
            run->model->done++;
            if (model->pages->error[0] != '\0')
                return failed(run, "%s", model->pages->error);
            const bool due = run->op % model->inspect == 0 || model->pages->refused > run->refused;
            if (run->heap != NULL && due && !inspect(run))
                return false;
        }
    }
    return (run->heap == NULL || inspect(run)) && end_heap(run);
}

bool model_run(struct model *model)
{
    struct run run = {.model = model, .random = model->seed * UINT64_C(0x9e3779b97f4a7c15) | 1};
    model->error[0] = '\0';
    model->done = 0;
    const bool fine = run_ops(&run);
    free(run.live);
    free(run.visited);
    return fine;
}
