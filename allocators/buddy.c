/*
 * buddy.c - the binary buddy system: blocks are powers of two, a free one merges with its one possible partner.
 *
 * A block of order k is 2^k times `min` bytes and lies at a multiple of its size, so its buddy's address differs in one
 * bit. A request takes the smallest free block that serves it and halves it until it fits; a released one merges as
 * long as its buddy is free and whole. Which blocks are free, and of which order every block is, stands in tables at
 * the start of each chunk, so no block has a header. What is larger than half a chunk is whole pages from the page
 * source.
 *
 *   a chunk, 64 pages    [ header, orders, free bits | block ][ block ][ block ........ ] ...     aligned to its size
 *
 * Follows K. Knowlton, "A fast storage allocator", CACM 8 (1965), as Knuth gives it in TAOCP 1, 2.5, algorithms R and
 * S, with tables instead of tags in the blocks.
 *
 * Cost          alloc and release O(log(chunk / min)): at most ORDERS - 1 halvings or merges. pick=lowest adds, for
 *               each block that becomes free, a search along the list of its order: O(free blocks of it).
 * Overhead      sizes are rounded up to a power of two; the tables take 5/8 of a byte for each `min` bytes: 1.95 %
 *               at 32.
 * Worst case    of memory, power-of-two requests, M live, n largest over smallest: M(1 + log2(n)/2), which no
 *               allocator betters (Robson 1974); any sizes: twice that. That is of blocks small against a chunk, of
 *               which the header takes the first: of half a chunk it has one, not two, of a quarter three, not four.
 *               check() verifies tables, lists and counts.
 */
#include "allocators/chunks.h"
#include "allocators/links.h"

extern const struct allocator allocator_buddy;

#define PAGES  64 /* of a chunk */
#define ORDERS 16 /* what four bits can tell */

enum pick { LIFO, LOWEST };
enum { OPT_MIN, OPT_PICK };

struct chunk {
    struct chunk *next, *prev;
    uint32_t live;    /* blocks in use */
    uint8_t tables[]; /* a bit for each min bytes: a free block begins here; then four bits: the order of the block that
                         begins here */
};

struct heap {
    struct chunks chunks;
    struct chunk *all; /* the heap's own is the last */
    unsigned min_log2;
    unsigned nblocks; /* of min bytes in a chunk */
    unsigned max_order;
    unsigned spare; /* chunks without a live block; one is kept, against a see-saw */
    enum pick pick;
    size_t header;   /* bytes before the first block of a chunk, but for the heap's own */
    uint32_t filled; /* bit: there is a free block of this order */
    struct link lists[ORDERS];
};

/* ---- The tables ----------------------------------------------------------------------------------------------------
 */

static inline struct chunk *chunk_of(const struct heap *h, const void *p)
{
    return (struct chunk *)((uintptr_t)p & ~(uintptr_t)(h->chunks.size - 1));
}

static inline unsigned index_of(const struct heap *h, const struct chunk *c, const void *p)
{
    return (unsigned)(((uintptr_t)p - (uintptr_t)c) >> h->min_log2);
}

static inline void *block_at(const struct heap *h, const struct chunk *c, unsigned i)
{
    return (char *)(uintptr_t)c + ((size_t)i << h->min_log2);
}

static inline bool is_free(const struct chunk *c, unsigned i)
{
    return c->tables[i / 8] >> (i % 8) & 1;
}

static inline void set_free(struct chunk *c, unsigned i)
{
    c->tables[i / 8] |= (uint8_t)(1u << (i % 8));
}

static inline void set_used(struct chunk *c, unsigned i)
{
    c->tables[i / 8] &= (uint8_t) ~(1u << (i % 8));
}

static inline unsigned order_at(const struct heap *h, const struct chunk *c, unsigned i)
{
    return c->tables[h->nblocks / 8 + i / 2] >> (i % 2 * 4) & 15;
}

static inline void set_order(const struct heap *h, struct chunk *c, unsigned i, unsigned order)
{
    uint8_t *pair = &c->tables[h->nblocks / 8 + i / 2];
    *pair = (uint8_t)(i % 2 ? (*pair & 15) | order << 4 : (*pair & 0xf0) | order);
}

static inline size_t order_bytes(const struct heap *h, unsigned order)
{
    return (size_t)1 << (h->min_log2 + order);
}

/* The order that serves a request of at most half a chunk. */
static inline unsigned order_for(const struct heap *h, size_t size)
{
    if (size <= (size_t)1 << h->min_log2)
        return 0;
    return (unsigned)(8 * sizeof(long)) - (unsigned)__builtin_clzl(size - 1) - h->min_log2;
}

/* ---- Free blocks ----------------------------------------------------------------------------------------------------
 */

static inline void insert(struct heap *h, struct chunk *c, unsigned i, unsigned order)
{
    struct link *l = block_at(h, c, i), *prev = &h->lists[order];
    if (h->pick == LOWEST)
        while (prev->next != &h->lists[order] && prev->next < l)
            prev = prev->next;
    link_behind(l, prev);
    h->filled |= UINT32_C(1) << order;
    set_order(h, c, i, order);
    set_free(c, i);
}

static inline void take_out(struct heap *h, struct chunk *c, unsigned i, unsigned order)
{
    if (unlink_from_list(block_at(h, c, i)))
        h->filled &= ~(UINT32_C(1) << order);
    set_used(c, i);
}

/* Makes [i, end) free, in blocks as large as their places allow. */
static void insert_range(struct heap *h, struct chunk *c, unsigned i, unsigned end)
{
    while (i < end) {
        unsigned order = 0;
        while (order < h->max_order && !(i >> order & 1) && i + (2u << order) <= end)
            order++;
        insert(h, c, i, order);
        i += 1u << order;
    }
}

/* The first block of a chunk: its header and tables, in the heap's own chunk the heap too, come before. */
static inline unsigned first_block(const struct heap *h, const struct chunk *c)
{
    size_t bytes = h->header + ((const char *)h > (const char *)c && chunk_of(h, h) == c ? sizeof *h : 0);
    return (unsigned)((bytes + order_bytes(h, 0) - 1) >> h->min_log2);
}

static void open_chunk(struct heap *h, struct chunk *c)
{
    c->live = 0;
    c->prev = NULL;
    c->next = h->all;
    if (c->next)
        c->next->prev = c;
    h->all = c;
    for (unsigned i = 0; i < h->nblocks / 8; i++)
        c->tables[i] = 0;
    insert_range(h, c, first_block(h, c), h->nblocks);
    h->spare++;
}

/* A chunk without a live block, whose free blocks are all as insert_range() made them. */
static void close_chunk(struct heap *h, struct chunk *c)
{
    for (unsigned i = first_block(h, c); i < h->nblocks; i += 1u << order_at(h, c, i))
        take_out(h, c, i, order_at(h, c, i));
    if (c->prev)
        c->prev->next = c->next;
    else
        h->all = c->next;
    if (c->next)
        c->next->prev = c->prev;
    h->spare--;
    chunks_give_pages(&h->chunks, c, PAGES);
}

/* ---- alloc and release ----------------------------------------------------------------------------------------------
 */

static bool grow(struct heap *h)
{
    struct chunk *c = chunks_take_aligned(&h->chunks, PAGES);
    if (c)
        open_chunk(h, c);
    return c;
}

static void *alloc_order(struct heap *h, unsigned order)
{
    uint32_t larger = h->filled >> order;
    if (ALLOC_UNLIKELY(!larger)) {
        if (!grow(h))
            return NULL;
        larger = h->filled >> order;
    }
    unsigned k = order + (unsigned)__builtin_ctz(larger);
    void *block = h->lists[k].next;
    struct chunk *c = chunk_of(h, block);
    unsigned i = index_of(h, c, block);
    take_out(h, c, i, k);
    while (k > order) {
        k--;
        insert(h, c, i + (1u << k), k);
    }
    set_order(h, c, i, order);
    if (ALLOC_UNLIKELY(c->live++ == 0))
        h->spare--;
    return block;
}

static void *alloc(struct heap *h, size_t size)
{
    if (ALLOC_UNLIKELY(size > order_bytes(h, h->max_order)))
        return large_alloc(&h->chunks, size);
    return alloc_order(h, order_for(h, size));
}

/* Every block lies at a multiple of its size. */
static void *aligned(struct heap *h, size_t align, size_t size)
{
    size_t bytes = ALLOC_MAX(align, size);
    if (bytes > order_bytes(h, h->max_order))
        return align <= h->chunks.size ? large_alloc(&h->chunks, size) : NULL;
    return alloc_order(h, order_for(h, bytes));
}

static void release(struct heap *h, void *p)
{
    struct chunk *c = chunk_of(h, p);
    if (ALLOC_UNLIKELY(p == (void *)c)) {
        large_release(&h->chunks, p);
        return;
    }
    unsigned i = index_of(h, c, p), order = order_at(h, c, i);
    while (order < h->max_order) {
        unsigned buddy = i ^ 1u << order;
        if (!is_free(c, buddy) || order_at(h, c, buddy) != order)
            break;
        take_out(h, c, buddy, order);
        i &= ~(1u << order);
        order++;
    }
    insert(h, c, i, order);
    if (ALLOC_UNLIKELY(--c->live == 0) && h->spare++ && c != chunk_of(h, h))
        close_chunk(h, c);
}

static size_t usable(const struct heap *h, const void *p)
{
    const struct chunk *c = chunk_of(h, p);
    return p == (const void *)c ? large_usable(&h->chunks, p) : order_bytes(h, order_at(h, c, index_of(h, c, p)));
}

/* Takes the upper buddies in while they are free; false, and nothing is changed, if one is not. */
static bool grow_in_place(struct heap *h, struct chunk *c, unsigned i, unsigned from, unsigned to)
{
    for (unsigned k = from; k < to; k++) {
        unsigned buddy = i + (1u << k);
        if (i >> k & 1 || !is_free(c, buddy) || order_at(h, c, buddy) != k)
            return false;
    }
    for (unsigned k = from; k < to; k++)
        take_out(h, c, i + (1u << k), k);
    return true;
}

static void *resize(struct heap *h, void *p, size_t size)
{
    struct chunk *c = chunk_of(h, p);
    size_t most = order_bytes(h, h->max_order);
    if (p == (void *)c && size > most && size <= large_usable(&h->chunks, p)) {
        large_shrink(&h->chunks, p, size);
        return p;
    }
    if (p == (void *)c || size > most)
        return alloc_resize_by_copy(&allocator_buddy, h, p, size);
    unsigned i = index_of(h, c, p), has = order_at(h, c, i), order = order_for(h, size);
    if (order > has && !grow_in_place(h, c, i, has, order))
        return alloc_resize_by_copy(&allocator_buddy, h, p, size);
    for (unsigned k = has; k > order;) {
        k--;
        insert(h, c, i + (1u << k), k);
    }
    set_order(h, c, i, order);
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
                  .help = "which block of an order is taken: the last one freed, or the one at the lowest address",
                  .type = OPTION_CHOICE,
                  .choices = picks},
    {.name = NULL},
};

static struct heap *create(const struct page_source *source, const struct heap_config *config)
{
    struct chunks chunks;
    chunks_init(&chunks, source, PAGES * source->page_size);
    unsigned chunk_log2 = alloc_first_bit(chunks.size), min_log2 = 4;
    while ((uint64_t)1 << min_log2 < config->opt[OPT_MIN])
        min_log2++;
    min_log2 = ALLOC_MAX(min_log2, chunk_log2 - ORDERS); /* orders fit in four bits */
    struct chunk *own = chunks_take_aligned(&chunks, PAGES);
    if (!own)
        return NULL;
    unsigned nblocks = 1u << (chunk_log2 - min_log2);
    size_t header = ALLOC_ROUND_UP(sizeof *own + nblocks / 8 + nblocks / 2, HEAP_ALIGN);
    struct heap *h = (struct heap *)((char *)own + header);
    *h = (struct heap){.chunks = chunks,
                       .min_log2 = min_log2,
                       .nblocks = nblocks,
                       .max_order = chunk_log2 - min_log2 - 1,
                       .pick = (enum pick)config->opt[OPT_PICK],
                       .header = header};
    for (unsigned i = 0; i < ORDERS; i++)
        link_init(&h->lists[i]);
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

static bool walk(const struct heap *h, heap_visit *visit, void *arg)
{
    for (const struct chunk *c = h->all; c; c = c->next)
        for (unsigned i = first_block(h, c); i < h->nblocks; i += 1u << order_at(h, c, i)) {
            struct heap_block seen = {block_at(h, c, i), order_bytes(h, order_at(h, c, i)), !is_free(c, i)};
            if (!visit(&seen, arg))
                return false;
        }
    return large_walk(&h->chunks, visit, arg);
}

/* Adds the free blocks of each order. */
static const char *check_chunk(const struct heap *h, const struct chunk *c, size_t *nfree)
{
    unsigned i = first_block(h, c), live = 0;
    while (i < h->nblocks) {
        unsigned order = order_at(h, c, i), buddy = i ^ 1u << order;
        if (order > h->max_order || i & ((1u << order) - 1) || i + (1u << order) > h->nblocks)
            return "a block lies where none of its order can";
        if (is_free(c, i) && order < h->max_order && is_free(c, buddy) && order_at(h, c, buddy) == order)
            return "two free buddies are not merged";
        live += !is_free(c, i);
        nfree[order] += is_free(c, i);
        i += 1u << order;
    }
    return live == c->live ? NULL : "a chunk miscounts its live blocks";
}

static const char *check_list(const struct heap *h, unsigned order, size_t nfree)
{
    const struct link *head = &h->lists[order];
    if (!(h->filled >> order & 1) != (head->next == head))
        return "a list's mark contradicts the list";
    for (const struct link *l = head->next; l != head; l = l->next) {
        const struct chunk *c = chunk_of(h, l);
        unsigned i = index_of(h, c, l);
        if (l->next->prev != l || !is_free(c, i) || order_at(h, c, i) != order || !nfree--)
            return "a list is damaged";
    }
    return nfree ? "a free block is on no list" : NULL;
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
        broken = check_list(h, order, nfree[order]);
    if (broken)
        return broken;
    return bytes != h->chunks.held ? "the chunks do not add up to the pages held"
           : spare != h->spare     ? "the heap miscounts its spare chunks"
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
    .aligned = aligned,
    .resize = resize,
    .usable = usable,
    .walk = walk,
    .check = check,
};
