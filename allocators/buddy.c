/*
 * buddy.c - the binary buddy system: blocks are powers of two, a free one merges with its one possible partner.
 *
 * A block of order k has 2^k bytes and lies at a multiple of its size, so its buddy's address differs in one bit. A
 * request takes the smallest free block that serves it and halves it until it fits; a released one merges as long as
 * its buddy is free and whole. Of which order a block is, and whether it is free, stands in a table at the start of
 * each chunk, a byte for two smallest blocks, so no block has a header. What is larger than half a chunk is whole pages
 * from the page source.
 *
 *   a chunk, 64 pages    [ header, states | block ][ block ][ block ............... ] ...     aligned to its size
 *
 * A program often wants again what it has just freed, and merging it would be in vain. So released blocks wait, as many
 * of each order as `delay` and WAIT_BYTES allow: the newest is handed out again, the oldest is merged when one comes
 * too many. delay=0 is the buddy system as published.
 *
 * Follows K. Knowlton, "A fast storage allocator", CACM 8 (1965), as Knuth gives it in TAOCP 1, 2.5, algorithms R and
 * S, with tables instead of tags in the blocks. That merging pays when it is delayed, for a bounded number of blocks
 * and operation by operation: R. Barkley and T. Lee, "A lazy buddy system bounded by two coalescings per class", SOSP
 * 1989. That the newest go out first and the oldest are merged: Linux's lists of pages per processor.
 *
 * Cost          alloc and release O(log(chunk / min)): a release merges one block at most, of each order once; an
 *               alloc halves one, of each order once, and when it needs a new chunk cuts that in one block of each.
 *               All that wait are merged at once only when the page source has refused. pick=lowest adds to each
 *               block that is made free or taken O(log(free blocks of its order)), expected (treap.h). What is larger
 *               than half a chunk costs what the page source takes, and now and then a larger table (chunks.h).
 * Overhead      sizes are rounded up to a power of two; the table takes a byte for each two `min` bytes: 1.6 % at 32.
 * Worst case    of memory, power-of-two requests, M live, n largest over smallest: M(1 + log2(n)/2), which no
 *               allocator betters (Robson 1974); any sizes: twice that. That is with delay=0, and of blocks small
 *               against a chunk, of which the header takes the first: of half a chunk it has one, not two, of a
 *               quarter three, not four. check() verifies tables, lists and counts; tests/buddy.c how many blocks are
 *               halved or merged by an operation.
 */
#include "allocators/buddy.h"

extern const struct allocator allocator_buddy;

#define PAGES      64    /* of a chunk */
#define DELAY_MOST 255   /* blocks of an order that may wait */
#define WAIT_BYTES 16384 /* that the blocks of an order have together while they wait */

enum { OPT_MIN, OPT_PICK, OPT_DELAY };

/* ---- Chunks ---------------------------------------------------------------------------------------------------------
 */

/* Where the first block begins: behind the header, in the heap's own chunk behind the heap too. */
static inline size_t first_place(const struct heap *h, const struct chunk *c)
{
    return chunk_of(h, h) == c ? h->own_start : h->start;
}

/* One free block of each order, as their places have it. In the table only the header's part must be right beyond that,
 * since it stands for buddies that are never free; the rest is written when a block begins there. */
static void open_chunk(struct heap *h, struct chunk *c)
{
    size_t place = first_place(h, c);
    c->live = 0;
    c->prev = NULL;
    c->next = h->all;
    if (c->next)
        c->next->prev = c;
    h->all = c;
    __builtin_memset(c->states, (int)h->min_order, (place >> h->pair_order) + 1);
    for (size_t bytes; place < h->chunks.size; place += bytes) {
        bytes = place & -place;
        unsigned order = alloc_first_bit(bytes);
        link_in(h, h->pick, block_at(c, place), order);
        h->filled |= UINT32_C(1) << order;
        *state_of(h, c, place) = (uint8_t)order;
        set_free(h, c, place, true);
    }
    h->spare++;
}

/* A chunk without a live block, whose free blocks are all as open_chunk() made them. */
static void close_chunk(struct heap *h, struct chunk *c)
{
    for (size_t place = first_place(h, c); place < h->chunks.size; place += place & -place)
        take_out(h, block_at(c, place), order_at(h, c, place));
    if (c->prev)
        c->prev->next = c->next;
    else
        h->all = c->next;
    if (c->next)
        c->next->prev = c->prev;
    h->spare--;
    chunks_give_pages(&h->chunks, c, PAGES);
}

/* Halves a block on no list until it is of order `to`; the upper halves become free. */
static ALWAYS_INLINE void halve(struct heap *h, enum pick pick, struct chunk *c, size_t place, unsigned from,
                                unsigned to)
{
    uint8_t *state = state_of(h, c, place);
    size_t bytes = (size_t)1 << from, pairs = bytes >> h->pair_order;
    h->filled |= (UINT32_C(1) << from) - (UINT32_C(1) << to);
    for (unsigned order = from; order-- > to;) {
        bytes /= 2;
        pairs /= 2;
        link_in(h, pick, block_at(c, place + bytes), order);
        state[pairs] = (uint8_t)(FREE | order); /* of a smallest block, that is the lower half's, written below */
    }
    *state = (uint8_t)(to == h->min_order ? to | FREE_UPPER : to);
}

/* Says of a block of the smallest order that it is free; whether its buddy, of the same state, is too. */
static ALWAYS_INLINE bool pairs_up(uint8_t *state, bool upper)
{
    *state |= upper ? FREE_UPPER : FREE;
    return *state >= (FREE | FREE_UPPER);
}

/* Makes a block free, merged with its buddies as far as they are. That ends at the header, which is never free. */
static ALWAYS_INLINE void merge(struct heap *h, enum pick pick, void *block, unsigned order)
{
    struct chunk *c = chunk_of(h, block);
    size_t place = place_of(h, block), bytes = (size_t)1 << order;
    const bool smallest = order == h->min_order;
    if (smallest && !pairs_up(state_of(h, c, place), place & bytes)) {
        link_in(h, pick, block, order);
        h->filled |= (uint32_t)bytes;
    } else {
        uint32_t filled = h->filled;
        size_t buddy = place ^ bytes, state = FREE | order; /* of a free block of the order that was reached */
        bool merges = smallest || *state_of(h, c, buddy) == state;
        while (merges) {
            if (link_out(h, pick, block_at(c, buddy), state - FREE))
                filled ^= (uint32_t)bytes;
            state++;
            bytes *= 2;
            place &= buddy; /* the lower of both */
            buddy = place ^ bytes;
            merges = *state_of(h, c, buddy) == state;
        }
        link_in(h, pick, block_at(c, place), state - FREE);
        h->filled = filled | (uint32_t)bytes;
        *state_of(h, c, place) = (uint8_t)state;
    }
    if (ALLOC_UNLIKELY(--c->live == 0) && h->spare++ && c != chunk_of(h, h))
        close_chunk(h, c);
}

static __attribute__((noinline)) void merge_lowest(struct heap *h, void *block, unsigned order)
{
    merge(h, LOWEST, block, order);
}

/* ---- alloc and release ----------------------------------------------------------------------------------------------
 */

static __attribute__((noinline)) void merge_oldest(struct heap *h, size_t order)
{
    struct waiting *w = &h->waiting[order];
    void *block = w->places[w->tail++ & w->mask];
    if (ALLOC_LIKELY(h->pick == LIFO))
        merge(h, LIFO, block, (unsigned)order);
    else
        merge_lowest(h, block, (unsigned)order);
}

/* A free block of at least this order is there; false: exhausted. */
static __attribute__((noinline)) bool grow(struct heap *h, unsigned order)
{
    struct chunk *c = chunks_take_aligned(&h->chunks, PAGES);
    if (c)
        open_chunk(h, c);
    else
        for (unsigned i = h->min_order; i < ORDERS; i++)
            while (h->waiting[i].tail != h->waiting[i].head)
                merge_oldest(h, i);
    return h->filled >> order;
}

/* A block of this order, halved from one of the next that is free; there is one. */
static ALWAYS_INLINE void *take(struct heap *h, enum pick pick, unsigned order)
{
    unsigned from = order + (unsigned)__builtin_ctz(h->filled >> order);
    void *block = choose(h, pick, from);
    struct chunk *c = chunk_of(h, block);
    if (link_out(h, pick, block, from))
        h->filled &= ~(UINT32_C(1) << from);
    if (from == order)
        set_free(h, c, place_of(h, block), false);
    else
        halve(h, pick, c, place_of(h, block), from, order);
    if (ALLOC_UNLIKELY(c->live++ == 0))
        h->spare--;
    return block;
}

static __attribute__((noinline)) void *take_lowest(struct heap *h, unsigned order)
{
    return take(h, LOWEST, order);
}

/* A block of this order, none of which waits. NULL: exhausted. */
static __attribute__((noinline)) void *alloc_free(struct heap *h, unsigned order)
{
    if (ALLOC_UNLIKELY(!(h->filled >> order)) && !grow(h, order))
        return NULL;
    return ALLOC_LIKELY(h->pick == LIFO) ? take(h, LIFO, order) : take_lowest(h, order);
}

static inline void *alloc_order(struct heap *h, unsigned order)
{
    struct waiting *w = &h->waiting[order];
    if (ALLOC_LIKELY(w->head != w->tail))
        return w->places[--w->head & w->mask];
    return alloc_free(h, order);
}

static __attribute__((noinline)) void *alloc_large(struct heap *h, size_t size)
{
    return large_alloc(&h->chunks, size);
}

static void *alloc(struct heap *h, size_t size)
{
    if (ALLOC_UNLIKELY(size - 1 >= h->most))
        return size ? alloc_large(h, size) : alloc_order(h, h->min_order);
    return alloc_order(h, order_for(h, size));
}

static void *zalloc(struct heap *h, size_t size)
{
    if (size > h->most)
        return large_zalloc(&h->chunks, size);
    void *block = alloc(h, size);
    return block ? __builtin_memset(block, 0, size) : NULL;
}

/* Every block lies at a multiple of its size. */
static void *aligned(struct heap *h, size_t align, size_t size)
{
    if (align <= h->most)
        return alloc(h, ALLOC_MAX(align, size));
    return align <= h->chunks.size ? alloc_large(h, size) : NULL;
}

static __attribute__((noinline)) void release_large(struct heap *h, void *p)
{
    large_release(&h->chunks, p);
}

static void release(struct heap *h, void *p)
{
    size_t place = place_of(h, p);
    if (ALLOC_UNLIKELY(!place)) {
        release_large(h, p);
        return;
    }
    size_t order = order_at(h, chunk_of(h, p), place);
    struct waiting *w = &h->waiting[order];
    uint32_t head = w->head;
    w->head = head + 1;
    w->places[head & w->mask] = p;
    if (ALLOC_UNLIKELY(head - w->tail >= w->limit))
        merge_oldest(h, order);
}

static size_t usable(const struct heap *h, const void *p)
{
    const struct chunk *c = chunk_of(h, p);
    return p == (const void *)c ? large_usable(&h->chunks, p) : (size_t)1 << order_at(h, c, place_of(h, p));
}

/* Takes the upper buddies in while they are free; false, and nothing is changed, if one is not. */
static bool grow_in_place(struct heap *h, struct chunk *c, size_t place, unsigned from, unsigned to)
{
    for (unsigned k = from; k < to; k++) {
        size_t buddy = place + ((size_t)1 << k);
        if (place >> k & 1 || !is_free(h, c, buddy) || order_at(h, c, buddy) != k)
            return false;
    }
    for (unsigned k = from; k < to; k++)
        take_out(h, block_at(c, place + ((size_t)1 << k)), k);
    *state_of(h, c, place) = (uint8_t)to;
    return true;
}

static void *resize(struct heap *h, void *p, size_t size)
{
    struct chunk *c = chunk_of(h, p);
    if (p == (void *)c && size > h->most && size <= large_usable(&h->chunks, p)) {
        large_shrink(&h->chunks, p, size);
        return p;
    }
    if (p == (void *)c || size > h->most)
        return alloc_resize_by_copy(&allocator_buddy, h, p, size);
    size_t place = place_of(h, p);
    unsigned has = order_at(h, c, place), order = order_for(h, ALLOC_MAX(size, 1));
    if (order < has)
        halve(h, h->pick, c, place, has, order);
    if (order > has && !grow_in_place(h, c, place, has, order))
        return alloc_resize_by_copy(&allocator_buddy, h, p, size);
    return p;
}

/* ---- The heap ------------------------------------------------------------------------------------------------------
 */

static const char *const picks[] = {"lifo", "lowest", NULL};

static const struct alloc_option options[] = {
    [OPT_MIN] = {.name = "min",
                 .help = "the smallest block, rounded up to a power of two; smaller ones need larger tables",
                 .type = OPTION_SIZE,
                 .def = 32,
                 .min = 16,
                 .max = 4096},
    [OPT_PICK] = {.name = "pick",
                  .help = "which free block of an order is taken: the last one made, or the one at the lowest address",
                  .type = OPTION_CHOICE,
                  .choices = picks},
    [OPT_DELAY] = {.name = "delay",
                   .help = "released blocks of an order that wait, unmerged, to be taken again; 0 merges at once",
                   .type = OPTION_NUMBER,
                   .def = DELAY_MOST,
                   .min = 0,
                   .max = DELAY_MOST},
    {.name = NULL},
};

/* Lays out the rings behind the heap. Returns where they end. */
static void *make_rings(struct heap *h, uint64_t delay)
{
    void **places = h->places;
    for (unsigned order = h->min_order; (size_t)1 << order <= h->most; order++) {
        struct waiting *w = &h->waiting[order];
        w->places = places;
        w->limit = (uint32_t)ALLOC_MIN(delay, (uint64_t)WAIT_BYTES >> order);
        while (w->mask < w->limit)
            w->mask = 2 * w->mask + 1;
        places += w->mask + 1;
    }
    return places;
}

static struct heap *create(const struct page_source *source, const struct heap_config *config)
{
    struct chunks chunks;
    chunks_init(&chunks, source, PAGES * source->page_size);
    unsigned min_order = 4;
    while ((uint64_t)1 << min_order < config->opt[OPT_MIN])
        min_order++;
    struct chunk *own = chunks_take_aligned(&chunks, PAGES);
    if (!own)
        return NULL;
    size_t header = ALLOC_ROUND_UP(sizeof *own + (chunks.size >> (min_order + 1)), HEAP_ALIGN);
    size_t smallest = (size_t)1 << min_order;
    struct heap *h = block_at(own, header);
    *h = (struct heap){.most = chunks.size / 2,
                       .mask = chunks.size - 1,
                       .chunk_mask = ~(chunks.size - 1),
                       .min_last = smallest - 1,
                       .min_order = min_order,
                       .pair_order = min_order + 1,
                       .pick = (enum pick)config->opt[OPT_PICK],
                       .chunks = chunks,
                       .start = ALLOC_ROUND_UP(header, smallest)};
    for (unsigned i = 0; i < ORDERS; i++)
        link_init(&h->lists[i]);
    size_t end = place_of(h, make_rings(h, config->opt[OPT_DELAY]));
    h->own_start = ALLOC_ROUND_UP(end, smallest);
    open_chunk(h, own);
    return h;
}

static void destroy(struct heap *h)
{
    struct chunks chunks = h->chunks;
    large_destroy(&chunks);
    for (struct chunk *c = h->all, *next; c; c = next) {
        next = c->next;
        chunks_give_pages(&chunks, c, PAGES);
    }
}

/* ---- walk and check ------------------------------------------------------------------------------------------------
 */

/* Writes into the tables that waiting blocks are free, or takes it back. False if one was not as expected: its order,
 * in use, or there only once. */
static bool mark_waiting(const struct heap *h, bool free)
{
    bool sound = true;
    for (unsigned order = h->min_order; order < ORDERS; order++)
        for (uint32_t i = h->waiting[order].tail; i != h->waiting[order].head; i++) {
            const void *block = h->waiting[order].places[i & h->waiting[order].mask];
            const struct chunk *c = chunk_of(h, block);
            size_t place = place_of(h, block);
            sound = sound && order_at(h, c, place) == order && is_free(h, c, place) != free;
            set_free(h, c, place, free);
        }
    return sound;
}

static bool walk_chunk(const struct heap *h, const struct chunk *c, heap_visit *visit, void *arg)
{
    for (size_t place = first_place(h, c), bytes; place < h->chunks.size; place += bytes) {
        bytes = (size_t)1 << order_at(h, c, place);
        struct heap_block seen = {block_at(c, place), bytes, !is_free(h, c, place)};
        if (!visit(&seen, arg))
            return false;
    }
    return true;
}

static bool walk(const struct heap *h, heap_visit *visit, void *arg)
{
    const struct chunk *c = h->all;
    mark_waiting(h, true);
    while (c && walk_chunk(h, c, visit, arg))
        c = c->next;
    mark_waiting(h, false);
    return !c && large_walk(&h->chunks, visit, arg);
}

/* Counts the free blocks of each order. */
static const char *check_chunk(const struct heap *h, const struct chunk *c, size_t *nfree)
{
    uint32_t live = 0;
    for (size_t place = first_place(h, c), bytes; place < h->chunks.size; place += bytes) {
        unsigned order = order_at(h, c, place);
        bytes = (size_t)1 << order;
        if (order < h->min_order || bytes > h->most || place & (bytes - 1))
            return "a block lies where none of its order can";
        if (is_free(h, c, place) && is_free(h, c, place ^ bytes) && order_at(h, c, place ^ bytes) == order)
            return "two free buddies are not merged";
        live += !is_free(h, c, place);
        nfree[order] += is_free(h, c, place);
    }
    return live == c->live ? NULL : "a chunk miscounts its live blocks";
}

static bool is_free_block(const struct heap *h, const void *block, unsigned order)
{
    const struct chunk *c = chunk_of(h, block);
    return is_free(h, c, place_of(h, block)) && order_at(h, c, place_of(h, block)) == order;
}

/* Takes the free blocks of an order off *nfree. */
static bool check_list(const struct heap *h, unsigned order, size_t *nfree)
{
    const struct link *head = &h->lists[order];
    for (const struct link *l = head->next; l != head; l = l->next)
        if (l->next->prev != l || !is_free_block(h, l, order) || !(*nfree)--)
            return false;
    return true;
}

/* The same of a tree, whose addresses lie between these. */
static bool check_tree(const struct heap *h, const struct treap *t, unsigned order, uintptr_t low, uintptr_t high,
                       size_t *nfree)
{
    uintptr_t at = (uintptr_t)t;
    return !t ||
           (at >= low && at <= high && is_free_block(h, t, order) && (*nfree)-- &&
            check_tree(h, t->lower, order, low, at - 1, nfree) && check_tree(h, t->higher, order, at + 1, high, nfree));
}

static const char *check_order(const struct heap *h, unsigned order, size_t nfree)
{
    const struct waiting *w = &h->waiting[order];
    if (!(h->filled >> order & 1) != !nfree)
        return "an order's mark contradicts its free blocks";
    if (!check_list(h, order, &nfree) || !check_tree(h, h->trees[order], order, 0, UINTPTR_MAX, &nfree))
        return "a list of free blocks is damaged";
    if (nfree)
        return "a free block is on no list";
    return w->head - w->tail > w->limit ? "more blocks of an order wait than may" : NULL;
}

static const char *check(const struct heap *h)
{
    size_t bytes = 0, nfree[ORDERS] = {0}, spare = 0;
    const char *broken = large_check(&h->chunks, &bytes);
    for (const struct chunk *c = h->all; c && !broken; c = c->next) {
        broken = check_chunk(h, c, nfree);
        bytes += h->chunks.size;
        spare += c->live == 0;
    }
    for (unsigned order = 0; order < ORDERS && !broken; order++)
        broken = check_order(h, order, nfree[order]);
    if (broken)
        return broken;
    bool sound = mark_waiting(h, true);
    mark_waiting(h, false);
    return !sound                    ? "a block that waits to be taken again is not in use, or waits twice"
           : bytes != h->chunks.held ? "the chunks do not add up to the pages held"
           : spare != h->spare       ? "the heap miscounts its spare chunks"
                                     : NULL;
}

const struct allocator allocator_buddy = {
    .abi = ALLOC_ABI,
    .caps = CAP_FREE | CAP_ANY_SIZE,
    .name = "buddy",
    .summary = "binary buddies, their orders and free bits in tables of 2 %",
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
