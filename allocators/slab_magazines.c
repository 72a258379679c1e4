/*
 * slab_magazines.c - slab: the layer of magazines over the slabs; see slab.c.
 *
 * A cache takes objects from its loaded magazine and puts them back there. Empty, it changes places with the previous
 * one if that is full, else with a full one of the depot; full, it changes places with the previous one if that is
 * empty, else goes to the depot while that has room. Where there is nothing to exchange, and always without a depot,
 * objects pass between the caller and their slabs one by one, as if there were no magazines (J. Bonwick, J. Adams,
 * "Magazines and Vmem", USENIX 2001, 3.1-3.3; there each processor has a pair and only the depot is shared). A magazine
 * is an array: an object that comes and goes is not touched, whatever its state. Magazines are objects of a cache of
 * their own; a cache that was never used has none.
 */
#include "allocators/slab.h"

/* An empty one. NULL: exhausted. */
static struct magazine *take_magazine(struct heap *h)
{
    struct magazine *m = h->spare;
    if (m) {
        h->spare = m->below;
    } else {
        m = slab_alloc(h, CACHE_MAGAZINES);
    }
    if (m)
        m->below = NULL;
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

bool slab_reload(struct heap *h, unsigned cache)
{
    struct cache *k = &h->caches[cache];
    if (!k->loaded) {
        struct magazine *first = k->rounds ? take_magazine(h) : NULL;
        if (first)
            load(h, cache, first, 0);
        return false;
    }
    if (k->previous_full) {
        swap(h, cache);
        return true;
    }
    struct magazine *m = k->full;
    if (!m)
        return false;
    k->full = m->below;
    k->nfull--;
    m->below = NULL;
    give_magazine(h, k->loaded);
    load(h, cache, m, k->rounds);
    return true;
}

bool slab_unload(struct heap *h, unsigned cache)
{
    struct cache *k = &h->caches[cache];
    if (!k->loaded || !h->depot)
        return false;
    if (k->previous && !k->previous_full) {
        swap(h, cache);
        return true;
    }
    struct magazine *m = k->previous && k->nfull >= h->depot ? NULL : take_magazine(h);
    if (!m)
        return false;
    if (k->previous) {
        k->previous->below = k->full;
        k->full = k->previous;
        k->nfull++;
    }
    k->previous = m;
    k->previous_full = false;
    swap(h, cache);
    return true;
}

static void empty(struct heap *h, struct magazine *m, size_t n)
{
    while (n > 0) {
        void *object = m->rounds[--n];
        slab_release(h, slab_of(h, object), object);
    }
}

void slab_empty_magazines(struct heap *h)
{
    for (unsigned i = FIRST_CACHE; i < h->ncaches; i++) {
        struct cache *k = &h->caches[i];
        for (struct magazine *m = k->full, *next; m; m = next) {
            next = m->below;
            empty(h, m, k->rounds);
            give_magazine(h, m);
        }
        k->full = NULL;
        k->nfull = 0;
        if (k->previous_full)
            empty(h, k->previous, k->rounds);
        k->previous_full = false;
        if (k->loaded) {
            empty(h, k->loaded, (size_t)(h->top[i] - k->loaded->rounds));
            load(h, i, k->loaded, 0);
        }
    }
    for (struct magazine *m; (m = h->spare);) {
        h->spare = m->below;
        slab_release(h, slab_of(h, m), m);
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
