/*
 * tlsf.c - two-level segregated fit: free blocks on lists by size, two levels of bitmaps, nothing searched.
 *
 * The first level is the power of two that a size lies in, the second divides that evenly in 2^SLI lists; sizes below
 * 2^SLI steps of HEAP_ALIGN have a list each. A request goes to the lists where any block serves it: the lowest that is
 * not empty is two find-first-sets away, and its first block is taken. Rounding up to such a list, as the paper has it,
 * passes by blocks of the request's own list that might do; "tight", the default here, looks at the first block of that
 * list before, at the price of one comparison. Blocks have boundary tags and merge at once (tagged.h), pools join the
 * heap as it grows.
 *
 * Follows M. Masmano, I. Ripoll, A. Crespo, J. Real, "TLSF: a new dynamic memory allocator for real-time systems",
 * ECRTS 2004: section 3 for the structure, and for the mapping (f, sl) = (floor(log2 s), (s - 2^f) 2^SLI / 2^f). One
 * thing is laid out otherwise: lists are numbered through, (f, sl) being f 2^SLI + sl but for a constant, and a word of
 * the second bitmap has 64 of them, whether they are of one power of two or of several.
 *
 * Cost          alloc and release O(1): there is no loop.
 * Overhead      4 bytes a block, sizes rounded up to HEAP_ALIGN; two words a list for the heap: 2^SLI lists for each
 *               power of two up to 2^FLI.
 * Worst case    search=round leaves a free block of s bytes unused by requests above s - s / 2^SLI (section 5: at most
 *               2^(f-SLI) - 2 bytes of slack); search=tight too, if a smaller block hides it. Of the last list, which
 *               has all blocks of nearly 2^(FLI+1) bytes and more, only the first is looked at. check() verifies tags,
 *               lists and bitmaps; tests/tlsf.c the mapping and both searches.
 */
#include "allocators/tags.h"

#define UNIT_LOG2 (sizeof(void *) == 8 ? 4u : 3u)
_Static_assert(UNIT == sizeof(void *) * 2, "UNIT_LOG2 is its logarithm");
#define MARK_WORDS 32 /* the bounds of the options make 25 */
#include "allocators/marks.h"

#define NEAR 256u /* units: the lists of smaller sizes are looked up; their numbers fit in a byte */

enum search { TIGHT, ROUND };
enum { OPT_FLI = 2, OPT_SLI, OPT_SEARCH }; /* behind tagged.h's own */

struct index {
    uint32_t sli, split; /* lists that a power of two is divided in: its logarithm, their number */
    uint32_t divided;    /* the least size of which this is so: below, a list has one size */
    uint32_t last;       /* the list of all larger sizes too */
    size_t limit;        /* the least size of that list */
    enum search search;
    uint8_t near[NEAR]; /* the lists of the sizes below NEAR units */
    struct marks marks;
    struct link lists[];
};

static unsigned number_of_lists(const uint64_t *opt)
{
    return (unsigned)(opt[OPT_FLI] - opt[OPT_SLI] - UNIT_LOG2 + 2) << opt[OPT_SLI];
}

static size_t index_bytes(const uint64_t *opt)
{
    return sizeof(struct index) + number_of_lists(opt) * sizeof(struct link);
}

static void index_span(struct index *x, uintptr_t low, uintptr_t high)
{
    (void)x, (void)low, (void)high;
}

/* log2 of the bytes between the least and the largest size of a list, and one unit. */
static inline unsigned step_log2(const struct index *x, size_t size)
{
    return (31u ^ (unsigned)__builtin_clz((uint32_t)size | x->divided)) - x->sli;
}

/* The list where a block of so many bytes belongs. Sizes that are not divided give size / UNIT. */
static inline unsigned map(const struct index *x, size_t size)
{
    unsigned step = step_log2(x, size);
    return (step - UNIT_LOG2) * x->split + (unsigned)((uint32_t)size >> step);
}

static inline size_t index_list(const struct index *x, size_t size)
{
    return ALLOC_LIKELY(size < x->limit) ? map(x, size) : x->last;
}

#define INDEX_NEAR (NEAR * UNIT)

static inline size_t index_near(const struct index *x, const struct block *b, size_t size)
{
    (void)b;
    return x->near[size / UNIT];
}

static void index_init(struct index *x, const uint64_t *opt)
{
    x->sli = (uint32_t)opt[OPT_SLI];
    x->split = UINT32_C(1) << x->sli;
    x->divided = (uint32_t)UNIT << x->sli;
    x->last = number_of_lists(opt) - 1;
    x->limit = (2 * (size_t)x->split - 1) << (opt[OPT_FLI] - opt[OPT_SLI]);
    x->search = (enum search)opt[OPT_SEARCH];
    for (unsigned units = 0; units < NEAR; units++)
        x->near[units] = (uint8_t)index_list(x, units * UNIT);
    for (unsigned i = 0; i <= x->last; i++)
        link_init(&x->lists[i]);
}

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

static inline void index_take_first(struct index *x, size_t list, struct block *b)
{
    unmark(&x->marks, list, pop_from_list(head_of(x->lists, list), link_of(b)));
}

/* The largest that the second level divides into steps of a unit; both searches begin at the same list there. */
static size_t index_quick(const struct index *x)
{
    return 2 * (size_t)x->divided;
}

static inline size_t index_exact(size_t size)
{
    return size / UNIT;
}

static inline struct block *index_take_exact(struct index *x, size_t list)
{
    const struct link *head = head_of(x->lists, list), *first = head->next;
    if (first == head)
        return NULL;
    index_take_first(x, list, from_payload(first));
    return from_payload(first);
}

/* The request's own list; search=round: the first list of which every block serves. */
static inline size_t index_search(const struct index *x, size_t n)
{
    if (ALLOC_UNLIKELY(x->search == ROUND))
        n += ((size_t)1 << step_log2(x, n)) - 1;
    return index_list(x, n);
}

/* Only the first block is looked at. */
static inline struct block *index_own(struct index *x, size_t list, size_t n)
{
    const struct link *head = head_of(x->lists, list), *first = head->next;
    return first != head && size_of(from_payload(first)) >= n ? from_payload(first) : NULL;
}

static inline struct block *index_above(const struct index *x, size_t *list)
{
    return next_marked(&x->marks, list) ? from_payload(x->lists[*list].next) : NULL;
}

static inline bool index_same_list(const struct index *x, size_t a, size_t b)
{
    unsigned step = (31u ^ (unsigned)__builtin_clz((uint32_t)a)) - x->sli; /* sizes from INDEX_NEAR on are divided */
    return (a ^ b) >> step == 0;
}

static const char *check_list(const struct index *x, unsigned list, size_t *nblocks)
{
    const struct link *head = &x->lists[list];
    if (is_marked(&x->marks, list) != (head->next != head))
        return "a list's mark contradicts the list";
    for (const struct link *l = head->next; l != head; l = l->next) {
        const struct block *b = from_payload(l);
        if (index_list(x, size_of(b)) != list)
            return "a block is on the list of another size";
        if (!(b->head & FREE) || l->next->prev != l || !(*nblocks)--)
            return "a list is damaged";
    }
    return NULL;
}

static const char *index_check(const struct index *x, size_t nblocks)
{
    const char *broken = marks_check(&x->marks);
    for (unsigned list = 0; list <= x->last && !broken; list++)
        broken = check_list(x, list, &nblocks);
    if (broken)
        return broken;
    return nblocks ? "a free block is on no list" : NULL;
}

extern const struct allocator allocator_tlsf;
static const struct allocator *const self = &allocator_tlsf;
#define INDEX_CUT_BACK(n) false
#define INDEX_REST_STAYS  false
#include "allocators/tagged.h"

static const char *const searches[] = {"tight", "round", NULL};

static const struct alloc_option options[] = {
    TAGGED_PAGES_OPTIONS,
    [OPT_FLI] = {.name = "fli",
                 .help = "log2 of the largest size with lists of its own; larger blocks share one",
                 .type = OPTION_NUMBER,
                 .def = 24,
                 .min = 12,
                 .max = 31},
    [OPT_SLI] = {.name = "sli",
                 .help = "log2 of the lists that each power of two is divided in",
                 .type = OPTION_NUMBER,
                 .def = 5,
                 .min = 1,
                 .max = 6},
    [OPT_SEARCH] = {.name = "search",
                    .help = "tight: look at the first block of the request's own list; round: begin at the next",
                    .type = OPTION_CHOICE,
                    .choices = searches},
    {.name = NULL},
};

const struct allocator allocator_tlsf = {
    TAGGED_HEAP,
    .name = "tlsf",
    .summary = "two-level segregated fit: constant time, boundary tags, immediate merging",
    .options = options,
    .alloc = alloc,
};
