/*
 * segfit.c - segregated fit with boundary tags.
 *
 * Free blocks hang on doubly linked lists by size: one for each multiple of HEAP_ALIGN below 64 (twice: for the lower
 * and the upper half of the heap, the lower being used first), then eight lists per power of two. Bitmaps name the
 * first list that can serve a request, so that none is searched in vain. A block is cut to size, small ones from the
 * front and large ones from the back of a free block, so that like lie with like; the rest goes on its list. The memory
 * at the end of the heap ("top") is cut last. A released block merges with both neighbours at once. A free block of
 * many pages gives them back, wherever it lies.
 *
 * Follows D. Knuth, TAOCP 1, 2.5 (boundary tags), the bins and the wilderness of D. Lea's malloc ("A memory allocator",
 * 1996), and the bitmaps over lists of TLSF (Masmano, Ripoll, Crespo, Real, ECRTS 2004).
 *
 * Cost          alloc and release O(1), the list of the largest blocks (256 KiB and more on 64-bit, few) excepted: the
 *               only other loop looks at SCAN blocks at most.
 * Overhead      4 bytes a block, sizes rounded up to HEAP_ALIGN; the heap itself fits in one page. Requests go up
 *               to 2^28 * HEAP_ALIGN bytes (4 GiB on 64-bit).
 * Worst case    as best fit's, which no bound better than M(n-2) is known for (Robson 1977); on recorded programs
 *               within 1.2 of what is live. check() verifies every tag, list and bitmap.
 *
 *   a region     [ struct region ][ block ][ block ] ... [ block ][ fence ]     whole pages that touch
 *
 *   used block   [ head ][ payload .................................... ]       head = units of HEAP_ALIGN | flags
 *   free block   [ head ][ next ][ prev ] ...................... [ foot ]       foot = units: how the next one finds us
 */
#include "allocators/alloc.h"

extern const struct allocator allocator_segfit;

typedef uint32_t tag_t; /* half a word on 64-bit: with payloads aligned to 16, that saves 4 bytes a block on average */

enum { USED = 1, PREV_USED = 2, FIRST = 4, FLAG_BITS = 3, FLAGS = 7 };

#define UNIT       HEAP_ALIGN
#define TAG        sizeof(tag_t)
#define MIN_BLOCK  (2 * UNIT)                                     /* head, two links, foot */
#define EXACT      64                                             /* lists of one size: of 0, 1, ... 63 units, twice: */
#define HIGH       EXACT                                          /* from here on for the upper half of the heap */
#define RANGED     (2 * EXACT)                                    /* from here on lists of several sizes: */
#define SPLIT_LOG2 3                                              /* 2^this per power of two */
#define NLISTS     (RANGED + 64)                                  /* 8 powers of two; the last list takes all beyond */
#define SMALL_MAX  ((EXACT - 1) * UNIT - TAG)                     /* the largest request that an exact list serves */
#define REGION_MAX ((((size_t)1 << (32 - FLAG_BITS)) - 1) * UNIT) /* bytes of a region: a tag can hold any block */
#define SCAN       16                                             /* blocks looked at on a ranged list but the last */

struct link {
    struct link *next, *prev;
};

struct region {
    struct region *next, *prev;
    struct heap *heap; /* stands behind, in the heap's first region; NULL in the others */
};                     /* the length is stored nowhere, so that a region can be cut in two without finding its start */

struct heap {
    struct page_source source;
    struct region *regions;       /* the newest first; the heap's own is the last */
    struct block *top;            /* the free block before `fence`, on no list; NULL: none */
    struct block *fence;          /* the end of the region that grew last; NULL: it was given back */
    size_t held;                  /* bytes taken from the page source */
    size_t grown;                 /* bytes of the region that `fence` ends, at least */
    uintptr_t middle;             /* of the heap's addresses: from here on its upper half */
    size_t give;                  /* a free block of this many bytes gives its pages back */
    unsigned page_log2;           /* of the page source's page */
    bool touching;                /* the last pages taken began behind `fence` */
    uint64_t filled[NLISTS / 64]; /* bit: the list is not empty */
    struct link lists[NLISTS];
};

struct block {
    tag_t head; /* `links` follow while it is free; the struct is not used, as they would be padded */
};

_Static_assert(sizeof(struct heap) + sizeof(struct region) + 4 * UNIT <= 4096, "the heap fits in a page");
_Static_assert(TAG + 2 * sizeof(void *) + TAG <= MIN_BLOCK, "a free block holds its links and tags");

/* ---- Blocks -------------------------------------------------------------------------------------------------------
 */

static inline size_t units_of(const struct block *b)
{
    return b->head >> FLAG_BITS;
}
static inline size_t size_of(const struct block *b)
{
    return units_of(b) * UNIT;
}
static inline struct link *link_of(const struct block *b)
{
    return (struct link *)((uintptr_t)b + TAG);
}
static inline void *payload(const struct block *b)
{
    return link_of(b);
}
static inline struct block *from_payload(const void *p)
{
    return (struct block *)((uintptr_t)p - TAG);
}
static inline struct block *at(const struct block *b, size_t bytes)
{
    return (struct block *)((uintptr_t)b + bytes);
}
static inline struct block *next_of(const struct block *b)
{
    return at(b, size_of(b));
}
static inline tag_t make_head(size_t size, tag_t flags)
{
    return (tag_t)(size / UNIT) << FLAG_BITS | flags;
}

/* The block before; only where PREV_USED is clear. */
static inline struct block *prev_of(const struct block *b)
{
    return (struct block *)((uintptr_t)b - (size_t)((const tag_t *)b)[-1] * UNIT);
}

/* Makes [b, b + size) a free block behind a used one; of `flags`, FIRST is kept. */
static inline void set_free(struct block *b, size_t size, tag_t flags)
{
    b->head = make_head(size, PREV_USED | (flags & FIRST));
    ((tag_t *)at(b, size))[-1] = (tag_t)(size / UNIT);
}

/* Makes a free block on no list used, as it is. */
static inline void set_used(struct block *b, size_t size)
{
    b->head |= USED;
    at(b, size)->head |= PREV_USED;
}

/* Bytes of the block that serves a request; only for size <= REGION_MAX. */
static inline size_t block_size(size_t size)
{
    size_t n = ALLOC_ROUND_UP(size + TAG, UNIT);
    return ALLOC_MAX(n, MIN_BLOCK);
}

/* ---- Lists --------------------------------------------------------------------------------------------------------
 */

/* The list of several sizes that has blocks of this many units; or the exact list, in the heap's lower half. */
static inline unsigned list_of(size_t units)
{
    if (units < EXACT)
        return (unsigned)units;
    unsigned log2 = 31 - (unsigned)__builtin_clz((unsigned)units), step = log2 - SPLIT_LOG2;
    unsigned list = RANGED + ((log2 - 6) << SPLIT_LOG2) + ((unsigned)(units >> step) & ((1u << SPLIT_LOG2) - 1));
    return ALLOC_MIN(list, NLISTS - 1);
}
_Static_assert(EXACT == 1 << 6, "ranged lists begin where the exact ones end");

/* Last in, first out, for the cache; but of one size the lower half of the heap is used first, so that its end empties:
 * half of what sorting by address would gain, for one comparison. The middle moves as the heap grows, and blocks on a
 * list stay there: this is a preference, nothing relies on it. */
static inline void insert(struct heap *h, struct block *b)
{
    unsigned list = list_of(units_of(b));
    if (list < EXACT)
        list += HIGH * ((uintptr_t)b >= h->middle); /* no branch: it would be a coin's throw */
    struct link *l = link_of(b), *head = &h->lists[list];
    l->next = head->next;
    l->prev = head;
    head->next->prev = l;
    head->next = l;
    h->filled[list / 64] |= UINT64_C(1) << (list % 64);
}

/* Only its list's head can be both neighbours of a block, so an emptied list is told without asking for the size. */
static inline void detach(struct heap *h, struct block *b)
{
    struct link *next = link_of(b)->next, *prev = link_of(b)->prev;
    next->prev = prev;
    prev->next = next;
    if (next == prev) {
        size_t list = (size_t)(next - h->lists);
        h->filled[list / 64] &= ~(UINT64_C(1) << (list % 64));
    }
}

/* The exact list of the least size from `list` on that is not empty, the lower half's first; NLISTS: none. */
static inline unsigned next_exact(const struct heap *h, unsigned list)
{
    uint64_t bits = (h->filled[0] | h->filled[HIGH / 64]) >> list;
    if (!bits)
        return NLISTS;
    list += alloc_first_bit(bits);
    return h->filled[0] >> list & 1 ? list : HIGH + list;
}

/* The first ranged list from `list` on that is not empty; NLISTS: none. */
static inline unsigned next_ranged(const struct heap *h, unsigned list)
{
    if (list == NLISTS)
        return NLISTS;
    uint64_t bits = h->filled[RANGED / 64] >> (list - RANGED);
    return bits ? list + alloc_first_bit(bits) : NLISTS;
}

/* The smallest block of at least n bytes on a list, as far as SCAN goes; NULL: none. The last list is looked through to
 * its end: its blocks are so large that they are few. */
static struct block *best_of(const struct heap *h, unsigned list, size_t n)
{
    const struct link *end = &h->lists[list];
    struct block *best = NULL;
    size_t least = SIZE_MAX, left = list == NLISTS - 1 ? SIZE_MAX : SCAN;
    for (struct link *l = end->next; l != end && left--; l = l->next) {
        size_t size = size_of(from_payload(l));
        if (size >= n && size < least) {
            best = from_payload(l);
            least = size;
        }
    }
    return best;
}

/* ---- Pages ---------------------------------------------------------------------------------------------------------
 */

static void *take_pages(struct heap *h, size_t bytes)
{
    void *pages = h->source.alloc_page(h->source.ctx, bytes >> h->page_log2);
    if (pages)
        h->held += bytes;
    return pages;
}

static void give_pages(struct heap *h, void *pages, size_t bytes)
{
    h->held -= bytes;
    h->source.free_page(h->source.ctx, pages, bytes >> h->page_log2);
}

static inline struct block *first_block(const struct region *r)
{
    size_t skip = sizeof *r + (r->heap ? sizeof(struct heap) : 0);
    return (struct block *)((uintptr_t)r + ALLOC_ROUND_UP(skip + TAG, UNIT) - TAG);
}

static inline struct region *own_region(const struct heap *h)
{
    return (struct region *)(uintptr_t)h - 1;
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

/* A fence for the region that ends at `end`: a used block of no size. */
static struct block *set_fence(void *end)
{
    struct block *fence = (struct block *)((uintptr_t)end - TAG);
    fence->head = USED;
    return fence;
}

/* Makes [b, end) the top and its fence. */
static void set_top(struct heap *h, struct block *b, void *end, tag_t flags)
{
    h->fence = set_fence(end);
    set_free(b, (size_t)((char *)h->fence - (char *)b), flags);
    h->top = b;
}

/* `bytes` behind the fence are ours now: it becomes free memory, with top. */
static void extend(struct heap *h, size_t bytes)
{
    struct block *start = h->top ? h->top : h->fence;
    h->grown += bytes;
    h->middle = (uintptr_t)h->fence - h->grown / 2;
    set_top(h, start, (char *)h->fence + TAG + bytes, start->head);
}

static void add_region(struct heap *h, void *pages, size_t bytes)
{
    if (h->top)
        insert(h, h->top);
    link_region(h, pages);
    h->grown = bytes;
    set_top(h, first_block(pages), (char *)pages + bytes, FIRST);
}

/* Takes `bytes` more: behind top where they touch it, else as a region of their own, if that serves `n`. */
static bool grow_by(struct heap *h, size_t bytes, size_t n)
{
    bytes = ALLOC_ROUND_UP(bytes, h->source.page_size);
    char *pages = take_pages(h, bytes);
    if (!pages)
        return false;
    h->touching = h->fence && pages == (char *)h->fence + TAG && h->grown + bytes <= REGION_MAX;
    if (h->touching)
        extend(h, bytes);
    else if (bytes >= n + sizeof(struct region) + UNIT)
        add_region(h, pages, bytes);
    else
        give_pages(h, pages, bytes);
    return h->top && size_of(h->top) >= n;
}

/* Makes a top of at least n bytes. While pages touch, asks only for what is missing; where they do not, each is a
 * region of its own, and there should not be too many. */
static bool grow(struct heap *h, size_t n)
{
    size_t whole = n + sizeof(struct region) + UNIT;
    if (h->touching && grow_by(h, n - (h->top ? size_of(h->top) : 0), n))
        return true;
    return grow_by(h, ALLOC_MAX(whole, ALLOC_MIN(h->held / 64, 64 << 10)), n) || grow_by(h, whole, n);
}

/*
 * Gives the whole pages inside a free block, on no list, back; what stands left and right of them goes on lists:
 *
 *   ... ][ b ................................................. ][ next ...
 *   ... ][ left ][ fence ]|     pages      |[ region ][ right ][ next ...
 *
 * That is worth it from `give` bytes on, and when a whole region is free, but for the one that grows: of top, half of
 * `give` is kept, against a see-saw. False: there is nothing to give.
 */
static bool give_back(struct heap *h, struct block *b)
{
    size_t page = h->source.page_size;
    struct block *next = next_of(b);
    bool is_top = next == h->fence, is_last = size_of(next) == 0;
    bool begins = b->head & FIRST && !is_top && b != first_block(own_region(h));
    struct region *whole = begins ? (struct region *)((uintptr_t)b & ~(uintptr_t)(page - 1)) : NULL;
    if (size_of(b) < h->give && !(whole && is_last))
        return false;
    size_t keep = is_top ? h->give / 2 : MIN_BLOCK + TAG;
    char *from = whole ? (char *)whole : (char *)ALLOC_ROUND_UP((uintptr_t)b + keep, page);
    uintptr_t right = (uintptr_t)next - MIN_BLOCK - sizeof(struct region) - UNIT;
    char *to = is_last ? (char *)next + TAG : (char *)(right & ~(page - 1));
    if (from >= to)
        return false;

    if (whole) {
        unlink_region(h, whole);
    } else if (is_top) {
        h->grown -= (size_t)(to - from);
        set_top(h, b, from, b->head);
    } else {
        set_free(b, (size_t)((char *)set_fence(from) - (char *)b), b->head);
        insert(h, b);
    }
    if (!is_last) {
        link_region(h, (struct region *)to);
        b = first_block((struct region *)to);
        set_free(b, (size_t)((char *)next - (char *)b), FIRST);
        insert(h, b);
    }
    give_pages(h, from, (size_t)(to - from));
    return true;
}

/* ---- release -------------------------------------------------------------------------------------------------------
 */

/* Frees [b, b + size) of which the head is valid, and merges it with both neighbours. */
static inline void release_block(struct heap *h, struct block *b)
{
    tag_t flags = b->head;
    size_t size = size_of(b);
    struct block *next = at(b, size);
    tag_t next_head = next->head;
    if (!(flags & PREV_USED)) {
        b = prev_of(b);
        flags = b->head;
        size += size_of(b);
        detach(h, b);
    }
    if (next_head & USED) {
        next->head = next_head & ~(tag_t)PREV_USED;
    } else {
        size += size_of(next);
        if (next != h->top)
            detach(h, next);
    }
    set_free(b, size, flags);
    if (at(b, size) == h->fence)
        h->top = b;
    else if (ALLOC_LIKELY(size < h->give && !(flags & FIRST))) {
        insert(h, b);
        return;
    }
    if (!give_back(h, b) && b != h->top)
        insert(h, b);
}

static void release(struct heap *h, void *p)
{
    release_block(h, from_payload(p));
}

/* ---- alloc ---------------------------------------------------------------------------------------------------------
 */

/* Cuts n bytes for use from the front of a free block on no list; what is left is free, on no list, and returned. NULL:
 * too little to stand alone; it goes with the block. */
static inline struct block *cut_front(struct block *b, size_t n)
{
    size_t size = size_of(b);
    if (size - n < MIN_BLOCK) {
        set_used(b, size);
        return NULL;
    }
    struct block *rest = at(b, n);
    b->head = make_head(n, (b->head & FLAGS) | USED);
    set_free(rest, size - n, 0);
    return rest;
}

static struct block *cut_small(struct heap *h, struct block *b, size_t n)
{
    struct block *rest = cut_front(b, n);
    if (rest)
        insert(h, rest);
    return b;
}

/* As cut_small(), from the back. */
static struct block *cut_large(struct heap *h, struct block *b, size_t n)
{
    size_t size = size_of(b);
    if (size - n < MIN_BLOCK) {
        set_used(b, size);
        return b;
    }
    set_free(b, size - n, b->head);
    insert(h, b);
    b = next_of(b);
    b->head = make_head(n, USED);
    at(b, n)->head |= PREV_USED;
    return b;
}

static struct block *alloc_top(struct heap *h, size_t n)
{
    if ((!h->top || size_of(h->top) < n) && !grow(h, n))
        return NULL;
    struct block *b = h->top;
    h->top = cut_front(b, n);
    return b;
}

static inline struct block *pop(struct heap *h, unsigned list)
{
    struct block *b = from_payload(h->lists[list].next);
    detach(h, b);
    return b;
}

/* Takes the best block there is for n bytes off its list; NULL: only top is left. */
static struct block *take_best(struct heap *h, size_t n)
{
    unsigned list = list_of(n / UNIT);
    struct block *b = NULL;
    if (list < EXACT) {
        unsigned exact = next_exact(h, list);
        if (exact < NLISTS)
            return pop(h, exact);
        list = RANGED;
    } else {
        b = best_of(h, list++, n);
    }
    if (!b) {
        list = next_ranged(h, list);
        if (list == NLISTS)
            return NULL;
        b = best_of(h, list, n);
    }
    detach(h, b);
    return b;
}

/* A request that its own exact list in the lower half does not serve. */
static __attribute__((noinline)) void *alloc_any(struct heap *h, size_t size)
{
    if (size > REGION_MAX / 2)
        return NULL;
    size_t n = block_size(size);
    struct block *b = take_best(h, n);
    if (!b)
        b = alloc_top(h, n);
    else
        b = n / UNIT < EXACT ? cut_small(h, b, n) : cut_large(h, b, n);
    return b ? payload(b) : NULL;
}

static void *alloc(struct heap *h, size_t size)
{
    if (ALLOC_LIKELY(size <= SMALL_MAX)) {
        size_t n = block_size(size), list = n / UNIT;
        uint64_t low = h->filled[0] >> list & 1;
        if (ALLOC_LIKELY((low | h->filled[HIGH / 64] >> list) & 1)) {
            struct block *b = pop(h, (unsigned)(list + HIGH * !low));
            set_used(b, n);
            return payload(b);
        }
    }
    return alloc_any(h, size);
}

static size_t usable(const struct heap *h, const void *p)
{
    (void)h;
    return size_of(from_payload(p)) - TAG;
}

/* ---- resize --------------------------------------------------------------------------------------------------------
 */

/* Frees what a used block has beyond n bytes, if that can stand alone. */
static void shrink(struct heap *h, struct block *b, size_t n)
{
    size_t size = size_of(b);
    if (size - n < MIN_BLOCK)
        return;
    struct block *rest = at(b, n);
    b->head = make_head(n, b->head & FLAGS);
    rest->head = make_head(size - n, PREV_USED | USED);
    release_block(h, rest);
}

/* Takes what is free behind a used block in, and more pages where it is top, if that makes n bytes. */
static bool grow_in_place(struct heap *h, struct block *b, size_t n)
{
    size_t size = size_of(b);
    struct block *next = at(b, size);
    if (next == h->fence || next == h->top) {
        size_t has = h->top ? size_of(h->top) : 0;
        if (size + has < n && !(h->touching && grow(h, n - size) && next == h->top))
            return false;
        struct block *top = h->top;
        h->top = cut_front(top, ALLOC_MAX(n - size, MIN_BLOCK));
    } else if (!(next->head & USED) && size + size_of(next) >= n) {
        detach(h, next);
        set_used(next, size_of(next));
    } else {
        return false;
    }
    b->head += make_head(size_of(next), 0);
    shrink(h, b, n);
    return true;
}

static void *resize(struct heap *h, void *p, size_t size)
{
    if (size > REGION_MAX / 2)
        return NULL;
    struct block *b = from_payload(p);
    size_t n = block_size(size);
    if (n <= size_of(b)) {
        shrink(h, b, n);
        return p;
    }
    return grow_in_place(h, b, n) ? p : alloc_resize_by_copy(&allocator_segfit, h, p, size);
}

/* ---- Aligned blocks ------------------------------------------------------------------------------------------------
 */

/* Room for the block at any place is taken, then what lies before and behind it given back. */
static void *aligned(struct heap *h, size_t align, size_t size)
{
    if (size > REGION_MAX / 4 || align > REGION_MAX / 4)
        return NULL;
    size_t n = block_size(size);
    void *p = alloc_any(h, n + align + MIN_BLOCK);
    if (!p)
        return NULL;
    struct block *b = from_payload(p);
    uintptr_t to = ALLOC_ROUND_UP((uintptr_t)p, align);
    if (to != (uintptr_t)p && to - (uintptr_t)p < MIN_BLOCK)
        to += align;
    size_t before = to - (uintptr_t)p;
    if (before) {
        size_t rest = size_of(b) - before;
        b->head = make_head(before, b->head & FLAGS);
        struct block *found = at(b, before);
        found->head = make_head(rest, PREV_USED | USED);
        release_block(h, b);
        b = found;
    }
    shrink(h, b, n);
    return payload(b);
}

/* ---- The heap ------------------------------------------------------------------------------------------------------
 */

enum { OPT_GIVE };

static const struct alloc_option options[] = {
    [OPT_GIVE] = {.name = "give",
                  .help = "a free block of this size gives its pages back to the page source",
                  .type = OPTION_SIZE,
                  .def = 256 << 10,
                  .min = 64 << 10,
                  .max = REGION_MAX},
    {.name = NULL},
};

static struct heap *create(const struct page_source *source, const struct heap_config *config)
{
    size_t bytes = ALLOC_ROUND_UP(sizeof(struct region) + sizeof(struct heap) + 4 * UNIT, source->page_size);
    unsigned page_log2 = alloc_first_bit(source->page_size);
    struct region *r = source->alloc_page(source->ctx, bytes >> page_log2);
    if (!r)
        return NULL;
    struct heap *h = (struct heap *)(r + 1);
    *h = (struct heap){.source = *source, .held = bytes, .grown = bytes, .touching = true};
    h->page_log2 = page_log2;
    h->middle = (uintptr_t)r;
    h->give = ALLOC_MAX((size_t)config->opt[OPT_GIVE], 4 * source->page_size);
    for (unsigned i = 0; i < NLISTS; i++)
        h->lists[i].next = h->lists[i].prev = &h->lists[i];
    link_region(h, r);
    r->heap = h;
    set_top(h, first_block(r), (char *)r + bytes, FIRST);
    return h;
}

static void destroy(struct heap *h)
{
    for (struct region *r = h->regions, *next; r; r = next) {
        const struct block *b = first_block(r);
        while (size_of(b))
            b = next_of(b);
        next = r->next; /* NULL for the heap's own, which goes last */
        give_pages(h, r, (size_t)((const char *)b + TAG - (const char *)r));
    }
}

/* ---- walk and check ------------------------------------------------------------------------------------------------
 */

static bool walk(const struct heap *h, heap_visit *visit, void *arg)
{
    for (const struct region *r = h->regions; r; r = r->next)
        for (const struct block *b = first_block(r); size_of(b); b = next_of(b)) {
            struct heap_block seen = {payload(b), size_of(b) - TAG, b->head & USED};
            if (!visit(&seen, arg))
                return false;
        }
    return true;
}

static const char *check_free(const struct heap *h, const struct block *b)
{
    if (((const tag_t *)next_of(b))[-1] != units_of(b))
        return "a free block's foot differs from its head";
    if (b == h->top)
        return NULL;
    if (link_of(b)->next->prev != link_of(b) || link_of(b)->prev->next != link_of(b))
        return "a free block's neighbours on its list do not know it";
    return NULL;
}

/* Adds the region's bytes, and the blocks that must be on lists. */
static const char *check_region(const struct heap *h, const struct region *r, size_t *bytes, size_t *listed)
{
    const struct block *b = first_block(r);
    bool prev_used = true;
    if (!(b->head & FIRST))
        return "a region's first block is not marked so";
    for (; size_of(b); b = next_of(b)) {
        if (size_of(b) < MIN_BLOCK)
            return "a block is too small";
        if (!(b->head & PREV_USED) == prev_used)
            return "a block's tag contradicts the block before";
        if (b->head & FIRST && b != first_block(r))
            return "a block inside a region is marked as its first";
        if (!(b->head & USED)) {
            const char *broken = prev_used ? check_free(h, b) : "two free blocks touch";
            if (broken)
                return broken;
            *listed += b != h->top;
        }
        prev_used = b->head & USED;
    }
    *bytes += (size_t)((const char *)b + TAG - (const char *)r);
    return b->head == (prev_used ? USED | PREV_USED : USED) ? NULL : "a region's fence is damaged";
}

static const char *check(const struct heap *h)
{
    size_t bytes = 0, listed = 0;
    for (const struct region *r = h->regions; r; r = r->next) {
        const char *broken = check_region(h, r, &bytes, &listed);
        if (broken)
            return broken;
    }
    if (bytes != h->held)
        return "the regions do not add up to the pages held";
    if (h->top && next_of(h->top) != h->fence)
        return "top does not end at the fence";
    for (unsigned i = 0; i < NLISTS; i++) {
        if (!(h->filled[i / 64] >> (i % 64) & 1) != (h->lists[i].next == &h->lists[i]))
            return "a list's mark contradicts the list";
        for (const struct link *l = h->lists[i].next; l != &h->lists[i]; l = l->next) {
            unsigned list = list_of(units_of(from_payload(l)));
            if (list != i && (list >= EXACT || list + HIGH != i))
                return "a block is on the list of another size";
            if (!listed--)
                return "a list holds a block that no region does";
        }
    }
    return listed ? "a free block is on no list" : NULL;
}

const struct allocator allocator_segfit = {
    .abi = ALLOC_ABI,
    .caps = CAP_FREE | CAP_ANY_SIZE,
    .name = "segfit",
    .summary = "segregated fit: boundary tags, exact and ranged lists, immediate merging",
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
