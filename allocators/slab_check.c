/*
 * slab_check.c - slab: every block of a heap, and whether all that must be true of it is; see slab.c.
 *
 * An object is free that is fresh, on its slab's free list, or a round of a magazine; each is marked in a bitmap of its
 * slab, and one that is marked twice is an error. Cost: O(objects + slabs x rounds of their caches).
 */
#include "allocators/slab.h"

#define MAX_OBJECTS (MAX_PAGE / HEAP_ALIGN) /* of a slab: small ones have a page */

struct objects {
    const struct heap *heap;
    const struct slab *slab;
    size_t n;
    size_t found;                    /* free ones */
    size_t rounds;                   /* of these, in magazines */
    const char *broken;              /* NULL: all is well */
    uint64_t free[MAX_OBJECTS / 64]; /* bit: the object is free */
};

/* False: it is none of the slab's objects, or marked already. */
static bool mark(struct objects *o, const void *object)
{
    const struct cache *k = &o->heap->caches[o->slab->cache];
    size_t offset = (size_t)((const char *)object - o->slab->objects);
    size_t i = (size_t)((uint64_t)k->inverse * (uint32_t)offset >> 32); /* exact for all objects of a slab */
    if (offset >= o->n * k->size || i * k->size != offset || o->free[i / 64] >> (i % 64) & 1)
        return false;
    o->free[i / 64] |= UINT64_C(1) << (i % 64);
    o->found++;
    return true;
}

static void mark_rounds(void *const *rounds, size_t n, void *arg)
{
    struct objects *o = arg;
    for (size_t i = 0; i < n; i++) {
        if (slab_find(o->heap, rounds[i]) != o->slab)
            continue;
        if (!mark(o, rounds[i]))
            o->broken = "a round of a magazine is no object, or free already";
        o->rounds++;
    }
}

static void find_free(const struct heap *h, const struct slab *s, struct objects *o)
{
    const struct cache *k = &h->caches[s->cache];
    *o = (struct objects){.heap = h, .slab = s, .n = s->capacity};
    for (size_t i = o->n - s->fresh; i < o->n; i++)
        mark(o, s->objects + i * k->size);
    for (const void *object = s->free; object && !o->broken; object = *(void *const *)object)
        if (!mark(o, object))
            o->broken = "a slab's list is damaged";
    for (const void *object = s->stored; object && !o->broken; object = *link_of(k, object))
        if (!mark(o, object))
            o->broken = "a slab's list is damaged";
    slab_each_magazine(h, s->cache, mark_rounds, o);
}

/* ---- walk ----------------------------------------------------------------------------------------------------------
 */

static bool walk_slab(const struct heap *h, const struct slab *s, heap_visit *visit, void *arg)
{
    struct objects o;
    if (s->cache == CACHE_MAGAZINES)
        return true;
    find_free(h, s, &o);
    size_t size = h->caches[s->cache].size;
    for (size_t i = 0; i < o.n; i++) {
        struct heap_block seen = {s->objects + i * size, size, !(o.free[i / 64] >> (i % 64) & 1)};
        if (!visit(&seen, arg))
            return false;
    }
    return true;
}

/* The slab that begins in this page of the chunk; NULL: none does. */
static const struct slab *slab_at(const struct heap *h, const struct chunk *c, unsigned page)
{
    const struct slab *s = slab_find(h, (const char *)c + ((size_t)page << h->page_log2));
    return s && page_of(h, s) == page ? s : NULL;
}

/* Free pages from this one on that may become one slab: page 0, which has the header, stands alone. 0: not free. */
static unsigned free_run(const struct chunk *c, unsigned page)
{
    unsigned n = 0;
    while (page + n < PAGES && c->free_pages >> (page + n) & 1 && (page > 0 || n == 0))
        n++;
    return n;
}

static bool walk_chunk(const struct heap *h, const struct chunk *c, heap_visit *visit, void *arg)
{
    for (unsigned page = 0, n; page < PAGES; page += ALLOC_MAX(n, 1u)) {
        n = free_run(c, page);
        size_t skip = page ? 0 : sizeof *c, bytes = (size_t)n << h->page_log2;
        struct heap_block seen = {(const char *)c + ((size_t)page << h->page_log2) + skip, bytes - skip, false};
        const struct slab *s = n ? NULL : slab_at(h, c, page);
        if (n ? !visit(&seen, arg) : s && !walk_slab(h, s, visit, arg))
            return false;
    }
    return true;
}

bool slab_walk(const struct heap *h, heap_visit *visit, void *arg)
{
    for (const struct chunk *c = h->all; c; c = c->all_next)
        if (!walk_chunk(h, c, visit, arg))
            return false;
    for (const struct slab *s = h->caches[CACHE_LARGE].partial; s; s = s->next)
        if (!visit(&(struct heap_block){s->objects, s->npages << h->page_log2, true}, arg))
            return false;
    return true;
}

/* ---- check ---------------------------------------------------------------------------------------------------------
 */

static bool is_partial(const struct heap *h, const struct slab *s)
{
    for (const struct slab *l = h->caches[s->cache].partial; l; l = l->next)
        if (l == s)
            return true;
    return false;
}

static const char *check_slab(const struct heap *h, const struct slab *s)
{
    struct objects o;
    if (s->cache < CACHE_MAGAZINES || s->cache >= h->ncaches)
        return "a slab belongs to no cache";
    const char *page = (const char *)((uintptr_t)s->objects & ~(uintptr_t)(h->page_size - 1));
    for (size_t i = 0; i < s->npages << h->page_log2; i += h->page_size)
        if (slab_find(h, page + i) != s || cache_of(h, page + i) != s->cache)
            return "a slab's page leads elsewhere";
    const struct cache *k = &h->caches[s->cache];
    const char *end = page + (s->npages << h->page_log2);
    if (((const char *)(s + 1) == end) != (k->descriptor > 0))
        return "a slab's descriptor is not where its cache has them";
    if (s->objects + (size_t)s->capacity * k->size > end - k->descriptor)
        return "a slab's objects reach behind it, or into its descriptor";
    if (h->direct ? s->stored != NULL : s->free != NULL)
        return "a slab has a list of the other kind";
    find_free(h, s, &o);
    if (o.broken)
        return o.broken;
    if (o.found - o.rounds + s->live != o.n || s->live < o.rounds)
        return "a slab miscounts its objects";
    if (is_partial(h, s) != (s != h->current[s->cache] && (s->free || s->stored || s->fresh)))
        return "a slab with free objects is on no list, or a full one is on one";
    return NULL;
}

static const char *check_chunk(const struct heap *h, const struct chunk *c)
{
    for (unsigned page = 0; page < PAGES; page++) {
        const struct slab *s = slab_find(h, (const char *)c + ((size_t)page << h->page_log2));
        if (s && c->free_pages >> page & 1)
            return "a free page is in a slab";
        const char *broken = slab_at(h, c, page) ? check_slab(h, s) : NULL;
        if (broken)
            return broken;
    }
    unsigned run = 0;
    for (unsigned page = 1, n; page < PAGES; page += ALLOC_MAX(n, 1u))
        run = ALLOC_MAX(run, n = free_run(c, page));
    if (c->list != (run ? run + 1 : c->free_pages & 1))
        return "a chunk is listed under the wrong run";
    for (const struct chunk *l = h->runs[c->list]; l; l = l->next)
        if (l == c)
            return NULL;
    return "a chunk is not on the list of its longest run";
}

struct tally {
    const struct heap *heap;
    unsigned cache;
    size_t rounds;
    bool strays;
};

static void tally_rounds(void *const *rounds, size_t n, void *arg)
{
    struct tally *t = arg;
    for (size_t i = 0; i < n; i++) {
        const struct slab *s = slab_find(t->heap, rounds[i]);
        t->strays |= !s || s->cache != t->cache;
    }
    t->rounds += n;
}

static const char *check_magazines(const struct heap *h, unsigned cache)
{
    const struct cache *k = &h->caches[cache];
    struct tally t = {.heap = h, .cache = cache};
    size_t full = 0;
    slab_each_magazine(h, cache, tally_rounds, &t);
    for (const struct magazine *m = k->full; m; m = m->below)
        full++;
    if (t.strays)
        return "a magazine holds another cache's object";
    if (full != k->nfull || full > h->depot)
        return "a depot miscounts its magazines";
    void **top = h->top[cache], **end = h->end[cache];
    if (k->loaded ? k->loaded->below || end != k->loaded->rounds + k->rounds || top > end
                  : top != h->no_magazine + 1 || end != top)
        return "a loaded magazine has other bounds than its cache says";
    if (k->previous ? k->previous->below != NULL : k->previous_full)
        return "a previous magazine is in the depot, or there is none";
    if (h->current[cache] != &h->no_slab && h->current[cache]->cache != cache)
        return "a cache's current slab is another's";
    return NULL;
}

static const char *check_cache(const struct heap *h, unsigned cache)
{
    const struct cache *k = &h->caches[cache];
    const struct slab *prev = NULL;
    size_t empty = 0;
    for (const struct slab *s = k->partial; s; prev = s, s = s->next) {
        if (s->prev != prev || s->cache != cache)
            return "a cache's list of slabs is damaged";
        empty += s->live == 0;
    }
    if (prev != k->last)
        return "a cache does not know its last slab";
    if (empty != k->empty || empty > h->reserve)
        return "a cache miscounts its empty slabs";
    return check_magazines(h, cache);
}

/* Large blocks, and what the heap holds in all. */
static const char *check_pages(const struct heap *h)
{
    size_t pages = h->map.own_pages;
    for (const struct chunk *c = h->all; c; c = c->all_next)
        pages += PAGES;
    for (const struct slab *page = h->slab_pages; page; page = page->next)
        pages++;
    for (size_t i = 0; i < h->map.capacity; i++)
        pages += h->map.leaves[i] ? ((sizeof(struct slab_leaf) - 1) >> h->page_log2) + 1 : 0;
    for (const struct slab *s = h->caches[CACHE_LARGE].partial; s; s = s->next) {
        if (slab_find(h, s->objects) != s || s->cache != CACHE_LARGE || cache_of(h, s->objects) != CACHE_LARGE)
            return "a large block cannot be found";
        pages += s->npages;
    }
    return pages << h->page_log2 == h->chunks.held ? NULL : "the parts do not add up to the pages held";
}

const char *slab_check(const struct heap *h)
{
    const char *broken = check_pages(h);
    for (const struct chunk *c = h->all; c && !broken; c = c->all_next)
        broken = check_chunk(h, c);
    for (unsigned i = CACHE_MAGAZINES; i < h->ncaches && !broken; i++)
        broken = check_cache(h, i);
    return broken;
}
