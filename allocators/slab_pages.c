/*
 * slab_pages.c - slab: runs of pages for slabs, cut from chunks; see slab.c.
 *
 * A chunk is PAGES pages, aligned to its size, so that an object finds its slab's descriptor by masking. Chunks are
 * listed by their longest free run, so that the head of a list always serves; the shortest run that does is taken, for
 * the fullest chunks to fill up and the emptiest to become free. Page 0 has the chunk's header before it and therefore
 * counts on its own. Cost: O(PAGES) for taking and giving back.
 */
#include "allocators/slab.h"

/* The pages from which on n of them are set. */
static unsigned runs_of(unsigned pages, unsigned n)
{
    for (; n > 1 && pages; n--)
        pages &= pages >> 1;
    return pages;
}

static unsigned list_for(unsigned free_pages)
{
    unsigned longest = 0;
    for (unsigned pages = free_pages & ~1u; pages; pages &= pages >> 1)
        longest++;
    return longest ? longest + 1 : free_pages & 1;
}

static void list_chunk(struct heap *h, struct chunk *c)
{
    c->list = (uint8_t)list_for(c->free_pages);
    c->prev = NULL;
    c->next = h->runs[c->list];
    if (c->next)
        c->next->prev = c;
    h->runs[c->list] = c;
    h->nonempty |= 1u << c->list;
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
    c->free_pages = (uint16_t)free_pages;
    if (list_for(free_pages) == c->list)
        return;
    unlist_chunk(h, c);
    list_chunk(h, c);
}

bool slab_open_chunk(struct heap *h, struct chunk *c, unsigned taken)
{
    if (!page_map_cover(&h->map, c, PAGES))
        return false;
    for (unsigned i = 0; i < PAGES; i++) {
        c->first[i] = (uint8_t)i;
        c->slabs[i].npages = 0;
    }
    c->free_pages = (uint16_t)(0xffffu << taken);
    c->all_prev = NULL;
    c->all_next = h->all;
    if (h->all)
        h->all->all_prev = c;
    h->all = c;
    list_chunk(h, c);
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

struct slab *slab_take_run(struct heap *h, unsigned cache, unsigned n, bool small)
{
    unsigned serving = h->nonempty & ~0u << (small ? 1 : n + 1);
    struct chunk *c = serving ? h->runs[__builtin_ctz(serving)] : new_chunk(h);
    if (!c)
        return NULL;
    unsigned pages = small ? c->free_pages : runs_of(c->free_pages & ~1u, n), page = (unsigned)__builtin_ctz(pages);
    change_chunk(h, c, c->free_pages & ~(((1u << n) - 1) << page));
    for (unsigned i = 0; i < n; i++)
        c->first[page + i] = (uint8_t)page;
    page_map_set(&h->map, (char *)c + ((size_t)page << h->page_log2), n, (uint8_t)cache, (uint8_t)cache);
    struct slab *s = &c->slabs[page];
    s->npages = (uint8_t)n;
    s->cache = (uint8_t)cache;
    return s;
}

void slab_give_run(struct heap *h, struct slab *s)
{
    struct chunk *c = chunk_of(h, s);
    unsigned page = (unsigned)(s - c->slabs);
    change_chunk(h, c, c->free_pages | ((1u << s->npages) - 1) << page);
    s->npages = 0;
    if (c->free_pages == 0xffff && (c->next || c->prev))
        close_chunk(h, c); /* one empty chunk is kept, against a see-saw */
}
