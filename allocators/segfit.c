/*
 * segfit.c - segregated fit: free blocks on lists by size, found through bitmaps.
 *
 * One list for each multiple of HEAP_ALIGN below 64 of them (twice: for the lower and the upper half of the heap, the
 * lower being used first), then eight lists per power of two. A bitmap names the first list that can serve a request,
 * so that none is searched in vain. Small blocks are cut from the front of a larger one and large ones from its back,
 * so that like lie with like. Blocks have boundary tags and merge at once (tagged.h).
 *
 * Follows the bins of D. Lea's malloc ("A memory allocator", 1996), and the bitmaps over lists of TLSF (Masmano,
 * Ripoll, Crespo, Real, ECRTS 2004).
 *
 * Cost          alloc and release O(1), the list of the largest blocks (240 KiB and more on 64-bit, few) excepted: the
 *               only other loop looks at SCAN blocks at most.
 * Overhead      4 bytes a block, sizes rounded up to HEAP_ALIGN; the heap itself fits in one page. Requests go up to
 *               2 GiB.
 * Worst case    as best fit's, which no bound better than M(n-2) is known for (Robson 1977). check() verifies every
 * tag, list and bitmap.
 */
#include "allocators/tags.h"

#define EXACT      64                         /* lists of one size: of 0, 1, ... 63 units, twice: */
#define HIGH       EXACT                      /* from here on for the upper half of the heap */
#define RANGED     (2 * EXACT)                /* from here on lists of several sizes: */
#define SPLIT_LOG2 3                          /* 2^this per power of two */
#define NLISTS     (RANGED + 64)              /* 8 powers of two; the last list takes all beyond */
#define SMALL_MAX  ((EXACT - 1) * UNIT - TAG) /* the largest request that an exact list serves */
#define LIMIT      (UNIT * ((2u << SPLIT_LOG2) - 1) << (5 + (64 >> SPLIT_LOG2) - SPLIT_LOG2)) /* its least size */
#define SCAN       8 /* blocks looked at on a ranged list but the last */

struct index {
    uint64_t filled[NLISTS / 64]; /* bit: the list is not empty */
    uintptr_t middle;             /* of the heap's addresses: from here on its upper half */
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

/* The list of several sizes that has blocks of so many bytes; or the exact list, in the heap's lower half. */
static inline unsigned index_list(const struct index *x, size_t size)
{
    (void)x;
    size_t units = size / UNIT;
    if (units < EXACT)
        return (unsigned)units;
    if (size >= LIMIT)
        return NLISTS - 1;
    unsigned log2 = 31 - (unsigned)__builtin_clz((unsigned)units), step = log2 - SPLIT_LOG2;
    return RANGED + ((log2 - 6) << SPLIT_LOG2) + ((unsigned)(units >> step) & ((1u << SPLIT_LOG2) - 1));
}

#define INDEX_NEAR (EXACT * UNIT)

static inline unsigned index_near(const struct index *x, size_t size)
{
    (void)x;
    return (unsigned)(size / UNIT);
}

_Static_assert(EXACT == 1 << 6, "ranged lists begin where the exact ones end");

/* Last in, first out, for the cache; but of one size the lower half of the heap is used first, so that its end empties:
 * half of what sorting by address would gain, for one comparison. The middle moves as the heap grows, and blocks on a
 * list stay there: this is a preference, nothing relies on it. */
static inline void index_insert(struct index *x, unsigned list, struct block *b)
{
    if (list < EXACT)
        list += HIGH * ((uintptr_t)b >= x->middle); /* no branch: it would be a coin's throw */
    link_behind(link_of(b), head_of(x->lists, list));
    x->filled[list / 64] |= UINT64_C(1) << (list % 64);
}

/* Marks a list as emptied, if `emptied` is 1; again without a branch. */
static inline void unmark(struct index *x, size_t list, bool emptied)
{
    x->filled[list / 64] ^= (uint64_t)emptied << (list % 64);
}

static inline void index_remove(struct index *x, struct block *b)
{
    const struct link *l = link_of(b);
    size_t emptied = unlink_from_list(l);
    unmark(x, (size_t)(l->next - x->lists) & -emptied, emptied);
}

static inline struct block *pop(struct index *x, unsigned list)
{
    bool emptied;
    struct block *b = from_payload(pop_from_list(head_of(x->lists, list), &emptied));
    unmark(x, list, emptied);
    return b;
}

/* The smallest block of at least n bytes on a list, as far as SCAN goes; NULL: none. The last list is looked through to
 * its end: its blocks are so large that they are few. */
static struct block *best_of(const struct index *x, unsigned list, size_t n)
{
    const struct link *end = &x->lists[list];
    struct block *best = NULL;
    size_t least = SIZE_MAX, left = list == NLISTS - 1 ? SIZE_MAX : SCAN;
    for (struct link *l = end->next; l != end && left--; l = l->next) {
        size_t size = size_of(from_payload(l));
        if (size >= n && size < least) {
            best = from_payload(l);
            least = size;
            if (fits_whole(best, n))
                break;
        }
    }
    return best;
}

#define index_search index_list

static bool index_quick(const struct index *x)
{
    (void)x;
    return true;
}

/* An exact fit, of the lower half if there is one. */
static inline struct block *index_take_fit(struct index *x, unsigned list, size_t n)
{
    (void)n;
    uint64_t low = x->filled[0] >> list & 1;
    return (low | x->filled[HIGH / 64] >> list) & 1 ? pop(x, list + HIGH * !low) : NULL;
}

/* The smaller of the first two blocks of a list that is not empty. */
static inline struct block *better_of_two(const struct index *x, unsigned list)
{
    const struct link *first = x->lists[list].next, *second = first->next;
    bool better = second != &x->lists[list] && size_of(from_payload(second)) < size_of(from_payload(first));
    return from_payload(better ? second : first);
}

/* From the exact list of the least size that serves, the lower half's first; else from ranged ones. */
static struct block *index_find(struct index *x, unsigned *at, size_t n)
{
    struct block *b = NULL;
    unsigned list = *at;
    if (list < EXACT) {
        uint64_t low = x->filled[0] >> list, high = x->filled[HIGH / 64] >> list;
        if (low | high) {
            unsigned step = alloc_first_bit(low | high);
            *at = list + step + HIGH * !(low >> step & 1);
            return from_payload(x->lists[*at].next);
        }
        list = RANGED;
    } else if ((b = best_of(x, list, n)) || ++list == NLISTS) {
        return b;
    }
    uint64_t bits = x->filled[RANGED / 64] >> (list - RANGED);
    if (!bits)
        return NULL;
    *at = list + alloc_first_bit(bits);
    return better_of_two(x, *at);
}

static inline void index_take(struct index *x, unsigned list, struct block *b)
{
    unmark(x, list, unlink_from_list(link_of(b)));
}

static const char *index_check(const struct index *x, size_t nblocks)
{
    for (unsigned i = 0; i < NLISTS; i++) {
        if (!(x->filled[i / 64] >> (i % 64) & 1) != (x->lists[i].next == &x->lists[i]))
            return "a list's mark contradicts the list";
        for (const struct link *l = x->lists[i].next; l != &x->lists[i]; l = l->next) {
            const struct block *b = from_payload(l);
            unsigned list = index_list(x, size_of(b));
            if (list != i && (list >= EXACT || list + HIGH != i))
                return "a block is on the list of another size";
            if (!(b->head & FREE) || l->next->prev != l || !nblocks--)
                return "a list is damaged";
        }
    }
    return nblocks ? "a free block is on no list" : NULL;
}

extern const struct allocator allocator_segfit;
static const struct allocator *const self = &allocator_segfit;
#define INDEX_CUT_BACK(n) ((n) > SMALL_MAX + TAG)
#include "allocators/tagged.h"

static const struct alloc_option options[] = {TAGGED_PAGES_OPTIONS, {.name = NULL}};

const struct allocator allocator_segfit = {
    TAGGED_HEAP,
    .name = "segfit",
    .summary = "segregated fit: boundary tags, exact and ranged lists, immediate merging",
    .options = options,
    .alloc = alloc,
};
