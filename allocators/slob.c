/*
 * slob.c - first fit in pages of 2-byte units: as small and as tight as an allocator of any size can be, and slow.
 *
 * Every page of blocks is on one of three lists, for blocks under 256 bytes, under 1024, and the rest, so that small
 * blocks do not riddle the pages of large ones. A request goes through its list for the first page with enough free
 * units, and takes the first free block there that serves it; if none does, the next page is tried, and after the last
 * a new one. The list then begins at the page that served, so that the next search does not go over the same full pages
 * again (Knuth, TAOCP 1, 2.5, exercise 6). A released block is put in address order among the free ones of its page and
 * merged with both neighbours; an empty page goes back at once. What does not fit a page is whole pages.
 *
 *   a page       [ links, free units, first free block ][ size | block ][ free: units, next ... ][ size | block ] ...
 *   a free block of one unit has no room for its length: it holds its successor's place, negated
 *
 * Follows M. Mackall's SLOB, mm/slob.c in Linux 2.6.16 to 6.3, with kmalloc's way of finding a block's size: one
 * minimal alignment stands before each block. Linux keeps a page's fields in its struct page, here they begin the page;
 * Linux knows a large block by its page's flag, here by its address, for no block in a page begins the page.
 *
 * Cost          alloc O(pages of the list + free blocks in those tried); release O(free blocks of the page before it).
 * Overhead      per block one minimal alignment (2 bytes to HEAP_ALIGN, by its size); per page three words.
 * Worst case    of memory, first fit's: M(1 + ceil(log2 n)), M live, n largest over smallest (Robson 1977), for each of
 * the lists. Of time, all pages searched in vain. check() verifies the lists and every page's free blocks, and that
 * none touch; slob's test in tests/slob.c verifies the rotation and the choice of list.
 */
#include "allocators/chunks.h"

extern const struct allocator allocator_slob;

#define UNIT     2
#define PAGE_MAX 65536 /* the units of a page can be told in 15 bits */

enum list { SMALL, MEDIUM, LARGE, FULL, LISTS }; /* FULL: pages that no search goes through */

struct page {
    struct page *next, *prev;
    uint16_t free;  /* units */
    uint16_t first; /* free block, in units from the page's start; 0: none */
};

struct heap {
    struct chunks chunks; /* of one page */
    struct page lists[LISTS];
};

/* Where a block goes, all in units but the last. */
struct request {
    unsigned units; /* the header's too */
    unsigned header;
    unsigned align; /* of the block behind the header */
    size_t size;    /* even, bytes */
};

/* ---- Free blocks of a page
 * -------------------------------------------------------------------------------------------
 */

static inline int16_t *unit_at(const struct page *page, unsigned at)
{
    return (int16_t *)(uintptr_t)page + at;
}

static inline unsigned units_at(const struct page *page, unsigned at)
{
    const int16_t *unit = unit_at(page, at);
    return unit[0] > 0 ? (unsigned)unit[0] : 1;
}

static inline unsigned next_at(const struct page *page, unsigned at)
{
    const int16_t *unit = unit_at(page, at);
    return (unsigned)(unit[0] > 0 ? unit[1] : -unit[0]);
}

static inline void set_free(struct page *page, unsigned at, unsigned units, unsigned next)
{
    int16_t *unit = unit_at(page, at);
    unit[0] = units > 1 ? (int16_t)units : (int16_t) - (int)next;
    if (units > 1)
        unit[1] = (int16_t)next;
}

/* Makes `to` follow the free block at `at`; the first one when that is 0. */
static inline void set_next(struct page *page, unsigned at, unsigned to)
{
    if (at)
        set_free(page, at, units_at(page, at), to);
    else
        page->first = (uint16_t)to;
}

/* Takes a block from the first free one that holds it. 0: none does. */
static unsigned take_from(struct page *page, const struct request *r)
{
    unsigned prev = 0;
    for (unsigned at = page->first, next; at; prev = at, at = next) {
        const unsigned has = units_at(page, at);
        const unsigned start = ALLOC_ROUND_UP(at + r->header, r->align) - r->header, before = start - at;
        next = next_at(page, at);
        if (has < before + r->units)
            continue;
        const unsigned behind = has - before - r->units;
        if (behind) {
            set_free(page, start + r->units, behind, next);
            next = start + r->units;
        }
        if (before)
            set_free(page, at, before, next);
        else
            set_next(page, prev, next);
        page->free = (uint16_t)(page->free - r->units);
        return start;
    }
    return 0;
}

/* Puts units among the free ones, in address order, merged with the neighbours. */
static void put_back(struct page *page, unsigned at, unsigned units)
{
    unsigned prev = 0, next = page->first;
    page->free = (uint16_t)(page->free + units);
    for (; next && next < at; next = next_at(page, next))
        prev = next;
    if (next && at + units == next) {
        units += units_at(page, next);
        next = next_at(page, next);
    }
    if (prev && prev + units_at(page, prev) == at) {
        set_free(page, prev, units_at(page, prev) + units, next);
    } else {
        set_free(page, at, units, next);
        set_next(page, prev, at);
    }
}

/* ---- Pages ---------------------------------------------------------------------------------------------------------
 */

static inline struct page *page_of(const struct heap *h, const void *p)
{
    return (struct page *)((uintptr_t)p & ~(uintptr_t)(h->chunks.size - 1));
}

static inline bool is_large(const struct heap *h, const void *p)
{
    return p == (const void *)page_of(h, p);
}

/* The units before the first block: the header, in the heap's own page the heap too. */
static inline unsigned reserved(const struct heap *h, const struct page *page)
{
    return (unsigned)(sizeof *page + (page == page_of(h, h) ? sizeof *h : 0)) / UNIT;
}

static inline unsigned page_units(const struct heap *h)
{
    return (unsigned)(h->chunks.size / UNIT);
}

static inline void unlist(struct page *page)
{
    page->next->prev = page->prev;
    page->prev->next = page->next;
}

static inline void list_behind(struct page *page, struct page *prev)
{
    page->prev = prev;
    page->next = prev->next;
    prev->next->prev = page;
    prev->next = page;
}

static inline enum list list_for(unsigned units)
{
    return units < 256 / UNIT ? SMALL : units < 1024 / UNIT ? MEDIUM : LARGE;
}

static void open_page(struct heap *h, struct page *page, enum list list)
{
    const unsigned first = reserved(h, page), units = page_units(h) - first;
    page->free = (uint16_t)units;
    page->first = (uint16_t)first;
    set_free(page, first, units, 0);
    list_behind(page, &h->lists[list]);
}

/* ---- alloc and release ---------------------------------------------------------------------------------------------
 */

/* The minimal alignment of a block, which is also what stands before it: the largest power of two that is no larger. */
static inline size_t minimal_align(size_t size)
{
    size_t align = HEAP_ALIGN;
    while (align > size)
        align /= 2;
    return align;
}

/* False: too large for a page. */
static bool make_request(const struct heap *h, size_t size, size_t align, struct request *r)
{
    if (size >= h->chunks.size)
        return false;
    size = ALLOC_ROUND_UP(ALLOC_MAX(size, UNIT), UNIT);
    const size_t header = minimal_align(size);
    align = ALLOC_MAX(align, header);
    *r =
        (struct request){(unsigned)((size + header) / UNIT), (unsigned)(header / UNIT), (unsigned)(align / UNIT), size};
    return ALLOC_ROUND_UP(sizeof(struct page) + header, align) + size <= h->chunks.size;
}

/* The block's size stands at both ends of what is before it: for walk(), which comes from below, and for release(). */
static void *hand_out(struct heap *h, struct page *page, unsigned start, const struct request *r)
{
    const unsigned block = start + r->header;
    *(uint16_t *)unit_at(page, start) = *(uint16_t *)unit_at(page, block - 1) = (uint16_t)r->size;
    if (!page->free) {
        unlist(page);
        list_behind(page, &h->lists[FULL]);
    }
    return unit_at(page, block);
}

static void *alloc_in_page(struct heap *h, const struct request *r)
{
    const enum list list = list_for(r->units);
    struct page *head = &h->lists[list], *page;
    unsigned start = 0;
    for (page = head->next; page != head; page = page->next)
        if (page->free >= r->units && (start = take_from(page, r)) != 0)
            break;
    if (!start) {
        page = chunks_take_pages(&h->chunks, 1);
        if (!page)
            return NULL;
        open_page(h, page, list);
        start = take_from(page, r);
    } else if (head->next != page) { /* the list begins here from now on */
        unlist(head);
        list_behind(head, page->prev);
    }
    return hand_out(h, page, start, r);
}

static void *aligned(struct heap *h, size_t align, size_t size)
{
    struct request r;
    if (align > h->chunks.size)
        return NULL;
    return make_request(h, size, align, &r) ? alloc_in_page(h, &r) : large_alloc(&h->chunks, size);
}

static void *alloc(struct heap *h, size_t size)
{
    return aligned(h, 1, size);
}

static inline unsigned size_of(const void *p)
{
    return ((const uint16_t *)p)[-1];
}

static void release(struct heap *h, void *p)
{
    if (is_large(h, p)) {
        large_release(&h->chunks, p);
        return;
    }
    struct page *page = page_of(h, p);
    const unsigned size = size_of(p), header = (unsigned)minimal_align(size), units = (size + header) / UNIT;
    if (!page->free) {
        unlist(page);
        list_behind(page, &h->lists[list_for(units)]);
    }
    put_back(page, (unsigned)(((uintptr_t)p - (uintptr_t)page - header) / UNIT), units);
    if (page->free == page_units(h) - reserved(h, page) && page != page_of(h, h)) {
        unlist(page);
        chunks_give_pages(&h->chunks, page, 1);
    }
}

static size_t usable(const struct heap *h, const void *p)
{
    return is_large(h, p) ? large_usable(&h->chunks, p) : size_of(p);
}

/* A block stays where it is while it is large enough, as with krealloc(), and not more than twice as large. */
static void *resize(struct heap *h, void *p, size_t size)
{
    struct request r;
    const size_t has = usable(h, p);
    const bool was_large = is_large(h, p), is_small = make_request(h, size, 1, &r);
    if (size <= has && was_large && !is_small) {
        large_shrink(&h->chunks, p, size);
        return p;
    }
    if (size <= has && has / 2 <= size && !was_large)
        return p;
    return alloc_resize_by_copy(&allocator_slob, h, p, size);
}

/* ---- The heap ------------------------------------------------------------------------------------------------------
 */

static struct heap *create(const struct page_source *source, const struct heap_config *config)
{
    struct chunks chunks;
    (void)config;
    chunks_init(&chunks, source, source->page_size);
    struct page *own = source->page_size <= PAGE_MAX ? chunks_take_pages(&chunks, 1) : NULL;
    if (!own)
        return NULL;
    struct heap *h = (struct heap *)(own + 1);
    *h = (struct heap){.chunks = chunks};
    for (unsigned i = 0; i < LISTS; i++)
        h->lists[i].next = h->lists[i].prev = &h->lists[i];
    open_page(h, own, SMALL);
    return h;
}

static void destroy(struct heap *h)
{
    struct chunks chunks = h->chunks;
    struct page *own = page_of(h, h);
    large_destroy(&chunks);
    for (unsigned i = 0; i < LISTS; i++)
        for (struct page *page = h->lists[i].next, *next; page != &h->lists[i]; page = next) {
            next = page->next;
            if (page != own)
                chunks_give_pages(&chunks, page, 1);
        }
    chunks_give_pages(&chunks, own, 1);
}

/* ---- walk and check ------------------------------------------------------------------------------------------------
 */

static bool walk_page(const struct heap *h, const struct page *page, heap_visit *visit, void *arg)
{
    unsigned free = page->first, units;
    for (unsigned at = reserved(h, page); at < page_units(h); at += units) {
        struct heap_block seen = {unit_at(page, at), 0, at != free};
        if (!seen.used) {
            units = units_at(page, at);
            free = next_at(page, at);
            seen.size = units * UNIT;
        } else {
            seen.size = *(uint16_t *)unit_at(page, at);
            const unsigned header = (unsigned)minimal_align(seen.size) / UNIT;
            units = header + (unsigned)seen.size / UNIT;
            seen.ptr = unit_at(page, at + header);
        }
        if (!visit(&seen, arg))
            return false;
    }
    return true;
}

static bool walk(const struct heap *h, heap_visit *visit, void *arg)
{
    for (unsigned i = 0; i < LISTS; i++)
        for (const struct page *page = h->lists[i].next; page != &h->lists[i]; page = page->next)
            if (!walk_page(h, page, visit, arg))
                return false;
    return large_walk(&h->chunks, visit, arg);
}

/* Used blocks fill the gaps between the free ones, and each says its size twice alike. */
static const char *check_used(const struct page *page, unsigned at, unsigned end)
{
    while (at < end) {
        const unsigned size = *(uint16_t *)unit_at(page, at);
        const unsigned header = size ? (unsigned)minimal_align(size) / UNIT : 0;
        if (!size || size % UNIT || *(uint16_t *)unit_at(page, at + header - 1) != size)
            return "a block's size is damaged";
        at += header + size / UNIT;
    }
    return at == end ? NULL : "a block reaches beyond its place";
}

static const char *check_page(const struct heap *h, const struct page *page, enum list list)
{
    unsigned at = reserved(h, page), end = page_units(h), sum = 0;
    const char *broken = NULL;
    for (unsigned free = page->first, last = 0; free && !broken; free = next_at(page, free)) {
        if (free >= end || free < at || (last && free == at) || free + units_at(page, free) > end)
            return "the free blocks of a page are out of order or not merged";
        broken = check_used(page, at, free);
        last = free;
        at = free + units_at(page, free);
        sum += units_at(page, free);
    }
    if (!broken)
        broken = check_used(page, at, end);
    if (broken)
        return broken;
    if (sum == end - reserved(h, page) && page != page_of(h, h))
        return "an empty page is kept";
    return sum != page->free              ? "a page miscounts its free units"
           : (list == FULL) != (sum == 0) ? "a page is on the wrong list"
                                          : NULL;
}

static const char *check(const struct heap *h)
{
    size_t bytes = 0;
    const char *broken = large_check(&h->chunks, &bytes);
    for (enum list i = SMALL; i < LISTS && !broken; i++)
        for (const struct page *page = h->lists[i].next; page != &h->lists[i] && !broken; page = page->next) {
            broken = page->next->prev != page ? "a list of pages is damaged" : check_page(h, page, i);
            bytes += h->chunks.size;
        }
    return broken ? broken : bytes == h->chunks.held ? NULL : "the pages do not add up to what is held";
}

const struct allocator allocator_slob = {
    .abi = ALLOC_ABI,
    .caps = CAP_FREE | CAP_ANY_SIZE,
    .name = "slob",
    .summary = "first fit in pages of 2-byte units, three lists by size, after Linux's SLOB",
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
