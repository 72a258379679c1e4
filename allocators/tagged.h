/*
 * tagged.h - a heap of blocks with boundary tags, over any index of its free blocks.
 *
 * What freelist, segfit and tlsf share: regions of pages, cutting a block to size, merging a released one with both
 * neighbours at once, growing, giving pages back, resizing in place, alignment, walk and check. They differ in how they
 * find a free block, and that alone is theirs; so a comparison of them compares just that. This file is included after
 * the includer has defined
 *
 *   struct index                                             what it keeps of its free blocks
 *   static size_t index_bytes(const uint64_t *opt);                what it needs in all, struct index or more
 *   static void index_init(struct index *, const uint64_t *opt);
 *   static void index_insert(struct index *, struct block *);      the block is free, its tags are set
 *   static void index_remove(struct index *, struct block *);
 *   static struct block *index_take(struct index *, size_t n);     removes a block of at least n bytes; NULL: none
 *   static void index_span(struct index *, uintptr_t low, uintptr_t high);   the region that grows reaches this far
 *   static const char *index_check(const struct index *, size_t nblocks);    it holds so many, all in their place
 *   #define INDEX_CUT_BACK(n)          true: a block of n bytes is cut from the back of a free one, not from the front
 *   static const struct allocator *const self;               for a block that must move
 *
 * and so the compiler sees all of it at once. The memory at the end of the newest region ("top", the wilderness of D.
 * Lea's malloc) is not in the index: it is cut last.
 *
 *   a region     [ struct region ][ block ][ block ] ... [ block ][ fence ]     whole pages that touch
 */
#include "allocators/tags.h"

struct region {
    struct region *next, *prev;
    struct heap *heap; /* stands behind, in the heap's first region; NULL in the others */
};                     /* the length is stored nowhere, so that a region can be cut in two without finding its start */

struct heap {
    struct page_source source;
    struct region *regions; /* the newest first; the heap's own is the last */
    struct block *top;      /* the free block before `fence`, not in the index; NULL: none */
    struct block *fence;    /* the end of the region that grew last */
    size_t held;            /* bytes taken from the page source */
    size_t grown;           /* bytes of the region that `fence` ends, at least */
    size_t give;            /* a free block of this many bytes gives its pages back */
    unsigned page_log2;     /* of the page source's page */
    bool touching;          /* the last pages taken began behind `fence` */
    size_t bytes;           /* of this struct with its index, which may go on behind it */
    struct index index;
};

/* ---- Pages ----------------------------------------------------------------------------------------------------------
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
    size_t skip = sizeof *r + (r->heap ? r->heap->bytes : 0);
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
    set_top(h, start, (char *)h->fence + TAG + bytes, start->head);
    index_span(&h->index, (uintptr_t)h->fence - h->grown, (uintptr_t)h->fence);
}

static void add_region(struct heap *h, void *pages, size_t bytes)
{
    if (h->top)
        index_insert(&h->index, h->top);
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
    h->touching = pages == (char *)h->fence + TAG && h->grown + bytes <= RUN_MAX;
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
        index_insert(&h->index, b);
    }
    if (!is_last) {
        link_region(h, (struct region *)to);
        b = first_block((struct region *)to);
        set_free(b, (size_t)((char *)next - (char *)b), FIRST);
        index_insert(&h->index, b);
    }
    give_pages(h, from, (size_t)(to - from));
    return true;
}

/* ---- release --------------------------------------------------------------------------------------------------------
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
        index_remove(&h->index, b);
    }
    if (next_head & USED) {
        next->head = next_head & ~(tag_t)PREV_USED;
    } else {
        size += size_of(next);
        if (next != h->top)
            index_remove(&h->index, next);
    }
    set_free(b, size, flags);
    if (at(b, size) == h->fence)
        h->top = b;
    else if (ALLOC_LIKELY(size < h->give && !(flags & FIRST))) {
        index_insert(&h->index, b);
        return;
    }
    if (!give_back(h, b) && b != h->top)
        index_insert(&h->index, b);
}

static void release(struct heap *h, void *p)
{
    release_block(h, from_payload(p));
}

/* ---- alloc ---------------------------------------------------------------------------------------------------------
 */

static struct block *cut_top(struct heap *h, size_t n)
{
    if ((!h->top || size_of(h->top) < n) && !grow(h, n))
        return NULL;
    struct block *b = h->top;
    h->top = cut_front(b, n);
    return b;
}

static inline struct block *cut(struct heap *h, struct block *b, size_t n)
{
    size_t size = size_of(b);
    if (size - n < MIN_BLOCK) {
        set_used(b, size);
    } else if (!INDEX_CUT_BACK(n)) {
        index_insert(&h->index, cut_front(b, n));
    } else {
        set_free(b, size - n, b->head);
        index_insert(&h->index, b);
        b = next_of(b);
        b->head = make_head(n, USED);
        at(b, n)->head |= PREV_USED;
    }
    return b;
}

static __attribute__((noinline)) void *alloc(struct heap *h, size_t size)
{
    if (size > REQUEST_MAX)
        return NULL;
    size_t n = block_size(size);
    struct block *b = index_take(&h->index, n);
    b = b ? cut(h, b, n) : cut_top(h, n);
    return b ? payload(b) : NULL;
}

static size_t usable(const struct heap *h, const void *p)
{
    (void)h;
    return size_of(from_payload(p)) - TAG;
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
        index_remove(&h->index, next);
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
    if (size > REQUEST_MAX)
        return NULL;
    struct block *b = from_payload(p);
    size_t n = block_size(size);
    if (n <= size_of(b)) {
        shrink(h, b, n);
        return p;
    }
    return grow_in_place(h, b, n) ? p : alloc_resize_by_copy(self, h, p, size);
}

/* ---- Aligned blocks -------------------------------------------------------------------------------------------------
 */

/* Room for the block at any place is taken, then what lies before and behind it given back. */
static void *aligned(struct heap *h, size_t align, size_t size)
{
    if (size > REQUEST_MAX / 2 || align > REQUEST_MAX / 2)
        return NULL;
    size_t n = block_size(size);
    void *p = alloc(h, n + align + MIN_BLOCK);
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

/* The options that every includer's table begins with. */
enum { OPT_GIVE, TAGGED_OPTIONS };
#define TAGGED_OPTION_GIVE                                                                                             \
    [OPT_GIVE] = {.name = "give",                                                                                      \
                  .help = "a free block of this size gives its pages back to the page source",                         \
                  .type = OPTION_SIZE,                                                                                 \
                  .def = 256 << 10,                                                                                    \
                  .min = 64 << 10,                                                                                     \
                  .max = REQUEST_MAX}

static struct heap *create(const struct page_source *source, const struct heap_config *config)
{
    size_t own = offsetof(struct heap, index) + index_bytes(config->opt);
    size_t bytes = ALLOC_ROUND_UP(sizeof(struct region) + own + 4 * UNIT, source->page_size);
    unsigned page_log2 = alloc_first_bit(source->page_size);
    struct region *r = source->alloc_page(source->ctx, bytes >> page_log2);
    if (!r)
        return NULL;
    struct heap *h = (struct heap *)(r + 1);
    *h = (struct heap){.source = *source, .held = bytes, .grown = bytes, .bytes = own, .touching = true};
    h->page_log2 = page_log2;
    h->give = ALLOC_MAX((size_t)config->opt[OPT_GIVE], 4 * source->page_size);
    index_init(&h->index, config->opt);
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

/* ---- walk and check -------------------------------------------------------------------------------------------------
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

/* Adds the region's bytes, and the blocks that the index must hold. */
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
            const char *broken = !prev_used ? "two free blocks touch"
                                 : ((const tag_t *)next_of(b))[-1] != units_of(b)
                                     ? "a free block's foot differs from its head"
                                     : NULL;
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
    return index_check(&h->index, listed);
}

/* Of a struct allocator, all but its name, its options and alloc(), which the includer may have a shorter way to. */
#define TAGGED_HEAP                                                                                                    \
    .abi = ALLOC_ABI, .caps = CAP_FREE | CAP_ANY_SIZE, .create = create, .destroy = destroy, .release = release,       \
    .aligned = aligned, .resize = resize, .usable = usable, .walk = walk, .check = check
