/*
 * tlsf.c - two-level segregated fit: free blocks on lists by size, two bitmaps, nothing searched.
 *
 * The first level is the power of two that a size lies in, the second divides that evenly in 2^SLI lists; sizes below
 * 2^SLI steps of HEAP_ALIGN have a list each. A request goes to the lists where any block serves it: the lowest that is
 * not empty is two find-first-sets away, and its first block is taken. Rounding up to such a list, as the paper has it,
 * passes by blocks of the request's own list that might do; "tight", the default here, looks at the first block of that
 * list before, at the price of one comparison. Blocks have boundary tags and merge at once (tagged.h), pools join the
 * heap as it grows.
 *
 * Follows M. Masmano, I. Ripoll, A. Crespo, J. Real, "TLSF: a new dynamic memory allocator for real-time systems",
 * ECRTS 2004: section 3 for the structure, and for the mapping (f, sl) = (floor(log2 s), (s - 2^f) 2^SLI / 2^f).
 *
 * Cost          alloc and release O(1): no loop, but for a request that belongs on the last list, which has blocks of
 *               all larger sizes and is searched: one of nearly 2^(FLI + 1) bytes or more.
 * Overhead      4 bytes a block, sizes rounded up to HEAP_ALIGN; two words a list for the heap: 2^SLI lists for each
 *               power of two up to 2^FLI.
 * Worst case    search=round leaves a free block of s bytes unused by requests above s - s / 2^SLI (section 5: at most
 *               2^(f-SLI) - 2 bytes of slack); search=tight too, if a smaller block hides it. check() verifies tags,
 *               lists and bitmaps.
 */
#include "allocators/tags.h"

#define UNIT_LOG2 (sizeof(void *) == 8 ? 4u : 3u)
_Static_assert(UNIT == sizeof(void *) * 2, "UNIT_LOG2 is its logarithm");
#define MAX_ROWS 32 /* in a word; the bounds of the options make 4 to 29 */

enum search { TIGHT, ROUND };
enum { OPT_FLI = 1, OPT_SLI, OPT_SEARCH }; /* behind tagged.h's own */

struct index {
    uint32_t rows;             /* bit: a list of the row is not empty */
    uint64_t filled[MAX_ROWS]; /* of each row; bit: the list is not empty */
    unsigned nrows, sli;
    enum search search;
    struct link lists[]; /* [nrows][1 << sli] */
};

struct place {
    unsigned row, list;
};

/* Row 0 holds the sizes below 2^(SLI + log2 UNIT), a list for each; row r >= 1 those from that times 2^(r-1) on. */
static inline unsigned first_log2(unsigned sli)
{
    return sli + UNIT_LOG2;
}

static unsigned rows_for(const uint64_t *opt)
{
    return (unsigned)opt[OPT_FLI] - first_log2((unsigned)opt[OPT_SLI]) + 2;
}

static size_t index_bytes(const uint64_t *opt)
{
    return sizeof(struct index) + ((size_t)rows_for(opt) << opt[OPT_SLI]) * sizeof(struct link);
}

static void index_init(struct index *x, const uint64_t *opt)
{
    x->sli = (unsigned)opt[OPT_SLI];
    x->nrows = rows_for(opt);
    x->search = (enum search)opt[OPT_SEARCH];
    for (size_t i = 0; i < (size_t)x->nrows << x->sli; i++)
        link_init(&x->lists[i]);
}

static void index_span(struct index *x, uintptr_t low, uintptr_t high)
{
    (void)x, (void)low, (void)high;
}

/* Where a block of this many bytes belongs; the last row takes all beyond in its last list. */
static inline struct place place_of(const struct index *x, size_t size)
{
    unsigned first = first_log2(x->sli);
    if (size >> first == 0)
        return (struct place){0, (unsigned)(size / UNIT)};
    unsigned log2 = (unsigned)(8 * sizeof(long) - 1) - (unsigned)__builtin_clzl(size);
    struct place p = {log2 - first + 1, (unsigned)(size >> (log2 - x->sli)) & ((1u << x->sli) - 1)};
    return ALLOC_LIKELY(p.row < x->nrows) ? p : (struct place){x->nrows - 1, (1u << x->sli) - 1};
}

static inline struct link *list_at(struct index *x, struct place p)
{
    return &x->lists[((size_t)p.row << x->sli) + p.list];
}

static inline void index_insert(struct index *x, struct block *b)
{
    struct place p = place_of(x, size_of(b));
    link_behind(link_of(b), list_at(x, p));
    x->filled[p.row] |= UINT64_C(1) << p.list;
    x->rows |= UINT32_C(1) << p.row;
}

static inline void index_remove(struct index *x, struct block *b)
{
    const struct link *emptied = unlink_from_list(link_of(b));
    if (!emptied)
        return;
    size_t i = (size_t)(emptied - x->lists);
    unsigned row = (unsigned)(i >> x->sli);
    x->filled[row] &= ~(UINT64_C(1) << (i & ((1u << x->sli) - 1)));
    if (!x->filled[row])
        x->rows &= ~(UINT32_C(1) << row);
}

static inline struct block *pop(struct index *x, struct place p)
{
    struct block *b = from_payload(list_at(x, p)->next);
    index_remove(x, b);
    return b;
}

/* The first block of the lowest list from p on that is not empty. */
static inline struct block *pop_from(struct index *x, struct place p)
{
    uint64_t lists = x->filled[p.row] & (~UINT64_C(0) << p.list);
    if (!lists) {
        uint32_t rows = x->rows & (uint32_t)(~UINT64_C(0) << (p.row + 1));
        if (!rows)
            return NULL;
        p.row = (unsigned)__builtin_ctz(rows);
        lists = x->filled[p.row];
    }
    p.list = alloc_first_bit(lists);
    return pop(x, p);
}

/* The list behind p: all its blocks are larger than any size that belongs in p. False: there is none. */
static inline bool step(const struct index *x, struct place *p)
{
    if (++p->list >> x->sli == 0)
        return true;
    p->list = 0;
    return ++p->row < x->nrows;
}

/* The last list has blocks of all sizes from its own on: the first one that serves. They are larger than 2^FLI. */
static struct block *take_last(struct index *x, struct place p, size_t n)
{
    struct link *head = list_at(x, p);
    for (struct link *l = head->next; l != head; l = l->next)
        if (size_of(from_payload(l)) >= n) {
            index_remove(x, from_payload(l));
            return from_payload(l);
        }
    return NULL;
}

static struct block *index_take(struct index *x, size_t n)
{
    struct place p = place_of(x, n);
    if (p.row == 0)
        return pop_from(x, p); /* every block of its own list serves */
    if (p.row == x->nrows - 1 && p.list == (1u << x->sli) - 1)
        return take_last(x, p, n);
    if (x->search == TIGHT) {
        struct link *head = list_at(x, p);
        if (x->filled[p.row] >> p.list & 1 && size_of(from_payload(head->next)) >= n)
            return pop(x, p);
    } else {
        size_t width = ((size_t)1 << (p.row - 1)) * UNIT; /* of a list in the row */
        if ((n & (width - 1)) == 0)
            return pop_from(x, p); /* the least size of its list: rounding up changes nothing */
    }
    return step(x, &p) ? pop_from(x, p) : NULL;
}

static const char *check_list(struct index *x, struct place p, size_t *nblocks)
{
    const struct link *head = list_at(x, p);
    if (!(x->filled[p.row] >> p.list & 1) != (head->next == head))
        return "a list's mark contradicts the list";
    for (const struct link *l = head->next; l != head; l = l->next) {
        const struct block *b = from_payload(l);
        struct place own = place_of(x, size_of(b));
        if (own.row != p.row || own.list != p.list)
            return "a block is on the list of another size";
        if (b->head & USED || l->next->prev != l || !(*nblocks)--)
            return "a list is damaged";
    }
    return NULL;
}

static const char *index_check(const struct index *cx, size_t nblocks)
{
    struct index *x = (struct index *)(uintptr_t)cx;
    for (unsigned row = 0; row < x->nrows; row++) {
        if (!(x->rows >> row & 1) != !x->filled[row])
            return "a row's mark contradicts its lists";
        for (unsigned list = 0; list < 1u << x->sli; list++) {
            const char *broken = check_list(x, (struct place){row, list}, &nblocks);
            if (broken)
                return broken;
        }
    }
    return nblocks ? "a free block is on no list" : NULL;
}

extern const struct allocator allocator_tlsf;
static const struct allocator *const self = &allocator_tlsf;
#define INDEX_CUT_BACK(n) false
#include "allocators/tagged.h"

static const char *const searches[] = {"tight", "round", NULL};

static const struct alloc_option options[] = {
    TAGGED_OPTION_GIVE,
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
