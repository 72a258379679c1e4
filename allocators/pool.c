/*
 * pool.c - blocks of a few fixed sizes, each size with a free list threaded through its free blocks.
 *
 * Algorithm: a request goes to the smallest class that holds it, by a table of one entry for every HEAP_ALIGN bytes
 * (above TABLE_REACH, by a search of the classes). A class hands out the block at the head of its list: the one
 * released last. Fresh blocks are on the list without having been linked: where a link is NULL, the next block follows
 * the block itself, and pages that are known to be zero are full of such links. In other pages they are written, for
 * BATCH blocks at a time. A run that follows the class's last is joined to it. Blocks have no header: which class a
 * block belongs to is found by its page in a page map, and not even asked when there is one class only. Which sizes to
 * offer is chosen from the sizes of the work so that the least is wasted (classes.h), or by the option `sizes`; when
 * nothing is known, powers of two are offered. (Free lists through fixed-size blocks: Knuth, TAOCP 1, 2.2.3; Kenwright,
 * "Fast Efficient Fixed-Size Memory Pool", 2012, for a list that nobody links when it is made.)
 *
 * Cost: O(1), but for the page source's part. On x86-64, alloc() 16 instructions (and a search above TABLE_REACH), and
 * release() 6 with one class, 14 with more. Always the same, without a branch, but for the alloc() that finds the list
 * empty: that takes pages, or, in pages not known to be zero, writes BATCH links.
 * Bound: a class never gives its pages back, so that held memory is the sum over the classes of their peaks: at worst
 * as many times the live bytes as there are classes. Overhead per block: none but the rounding to its class; per heap:
 * a page or two, a page for each 4 MiB of addresses in use, and less than 1/64 of a run that could not be joined. A
 * request larger than the largest class is refused. Checked by: check(), the model checker in tests/, tests/simple.c
 * for memory, and the instruction pass for the bounds on alloc() and release().
 *
 *   a class:  run [ free ][ used ][ free ][ fresh ][ fresh ][ not yet listed ··· ]     free ─► … ─► fresh ─► LIST_END
 *                                                            ^ ready              ^ last
 */
#include "allocators/classes.h"
#include "allocators/page_map.h"

#define TABLE_REACH ((size_t)8192)           /* bytes up to which the class is looked up in the table */
#define LIST_END    ((struct free_block *)1) /* no block's address, and not the link of a fresh one */
#define BATCH       16                       /* blocks of pages not known to be zero that are made ready at once */
#define GROWTH      16                       /* pages up to which a class's step grows */

struct free_block {
    struct free_block *next;   /* released before this one; NULL: the block is fresh, and the next one follows it */
    struct free_block *higher; /* by address; scratch of walk() */
};
_Static_assert(sizeof(struct free_block) <= HEAP_ALIGN, "the smallest block holds both links");

struct pool {
    struct free_block *free;    /* the block to hand out next; LIST_END: there is none */
    char *ready;                /* fresh blocks up to here are on the list */
    char *last;                 /* and from there up to here not yet; the end of the run's last block */
    uintptr_t zero;             /* what is fresh and at or above this is all zero */
    size_t size;                /* of its blocks; 0: the class that refuses */
    size_t step;                /* pages to take at once */
    size_t over;                /* bytes of these in which no further block fits */
    size_t rest;                /* bytes behind `last` in its run */
    size_t held;                /* pages */
} __attribute__((aligned(64))); /* what an operation needs is in the first cache line */

struct heap {
    bool only; /* there is but one class */
    size_t nclasses;
    struct page_map map;
    uint16_t table[TABLE_REACH / HEAP_ALIGN + 1]; /* of each rounded size the class, see name_of() */
    struct pool classes[]; /* nclasses, ascending by size, and one that refuses; then room for the map's directory */
};
_Static_assert(sizeof(struct heap) + (CLASSES_MOST + 1) * sizeof(struct pool) <= UINT16_MAX, "an offset fits");

static const struct alloc_option pool_options[] = {
    {"sizes", "block sizes to offer, instead of choosing them from the work", OPTION_SIZES, 0, 1, UINT64_C(1) << 40,
     NULL},
    {"classes", "block sizes to choose from the work, at most", OPTION_NUMBER, 16, 1, CLASSES_MOST, NULL},
    {.name = NULL},
};
enum { OPT_SIZES, OPT_CLASSES };

/* ---- Creation
 * -------------------------------------------------------------------------------------------------------- */

/* For work of which nothing is known: HEAP_ALIGN, twice that, … up to the largest request or a page. */
static size_t powers_of_two(size_t largest, size_t *classes)
{
    size_t n = 0;
    for (size_t size = HEAP_ALIGN; n < CLASSES_MOST; size *= 2) {
        classes[n++] = size;
        if (size >= largest || size > SIZE_MAX / 4)
            break;
    }
    return n;
}

/* The sizes to offer, into classes[CLASSES_MOST]; 0: out of pages. */
static size_t choose_sizes(const struct page_source *source, const struct heap_config *config, size_t *classes)
{
    if (config->nsizes == 0)
        return powers_of_two(ALLOC_MAX(config->max_request, source->page_size), classes);
    const bool given = config->opt[OPT_SIZES] > 0;
    const size_t most = given ? CLASSES_MOST : (size_t)config->opt[OPT_CLASSES];
    return classes_from_work(source, config->sizes, config->nsizes, classes, most);
}

/* Sets step to the shortest run of which blocks of the class leave less than 1/64 unused; when none of 16 pages more
 * than a block's does, to the one that leaves the least. By subtraction: small processors cannot divide. */
static void choose_step(struct pool *class, size_t page_size)
{
    const size_t first = alloc_whole_pages(class->size + page_size - 1, page_size);
    size_t rest = first * page_size;
    class->over = SIZE_MAX;
    for (size_t n = first; n <= first + 16; n++, rest += page_size) {
        while (rest >= class->size)
            rest -= class->size;
        if (rest < class->over) {
            class->over = rest;
            class->step = n;
        }
        if (rest < n * (page_size / 64))
            break;
    }
}

/* What the table and the page map call a class: its offset in the heap, which is never 0. */
static inline uint16_t name_of(const struct heap *heap, const struct pool *class)
{
    return (uint16_t)((const char *)class - (const char *)heap);
}

static inline struct pool *class_named(const struct heap *heap, uint16_t name)
{
    return (struct pool *)((uintptr_t)heap + name);
}

static void fill_table(struct heap *heap)
{
    size_t class = 0;
    for (size_t i = 0; i <= TABLE_REACH / HEAP_ALIGN; i++) {
        while (class < heap->nclasses && heap->classes[class].size < i * HEAP_ALIGN)
            class ++;
        heap->table[i] = name_of(heap, &heap->classes[class]);
    }
}

static struct heap *pool_create(const struct page_source *source, const struct heap_config *config)
{
    size_t sizes[CLASSES_MOST];
    const size_t n = choose_sizes(source, config, sizes);
    const size_t bytes = sizeof(struct heap) + (n + 1) * sizeof(struct pool);
    const size_t npages = alloc_whole_pages(bytes + sizeof(uintptr_t) + source->page_size - 1, source->page_size);
    struct heap *heap = n > 0 ? source->alloc_page(source->ctx, npages) : NULL;
    if (heap == NULL)
        return NULL;
    heap->nclasses = n;
    heap->only = n == 1;
    for (size_t i = 0; i <= n; i++) {
        heap->classes[i] = (struct pool){.size = i < n ? sizes[i] : 0};
        heap->classes[i].free = LIST_END;
        if (i < n)
            choose_step(&heap->classes[i], source->page_size);
    }
    fill_table(heap);
    page_map_open(&heap->map, source, (char *)heap + bytes, npages * source->page_size - bytes);
    return heap;
}

static void pool_destroy(struct heap *heap)
{
    const struct page_source source = heap->map.source;
    const size_t bytes = sizeof(struct heap) + (heap->nclasses + 1) * sizeof(struct pool) + sizeof(uintptr_t);
    uintptr_t page, end;
    for (uintptr_t at = 0; page_map_next(&heap->map, at, &page); at = end) {
        end = page_map_run_end(&heap->map, page);
        source.free_page(source.ctx, (void *)page, alloc_whole_pages(end - page, source.page_size));
    }
    page_map_close(&heap->map);
    source.free_page(source.ctx, heap, alloc_whole_pages(bytes + source.page_size - 1, source.page_size));
}

/* ---- Classes
 * --------------------------------------------------------------------------------------------------------- */

static struct pool *search_class(struct heap *heap, size_t size)
{
    size_t low = 0, high = heap->nclasses;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (heap->classes[middle].size >= size)
            high = middle;
        else
            low = middle + 1;
    }
    return &heap->classes[low];
}

/* The smallest class that holds `size` bytes; the one that refuses, when none does. */
static inline struct pool *class_for(struct heap *heap, size_t size)
{
    if (ALLOC_UNLIKELY(size > TABLE_REACH))
        return search_class(heap, size);
    return class_named(heap, heap->table[(size + HEAP_ALIGN - 1) / HEAP_ALIGN]);
}

/* The class of a block. */
static inline struct pool *class_of(const struct heap *heap, const void *block)
{
    return class_named(heap, page_map_get(&heap->map, block));
}

/* Adds a run of pages, all but the first `dirty` bytes zero, to a class: behind its last one if it follows that. */
static void add_run(struct heap *heap, struct pool *class, char *pages, size_t npages, size_t dirty)
{
    const size_t bytes = npages << heap->map.shift;
    const bool joins = class->last != NULL && pages == class->last + class->rest;
    size_t over = class->over;
    if (ALLOC_UNLIKELY(npages != class->step))
        for (over = bytes; over >= class->size;)
            over -= class->size;
    over += joins ? class->rest : 0;
    page_map_set(&heap->map, pages, npages, name_of(heap, class), !joins);
    if (!joins || dirty > 0)
        class->zero = (uintptr_t)pages + dirty;
    class->ready = joins ? class->last : pages;
    class->rest = over - (over >= class->size ? class->size : 0);
    class->last = pages + bytes - class->rest;
    class->held += npages;
}

/* Gives a class that has no block fresh ones. The step grows with what it holds, to no more than 1/256 of that. */
static bool grow(struct heap *heap, struct pool *class)
{
    const struct page_source *source = &heap->map.source;
    const size_t least = alloc_whole_pages(class->size + source->page_size - 1, source->page_size);
    if (class->held >= 512 * class->step && class->step < GROWTH) {
        class->step *= 2;
        class->over = 2 * class->over - (2 * class->over >= class->size ? class->size : 0);
    }
    size_t npages = class->step;
    char *pages = source->alloc_page(source->ctx, npages);
    if (pages == NULL && npages > least)
        pages = source->alloc_page(source->ctx, npages = least);
    if (pages == NULL)
        return false;
    const size_t dirty = alloc_bytes_to_clear(source, pages, npages << heap->map.shift);
    if (!page_map_cover(&heap->map, pages, npages)) {
        source->free_page(source->ctx, pages, npages);
        return false;
    }
    add_run(heap, class, pages, npages, dirty);
    return true;
}

/* Lists fresh blocks: all of them if they are zero, else some, since each takes its time. A page that is zero is
 * written to before its first link is read, since an operating system would stop twice for it else. */
static void make_ready(const struct heap *heap, struct pool *class)
{
    const size_t size = class->size, stride = ALLOC_MAX(size, heap->map.source.page_size);
    char *at = class->ready;
    class->free = (struct free_block *)at;
    for (size_t i = 0; i < BATCH && at < class->last && (uintptr_t)at < class->zero; i++, at += size)
        ((struct free_block *)at)->next = NULL;
    class->ready = (uintptr_t)at < class->zero ? at : class->last;
    for (; at < class->ready; at += stride)
        ((struct free_block *)at)->next = NULL;
    ((struct free_block *)(class->ready - size))->next = LIST_END;
}

/* ---- The contract
 * ---------------------------------------------------------------------------------------------------- */

static void *take(struct heap *heap, struct pool *class);

/* For a class without a block that is ready; the one that refuses never has one. NULL: exhausted. */
static __attribute__((noinline)) void *take_slowly(struct heap *heap, struct pool *class)
{
    if (class->ready == class->last && (class->size == 0 || !grow(heap, class)))
        return NULL;
    make_ready(heap, class);
    return take(heap, class);
}

/* No branch but for a class without a block: what follows a fresh block is chosen, not jumped to. */
static inline void *take(struct heap *heap, struct pool *class)
{
    struct free_block *block = class->free;
    if (ALLOC_UNLIKELY(block == LIST_END))
        return take_slowly(heap, class);
    struct free_block *behind = (struct free_block *)((uintptr_t)block + class->size);
    class->free = block->next != NULL ? block->next : behind;
    return block;
}

/* Apart, so that the usual path calls nothing and needs no frame. */
static __attribute__((noinline)) void *search_and_take(struct heap *heap, size_t size)
{
    return take(heap, search_class(heap, size));
}

static void *pool_alloc(struct heap *heap, size_t size)
{
    if (ALLOC_UNLIKELY(size > TABLE_REACH))
        return search_and_take(heap, size);
    return take(heap, class_for(heap, size));
}

/* A fresh block may be known to be zero. That it is fresh, only its link tells, or that it is the first on the list;
 * the last of a run is taken for a released one. */
static void *pool_zalloc(struct heap *heap, size_t size)
{
    struct pool *class = class_for(heap, size);
    const bool first = class->free == LIST_END;
    struct free_block *block = take(heap, class);
    size_t dirty = size;
    if (block == NULL)
        return NULL;
    if (first || block->next == NULL)
        dirty = class->zero > (uintptr_t)block ? ALLOC_MIN(size, class->zero - (uintptr_t)block) : 0;
    block->next = NULL;
    return __builtin_memset(block, 0, dirty);
}

static inline void put(struct pool *class, struct free_block *block)
{
    block->next = class->free;
    class->free = block;
}

static void pool_release(struct heap *heap, void *block)
{
    if (heap->only)
        put(heap->classes, block);
    else
        put(class_of(heap, block), block);
}

/* Runs begin at a page, so that the blocks of a class whose size is a multiple of `align` are all aligned to it. */
static void *pool_aligned(struct heap *heap, size_t align, size_t size)
{
    if (align > heap->map.source.page_size)
        return NULL;
    for (struct pool *class = class_for(heap, size); class->size > 0; class ++)
        if ((class->size & (align - 1)) == 0)
            return take(heap, class);
    return NULL;
}

static size_t pool_usable(const struct heap *heap, const void *block)
{
    return class_of(heap, block)->size;
}

extern const struct allocator allocator_pool;

/* Moves whenever another class fits better; a smaller block that cannot be had is no failure. */
static void *pool_resize(struct heap *heap, void *block, size_t size)
{
    const struct pool *class = class_of(heap, block);
    if (class == class_for(heap, size))
        return block;
    void *moved = alloc_resize_by_copy(&allocator_pool, heap, block, size);
    return moved == NULL && size <= class->size ? block : moved;
}

/* ---- Inspection
 * ------------------------------------------------------------------------------------------------------ */

/* What walk() keeps: for each class, its released blocks not yet met, by address, and the first of its fresh ones. */
struct walk {
    struct free_block *rest[CLASSES_MOST];
    struct free_block *fresh[CLASSES_MOST];
};

/* A list leads through the released blocks to the first fresh one, or, when there is none on it but one that looks like
 * a released one, to its end. */
static bool is_released(const struct free_block *block)
{
    return block != LIST_END && block->next != NULL;
}

static struct free_block *merge(struct free_block *a, struct free_block *b)
{
    struct free_block *head, **tail = &head;
    while (a != NULL && b != NULL) {
        struct free_block **lower = a < b ? &a : &b;
        *tail = *lower;
        tail = &(*lower)->higher;
        *lower = (*lower)->higher;
    }
    *tail = a != NULL ? a : b;
    return head;
}

/* The released blocks by address, linked through `higher`: a merge sort whose bin i holds 2^i blocks. The free list
 * itself, and with it the heap's behaviour, stays as it is. *fresh: the block that it ends with. */
static struct free_block *sort_released(const struct pool *class, struct free_block **fresh)
{
    struct free_block *bins[8 * sizeof(size_t)] = {NULL}, *all = NULL;
    const size_t nbins = sizeof bins / sizeof *bins;
    struct free_block *block = class->free;
    for (; is_released(block); block = block->next) {
        struct free_block *carry = block;
        size_t i = 0;
        for (carry->higher = NULL; bins[i] != NULL; bins[i++] = NULL)
            carry = merge(bins[i], carry);
        bins[i] = carry;
    }
    *fresh = block != LIST_END ? block : (struct free_block *)class->ready;
    for (size_t i = 0; i < nbins; i++)
        all = merge(bins[i], all);
    return all;
}

static bool visit_run(const struct heap *heap, struct walk *walk, uintptr_t at, uintptr_t end, heap_visit *visit,
                      void *arg)
{
    const struct pool *class = class_of(heap, (void *)at);
    const uintptr_t first = (uintptr_t)walk->fresh[class - heap->classes];
    struct free_block **rest = &walk->rest[class - heap->classes];
    for (; end - at >= class->size; at += class->size) {
        const bool released = (uintptr_t)*rest == at;
        const bool fresh = at >= first && at < (uintptr_t) class->last;
        if (released)
            *rest = (*rest)->higher;
        if (!visit(&(struct heap_block){(void *)at, class->size, !released && !fresh}, arg))
            return false;
    }
    return true;
}

static bool walk_runs(const struct heap *heap, struct walk *walk, heap_visit *visit, void *arg)
{
    uintptr_t page, end;
    for (size_t i = 0; i < heap->nclasses; i++)
        walk->rest[i] = sort_released(&heap->classes[i], &walk->fresh[i]);
    for (uintptr_t at = 0; page_map_next(&heap->map, at, &page); at = end) {
        end = page_map_run_end(&heap->map, page);
        if (!visit_run(heap, walk, page, end, visit, arg))
            return false;
    }
    return true;
}

static bool pool_walk(const struct heap *heap, heap_visit *visit, void *arg)
{
    struct walk walk;
    return walk_runs(heap, &walk, visit, arg);
}

static bool visit_nothing(const struct heap_block *block, void *arg)
{
    (void)block, (void)arg;
    return true;
}

/* Before free lists are followed: they stay in pages of their class, and end with the fresh blocks. */
static const char *check_list(const struct heap *heap, size_t i)
{
    const struct pool *class = &heap->classes[i];
    size_t left = class->held << heap->map.shift;
    const struct free_block *block = class->free;
    for (; block != LIST_END; block = block->next) {
        if (page_map_find(&heap->map, block) != name_of(heap, class))
            return "a free list leads out of its class's pages";
        if (block->next == NULL)
            break;
        if (left < class->size)
            return "a free list holds more blocks than its class has";
        left -= class->size;
    }
    const char *first = block != LIST_END ? (const char *)block : class->ready;
    const size_t fresh = (size_t)(class->last - first);
    if (fresh > left || alloc_divide(fresh, class->size) * class->size != fresh)
        return "a free list does not end with its class's fresh blocks";
    return NULL;
}

static const char *pool_check(const struct heap *heap)
{
    struct walk walk;
    for (size_t i = 0; i < heap->nclasses; i++) {
        const char *broken = check_list(heap, i);
        if (broken != NULL)
            return broken;
    }
    walk_runs(heap, &walk, visit_nothing, NULL);
    for (size_t i = 0; i < heap->nclasses; i++)
        if (walk.rest[i] != NULL)
            return "a free list holds what is not the start of a block, or the same block twice";
    return NULL;
}

const struct allocator allocator_pool = {
    .abi = ALLOC_ABI,
    .caps = CAP_FREE,
    .name = "pool",
    .summary = "blocks of a few fixed sizes, a free list for each",
    .options = pool_options,
    .create = pool_create,
    .destroy = pool_destroy,
    .alloc = pool_alloc,
    .release = pool_release,
    .zalloc = pool_zalloc,
    .aligned = pool_aligned,
    .resize = pool_resize,
    .usable = pool_usable,
    .walk = pool_walk,
    .check = pool_check,
};
