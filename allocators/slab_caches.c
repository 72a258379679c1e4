/*
 * slab_caches.c - slab: each cache's slabs and the objects in them; see slab.c.
 *
 * A cache takes objects from its current slab. It lists the others that have a free object: those in use first, the
 * empty ones last, of which no more than the reserve stay. A full slab is on no list. Fresh objects are not threaded
 * when a slab is made: it counts them, and they are cut off in batches when nothing else is free, so that an untouched
 * page stays untouched and an object is constructed when first needed. Cost: O(1) for an object, O(PAGES) more where a
 * slab is made or given back.
 */
#include "allocators/slab.h"

void slab_list_first(struct cache *k, struct slab *s)
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

void slab_unlist(struct cache *k, struct slab *s)
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

/* A slab of fresh objects, not listed. NULL: exhausted. */
static struct slab *new_slab(struct heap *h, unsigned cache)
{
    struct cache *k = &h->caches[cache];
    struct slab *s = slab_take_run(h, k);
    if (!s)
        return NULL;
    size_t align = k->size & -k->size, step = ALLOC_MAX(align, LINE);
    char *start = s->objects;
    if ((uintptr_t)start & (h->page_size - 1)) {
        s->objects = (char *)ALLOC_ROUND_UP((uintptr_t)start, align);
        size_t room = h->page_size - ((uintptr_t)s->objects & (h->page_size - 1)) - k->descriptor;
        s->capacity = (uint16_t)alloc_divide(room, k->size);
    } else {
        s->objects = start + k->colour;
        s->capacity = k->capacity;
        k->colour = (uint16_t)(k->colour + step <= k->room ? k->colour + step : 0);
    }
    s->free = s->stored = NULL;
    s->live = 0;
    s->fresh = s->capacity;
    s->cache = (uint8_t)cache;
    return s;
}

/* A slab with a free object, not listed any more: the next partial one, or a new one. NULL: exhausted. */
static struct slab *next_slab(struct heap *h, unsigned cache)
{
    struct cache *k = &h->caches[cache];
    struct slab *s = k->partial;
    if (!s) {
        s = new_slab(h, cache);
        if (s || cache == CACHE_MAGAZINES)
            return s;
        slab_reap(h);
        if (!(s = k->partial))
            return new_slab(h, cache);
    }
    slab_unlist(k, s);
    k->empty = (uint16_t)(k->empty - (s->live == 0));
    return s;
}

/* An empty slab that is not listed: to the reserve, or back. */
static void retire(struct heap *h, struct slab *s)
{
    struct cache *k = &h->caches[s->cache];
    if (k->empty >= h->reserve) {
        slab_give_run(h, s);
        return;
    }
    k->empty++;
    list_last(k, s);
}

/* ---- Objects -------------------------------------------------------------------------------------------------------
 */

static bool has_free(const struct slab *s)
{
    return s->free || s->stored || s->fresh;
}

static void push(const struct heap *h, struct slab *s, void *object)
{
    void **link = link_of(&h->caches[s->cache], object);
    void **list = h->direct ? &s->free : &s->stored;
    *link = *list;
    *list = object;
}

static void *pop(const struct heap *h, struct slab *s)
{
    void **list = h->direct ? &s->free : &s->stored, *object = *list;
    *list = *link_of(&h->caches[s->cache], object);
    return object;
}

/* Constructs n objects from the first one on. */
static void construct(const struct cache *k, char *object, size_t n)
{
    for (; k->construct && n > 0; n--, object += k->size)
        for (size_t i = 0; i < k->construct; i++)
            object[i] = (char)CONSTRUCTED;
}

/* Cuts up to n fresh objects off a slab. Returns the first of them; *cut is how many. */
static char *cut_fresh(const struct cache *k, struct slab *s, size_t n, size_t *cut)
{
    char *first = s->objects + (size_t)(s->capacity - s->fresh) * k->size;
    *cut = ALLOC_MIN(s->fresh, n);
    s->fresh = (uint16_t)(s->fresh - *cut);
    construct(k, first, *cut);
    return first;
}

/* Links some of a slab's fresh objects into a list, the first one foremost. */
static void list_fresh(const struct heap *h, struct slab *s)
{
    const struct cache *k = &h->caches[s->cache];
    const size_t size = k->size, link = k->link;
    size_t n;
    char *object = cut_fresh(k, s, k->batch, &n), *last = object + (n - 1) * size;
    *(h->direct ? &s->free : &s->stored) = object;
    for (; object < last; object += size)
        *(void **)(object + link) = object + size;
    *(void **)(last + link) = NULL;
}

/* Puts fresh objects into the loaded magazine, which is empty, but for the first, which is returned: none of them is
 * touched. */
static void *load_fresh(struct heap *h, struct slab *s)
{
    const struct cache *k = &h->caches[s->cache];
    const size_t size = k->size;
    void **top = h->top[s->cache];
    size_t n;
    char *first = cut_fresh(k, s, k->rounds, &n);
    s->live = (uint16_t)(s->live + n);
    for (char *object = first + (n - 1) * size; object > first; object -= size)
        *top++ = object;
    h->top[s->cache] = top;
    return first;
}

void *slab_alloc(struct heap *h, unsigned cache)
{
    struct slab *s = h->current[cache];
    if (!has_free(s)) {
        h->current[cache] = &h->no_slab;
        s = next_slab(h, cache);
        if (!s)
            return NULL;
        h->current[cache] = s;
    }
    if (!s->free && !s->stored) {
        if (h->caches[cache].loaded)
            return load_fresh(h, s);
        list_fresh(h, s);
    }
    s->live++;
    return pop(h, s);
}

/* A full slab that has an object again becomes the current one: what was released last is used first. */
static void make_current(struct heap *h, struct slab *s)
{
    struct slab *current = h->current[s->cache];
    h->current[s->cache] = s;
    if (!has_free(current))
        return;
    if (current->live == 0)
        retire(h, current);
    else
        slab_list_first(&h->caches[s->cache], current);
}

void slab_release(struct heap *h, struct slab *s, void *object)
{
    bool was_full = !has_free(s);
    push(h, s, object);
    s->live--;
    if (s == h->current[s->cache])
        return;
    if (was_full)
        make_current(h, s);
    else if (s->live == 0)
        slab_emptied(h, s);
}

void slab_emptied(struct heap *h, struct slab *s)
{
    if (s == h->current[s->cache])
        return;
    slab_unlist(&h->caches[s->cache], s);
    retire(h, s);
}

void slab_reap(struct heap *h)
{
    slab_empty_magazines(h);
    for (unsigned i = CACHE_MAGAZINES; i < h->ncaches; i++) {
        struct cache *k = &h->caches[i];
        for (; k->empty > 0; k->empty--) {
            struct slab *s = k->last;
            slab_unlist(k, s);
            slab_give_run(h, s);
        }
        if (h->current[i] != &h->no_slab && h->current[i]->live == 0) {
            slab_give_run(h, h->current[i]);
            h->current[i] = &h->no_slab;
        }
    }
    slab_give_chunks(h);
}
