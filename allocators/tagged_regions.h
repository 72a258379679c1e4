/*
 * tagged_regions.h - the heap of tagged.h as regions of pages: how they are taken and given back, walked and checked.
 *
 *   a region     [ struct region ][ block ][ block ] ... [ block ][ fence ]     whole pages that touch
 *
 * Included by tagged.h, which says what must be defined before.
 */
#ifndef HEAPBENCH_TAGGED_REGIONS_H
#define HEAPBENCH_TAGGED_REGIONS_H

#include "allocators/tags.h"

#define OUT_OF_LINE static __attribute__((noinline))
#define AT_A_LINE   static __attribute__((aligned(64))) /* of the cache: of what is short and called most */

struct region {
    struct region *next, *prev;
}; /* the length is stored nowhere, so that a region can be cut in two without finding its start */

/* From a region to its first block; the heap's own has the heap between. */
#define REGION_HEAD (ALLOC_ROUND_UP(sizeof(struct region) + TAG, UNIT) - TAG)

struct heap {
    struct page_source source;
    struct region *regions;  /* the newest first, the heap's own last; `far` is not among them */
    struct block *first;     /* the first block of the heap's own region */
    struct block *top;       /* the free block before `fence`, not in the index; NULL: none */
    struct block *fence;     /* the end of the region that grew last */
    size_t held;             /* bytes taken from the page source */
    size_t grown;            /* bytes of the region that `fence` ends, at least */
    size_t trim, give;       /* top of this many bytes gives pages back; another free block does */
    unsigned page_log2;      /* of the page source's page */
    bool touching;           /* the last pages taken began behind `fence` */
    struct region *far;      /* that grows down from the page source's far end; NULL: there is none; see tagged_far.h */
    struct block *bottom;    /* the free block it begins with, not in the index; NULL: none */
    struct block *far_fence; /* its end */
    struct index index;      /* which may go on behind the struct */
};

/* ---- Lists ----------------------------------------------------------------------------------------------------------
 */

static inline void insert(struct heap *h, struct block *b, size_t size)
{
    struct index *x = &h->index;
    index_insert(x, size < INDEX_NEAR ? index_near(x, b, size) : index_list(x, size), b);
}

/* ---- Pages ----------------------------------------------------------------------------------------------------------
 */

static void give_pages(struct heap *h, void *pages, size_t bytes)
{
    h->held -= bytes;
    h->source.free_page(h->source.ctx, pages, bytes >> h->page_log2);
}

/* The pages; NULL, and they go back, if they lie beyond the reach of the index's links. */
static void *pages_in_reach(struct heap *h, void *pages, size_t bytes)
{
    if (!pages)
        return NULL;
    h->held += bytes;
    const uint64_t place = (uint64_t)(uintptr_t)pages - (uintptr_t)&h->index + LINK_REACH;
    if (LINK_REACH >= UINTPTR_MAX || place <= 2 * LINK_REACH - bytes)
        return pages;
    give_pages(h, pages, bytes);
    return NULL;
}

static void *take_pages(struct heap *h, size_t bytes)
{
    return pages_in_reach(h, h->source.alloc_page(h->source.ctx, bytes >> h->page_log2), bytes);
}

static inline struct region *own_region(const struct heap *h)
{
    return (struct region *)(uintptr_t)h - 1;
}

static inline struct block *first_block(const struct heap *h, const struct region *r)
{
    return r == own_region(h) ? h->first : (struct block *)((uintptr_t)r + REGION_HEAD);
}

static const struct region *first_region(const struct heap *h)
{
    return h->far ? h->far : h->regions;
}

static const struct region *next_region(const struct heap *h, const struct region *r)
{
    return r == h->far ? h->regions : r->next;
}

static void link_region(struct heap *h, struct region *r)
{
    *r = (struct region){.next = h->regions};
    if (r->next)
        r->next->prev = r;
    h->regions = r;
}

static void unlink_region(struct heap *h, struct region *r)
{
    if (r->prev)
        r->prev->next = r->next;
    else
        h->regions = r->next;
    if (r->next)
        r->next->prev = r->prev;
}

/* A fence, behind a free block, for the region that ends at `end`. */
static inline struct block *set_fence(void *end)
{
    struct block *fence = (struct block *)((uintptr_t)end - TAG);
    fence->head = EDGE | PREV_FREE;
    return fence;
}

/* Makes [b, end) the top and its fence. */
static inline void set_top(struct heap *h, struct block *b, void *end, tag_t flags)
{
    h->fence = set_fence(end);
    set_free(b, (size_t)((char *)h->fence - (char *)b), flags);
    h->top = b;
}

static inline size_t top_size(const struct heap *h)
{
    return h->top ? size_of(h->top) : 0;
}

/* `bytes` behind the fence are ours now: it becomes free memory, with top. */
static inline void extend(struct heap *h, size_t bytes)
{
    char *end = (char *)h->fence + TAG + bytes;
    h->grown += bytes;
    if (h->top)
        set_top(h, h->top, end, h->top->head);
    else
        set_top(h, h->fence, end, 0);
    index_span(&h->index, (uintptr_t)h->fence - h->grown, (uintptr_t)h->fence);
}

static inline void add_region(struct heap *h, void *pages, size_t bytes)
{
    if (h->top)
        insert(h, h->top, size_of(h->top));
    link_region(h, pages);
    h->grown = bytes;
    set_top(h, first_block(h, pages), (char *)pages + bytes, EDGE);
}

/* Takes `bytes` more: behind top where they touch it, which they make large enough for n, else as a region of their
 * own, if that serves n. */
OUT_OF_LINE bool grow_by(struct heap *h, size_t bytes, size_t n)
{
    bytes = ALLOC_ROUND_UP(bytes, h->source.page_size);
    char *pages = take_pages(h, bytes);
    if (!pages)
        return false;
    h->touching = pages == (char *)h->fence + TAG && h->grown + bytes <= RUN_MAX;
    if (h->touching) {
        extend(h, bytes);
        return true;
    }
    if (bytes >= n + REGION_HEAD + TAG) {
        add_region(h, pages, bytes);
        return true;
    }
    give_pages(h, pages, bytes);
    return false;
}

/* Makes a top of at least n bytes. While pages touch, asks only for what is missing; where they do not, each is a
 * region of its own, and there should not be too many. */
static inline bool grow(struct heap *h, size_t n)
{
    size_t whole = n + REGION_HEAD + TAG;
    if (h->touching && grow_by(h, n - top_size(h), n))
        return true;
    return grow_by(h, ALLOC_MAX(whole, ALLOC_MIN(h->held / 64, 64 << 10)), n) || grow_by(h, whole, n);
}

/*
 * Gives the whole pages inside a free block of at least `give` bytes, on no list, back, or a whole region; what stands
 * left and right of them goes on lists:
 *
 *   ... ][ b ................................................. ][ next ...
 *   ... ][ left ][ fence ]|     pages      |[ region ][ right ][ next ...
 */
OUT_OF_LINE void give_back(struct heap *h, struct block *b, bool begins, bool ends)
{
    size_t page = h->source.page_size;
    struct block *next = next_of(b);
    char *from = begins ? (char *)b - REGION_HEAD : (char *)ALLOC_ROUND_UP((uintptr_t)b + MIN_BLOCK + TAG, page);
    char *to = ends ? (char *)next + TAG : (char *)(((uintptr_t)next - MIN_BLOCK - REGION_HEAD) & ~(page - 1));
    if (begins) {
        unlink_region(h, (struct region *)from);
    } else {
        struct block *fence = set_fence(from);
        size_t left = (size_t)((char *)fence - (char *)b);
        if (h->far && (void *)b > (void *)h->far && b < h->far_fence)
            h->far_fence = fence;
        set_free(b, left, b->head);
        insert(h, b, left);
    }
    if (!ends) {
        struct block *right = (struct block *)(to + REGION_HEAD);
        size_t size = (size_t)((char *)next - (char *)right);
        link_region(h, (struct region *)to);
        set_free(right, size, EDGE);
        insert(h, right, size);
    }
    give_pages(h, from, (size_t)(to - from));
}

/* Of top, half of `trim` is kept, against a see-saw. */
OUT_OF_LINE void trim_top(struct heap *h)
{
    char *from = (char *)ALLOC_ROUND_UP((uintptr_t)h->top + h->trim / 2, h->source.page_size);
    size_t bytes = (size_t)((char *)h->fence + TAG - from);
    h->grown -= bytes;
    set_top(h, h->top, from, h->top->head);
    give_pages(h, from, bytes);
}

/* ---- walk and check -------------------------------------------------------------------------------------------------
 */

static bool walk(const struct heap *h, heap_visit *visit, void *arg)
{
    for (const struct region *r = first_region(h); r; r = next_region(h, r))
        for (const struct block *b = first_block(h, r); size_of(b); b = next_of(b)) {
            struct heap_block seen = {payload(b), size_of(b) - TAG, !(b->head & FREE)};
            if (!visit(&seen, arg))
                return false;
        }
    return true;
}

/* Adds the region's bytes, and the blocks that the index must hold. */
static const char *check_region(const struct heap *h, const struct region *r, size_t *bytes, size_t *listed)
{
    const struct block *b = first_block(h, r);
    bool prev_free = false;
    if (!(b->head & EDGE))
        return "a region's first block is not marked so";
    for (; size_of(b); b = next_of(b)) {
        if (size_of(b) < MIN_BLOCK)
            return "a block is too small";
        if (!(b->head & PREV_FREE) == prev_free)
            return "a block's tag contradicts the block before";
        if (b->head & EDGE && b != first_block(h, r))
            return "a block inside a region is marked as its first";
        if (b->head & FREE) {
            if (prev_free)
                return "two free blocks touch";
            if (*foot_before(next_of(b)) != size_of(b))
                return "a free block's foot differs from its head";
            *listed += b != h->top && b != h->bottom;
        }
        prev_free = b->head & FREE;
    }
    *bytes += (size_t)((const char *)b + TAG - (const char *)r);
    return b->head == (prev_free ? EDGE | PREV_FREE : EDGE) ? NULL : "a region's fence is damaged";
}

#endif
