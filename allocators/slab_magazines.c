/*
 * slab_magazines.c - slab: the layer of magazines over the slabs; see slab.c.
 *
 * A cache takes objects from its loaded magazine and puts them back there. Empty, it changes places with the previous
 * one if that is full, else with a full one of the depot, else it is filled from the slabs; full, it changes places
 * with the previous one if that is empty, else goes to the depot, or, when the depot has its share, the previous one's
 * rounds go to their slabs. So between two trips to the slabs lie as many operations as a magazine has rounds
 * (J. Bonwick, J. Adams, "Magazines and Vmem", USENIX 2001, 3.1-3.3; there each processor has a pair and only the depot
 * is shared). A magazine is an array: an object that comes and goes is not touched, whatever its state. Magazines are
 * objects of a cache of their own; a cache that was never used has none.
 */
#include "allocators/slab.h"

/* An empty one. NULL: exhausted. */
static struct magazine *take_magazine(struct heap *h)
{
    struct magazine *m = h->spare;
    if (m) {
        h->spare = m->below;
        m->below = NULL;
    } else if (slab_take(h, CACHE_MAGAZINES, (void **)&m, 1)) {
        m->below = NULL;
    }
    return m;
}

static void give_magazine(struct heap *h, struct magazine *m)
{
    m->below = h->spare;
    h->spare = m;
}

/* Makes `m`, which has n rounds, the loaded one. */
static void load(struct heap *h, unsigned cache, struct magazine *m, size_t n)
{
    struct cache *k = &h->caches[cache];
    k->loaded = m;
    h->top[cache] = m->rounds + n;
    h->end[cache] = m->rounds + k->rounds;
}

/* The loaded and the previous one change places. */
static void swap(struct heap *h, unsigned cache)
{
    struct cache *k = &h->caches[cache];
    struct magazine *previous = k->previous;
    size_t n = k->previous_full ? k->rounds : 0;
    k->previous = k->loaded;
    k->previous_full = n == 0;
    load(h, cache, previous, n);
}

static void *pop(struct heap *h, unsigned cache)
{
    return *--h->top[cache];
}

void *slab_reload(struct heap *h, unsigned cache)
{
    struct cache *k = &h->caches[cache];
    void *object = NULL;
    if (k->previous_full) {
        swap(h, cache);
        return pop(h, cache);
    }
    if (k->full) {
        struct magazine *m = k->full;
        k->full = m->below;
        k->nfull--;
        m->below = NULL;
        give_magazine(h, k->loaded);
        load(h, cache, m, k->rounds);
        return pop(h, cache);
    }
    if (k->rounds && !k->loaded) {
        struct magazine *m = take_magazine(h);
        if (m)
            load(h, cache, m, 0);
    }
    if (!k->loaded)
        return slab_take(h, cache, &object, 1) ? object : NULL;
    size_t taken = slab_take(h, cache, k->loaded->rounds, k->rounds);
    h->top[cache] = k->loaded->rounds + taken;
    return taken ? pop(h, cache) : NULL;
}

/* The previous magazine is full as well: makes it an empty one. */
static void retire_previous(struct heap *h, unsigned cache)
{
    struct cache *k = &h->caches[cache];
    struct magazine *m = k->nfull < h->depot ? take_magazine(h) : NULL;
    if (m) {
        k->previous->below = k->full;
        k->full = k->previous;
        k->nfull++;
        k->previous = m;
    } else {
        slab_put(h, cache, k->previous->rounds, k->rounds);
    }
    k->previous_full = false;
}

void slab_unload(struct heap *h, unsigned cache, void *object)
{
    struct cache *k = &h->caches[cache];
    if (k->rounds && !k->previous)
        k->previous = take_magazine(h);
    if (!k->previous) {
        slab_put(h, cache, &object, 1);
        return;
    }
    if (!k->loaded) {
        load(h, cache, k->previous, 0);
        k->previous = NULL;
    } else {
        if (k->previous_full)
            retire_previous(h, cache);
        swap(h, cache);
    }
    *h->top[cache]++ = object;
}

void slab_empty_magazines(struct heap *h)
{
    for (unsigned i = FIRST_CACHE; i < h->ncaches; i++) {
        struct cache *k = &h->caches[i];
        for (struct magazine *m = k->full, *next; m; m = next) {
            next = m->below;
            slab_put(h, i, m->rounds, k->rounds);
            give_magazine(h, m);
        }
        k->full = NULL;
        k->nfull = 0;
        if (k->previous_full)
            slab_put(h, i, k->previous->rounds, k->rounds);
        k->previous_full = false;
        if (k->loaded) {
            slab_put(h, i, k->loaded->rounds, (size_t)(h->top[i] - k->loaded->rounds));
            load(h, i, k->loaded, 0);
        }
    }
    for (struct magazine *m; (m = h->spare);) {
        h->spare = m->below;
        slab_put(h, CACHE_MAGAZINES, (void **)&m, 1);
    }
}

void slab_each_magazine(const struct heap *h, unsigned cache, slab_rounds *visit, void *arg)
{
    const struct cache *k = &h->caches[cache];
    if (k->loaded)
        visit(k->loaded->rounds, (size_t)(h->top[cache] - k->loaded->rounds), arg);
    if (k->previous_full)
        visit(k->previous->rounds, k->rounds, arg);
    for (const struct magazine *m = k->full; m; m = m->below)
        visit(m->rounds, k->rounds, arg);
}
