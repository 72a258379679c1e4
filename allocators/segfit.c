/*
 * segfit.c - segregated fit: free blocks on lists by size, found through bitmaps.
 *
 * Two lists for each multiple of HEAP_ALIGN below 80 of them, for the lower and the upper half of the heap, the lower
 * being used first; then sixteen lists per power of two. A bitmap in two levels names the first list that can serve a
 * request, so that none is searched in vain; only of a request's own list, where any block may be too small, the first
 * four are looked at. Small blocks are cut from the front of a larger one and large ones from its back, or from the far
 * end of the heap (tagged_far.h), so that like lie with like. Blocks have boundary tags and merge at once (tagged.h).
 *
 * Links are of 32 bits (short_links.h): for blocks of 16 bytes, and an index of half a page, the smallest arena of 27
 * recordings of compilers is 0.9 % of the peak smaller, in the mean. They bound the heap: pages 8 GiB from its first
 * and farther are not used, and so no block lies apart in a larger arena.
 *
 * Follows the bins of D. Lea's malloc ("A memory allocator", 1996), and the bitmaps over lists of TLSF (Masmano,
 * Ripoll, Crespo, Real, ECRTS 2004).
 *
 * Cost          alloc and release O(1): the only loop looks at SCAN blocks.
 * Overhead      4 bytes a block, sizes rounded up to HEAP_ALIGN; 2 KB for the heap. Requests go up to 2 GiB.
 * Worst case    as best fit's, which no bound better than M(n-2) is known for (Robson 1977). check() verifies every
 *               tag, list and bitmap.
 */
#define EXACT      80 /* units; smaller sizes have lists of their own, requests of 1 KB among them (64-bit) */
#define EXACT_LOG2 6  /* of it, rounded down */
#define SPLIT_LOG2 4  /* 2^this lists of several sizes per power of two, from EXACT on */
#define LAST_STEP  24 /* of the largest size, with units of 8: see index_list() */
#define FIRST_LIST 2  /* of a size of u units, 2u is its list in the heap's lower half, 2u + 1 that in the upper */
#define SCAN       4  /* blocks looked at on a list of several sizes, where any may be too small */

/* What index_list() adds, to make the list of EXACT units follow those before. */
#define SHIFT      (2 * EXACT - ((EXACT_LOG2 - SPLIT_LOG2) << SPLIT_LOG2) - (EXACT >> (EXACT_LOG2 - SPLIT_LOG2)))
#define NLISTS     (SHIFT + (LAST_STEP << SPLIT_LOG2) + (2 << SPLIT_LOG2))
#define MARK_WORDS ((NLISTS + 63) / 64)

#include "allocators/marks.h"
#include "allocators/short_links.h"
#include "allocators/tags.h"

_Static_assert(RUN_MAX / UNIT >> LAST_STEP < 2 << SPLIT_LOG2, "there is a list for every size");

struct index {
    struct lists lists;
    struct marks marks;
    uintptr_t middle; /* of the heap's addresses: from here on its upper half */
};

static size_t index_bytes(const uint64_t *opt)
{
    (void)opt;
    return sizeof(struct index);
}

static void index_init(struct index *x, const uint64_t *opt)
{
    (void)x, (void)opt; /* the heap is all zero */
}

static void index_span(struct index *x, uintptr_t low, uintptr_t high)
{
    x->middle = low + (high - low) / 2;
}

#define INDEX_NEAR  (EXACT * UNIT)
#define INDEX_QUICK INDEX_NEAR

/* The exact list in the heap's lower half. */
static inline size_t index_exact(size_t size)
{
    return size / (UNIT / 2); /* a multiple of UNIT */
}

/* Of one size the lower half of the heap is used first, so that its end empties: half of what sorting by address would
 * gain, for one comparison. The middle moves as the heap grows, and blocks on a list stay there: this is a preference,
 * nothing relies on it. */
static inline size_t index_near(const struct index *x, const struct block *b, size_t size)
{
    return index_exact(size) + ((uintptr_t)b >= x->middle);
}

/* The list of several sizes, from INDEX_NEAR on: of its number of units, all bits but the first five are dropped. */
static inline size_t index_list(const struct index *x, size_t size)
{
    (void)x;
    uint32_t units = (uint32_t)(size / UNIT);
    unsigned step = (31u ^ (unsigned)__builtin_clz(units)) - SPLIT_LOG2;
    return SHIFT + (step << SPLIT_LOG2) + (units >> step);
}

/* Last in, first out, for the cache. */
static inline void index_insert(struct index *x, size_t list, struct block *b)
{
    push_on_list(&x->lists, list, link_of(b));
    mark(&x->marks, list);
}

static inline void index_remove(struct index *x, struct block *b)
{
    size_t list;
    bool emptied = unlink_from_list(&x->lists, link_of(b), &list);
    unmark(&x->marks, list, emptied);
}

static inline void index_replace(struct index *x, struct block *b, const struct block *other)
{
    link_instead(&x->lists, link_of(b), link_of(other));
}

#define index_search index_list

static inline void index_take_first(struct index *x, size_t list, struct block *b)
{
    unmark(&x->marks, list, pop_from_list(&x->lists, list, link_of(b)));
}

/* Of the lower half if there is one. */
static inline struct block *index_take_exact(struct index *x, size_t list)
{
    list += !x->lists.heads[list]; /* no branch here either */
    int32_t offset = x->lists.heads[list];
    if (!offset)
        return NULL;
    const struct link *first = link_at(&x->lists, offset);
    unmark(&x->marks, list, pop_from_list(&x->lists, list, first));
    return from_payload(first);
}

/* One of the first SCAN blocks. A list of an exact size is never asked for: it is known to be empty. */
static inline struct block *index_own(struct index *x, size_t list, size_t n)
{
    int32_t offset = x->lists.heads[list];
    for (unsigned left = SCAN; offset && left--;) {
        const struct link *l = link_at(&x->lists, offset);
        if (size_of(from_payload(l)) >= n)
            return from_payload(l);
        offset = l->next;
    }
    return NULL;
}

/* Of an exact size both lists are empty, or the search would not have come here. */
static inline struct block *index_above(const struct index *x, size_t *list)
{
    return next_marked(&x->marks, list) ? from_payload(link_at(&x->lists, x->lists.heads[*list])) : NULL;
}

static inline bool index_same_list(const struct index *x, size_t a, size_t b)
{
    (void)x;
    return (a ^ b) >> ((31u ^ (unsigned)__builtin_clz((uint32_t)a)) - SPLIT_LOG2) == 0;
}

static const char *check_list(const struct index *x, unsigned list, size_t *nblocks)
{
    const int32_t *heads = x->lists.heads;
    if (is_marked(&x->marks, list) != (heads[list] != 0))
        return "a list's mark contradicts the list";
    int32_t prev = (int32_t)list;
    for (int32_t offset = heads[list]; offset; offset = link_at(&x->lists, offset)->next) {
        const struct link *l = link_at(&x->lists, offset);
        const struct block *b = from_payload(l);
        size_t size = size_of(b);
        if (size < INDEX_NEAR ? index_exact(size) != (list & ~1u) : index_list(x, size) != list)
            return "a block is on the list of another size";
        if (!(b->head & FREE) || l->prev != prev || !(*nblocks)--)
            return "a list is damaged";
        prev = offset;
    }
    return NULL;
}

static const char *index_check(const struct index *x, size_t nblocks)
{
    const char *broken = marks_check(&x->marks);
    for (unsigned list = FIRST_LIST; list < NLISTS && !broken; list++)
        broken = check_list(x, list, &nblocks);
    if (broken)
        return broken;
    return nblocks ? "a free block is on no list" : NULL;
}

#define INDEX_TWO_ENDS   true
#define INDEX_REST_STAYS false
#include "allocators/tagged.h"

static const struct alloc_option options[] = {TAGGED_PAGES_OPTIONS, {.name = NULL}};

const struct allocator allocator_segfit = {
    TAGGED_HEAP,
    .name = "segfit",
    .summary = "segregated fit: boundary tags, exact and ranged lists, immediate merging",
    .options = options,
    .alloc = alloc,
};
