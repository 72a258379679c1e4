/*
 * slab_caches.c - slab: each cache's slabs and the objects in them; see slab.c.
 *
 * A cache lists the slabs that have a free object: those in use first, the empty ones last, of which no more than the
 * reserve stay. A full slab is on no list. Fresh objects are never threaded: the slab counts them, and they are cut off
 * one after the other, so an untouched page stays untouched and an object is constructed when first needed. Cost: O(1)
 * for an object, O(PAGES) more where a slab is made or given back.
 */
#include "allocators/slab.h"

static void list_first(struct cache *k, struct slab *s)
{
    s->prev = NULL;
    s->next = k->partial;
    if (k->partial)
        k->partial->prev = s;
    else
        k->last = s;
    k->partial = s;
}

static void list_last(struct cache *k, struct slab *s)
{
    s->next = NULL;
    s->prev = k->last;
    if (k->last)
        k->last->next = s;
    else
        k->partial = s;
    k->last = s;
}

static void unlist(struct cache *k, struct slab *s)
{
    if (s->prev)
        s->prev->next = s->next;
    else
        k->partial = s->next;
    if (s->next)
        s->next->prev = s->prev;
    else
        k->last = s->prev;
}

/* A listed slab of fresh objects. NULL: exhausted. */
static struct slab *new_slab(struct heap *h, unsigned cache)
{
    struct cache *k = &h->caches[cache];
    bool small = k->npages == 1 && k->size <= (h->page_size - sizeof(struct chunk)) / 4;
    struct slab *s = slab_take_run(h, cache, k->npages, small);
    if (!s)
        return NULL;
    struct chunk *c = chunk_of(h, s);
    size_t align = k->size & -k->size, step = ALLOC_MAX(align, LINE);
    s->start = k->colour;
    if (s == c->slabs) {
        s->start = (uint16_t)ALLOC_ROUND_UP(sizeof *c, align);
        c->capacity = (uint16_t)alloc_divide(h->page_size - s->start, k->size);
    } else {
        k->colour = (uint16_t)(k->colour + step <= k->room ? k->colour + step : 0);
    }
    s->free = NULL;
    s->live = 0;
    s->fresh = (uint16_t)capacity_of(h, s);
    k->empty++;
    list_first(k, s);
    return s;
}

static void construct(unsigned char *object, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        object[i] = CONSTRUCTED;
}

/* Cuts up to n fresh objects off the slab, into the places before `into`, downwards. Returns how many. */
static size_t cut_fresh(const struct heap *h, const struct cache *k, struct slab *s, void **into, size_t n)
{
    const size_t size = k->size, bytes = k->construct;
    char *fresh = objects_of(h, s) + (capacity_of(h, s) - s->fresh) * size;
    n = ALLOC_MIN(n, s->fresh);
    s->fresh = (uint16_t)(s->fresh - n);
    for (void **at = into, **stop = into - n; at > stop; fresh += size) {
        *--at = fresh;
        if (ALLOC_UNLIKELY(bytes))
            construct((unsigned char *)fresh, bytes);
    }
    return n;
}

/* Takes up to n objects of one slab, the freed ones first. */
static size_t take_from(const struct heap *h, const struct cache *k, struct slab *s, void **into, size_t n)
{
    const size_t link = k->link;
    char *object = s->free;
    void **at = into + n;
    for (; object && at > into; object = *(void **)(object + link))
        *--at = object;
    s->free = object;
    if (at > into && s->fresh)
        at -= cut_fresh(h, k, s, at, (size_t)(at - into));
    n -= (size_t)(at - into);
    if (at > into)
        __builtin_memmove(into, at, n * sizeof *into);
    s->live = (uint16_t)(s->live + n);
    return n;
}

size_t slab_take(struct heap *h, unsigned cache, void **into, size_t n)
{
    struct cache *k = &h->caches[cache];
    struct slab *s = k->partial;
    if (!s)
        s = new_slab(h, cache);
    if (!s && cache != CACHE_MAGAZINES) {
        slab_reap(h);
        s = k->partial ? k->partial : new_slab(h, cache);
    }
    if (!s)
        return 0;
    k->empty = (uint16_t)(k->empty - (s->live == 0));
    size_t taken = take_from(h, k, s, into, n);
    if (!s->free && !s->fresh)
        unlist(k, s);
    return taken;
}

/* Its last object came back. */
static void slab_emptied(struct heap *h, struct cache *k, struct slab *s)
{
    unlist(k, s);
    if (k->empty >= h->reserve) {
        slab_give_run(h, s);
        return;
    }
    k->empty++;
    list_last(k, s);
}

/* Objects that follow each other are often of one page, whose slab is then looked up once. */
void slab_put(struct heap *h, unsigned cache, void *const *objects, size_t n)
{
    struct cache *k = &h->caches[cache];
    const size_t link = k->link, page_log2 = h->page_log2;
    for (void *const *end = objects + n; objects < end;) {
        char *object = *objects;
        const uintptr_t page = (uintptr_t)object >> page_log2;
        struct slab *s = slab_of(h, object);
        void *free = s->free, *const *first = objects;
        if (!free && !s->fresh)
            list_first(k, s);
        do {
            *(void **)(object + link) = free;
            free = object;
        } while (++objects < end && (uintptr_t)(object = *objects) >> page_log2 == page);
        s->free = free;
        s->live = (uint16_t)(s->live - (objects - first));
        if (s->live == 0)
            slab_emptied(h, k, s);
    }
}

void slab_reap(struct heap *h)
{
    slab_empty_magazines(h);
    for (unsigned i = CACHE_MAGAZINES; i < h->ncaches; i++) {
        struct cache *k = &h->caches[i];
        for (; k->empty > 0; k->empty--) {
            struct slab *s = k->last;
            unlist(k, s);
            slab_give_run(h, s);
        }
    }
}
