/*
 * segfit.c - segregated fit: free blocks on lists by size, found through bitmaps.
 *
 * Two lists for each multiple of HEAP_ALIGN below 256 of them, for the lower and the upper half of the heap, the lower
 * being used first; then sixteen lists per power of two. A bitmap in two levels names the first list that can serve a
 * request, so that none is searched in vain; only of a request's own list, where any block may be too small, the first
 * two are looked at. Small blocks are cut from the front of a larger one and large ones from its back, or from the far end
 * of the heap (tagged_far.h), so that like lie with like. Blocks have boundary tags and merge at once (tagged.h).
 *
 * Follows the bins of D. Lea's malloc ("A memory allocator", 1996), and the bitmaps over lists of TLSF (Masmano,
 * Ripoll, Crespo, Real, ECRTS 2004).
 *
 * Cost          alloc and release O(1): the only loop looks at SCAN blocks.
 * Overhead      4 bytes a block, sizes rounded up to HEAP_ALIGN; 14 KB for the heap (7 KB on 32-bit). Requests go up to
 *               2 GiB.
 * Worst case    as best fit's, which no bound better than M(n-2) is known for (Robson 1977). check() verifies every
 *               tag, list and bitmap.
 */
#include "allocators/tags.h"

#define EXACT_LOG2 8
#define EXACT      (1 << EXACT_LOG2) /* sizes with lists of their own, 0, 1, ... 255 units; two lists each: */
#define RANGED     (2 * EXACT)       /* 2u in the heap's lower half, 2u + 1; from here on lists of several sizes: */
#define SPLIT_LOG2 4                 /* 2^this per power of two */
#define POWERS     21                /* up to RUN_MAX */
#define NLISTS     (RANGED + (POWERS << SPLIT_LOG2))
#define MARK_WORDS ((NLISTS + 63) / 64)
#define SCAN       2           /* blocks looked at on a ranged list where any may be too small */

#include "allocators/marks.h"

_Static_assert(RUN_MAX / UNIT >> EXACT_LOG2 < UINT64_C(1) << POWERS, "there is a list for every size");

struct index {
    uintptr_t middle; /* of the heap's addresses: from here on its upper half */
    struct marks marks;
    struct link lists[NLISTS];
};

static size_t index_bytes(const uint64_t *opt)
{
    (void)opt;
    return sizeof(struct index);
}

static void index_init(struct index *x, const uint64_t *opt)
{
    (void)opt;
    for (unsigned i = 0; i < NLISTS; i++)
        link_init(&x->lists[i]);
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

/* The list of several sizes, from INDEX_NEAR on. */
static inline size_t index_list(const struct index *x, size_t size)
{
    (void)x;
    uint32_t units = (uint32_t)(size / UNIT);
    unsigned step = (31u ^ (unsigned)__builtin_clz(units)) - SPLIT_LOG2;
    return RANGED - ((EXACT_LOG2 - SPLIT_LOG2 + 1) << SPLIT_LOG2) + (step << SPLIT_LOG2) + (unsigned)(units >> step);
}

/* Last in, first out, for the cache. */
static inline void index_insert(struct index *x, size_t list, struct block *b)
{
    link_behind(link_of(b), head_of(x->lists, list));
    mark(&x->marks, list);
}

static inline void index_remove(struct index *x, struct block *b)
{
    const struct link *l = link_of(b);
    bool emptied = unlink_from_list(l);
    unmark(&x->marks, (size_t)(l->next - x->lists) & -(size_t)emptied, emptied); /* or any, as nothing is unmarked */
}

#define index_search index_list

static inline void index_take_first(struct index *x, size_t list, struct block *b)
{
    unmark(&x->marks, list, pop_from_list(head_of(x->lists, list), link_of(b)));
}

/* Of the lower half if there is one. */
static inline struct block *index_take_exact(struct index *x, size_t list)
{
    struct link *head = head_of(x->lists, list);
    size_t high = head->next == head;
    head += high; /* no branch here either */
    struct link *first = head->next;
    if (first == head)
        return NULL;
    unmark(&x->marks, list + high, pop_from_list(head, first));
    return from_payload(first);
}

/* One of the first SCAN blocks. A list of an exact size is never asked for: it is known to be empty. */
static inline struct block *index_own(struct index *x, size_t list, size_t n)
{
    const struct link *head = head_of(x->lists, list), *l = head->next;
    for (unsigned left = SCAN; l != head && left--; l = l->next)
        if (size_of(from_payload(l)) >= n)
            return from_payload(l);
    return NULL;
}

/* Of an exact size both lists are empty, or the search would not have come here. */
static inline struct block *index_above(const struct index *x, size_t *list)
{
    return next_marked(&x->marks, list) ? from_payload(x->lists[*list].next) : NULL;
}

static inline bool index_same_list(const struct index *x, size_t a, size_t b)
{
    (void)x;
    return (a ^ b) >> ((31u ^ (unsigned)__builtin_clz((uint32_t)a)) - SPLIT_LOG2) == 0;
}

static const char *check_list(const struct index *x, unsigned list, size_t *nblocks)
{
    const struct link *head = &x->lists[list];
    if (is_marked(&x->marks, list) != (head->next != head))
        return "a list's mark contradicts the list";
    for (const struct link *l = head->next; l != head; l = l->next) {
        const struct block *b = from_payload(l);
        size_t size = size_of(b);
        if (size < INDEX_NEAR ? index_exact(size) != (list & ~1u) : index_list(x, size) != list)
            return "a block is on the list of another size";
        if (!(b->head & FREE) || l->next->prev != l || !(*nblocks)--)
            return "a list is damaged";
    }
    return NULL;
}

static const char *index_check(const struct index *x, size_t nblocks)
{
    const char *broken = marks_check(&x->marks);
    for (unsigned list = 0; list < NLISTS && !broken; list++)
        broken = check_list(x, list, &nblocks);
    if (broken)
        return broken;
    return nblocks ? "a free block is on no list" : NULL;
}

#define INDEX_TWO_ENDS   true
#define INDEX_REST_STAYS  false
#include "allocators/tagged.h"

static const struct alloc_option options[] = {TAGGED_PAGES_OPTIONS, {.name = NULL}};

const struct allocator allocator_segfit = {
    TAGGED_HEAP,
    .name = "segfit",
    .summary = "segregated fit: boundary tags, exact and ranged lists, immediate merging",
    .options = options,
    .alloc = alloc,
};
