/*
 * slab_pages.c - slab: pages for slabs, and which slab a page is in; see slab.c.
 *
 * Runs of pages are cut from chunks of PAGES pages, aligned to their size. Chunks are listed by their longest free run,
 * so that the head of a list always serves; the shortest run that does is taken, for the fullest chunks to fill up and
 * the emptiest to become free. Page 0 has the chunk's header before it and therefore counts on its own. Large blocks
 * have pages of their own.
 *
 * A map in two levels leads from any address to its slab and cache: a directory of leaves, and in a leaf a pointer and
 * a byte for each 4 KiB. The directory spans the leaves in use; it begins in room that the heap has left over and moves
 * to pages of its own when it must. Cost: O(PAGES) for a run; the map's directory at least doubles when it grows.
 */
#include "allocators/slab.h"

/* ---- The map -------------------------------------------------------------------------------------------------------
 */

static size_t leaf_number(const void *p)
{
    return (uintptr_t)p >> (UNIT_LOG2 + LEAF_LOG2);
}

static size_t pages_for(const struct heap *h, size_t bytes)
{
    return (bytes + h->page_size - 1) >> h->page_log2;
}

static void set_directory(struct slab_map *map, struct slab_leaf **leaves, size_t first, size_t capacity)
{
    map->leaves = leaves;
    map->first = first;
    map->capacity = capacity;
    map->origin = (uintptr_t)leaves - first * sizeof *leaves;
}

void slab_map_open(struct slab_map *map, void *room, size_t room_bytes)
{
    *map = (struct slab_map){.own_pages = 0};
    set_directory(map, room, 0, room_bytes / sizeof *map->leaves);
    for (size_t i = 0; i < map->capacity; i++)
        map->leaves[i] = NULL;
}

/* A larger directory that spans the old one and the leaf, this in its middle if the heap has just begun. */
static bool grow_directory(struct heap *h, size_t leaf)
{
    struct slab_map *map = &h->map;
    size_t low = ALLOC_MIN(map->first, leaf), high = ALLOC_MAX(map->first + map->capacity - 1, leaf);
    size_t npages = pages_for(h, 2 * (high - low + 1) * sizeof *map->leaves), own_pages = map->own_pages;
    size_t capacity = (npages << h->page_log2) / sizeof *map->leaves, slack = (capacity - (high - low + 1)) / 2;
    size_t first = low > slack ? low - slack : 0;
    struct slab_leaf **old = map->leaves, **leaves = chunks_take_pages(&h->chunks, npages);
    if (!leaves)
        return false;
    for (size_t i = 0; i < capacity; i++)
        leaves[i] = NULL;
    for (size_t i = 0; i < map->capacity; i++)
        leaves[map->first - first + i] = old[i];
    set_directory(map, leaves, first, capacity);
    map->own_pages = npages;
    if (own_pages)
        chunks_give_pages(&h->chunks, old, own_pages);
    return true;
}

static struct slab_leaf **leaf_at(const struct heap *h, size_t leaf)
{
    size_t i = leaf - h->map.first; /* wraps when below */
    return i < h->map.capacity ? &h->map.leaves[i] : NULL;
}

static bool cover_leaf(struct heap *h, size_t leaf)
{
    struct slab_map *map = &h->map;
    bool unused = !map->own_pages;
    for (size_t i = 0; i < map->capacity && unused; i++)
        unused = !map->leaves[i];
    if (unused)
        set_directory(map, map->leaves, leaf > map->capacity / 2 ? leaf - map->capacity / 2 : 0, map->capacity);
    if (!leaf_at(h, leaf) && !grow_directory(h, leaf))
        return false;
    struct slab_leaf **entry = leaf_at(h, leaf);
    if (*entry)
        return true;
    struct slab_leaf *new = chunks_take_pages(&h->chunks, pages_for(h, sizeof *new));
    if (!new)
        return false;
    for (size_t i = 0; i < 1u << LEAF_LOG2; i++)
        new->slabs[i] = NULL;
    *entry = new;
    return true;
}

static bool cover(struct heap *h, const char *pages, size_t bytes)
{
    for (size_t leaf = leaf_number(pages); leaf <= leaf_number(pages + bytes - 1); leaf++)
        if ((!leaf_at(h, leaf) || !*leaf_at(h, leaf)) && !cover_leaf(h, leaf))
            return false;
    return true;
}

/* With no slab, the cache means nothing. */
static void map_pages(struct heap *h, const char *pages, size_t bytes, struct slab *s, unsigned cache)
{
    for (const char *p = pages; p < pages + bytes; p += (size_t)1 << UNIT_LOG2) {
        struct slab_leaf *leaf = leaf_of(h, p);
        leaf->slabs[unit_of(p)] = s;
        leaf->caches[unit_of(p)] = (uint8_t)cache;
    }
}

struct slab *slab_find(const struct heap *h, const void *p)
{
    struct slab_leaf **leaf = leaf_at(h, leaf_number(p));
    return leaf && *leaf ? slab_of(h, p) : NULL;
}

/* ---- Descriptors ---------------------------------------------------------------------------------------------------
 */

static struct slab *take_descriptor(struct heap *h)
{
    if (!h->spare_slabs) {
        struct slab *page = chunks_take_pages(&h->chunks, 1);
        if (!page)
            return NULL;
        page->next = h->slab_pages;
        h->slab_pages = page;
        for (size_t i = alloc_divide(h->page_size, sizeof *page) - 1; i > 0; i--) {
            page[i].next = h->spare_slabs;
            h->spare_slabs = &page[i];
        }
    }
    struct slab *s = h->spare_slabs;
    h->spare_slabs = s->next;
    return s;
}

static void give_descriptor(struct heap *h, struct slab *s)
{
    s->next = h->spare_slabs;
    h->spare_slabs = s;
}

/* ---- Chunks --------------------------------------------------------------------------------------------------------
 */

/* The pages from which on n of them are set. */
static unsigned runs_of(unsigned pages, unsigned n)
{
    for (; n > 1 && pages; n--)
        pages &= pages >> 1;
    return pages;
}

/* The list of a chunk with these free pages. */
static unsigned list_for(unsigned free_pages)
{
    unsigned longest = 0, pages = free_pages & ~1u;
    if (!pages)
        return free_pages;
    for (unsigned rest = pages; rest; rest &= rest >> 1)
        longest++;
    return longest + 1;
}

static void list_chunk(struct heap *h, struct chunk *c, unsigned list)
{
    c->list = (uint8_t)list;
    c->prev = NULL;
    c->next = h->runs[list];
    if (c->next)
        c->next->prev = c;
    h->runs[list] = c;
    h->nonempty |= 1u << list;
}

static void unlist_chunk(struct heap *h, struct chunk *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else if (!(h->runs[c->list] = c->next))
        h->nonempty &= ~(1u << c->list);
    if (c->next)
        c->next->prev = c->prev;
}

/* Which pages of the chunk are free changes to `free_pages`. */
static void change_chunk(struct heap *h, struct chunk *c, unsigned free_pages)
{
    unsigned list = list_for(free_pages);
    c->free_pages = (uint16_t)free_pages;
    if (list == c->list)
        return;
    unlist_chunk(h, c);
    list_chunk(h, c, list);
}

bool slab_open_chunk(struct heap *h, struct chunk *c, unsigned taken)
{
    if (!cover(h, (char *)c, h->chunks.size))
        return false;
    c->free_pages = (uint16_t)(0xffffu << taken);
    c->all_prev = NULL;
    c->all_next = h->all;
    if (h->all)
        h->all->all_prev = c;
    h->all = c;
    list_chunk(h, c, list_for(c->free_pages));
    return true;
}

/* The heap's own chunk is never closed: its first pages are never free. */
static void close_chunk(struct heap *h, struct chunk *c)
{
    unlist_chunk(h, c);
    if (c->all_prev)
        c->all_prev->all_next = c->all_next;
    else
        h->all = c->all_next;
    if (c->all_next)
        c->all_next->all_prev = c->all_prev;
    chunks_give_pages(&h->chunks, c, PAGES);
}

static struct chunk *new_chunk(struct heap *h)
{
    struct chunk *c = chunks_take_aligned(&h->chunks, PAGES);
    if (c && !slab_open_chunk(h, c, 0)) {
        chunks_give_pages(&h->chunks, c, PAGES);
        return NULL;
    }
    return c;
}

struct slab *slab_take_run(struct heap *h, const struct cache *k)
{
    struct slab *s = k->descriptor ? NULL : take_descriptor(h);
    unsigned n = k->npages, serving = h->nonempty & ~0u << k->run;
    struct chunk *c = !s && !k->descriptor ? NULL : serving ? h->runs[__builtin_ctz(serving)] : new_chunk(h);
    if (!c) {
        if (s)
            give_descriptor(h, s);
        return NULL;
    }
    unsigned pages = k->run == 1 ? c->free_pages : runs_of(c->free_pages & ~1u, n),
             page = (unsigned)__builtin_ctz(pages);
    char *start = (char *)c + ((size_t)page << h->page_log2);
    size_t bytes = (size_t)n << h->page_log2;
    change_chunk(h, c, c->free_pages & ~(((1u << n) - 1) << page));
    if (!s)
        s = (struct slab *)(start + bytes - k->descriptor);
    map_pages(h, start, bytes, s, (unsigned)(k - h->caches));
    s->objects = page ? start : start + sizeof *c;
    s->npages = n;
    return s;
}

void slab_give_run(struct heap *h, struct slab *s)
{
    struct chunk *c = chunk_of(h, s->objects);
    unsigned page = page_of(h, s);
    map_pages(h, (char *)c + ((size_t)page << h->page_log2), s->npages << h->page_log2, NULL, 0);
    change_chunk(h, c, c->free_pages | ((1u << s->npages) - 1) << page);
    if (!h->caches[s->cache].descriptor)
        give_descriptor(h, s);
    if (c->free_pages == 0xffff && (c->next || c->prev))
        close_chunk(h, c); /* one empty chunk is kept, against a see-saw */
}

void slab_give_chunks(struct heap *h)
{
    for (struct chunk *c = h->runs[PAGES], *next; c; c = next) {
        next = c->next;
        if (c->free_pages == 0xffff)
            close_chunk(h, c);
    }
}

/* ---- Large blocks --------------------------------------------------------------------------------------------------
 */

struct slab *slab_take_large(struct heap *h, size_t size, size_t align, bool zero)
{
    size_t npages = pages_for(h, size);
    struct slab *s = size > SIZE_MAX / 2 ? NULL : take_descriptor(h);
    char *block = s ? chunks_take_at(&h->chunks, npages, align) : NULL;
    size_t dirty = block && zero ? chunks_dirty(&h->chunks, block, size) : 0;
    if (block && cover(h, block, h->page_size)) {
        __builtin_memset(block, 0, dirty);
        map_pages(h, block, h->page_size, s, CACHE_LARGE);
        *s = (struct slab){.live = 1, .capacity = 1, .cache = CACHE_LARGE, .objects = block, .npages = npages};
        slab_list_first(&h->caches[CACHE_LARGE], s);
        return s;
    }
    if (block)
        chunks_give_pages(&h->chunks, block, npages);
    if (s)
        give_descriptor(h, s);
    return NULL;
}

/* Which pages are next is the source's to say: it is asked, and has them back when they are others. */
static bool grow_large(struct heap *h, struct slab *s, size_t npages)
{
    size_t n = npages - s->npages;
    char *more = chunks_take_pages(&h->chunks, n);
    if (more == s->objects + (s->npages << h->page_log2)) {
        s->npages = npages;
        return true;
    }
    if (more)
        chunks_give_pages(&h->chunks, more, n);
    return false;
}

bool slab_resize_large(struct heap *h, struct slab *s, size_t size)
{
    if (size > SIZE_MAX / 2)
        return false;
    size_t npages = pages_for(h, size);
    if (npages > s->npages)
        return grow_large(h, s, npages);
    chunks_give_pages(&h->chunks, s->objects + (npages << h->page_log2), s->npages - npages);
    s->npages = npages;
    return true;
}

void slab_give_large(struct heap *h, struct slab *s)
{
    slab_unlist(&h->caches[CACHE_LARGE], s);
    map_pages(h, s->objects, h->page_size, NULL, 0);
    chunks_give_pages(&h->chunks, s->objects, s->npages);
    give_descriptor(h, s);
}

/* ---- All -----------------------------------------------------------------------------------------------------------
 */

void slab_close_pages(struct heap *h)
{
    struct chunks chunks = h->chunks;
    struct chunk *c = h->all;
    for (const struct slab *s = h->caches[CACHE_LARGE].partial; s; s = s->next)
        chunks_give_pages(&chunks, s->objects, s->npages);
    for (struct slab *page = h->slab_pages, *next; page; page = next) {
        next = page->next;
        chunks_give_pages(&chunks, page, 1);
    }
    for (size_t i = 0; i < h->map.capacity; i++)
        if (h->map.leaves[i])
            chunks_give_pages(&chunks, h->map.leaves[i], pages_for(h, sizeof(struct slab_leaf)));
    if (h->map.own_pages)
        chunks_give_pages(&chunks, h->map.leaves, h->map.own_pages);
    for (struct chunk *next; c; c = next) {
        next = c->all_next; /* the heap stands in the last one */
        chunks_give_pages(&chunks, c, PAGES);
    }
}
