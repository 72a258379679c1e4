/*
 * freelist.c - one list of all free blocks, in address order: first, next, best or worst fit.
 *
 * The allocator of textbooks and of many first kernels: a request takes the first block that is large enough (or the
 * next one after the last place, the smallest, or the largest), cut to size; a released block merges with both
 * neighbours at once and goes to its place in the order. Blocks have boundary tags (tagged.h), so merging needs no
 * search; a place in the order is looked for in two ways at once, along the list from where a block last went, and
 * along the blocks that follow in memory until one is free, whichever arrives first.
 *
 * Follows D. Knuth, TAOCP 1, 2.5, algorithms A and B, and exercise 2.5-6 (next fit); that address order with first or
 * best fit hardly fragments on real programs is from Johnstone and Wilson (1998).
 *
 * Cost          alloc O(free blocks) for best and worst fit, and at worst for the others; release O(blocks until the
 *               next free one) at worst. Freeing next to a free block is O(1).
 * Overhead      4 bytes a block, sizes rounded up to HEAP_ALIGN.
 * Worst case    of memory, M live and n largest over smallest size: first fit M(1 + ceil(log2 n)), best fit M(n-2)
 *               (Robson 1977, as o1heap's README gives them). check() verifies the order, the tags and the count.
 */
#include "allocators/links.h"
#include "allocators/tags.h"

enum fit { FIRST_FIT, NEXT_FIT, BEST_FIT, WORST_FIT };

struct index {
    struct link list;   /* by address */
    struct link *near;  /* where a block last went in or came out: the search for a place starts here */
    struct link *rover; /* next fit goes on behind this */
    enum fit fit;
};

enum { OPT_FIT = 2 }; /* behind tagged.h's own */

static size_t index_bytes(const uint64_t *opt)
{
    (void)opt;
    return sizeof(struct index);
}

static void index_init(struct index *x, const uint64_t *opt)
{
    link_init(&x->list);
    x->near = x->rover = &x->list;
    x->fit = (enum fit)opt[OPT_FIT];
}

static void index_span(struct index *x, uintptr_t low, uintptr_t high)
{
    (void)x, (void)low, (void)high;
}

/* There is but one list, and no place in it is nearer than others. */
static size_t index_list(const struct index *x, size_t size)
{
    (void)x, (void)size;
    return 0;
}

#define INDEX_NEAR  REQUEST_MAX
#define INDEX_QUICK 0
static size_t index_near(const struct index *x, const struct block *b, size_t size)
{
    (void)b;
    return index_list(x, size);
}

#define index_search index_list

static size_t index_exact(size_t size)
{
    (void)size;
    return 0;
}

/* The last link below l, or the list's head: a step along the list, a step along memory, in turn. A free block before a
 * fence tells nothing, as it may be top, which is not on the list. */
static struct link *place_of(const struct index *x, const struct link *l)
{
    const struct link *end = &x->list;
    struct link *near = x->near;
    const struct block *b = next_of(from_payload(l));
    for (;;) {
        if (near != end && near > l)
            near = near->prev;
        else if (near->next == end || near->next > l)
            return near;
        else
            near = near->next;
        if (b && b->head & FREE && size_of(next_of(b)))
            return link_of(b)->prev;
        if (b)
            b = !(b->head & FREE) && size_of(b) ? next_of(b) : NULL;
    }
}

static void index_insert(struct index *x, size_t list, struct block *b)
{
    (void)list;
    x->near = place_of(x, link_of(b));
    link_behind(link_of(b), x->near);
}

static void index_remove(struct index *x, struct block *b)
{
    struct link *l = link_of(b);
    x->near = l->prev;
    if (x->rover == l)
        x->rover = l->prev;
    l->next->prev = l->prev;
    l->prev->next = l->next;
}

static inline void index_replace(struct index *x, struct block *b, const struct block *other)
{
    (void)x;
    link_instead(link_of(b), link_of(other));
}

/* The first block of at least n bytes behind `from`, once around; NULL: none. */
static struct block *first_behind(const struct index *x, struct link *from, size_t n)
{
    struct link *l = from;
    do {
        l = l->next;
        if (l != &x->list && size_of(from_payload(l)) >= n)
            return from_payload(l);
    } while (l != from);
    return NULL;
}

/* The smallest block of at least n bytes, or the largest; the lowest of its size; NULL: none. */
static struct block *extreme(const struct index *x, size_t n, bool smallest)
{
    struct block *found = NULL;
    for (struct link *l = x->list.next; l != &x->list; l = l->next) {
        struct block *b = from_payload(l);
        size_t size = size_of(b);
        if (size < n || (found && (smallest ? size >= size_of(found) : size <= size_of(found))))
            continue;
        found = b;
        if (smallest && size == n)
            break;
    }
    return found;
}

static struct block *index_take_exact(struct index *x, size_t list)
{
    (void)x, (void)list; /* never called, as INDEX_QUICK says */
    return NULL;
}

static struct block *index_own(struct index *x, size_t list, size_t n)
{
    (void)list;
    struct block *b;
    if (x->fit == FIRST_FIT)
        b = first_behind(x, &x->list, n);
    else if (x->fit == NEXT_FIT)
        b = first_behind(x, x->rover, n);
    else
        b = extreme(x, n, x->fit == BEST_FIT);
    if (!b)
        return NULL;
    x->near = x->rover = link_of(b)->prev;
    return b;
}

/* There is no list above the only one, and so what would follow is never called. */
static struct block *index_above(const struct index *x, size_t *list)
{
    (void)x, (void)list;
    return NULL;
}

static void index_take_first(struct index *x, size_t list, struct block *b)
{
    (void)x, (void)list, (void)b;
}

static bool index_same_list(const struct index *x, size_t a, size_t b)
{
    (void)x, (void)a, (void)b;
    return true;
}

static const char *index_check(const struct index *x, size_t nblocks)
{
    const struct link *last = NULL;
    bool near = x->near == &x->list, rover = x->rover == &x->list;
    for (const struct link *l = x->list.next; l != &x->list; last = l, l = l->next) {
        if (last && l <= last)
            return "the list is out of order";
        if (l->next->prev != l || !(from_payload(l)->head & FREE) || !nblocks--)
            return "the list is damaged";
        near |= l == x->near;
        rover |= l == x->rover;
    }
    if (!near || !rover)
        return "a place kept is not on the list";
    return nblocks ? "a free block is not on the list" : NULL;
}

#define INDEX_TWO_ENDS   false
#define INDEX_REST_STAYS true
#include "allocators/tagged.h"

static const char *const fits[] = {"first", "next", "best", "worst", NULL};

static const struct alloc_option options[] = {
    TAGGED_PAGES_OPTIONS,
    [OPT_FIT] = {.name = "fit", .help = "which free block serves a request", .type = OPTION_CHOICE, .choices = fits},
    {.name = NULL},
};

const struct allocator allocator_freelist = {
    TAGGED_HEAP,
    .name = "freelist",
    .summary = "one list in address order, merging; first, next, best or worst fit",
    .options = options,
    .alloc = alloc,
};
