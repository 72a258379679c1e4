/*
 * tlsf.c - two-level segregated fit: free blocks on lists by size, two levels of bitmaps, nothing searched.
 *
 * The first level is the power of two that a size lies in, the second divides that evenly in 2^SLI lists; sizes below
 * 128 steps of HEAP_ALIGN have a list each. A request goes to the lists where any block serves it: the lowest that is
 * not empty is two find-first-sets away, and its first block is taken. Rounding up to such a list, as the paper has it,
 * passes by blocks of the request's own list that might do; "tight", the default here, looks at the first block of that
 * list before, at the price of one comparison. Blocks have boundary tags and merge at once (tagged.h), pools join the
 * heap as it grows, and large blocks lie apart (tagged_far.h).
 *
 * Follows M. Masmano, I. Ripoll, A. Crespo, J. Real, "TLSF: a new dynamic memory allocator for real-time systems",
 * ECRTS 2004: section 3 for the structure, and for the mapping (f, sl) = (floor(log2 s), (s - 2^f) 2^SLI / 2^f). Two
 * things are laid out otherwise: lists are numbered through, (f, sl) being f 2^SLI + sl but for a constant, and a word
 * of the second bitmap has 64 of them, whether they are of one power of two or of several; and small sizes, which most
 * requests have, are not divided by powers of two at all: their list is their number of steps, found without a look at
 * anything, and its first block fits without being looked at.
 *
 * Cost          alloc and release O(1): there is no loop.
 * Overhead      4 bytes a block, sizes rounded up to HEAP_ALIGN; two words a list for the heap: 128 lists, and 2^SLI
 *               for each power of two from 128 steps up to 2^FLI.
 * Worst case    search=round leaves a free block of s bytes unused by requests above s - s / 2^SLI (section 5: at most
 *               2^(f-SLI) - 2 bytes of slack); search=tight too, if a smaller block hides it. Of the last list, which
 *               has all blocks of nearly 2^(FLI+1) bytes and more, only the first is looked at. check() verifies tags,
 *               lists and bitmaps; tests/tlsf.c the mapping and both searches.
 */
#include "allocators/links.h"
#include "allocators/tags.h"

#define UNIT_LOG2 (sizeof(void *) == 8 ? 4u : 3u)
_Static_assert(UNIT == sizeof(void *) * 2, "UNIT_LOG2 is its logarithm");
#define MARK_WORDS 24 /* as the bounds of the options make it where UNIT is 8, one more than where it is 16 */
#include "allocators/marks.h"

#define EXACT_LOG2  7
#define EXACT       (UINT32_C(1) << EXACT_LOG2) /* sizes with lists of their own: 0, 1, ... 127 units */
#define INDEX_NEAR  (EXACT * UNIT)
#define INDEX_QUICK INDEX_NEAR

enum search { TIGHT, ROUND };
enum { OPT_FLI = 2, OPT_SLI, OPT_SEARCH }; /* behind tagged.h's own */

struct index {
    uint32_t sli, split; /* lists that a power of two is divided in: its logarithm, their number */
    uint32_t base;       /* added to a size's pair of numbers, makes the first such list follow the exact ones */
    uint32_t last;       /* the list of all larger sizes too */
    size_t limit;        /* the least size of that list */
    enum search search;
    struct marks marks;
    struct link lists[];
};

static unsigned number_of_lists(const uint64_t *opt)
{
    return EXACT + ((unsigned)(opt[OPT_FLI] + 1 - EXACT_LOG2 - UNIT_LOG2) << opt[OPT_SLI]);
}

static size_t index_bytes(const uint64_t *opt)
{
    return sizeof(struct index) + number_of_lists(opt) * sizeof(struct link);
}

static void index_span(struct index *x, uintptr_t low, uintptr_t high)
{
    (void)x, (void)low, (void)high;
}

static inline unsigned log2_of(size_t size)
{
    return 31u ^ (unsigned)__builtin_clz((uint32_t)size);
}

/* The list where a block of so many bytes belongs, from INDEX_NEAR on. */
static inline size_t index_list(const struct index *x, size_t size)
{
    if (ALLOC_UNLIKELY(size >= x->limit))
        return x->last;
    unsigned f = log2_of(size);
    return x->base + f * x->split + ((uint32_t)size >> (f - x->sli));
}

static inline size_t index_exact(size_t size)
{
    return size / UNIT;
}

static inline size_t index_near(const struct index *x, const struct block *b, size_t size)
{
    (void)x, (void)b;
    return index_exact(size);
}

static void index_init(struct index *x, const uint64_t *opt)
{
    x->sli = (uint32_t)opt[OPT_SLI];
    x->split = UINT32_C(1) << x->sli;
    x->base = EXACT - ((EXACT_LOG2 + UNIT_LOG2 + 1) << x->sli);
    x->last = number_of_lists(opt) - 1;
    x->limit = (2 * (size_t)x->split - 1) << (opt[OPT_FLI] - opt[OPT_SLI]);
    x->search = (enum search)opt[OPT_SEARCH];
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
    const struct link *l = link_of(b), *next = l->next;
    bool emptied = unlink_from_list(l);
    unmark(&x->marks, (size_t)(next - x->lists) & -(size_t)emptied, emptied); /* or any, as nothing is unmarked */
}

static inline void index_replace(struct index *x, struct block *b, const struct block *other)
{
    (void)x;
    link_instead(link_of(b), link_of(other));
}

static inline void index_take_first(struct index *x, size_t list, struct block *b)
{
    unmark(&x->marks, list, pop_from_list(head_of(x->lists, list), link_of(b)));
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
        n += ((size_t)1 << (log2_of(n) - x->sli)) - 1;
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
    return (a ^ b) >> (log2_of(a) - x->sli) == 0;
}

static const char *check_list(const struct index *x, unsigned list, size_t *nblocks)
{
    const struct link *head = &x->lists[list];
    if (is_marked(&x->marks, list) != (head->next != head))
        return "a list's mark contradicts the list";
    for (const struct link *l = head->next; l != head; l = l->next) {
        const struct block *b = from_payload(l);
        size_t size = size_of(b);
        if ((size < INDEX_NEAR ? index_exact(size) : index_list(x, size)) != list)
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

#define INDEX_TWO_ENDS   true
#define INDEX_REST_STAYS false
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
