/*
 * buddy.c - a given region of memory as a binary buddy system over its pages, as a kernel keeps its physical memory.
 *
 * Algorithm: free blocks are of 2^k pages and begin at a multiple of their length, counted from the first page; each
 * order has a list. A request for n pages takes the smallest free block that holds it, halves it down to the least
 * power of two, and gives the rest behind the n pages back in blocks as large as their places allow. A run that comes
 * back is cut into such blocks in the same way, and each is merged with its buddy, whose number differs in one bit, as
 * long as that is free and whole. Orders, lists and buddies are those of Linux's page allocator (M. Gorman,
 * Understanding the Linux Virtual Memory Manager, ch. 6), after K. Knowlton, "A fast storage allocator", CACM 8 (1965);
 * orders go as far as the region does.
 *
 * Cost: O(log region) for a request, and for a run given back. Bound: for powers of two, M(1 + log2(n)/2) pages
 * suffice, M being the most ever out and n the longest run asked for (Robson 1974); any length needs at most twice
 * that. Runs longer than the largest power of two in the region are never served. Overhead: 9 bytes a page in a table
 * at the start of the region, 0.22 % of pages of 4 KiB; free pages are never written to, and of the table only a byte a
 * page is written at the beginning. Checked by: tests/page_sources.c, in which a request succeeds exactly when an
 * aligned block of the next power of two has no page out, and all pages and the longest run come back in the end.
 *
 *   region  [ orders, links | page 0 | page 1 | ··· ]        orders[i]: k + 1 where a free block of 2^k pages begins
 */
#include "allocators/alloc.h"

#define ORDERS 32
#define NONE   UINT32_MAX

struct link {
    uint32_t prev, next; /* numbers of first pages, or NONE */
};

struct state {
    uint8_t *orders;    /* a byte for each page, see above; 0: no free block begins there */
    struct link *links; /* of the free blocks, at their first page's number */
    char *base;         /* page 0 */
    uint32_t npages;
    uint32_t filled; /* bit: there is a free block of this order */
    uint32_t heads[ORDERS];
    unsigned page_log2;
};

static void insert(struct state *state, uint32_t block, unsigned order)
{
    const uint32_t next = state->heads[order];
    state->links[block] = (struct link){NONE, next};
    if (next != NONE)
        state->links[next].prev = block;
    state->heads[order] = block;
    state->orders[block] = (uint8_t)(order + 1);
    state->filled |= UINT32_C(1) << order;
}

static void take_out(struct state *state, uint32_t block, unsigned order)
{
    const struct link link = state->links[block];
    if (link.prev != NONE)
        state->links[link.prev].next = link.next;
    else
        state->heads[order] = link.next;
    if (link.next != NONE)
        state->links[link.next].prev = link.prev;
    if (state->heads[order] == NONE)
        state->filled &= ~(UINT32_C(1) << order);
    state->orders[block] = 0;
}

/* Makes a block free, merged with its buddy, and the two with theirs. */
static void give_block(struct state *state, uint32_t block, unsigned order)
{
    for (; order < ORDERS - 1; order++) {
        const uint32_t buddy = block ^ UINT32_C(1) << order;
        if (buddy >= state->npages || state->orders[buddy] != order + 1)
            break;
        take_out(state, buddy, order);
        block &= ~(UINT32_C(1) << order);
    }
    insert(state, block, order);
}

/* Makes the pages [from, to) free, from the end, so that the lowest block is the first of its list. */
static void give_range(struct state *state, uint32_t from, uint32_t to)
{
    while (from < to) {
        unsigned order = alloc_first_bit(to);
        while (UINT32_C(1) << order > to - from)
            order--;
        to -= UINT32_C(1) << order;
        give_block(state, to, order);
    }
}

/* The least k with 2^k >= npages, which is at most 2^31. */
static unsigned order_for(size_t npages)
{
    return npages > 1 ? 8 * (unsigned)sizeof(long) - (unsigned)__builtin_clzl((unsigned long)npages - 1) : 0;
}

static void *buddy_alloc_page(void *ctx, size_t npages)
{
    struct state *state = ctx;
    if (npages > state->npages || npages > UINT32_C(1) << (ORDERS - 1))
        return NULL;
    const unsigned order = order_for(npages);
    const uint32_t larger = state->filled >> order;
    if (!larger)
        return NULL;
    const unsigned found = order + alloc_first_bit(larger);
    const uint32_t block = state->heads[found];
    take_out(state, block, found);
    give_range(state, block + (uint32_t)npages, block + (UINT32_C(1) << found));
    return state->base + ((size_t)block << state->page_log2);
}

static void buddy_free_page(void *ctx, void *pages, size_t npages)
{
    struct state *state = ctx;
    const uint32_t from = (uint32_t)((size_t)((char *)pages - state->base) >> state->page_log2);
    give_range(state, from, from + (uint32_t)npages);
}

static bool buddy_open(struct page_source *source, void *state, void *region, size_t region_bytes, size_t page_size,
                       const uint64_t *opt)
{
    struct state *own = state;
    const size_t all = alloc_whole_pages(region_bytes, page_size);
    const size_t table = alloc_whole_pages(all * (sizeof(struct link) + 1) + page_size - 1, page_size);
    (void)opt;
    if (((uintptr_t)region & (page_size - 1)) != 0 || all <= table || all > UINT32_C(1) << (ORDERS - 1))
        return false;
    *own = (struct state){.links = region,
                          .base = (char *)region + table * page_size,
                          .npages = (uint32_t)(all - table),
                          .page_log2 = alloc_first_bit(page_size)};
    own->orders = (uint8_t *)(own->links + own->npages);
    __builtin_memset(own->orders, 0, own->npages);
    for (unsigned order = 0; order < ORDERS; order++)
        own->heads[order] = NONE;
    give_range(own, 0, own->npages);
    *source = (struct page_source){
        .alloc_page = buddy_alloc_page, .free_page = buddy_free_page, .ctx = own, .page_size = page_size};
    return true;
}

static void buddy_close(struct page_source *source)
{
    (void)source;
}

const struct page_kind page_kind_buddy = {
    .caps = 0,
    .name = "buddy",
    .summary = "the region itself: a binary buddy system, its lists in a table at the start",
    .state_size = sizeof(struct state),
    .open = buddy_open,
    .close = buddy_close,
};
