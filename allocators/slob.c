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
 *   a page       [ block ][ free: units, next ... ][ block ][ block ][ free ... ]
 *   beside it    links, free units, first free block, a bit for each unit that ends a block
 *   a free block of one unit has no room for its length: it holds its successor's place, negated
 *
 * Follows M. Mackall's SLOB, mm/slob.c in Linux 2.6.16 to 6.3, where a page's fields are in its struct page, outside
 * it. So they are here: in a frame, which a hash table finds by the page's address. Linux's kmem_cache_free() knows an
 * object's size from its cache, and no object has a header; release() is not told, so the bits tell it. Its kfree() is
 * not told either, and one minimal alignment stands before each block, with the size: header=yes does that, without
 * the bits.
 *
 * Cost          alloc O(pages of the list + free blocks in those tried); release O(free blocks of the page before it).
 * Overhead      a frame for each page: 7 % with the bits, 1 % with headers; the header, as long as the block's
 *               alignment. The table, 16 bytes a page.
 * Worst case    of memory, first fit's: M(1 + ceil(log2 n)), M live, n largest over smallest (Robson 1977), for each of
 * the lists. Of time, all pages searched in vain. check() verifies the lists and every page's free blocks, and that
 * none touch; slob's test in tests/slob.c verifies the rotation and the choice of list.
 */
#include "allocators/slob.h"

extern const struct allocator allocator_slob;

/* Where a block goes, all in units but the last. */
struct request {
    unsigned units; /* the header's too */
    unsigned header;
    unsigned align; /* of the block behind the header */
    size_t size;    /* even, bytes */
};

/* ---- Free blocks of a page -----------------------------------------------------------------------------------------
 */

static inline void set_free(struct page *page, unsigned at, unsigned units, unsigned next)
{
    int16_t *unit = unit_at(page, at);
    unit[0] = units > 1 ? (int16_t)units : (int16_t) - (int)next;
    if (units > 1)
        unit[1] = (int16_t)next;
}

/* Makes `to` follow the free block at `at`; the first one when that is NONE. */
static inline void set_next(struct page *page, unsigned at, unsigned to)
{
    if (at != NONE)
        set_free(page, at, units_at(page, at), to);
    else
        page->first = (uint16_t)to;
}

/* Takes a block from the first free one that holds it. NONE: none does. */
static unsigned take_from(struct page *page, const struct request *r)
{
    unsigned prev = NONE;
    for (unsigned at = page->first, next; at != NONE; prev = at, at = next) {
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
    return NONE;
}

/* Puts units among the free ones, in address order, merged with the neighbours. */
static void put_back(struct page *page, unsigned at, unsigned units)
{
    unsigned prev = NONE, next = page->first;
    page->free = (uint16_t)(page->free + units);
    for (; next < at; next = next_at(page, next))
        prev = next;
    if (at + units == next) {
        units += units_at(page, next);
        next = next_at(page, next);
    }
    if (prev != NONE && prev + units_at(page, prev) == at) {
        set_free(page, prev, units_at(page, prev) + units, next);
    } else {
        set_free(page, at, units, next);
        set_next(page, prev, at);
    }
}

static inline void flip_end(struct page *page, unsigned unit)
{
    page->ends[unit / 64] ^= (uint64_t)1 << unit % 64;
}

/* ---- Pages ---------------------------------------------------------------------------------------------------------
 */

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

/* Makes frames of the room in [at, end). */
static void add_frames(struct heap *h, char *at, const char *end)
{
    for (; (size_t)(end - at) >= h->frame_size; at += h->frame_size) {
        struct page *frame = (struct page *)at;
        frame->next = h->free_frames;
        h->free_frames = frame;
    }
}

static bool have_frame(struct heap *h)
{
    if (h->free_frames)
        return true;
    struct frames *more = chunks_take_pages(&h->chunks, 1);
    if (!more)
        return false;
    more->next = h->frames;
    h->frames = more;
    add_frames(h, (char *)more->room, (char *)more + h->chunks.size);
    return true;
}

/* A new page at the beginning of a list. NULL: exhausted. */
static struct page *open_page(struct heap *h, enum list list)
{
    int16_t *units = have_frame(h) ? large_alloc(&h->chunks, h->chunks.size) : NULL;
    if (!units)
        return NULL;
    struct page *page = h->free_frames;
    h->free_frames = page->next;
    __builtin_memset(page, 0, h->frame_size);
    page->units = units;
    page->free = (uint16_t)page_units(h);
    set_free(page, 0, page->free, NONE);
    list_behind(page, &h->lists[list]);
    large_place(&h->chunks, units)->what = (uintptr_t)page;
    return page;
}

static void close_page(struct heap *h, struct page *page)
{
    unlist(page);
    large_release(&h->chunks, page->units);
    page->next = h->free_frames;
    h->free_frames = page;
}

/* ---- alloc and release ---------------------------------------------------------------------------------------------
 */

/* False: too large for a page. */
static bool make_request(const struct heap *h, size_t size, size_t align, struct request *r)
{
    if (size >= h->chunks.size)
        return false;
    size = ALLOC_ROUND_UP(ALLOC_MAX(size, UNIT), UNIT);
    const size_t least = minimal_align(size), header = h->headers ? least : 0;
    align = ALLOC_MAX(align, least);
    *r =
        (struct request){(unsigned)((size + header) / UNIT), (unsigned)(header / UNIT), (unsigned)(align / UNIT), size};
    return (ALLOC_ROUND_UP(header, align) + size) / UNIT <= page_units(h);
}

/* A header has the size at both its ends: for walk(), which comes from below, and for release(). */
static void *hand_out(struct heap *h, struct page *page, unsigned start, const struct request *r)
{
    const unsigned block = start + r->header;
    if (h->headers)
        *(uint16_t *)unit_at(page, start) = *(uint16_t *)unit_at(page, block - 1) = (uint16_t)r->size;
    else
        flip_end(page, start + r->units - 1);
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
    unsigned start = NONE;
    for (page = head->next; page != head; page = page->next)
        if (page->free >= r->units && (start = take_from(page, r)) != NONE)
            break;
    if (start == NONE) {
        page = open_page(h, list);
        if (!page)
            return NULL;
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

static void *zalloc(struct heap *h, size_t size)
{
    struct request r;
    if (!make_request(h, size, 1, &r))
        return large_zalloc(&h->chunks, size);
    void *p = alloc_in_page(h, &r);
    return p ? __builtin_memset(p, 0, size) : NULL;
}

static inline unsigned size_in_header(const void *p)
{
    return ((const uint16_t *)p)[-1];
}

static inline unsigned unit_of(const struct page *page, const void *p)
{
    return (unsigned)((const int16_t *)p - page->units);
}

static size_t usable(const struct heap *h, const void *p)
{
    const struct page *page = page_of(h, p);
    if (!page)
        return large_usable(&h->chunks, p);
    if (h->headers)
        return size_in_header(p);
    const unsigned at = unit_of(page, p);
    return (next_end(page, at, page_units(h)) + 1 - at) * UNIT;
}

static void release(struct heap *h, void *p)
{
    struct page *page = page_of(h, p);
    if (!page) {
        large_release(&h->chunks, p);
        return;
    }
    const unsigned size = (unsigned)usable(h, p), header = h->headers ? (unsigned)minimal_align(size) : 0;
    const unsigned at = unit_of(page, p) - header / UNIT, units = (size + header) / UNIT;
    if (!h->headers)
        flip_end(page, at + units - 1);
    if (!page->free) {
        unlist(page);
        list_behind(page, &h->lists[list_for(units)]);
    }
    put_back(page, at, units);
    if (page->free == page_units(h))
        close_page(h, page);
}

/* A block stays where it is while it is large enough, as with krealloc(), and not more than twice as large. */
static void *resize(struct heap *h, void *p, size_t size)
{
    struct request r;
    const size_t has = usable(h, p);
    const bool was_large = !page_of(h, p), is_small = make_request(h, size, 1, &r);
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

enum { OPT_HEADER };

static const struct alloc_option options[] = {
    [OPT_HEADER] = {.name = "header",
                    .help = "whether each block has its size before it, as kmalloc()'s have",
                    .type = OPTION_CHOICE,
                    .def = 0,
                    .choices = (const char *const[]){"no", "yes", NULL}},
    {.name = NULL},
};

static struct heap *create(const struct page_source *source, const struct heap_config *config)
{
    struct chunks chunks;
    chunks_init(&chunks, source, source->page_size);
    struct heap *h = source->page_size <= PAGE_MAX ? chunks_take_pages(&chunks, 1) : NULL;
    if (!h)
        return NULL;
    *h = (struct heap){.chunks = chunks, .headers = config->opt[OPT_HEADER] != 0};
    for (unsigned i = 0; i < LISTS; i++)
        h->lists[i].next = h->lists[i].prev = &h->lists[i];
    h->frame_size = ALLOC_ROUND_UP(sizeof(struct page) + (h->headers ? 0 : source->page_size / UNIT / 8), 8);
    add_frames(h, (char *)(h + 1), (char *)h + source->page_size);
    return h;
}

static void destroy(struct heap *h)
{
    struct chunks chunks = h->chunks;
    large_destroy(&chunks); /* the pages too */
    for (struct frames *frames = h->frames, *next; frames; frames = next) {
        next = frames->next;
        chunks_give_pages(&chunks, frames, 1);
    }
    chunks_give_pages(&chunks, h, 1);
}

const struct allocator allocator_slob = {
    .abi = ALLOC_ABI,
    .caps = CAP_FREE | CAP_ANY_SIZE,
    .name = "slob",
    .summary = "first fit in pages of 2-byte units, three lists by size, after Linux's SLOB",
    .options = options,
    .create = create,
    .destroy = destroy,
    .alloc = alloc,
    .release = release,
    .zalloc = zalloc,
    .aligned = aligned,
    .resize = resize,
    .usable = usable,
    .walk = slob_walk,
    .check = slob_check,
};
