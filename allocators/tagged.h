/*
 * tagged.h - a heap of blocks with boundary tags, over any index of its free blocks.
 *
 * What freelist, segfit and tlsf share: regions of pages, cutting a block to size, merging a released one with both
 * neighbours at once, growing, giving pages back, resizing in place, alignment, walk and check. They differ in how they
 * find a free block, and in the links that takes; so a comparison of them compares just that. This file is included
 * after the includer has defined
 *
 *   struct index                                              what it keeps of its free blocks
 *   size_t index_bytes(const uint64_t *opt)                   what it needs in all, struct index or more
 *   void index_init(struct index *, const uint64_t *opt)
 *   size_t index_list(const struct index *, size_t size)      where a block of so many bytes belongs
 *   #define INDEX_NEAR                                        below so many bytes, it is
 *   size_t index_near(const struct index *, const struct block *, size_t size)
 *                                                             this, which is found sooner
 *   bool index_same_list(const struct index *, size_t a, size_t b)
 *                                                             both sizes are at least that, and belong together
 *   void index_insert(struct index *, size_t list, struct block *)      the block is free, its tags are set
 *   void index_remove(struct index *, struct block *)
 *   void index_replace(struct index *, struct block *, const struct block *other)   takes the place of another
 *   #define INDEX_QUICK                                       below so many bytes, each size has a list of its own,
 *   size_t index_exact(size_t size)                           this,
 *   struct block *index_take_exact(struct index *, size_t list)         from which a block is removed; NULL: none
 *   size_t index_search(const struct index *, size_t n)       from there on, the list where the search begins
 *   struct block *index_own(struct index *, size_t list, size_t n)      a block of that list that serves; NULL: none
 *   struct block *index_above(const struct index *, size_t *list)       the first block of the next list that has any,
 *                                                             and the list; all its blocks serve; NULL: there is none
 *   void index_take_first(struct index *, size_t list, struct block *)  removes the first block of the list
 *   void index_span(struct index *, uintptr_t low, uintptr_t high)      the region that grows reaches this far
 *   const char *index_check(const struct index *, size_t nblocks)       it holds so many, all in their place
 *   #define INDEX_TWO_ENDS                                    true: large blocks lie apart, and are cut from the back
 *   #define INDEX_REST_STAYS                                  true: what is left of index_own()'s block takes its place
 *
 * all of them static, and so the compiler sees all of it at once. The memory at the end of the newest region ("top",
 * the wilderness of D. Lea's malloc) is not in the index: it is cut last.
 * Regions are in tagged_regions.h, and what lies apart in tagged_far.h.
 *
 * Most blocks fit exactly and are released between used neighbours; that needs no more than a few lines of alloc() and
 * release_block(), which call nothing. What else there is, is kept out of their way by OUT_OF_LINE.
 */
#include "allocators/tagged_far.h"

#define GIVE_LEAST ((size_t)64 << 10) /* no option is less */

/* ---- release --------------------------------------------------------------------------------------------------------
 */

/* Puts a free block, merged, where it belongs: it is large, or first or last of its region. The only block of a region
 * goes back with it, but for the region that grows. */
OUT_OF_LINE void settle(struct heap *h, struct block *b, size_t size)
{
    struct block *next = at(b, size);
    bool begins = b->head & EDGE && b != h->first, ends = next->head & EDGE;
    if (next == h->fence) {
        h->top = b;
        if (size >= h->trim)
            trim_top(h);
    } else if (INDEX_TWO_ENDS && begins && (void *)((char *)b - REGION_HEAD) == (void *)h->far) {
        h->bottom = b;
        if (size >= h->trim)
            trim_bottom(h);
    } else if (size >= h->give || (begins && ends)) {
        give_back(h, b, begins, ends);
    } else {
        insert(h, b, size);
    }
}

/* A free block of so many bytes has index_near(), and is not large enough to give pages back. */
static inline bool is_plain(const struct heap *h, size_t size)
{
    return size < INDEX_NEAR && (INDEX_NEAR <= GIVE_LEAST || size < h->give);
}

/* Makes [b, b + size) free, as set_free(), and puts it where it belongs: on its list, if it is none of settle()'s.
 * Its callers share one: with a copy in each they take longer. */
OUT_OF_LINE void put(struct heap *h, struct block *b, size_t size, tag_t flags)
{
    set_free(b, size, flags);
    const bool inside = ALLOC_LIKELY(!((flags | at(b, size)->head) & EDGE));
    if (inside && is_plain(h, size))
        index_insert(&h->index, index_near(&h->index, b, size), b);
    else if (ALLOC_LIKELY(inside && size < h->give))
        index_insert(&h->index, index_list(&h->index, size), b);
    else
        settle(h, b, size);
}

/* Takes the free block behind a released one off its list; top and bottom are on none. Returns its bytes. */
static inline size_t take_next(struct heap *h, struct block *next)
{
    size_t size = size_of(next);
    if (next != h->top)
        index_remove(&h->index, next);
    return size;
}

/* Frees a block behind a free one. */
OUT_OF_LINE void merge_left(struct heap *h, struct block *b)
{
    size_t size = size_of(b), before = *foot_before(b);
    struct block *next = at(b, size), *left = (struct block *)((uintptr_t)b - before);
    if (ALLOC_LIKELY(left != h->bottom))
        index_remove(&h->index, left);
    tag_t flags = left->head;
    size += before;
    if (next->head & FREE)
        size += take_next(h, next);
    else
        next->head |= PREV_FREE;
    put(h, left, size, flags);
}

/* Frees a block between a used and a free one. */
OUT_OF_LINE void merge_right(struct heap *h, struct block *b, struct block *next)
{
    tag_t flags = b->head;
    put(h, b, size_of(b) + take_next(h, next), flags);
}

/* Frees a block between used ones that is large, or first or last of its region. */
OUT_OF_LINE void release_alone(struct heap *h, struct block *b, struct block *next)
{
    next->head |= PREV_FREE;
    put(h, b, size_of(b), b->head);
}

/* Frees a used block, and merges it with what is free beside it. What its own tag tells is asked first: the next one
 * may have to come from memory, and a branch foreseen wrongly costs as long as what it waits for. */
static inline void release_block(struct heap *h, struct block *b)
{
    tag_t head = b->head;
    size_t size = size_of(b);
    struct block *next = at(b, size);
    if (head & PREV_FREE) {
        merge_left(h, b);
    } else if (next->head & FREE) {
        merge_right(h, b, next);
    } else if (ALLOC_LIKELY(!((head | next->head) & EDGE) && is_plain(h, size))) {
        next->head |= PREV_FREE;
        set_free(b, size, 0);
        index_insert(&h->index, index_near(&h->index, b, size), b);
    } else {
        release_alone(h, b, next);
    }
}

AT_A_LINE void release(struct heap *h, void *p)
{
    release_block(h, from_payload(p));
}

/* ---- alloc ---------------------------------------------------------------------------------------------------------
 */

/* From top, which has so much. */
static inline void *cut_from_top(struct heap *h, size_t n)
{
    struct block *b = h->top;
    h->top = cut_front(b, n);
    return payload(b);
}

/* Cuts n bytes for use from a free block on no list, of a large block from its back; the rest goes on a list. */
static inline void *cut(struct heap *h, struct block *b, size_t n, bool far)
{
    size_t rest = size_of(b) - n;
    if (far) {
        struct block *back = split_back(b, n, rest);
        insert(h, b, rest);
        return payload(back);
    }
    insert(h, split(b, n, rest), rest);
    return payload(b);
}

/* When the page source has no more. */
OUT_OF_LINE void *cut_last(struct heap *h, size_t n)
{
    struct block *b = INDEX_TWO_ENDS ? join_ends(h, n) : NULL;
    if (!b && ((h->bottom && size_of(h->bottom) >= n) || (INDEX_TWO_ENDS && h->far && extend_far(h, n))))
        return cut_from_bottom(h, n);
    if (!b)
        return NULL;
    if (next_of(b) == h->fence) {
        h->top = b;
        return cut_from_top(h, n);
    }
    if (!fits_whole(b, n))
        return cut(h, b, n, false);
    set_used(b, size_of(b));
    return payload(b);
}

OUT_OF_LINE void *cut_grown(struct heap *h, size_t n)
{
    return grow(h, n) ? cut_from_top(h, n) : cut_last(h, n);
}

OUT_OF_LINE void *cut_top(struct heap *h, size_t n)
{
    return top_size(h) < n ? cut_grown(h, n) : cut_from_top(h, n);
}

OUT_OF_LINE void *cut_bottom(struct heap *h, size_t n)
{
    if ((h->bottom && size_of(h->bottom) >= n) || (h->far && extend_far(h, n)) ||
        (h->source.alloc_far && add_far(h, n)))
        return cut_from_bottom(h, n);
    return cut_top(h, n);
}

OUT_OF_LINE void *cut_first_back(struct heap *h, size_t list, struct block *b, size_t n)
{
    index_take_first(&h->index, list, b);
    return cut(h, b, n, true);
}

/* As cut(), from the front of the first block of a list. Where small ones are cut from a large, its rest most often
 * stays on that list, and then where it is. The compiler would prepare for each way at once, and save registers to have
 * enough: after each of the two lines that hide a value it begins anew. */
static inline void *cut_first(struct heap *h, size_t list, struct block *b, size_t n)
{
    size_t size = size_of(b), rest = size - n, to;
    struct block *free = split(b, n, rest);
    if (rest < INDEX_NEAR) {
        to = index_near(&h->index, free, rest);
    } else if (index_same_list(&h->index, size, rest)) {
        index_replace(&h->index, free, b);
        return payload(b);
    } else {
        to = index_list(&h->index, rest);
    }
    __asm__("" : "+r"(free) : : "memory");
    index_take_first(&h->index, list, b);
    __asm__("" : "+r"(h));
    index_insert(&h->index, to, free);
    return payload(b);
}

/* For a request that its own list has no block for; `apart`: it lies apart if it is large. */
OUT_OF_LINE void *alloc_larger(struct heap *h, size_t list, size_t n, bool apart)
{
    struct block *b = index_above(&h->index, &list);
    if (!b)
        return is_far(n, apart) ? cut_bottom(h, n) : cut_top(h, n);
    if (size_of(b) - n >= MIN_BLOCK)
        return is_far(n, apart) ? cut_first_back(h, list, b, n) : cut_first(h, list, b, n);
    set_used(b, size_of(b));
    index_take_first(&h->index, list, b);
    return payload(b);
}

/* For a request whose list has other sizes too. */
OUT_OF_LINE void *alloc_shared(struct heap *h, size_t size, bool apart)
{
    if (ALLOC_UNLIKELY(size > REQUEST_MAX))
        return NULL;
    size_t n = block_size(size), list = index_search(&h->index, n);
    struct block *b = index_own(&h->index, list, n);
    if (!b)
        return alloc_larger(h, list, n, apart);
    if (INDEX_REST_STAYS && !fits_whole(b, n)) {
        index_replace(&h->index, split(b, n, size_of(b) - n), b);
        return payload(b);
    }
    index_remove(&h->index, b);
    if (!fits_whole(b, n))
        return cut(h, b, n, is_far(n, apart));
    set_used(b, size_of(b));
    return payload(b);
}

AT_A_LINE void *alloc(struct heap *h, size_t size)
{
    if (ALLOC_UNLIKELY(size >= requests_below(INDEX_QUICK)))
        return alloc_shared(h, size, true);
    size_t n = block_size(size), list = index_exact(n);
    struct block *b = index_take_exact(&h->index, list);
    if (ALLOC_UNLIKELY(!b))
        return alloc_larger(h, list, n, false);
    set_used(b, n);
    return payload(b);
}

/* As alloc(), of a block that does not lie apart. */
static void *alloc_near(struct heap *h, size_t size)
{
    return size >= requests_below(INDEX_QUICK) ? alloc_shared(h, size, false) : alloc(h, size);
}

static size_t usable(const struct heap *h, const void *p)
{
    (void)h;
    return size_of(from_payload(p)) - TAG;
}

/* A block cut from pages that were taken for it needs to be cleared only below them, where they are not known to be
 * zero, and where their tags stood: at the old fence, which they may have moved, and at the end. */
static void *zalloc(struct heap *h, size_t size)
{
    const char *used = (const char *)h->fence + TAG;
    const struct region *far = h->far;
    char *p = alloc_near(h, size);
    if (!p)
        return NULL;
    if ((const char *)h->fence + TAG == used || h->far != far) /* no pages were taken, or others lie behind them */
        return __builtin_memset(p, 0, size);
    size_t foot = ALLOC_MIN(size, TAG);
    __builtin_memset(p + size - foot, 0, foot);
    alloc_clear(&h->source, p, size, used);
    return p;
}

/* ---- resize ---------------------------------------------------------------------------------------------------------
 */

/* Frees what a used block has beyond n bytes, if that can stand alone. */
static void shrink(struct heap *h, struct block *b, size_t n)
{
    size_t size = size_of(b);
    if (size - n < MIN_BLOCK)
        return;
    struct block *rest = at(b, n);
    b->head = (tag_t)n | (b->head & FLAGS);
    rest->head = (tag_t)(size - n);
    release_block(h, rest);
}

/* Takes what is free behind a used block in, and more pages where it is top, if that makes n bytes. */
static bool grow_in_place(struct heap *h, struct block *b, size_t n)
{
    size_t size = size_of(b);
    struct block *next = at(b, size);
    if (next == h->fence || next == h->top) {
        if (size + top_size(h) < n && !(h->touching && grow(h, n - size) && next == h->top))
            return false;
        struct block *top = h->top;
        h->top = cut_front(top, ALLOC_MAX(n - size, MIN_BLOCK));
    } else if (next->head & FREE && size + size_of(next) >= n) {
        index_remove(&h->index, next);
        set_used(next, size_of(next));
    } else {
        return false;
    }
    b->head += (tag_t)size_of(next);
    shrink(h, b, n);
    return true;
}

/* What moves as it grows may grow again. */
static const struct allocator mover = {.alloc = alloc_near, .release = release, .usable = usable};

static void *resize(struct heap *h, void *p, size_t size)
{
    if (size > REQUEST_MAX)
        return NULL;
    struct block *b = from_payload(p);
    size_t n = block_size(size);
    if (n <= size_of(b)) {
        shrink(h, b, n);
        return p;
    }
    return grow_in_place(h, b, n) ? p : alloc_resize_by_copy(&mover, h, p, size);
}

/* ---- Aligned blocks -------------------------------------------------------------------------------------------------
 */

/* Room for the block at any place is taken, then what lies before and behind it given back. */
static void *aligned(struct heap *h, size_t align, size_t size)
{
    if (size > REQUEST_MAX / 2 || align > REQUEST_MAX / 2)
        return NULL;
    size_t n = block_size(size);
    void *p = alloc_near(h, n + align + MIN_BLOCK);
    if (!p)
        return NULL;
    struct block *b = from_payload(p);
    uintptr_t to = ALLOC_ROUND_UP((uintptr_t)p, align);
    if (to != (uintptr_t)p && to - (uintptr_t)p < MIN_BLOCK)
        to += align;
    size_t before = to - (uintptr_t)p;
    if (before) {
        size_t rest = size_of(b) - before;
        b->head = (tag_t)before | (b->head & FLAGS);
        struct block *found = at(b, before);
        found->head = (tag_t)rest;
        release_block(h, b);
        b = found;
    }
    shrink(h, b, n);
    return payload(b);
}

/* ---- The heap ------------------------------------------------------------------------------------------------------
 */

/*
 * The options that every includer's table begins with. By default a region keeps the pages inside it: pages that come
 * back to it later would be regions of their own, and free memory does not merge from one into another.
 */
enum { OPT_TRIM, OPT_GIVE, TAGGED_OPTIONS };
#define PAGES_OPTION(NAME, DEF, HELP)                                                                                  \
    {                                                                                                                  \
        .name = NAME, .help = HELP, .type = OPTION_SIZE, .def = DEF, .min = GIVE_LEAST, .max = REQUEST_MAX             \
    }
#define TAGGED_PAGES_OPTIONS                                                                                           \
    [OPT_TRIM] = PAGES_OPTION("trim", 256 << 10, "free memory at either end gives pages back from so much on"),        \
    [OPT_GIVE] = PAGES_OPTION("give", REQUEST_MAX, "a free block inside gives its pages back from this size on")

static struct heap *create(const struct page_source *source, const struct heap_config *config)
{
    size_t own = offsetof(struct heap, index) + index_bytes(config->opt);
    size_t bytes = ALLOC_ROUND_UP(sizeof(struct region) + own + 4 * UNIT, source->page_size);
    unsigned page_log2 = alloc_first_bit(source->page_size);
    struct region *r = source->alloc_page(source->ctx, bytes >> page_log2);
    if (!r)
        return NULL;
    struct heap *h = (struct heap *)(r + 1);
    *h = (struct heap){.source = *source, .held = bytes, .grown = bytes, .touching = true};
    h->page_log2 = page_log2;
    h->trim = ALLOC_MAX((size_t)config->opt[OPT_TRIM], 4 * source->page_size);
    h->give = ALLOC_MAX((size_t)config->opt[OPT_GIVE], 4 * source->page_size);
    index_init(&h->index, config->opt);
    link_region(h, r);
    h->first = (struct block *)(ALLOC_ROUND_UP((uintptr_t)h + own + TAG, UNIT) - TAG);
    set_top(h, h->first, (char *)r + bytes, EDGE);
    return h;
}

static void destroy(struct heap *h)
{
    for (const struct region *r = first_region(h), *next; r; r = next) {
        const struct block *b = first_block(h, r);
        while (size_of(b))
            b = next_of(b);
        next = next_region(h, r); /* NULL for the heap's own, which goes last */
        give_pages(h, (void *)(uintptr_t)r, (size_t)((const char *)b + TAG - (const char *)r));
    }
}

static const char *check(const struct heap *h)
{
    size_t bytes = 0, listed = 0;
    for (const struct region *r = first_region(h); r; r = next_region(h, r)) {
        const char *broken = check_region(h, r, &bytes, &listed);
        if (broken)
            return broken;
    }
    if (bytes != h->held)
        return "the regions do not add up to the pages held";
    if (h->top ? next_of(h->top) != h->fence : (h->fence->head & PREV_FREE) != 0)
        return "top is not the free block before the fence";
    const char *broken = check_far(h);
    if (broken)
        return broken;
    return index_check(&h->index, listed);
}

/* Of a struct allocator, all but its name, its options and alloc(), which the includer may have a shorter way to. */
#define TAGGED_HEAP                                                                                                    \
    .abi = ALLOC_ABI, .caps = CAP_FREE | CAP_ANY_SIZE, .create = create, .destroy = destroy, .release = release,       \
    .zalloc = zalloc, .aligned = aligned, .resize = resize, .usable = usable, .walk = walk, .check = check
