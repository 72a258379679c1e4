/*
 * slab.h - what the files of slab share: its structures, from the magazines down to the chunks.
 *
 *   slab.c            the contract: fast paths, classes, options
 *   slab_magazines.c  the magazine layer: what happens when a magazine is empty or full
 *   slab_caches.c     the slab layer: each cache's slabs, the objects in them, the reserve
 *   slab_pages.c      runs of pages for slabs, out of chunks
 *   slab_check.c      walk and check
 *
 *   fast path            slow paths
 *   loaded magazine ──► previous magazine ──► depot ──► slabs, partial first ──► runs of pages ──► page source
 */
#ifndef HEAPBENCH_SLAB_H
#define HEAPBENCH_SLAB_H

#include "allocators/chunks.h"
#include "allocators/page_map.h"

#define PAGES       16    /* of a chunk */
#define MAX_PAGE    65536 /* bytes, so that 16 bits count the objects of a slab and find its first */
#define MAX_CACHES  192
#define SMALL_MAX   1024 /* requests up to this find their cache in one table, to the byte */
#define COARSE      256  /* entries of the table for larger ones: where to begin to look */
#define MAX_ROUNDS  255
#define LINE        64   /* bytes of a cache line, the step of a colour */
#define CONSTRUCTED 0xc5 /* what the constructor writes */

/* The caches that serve no request: large blocks have a place among the caches, so that release() needs no question. */
enum { CACHE_LARGE, CACHE_MAGAZINES, FIRST_CACHE };

struct slab {
    void *free;               /* objects, linked through the word that the cache says */
    struct slab *next, *prev; /* in its cache's list of slabs with free objects */
    uint16_t live;            /* objects handed out, to a magazine or beyond */
    uint16_t fresh;           /* objects never handed out, the last ones */
    uint16_t start;           /* bytes from the first page to the first object */
    uint8_t cache;
    uint8_t npages; /* 0: not a slab */
};
_Static_assert(sizeof(struct slab) == 16 + 2 * sizeof(void *) || sizeof(void *) == 4, "a descriptor is half a line");

struct chunk {
    struct chunk *next, *prev; /* of those whose longest free run is the same */
    struct chunk *all_next, *all_prev;
    uint16_t free_pages;  /* bit: the page is in no slab */
    uint16_t capacity;    /* of the slab behind the header, while there is one */
    uint8_t list;         /* of heap.runs */
    uint8_t first[PAGES]; /* of each page in a slab: the slab's first page, also its descriptor's index */
    struct slab slabs[PAGES];
};

/* Rounds are objects; `below` stops whoever takes the last one. */
struct magazine {
    void *below; /* NULL while it is a cache's own; in the depot, the next magazine */
    void *rounds[];
};

struct cache {
    struct slab *partial; /* slabs with free objects; the next to take from; an empty one is at the end */
    struct slab *last;
    struct magazine *loaded, *previous; /* NULL: none yet; the previous one is full or empty */
    struct magazine *full;              /* the depot: full ones, and how many */
    uint16_t nfull;
    uint16_t rounds;    /* of a magazine; 0: the cache has none */
    uint32_t size;      /* of an object, bytes */
    uint32_t link;      /* bytes from an object to the word that links it while it is free */
    uint32_t construct; /* bytes that the constructor writes, once for each object */
    uint16_t empty;     /* slabs among the partial ones that are empty */
    uint16_t colour;    /* of the next slab */
    uint16_t capacity;  /* of a slab, but for one behind a header */
    uint16_t room;      /* bytes that a slab's objects leave over, for its colour */
    uint8_t npages;     /* of a slab */
    bool previous_full;
};

struct heap {
    struct page_map map; /* of each page in a slab, its cache's index; of a large block's first page, CACHE_LARGE */
    size_t max_object;
    uint8_t small[SMALL_MAX / HEAP_ALIGN + 1]; /* the cache of each rounded size */
    uint8_t coarse[COARSE];                    /* the first cache of objects larger than a multiple of coarse steps */
    unsigned coarse_log2;
    /* Of each cache's loaded magazine, what the fast paths need: */
    void **top[MAX_CACHES]; /* behind the last round; top[-1] is NULL when there is none */
    void **end[MAX_CACHES]; /* where no round fits any more */
    struct chunks chunks;
    size_t mask; /* of an address, its place in a chunk */
    size_t page_size;
    unsigned page_log2;
    unsigned ncaches, reserve, depot;
    void *none[1];                 /* the magazine of a cache without: NULL, and no place */
    struct magazine *spare;        /* empty magazines */
    unsigned nonempty;             /* bit: heap.runs has a chunk there */
    struct chunk *runs[PAGES + 1]; /* by the longest free run of pages 1 and on, plus one; 1: only page 0; 0: none */
    struct chunk *all;
    struct cache caches[];
};

/* ---- Where things are ----------------------------------------------------------------------------------------------
 */

static inline struct chunk *chunk_of(const struct heap *h, const void *p)
{
    return (struct chunk *)((uintptr_t)p & ~(uintptr_t)h->mask);
}

static inline struct slab *slab_of(const struct heap *h, const void *p)
{
    struct chunk *c = chunk_of(h, p);
    return &c->slabs[c->first[((uintptr_t)p & h->mask) >> h->page_log2]];
}

static inline char *objects_of(const struct heap *h, const struct slab *s)
{
    struct chunk *c = chunk_of(h, s);
    return (char *)c + ((size_t)(s - c->slabs) << h->page_log2) + s->start;
}

static inline size_t capacity_of(const struct heap *h, const struct slab *s)
{
    const struct chunk *c = chunk_of(h, s);
    return s == c->slabs ? c->capacity : h->caches[s->cache].capacity;
}

/* The word that links a free object. */
static inline void **link_of(const struct cache *k, const void *object)
{
    return (void **)((uintptr_t)object + k->link);
}

/* ---- slab_pages.c --------------------------------------------------------------------------------------------------
 */

/* A chunk of the aligned memory at c, whose first `taken` pages are not for slabs. False: no page for the map. */
bool slab_open_chunk(struct heap *h, struct chunk *c, unsigned taken);

/* n free pages of one chunk, the fullest that has them, as the descriptor of a slab of that cache; of page 0 only what
 * the header leaves, and only for `small` ones of one page. NULL: exhausted. */
struct slab *slab_take_run(struct heap *h, unsigned cache, unsigned n, bool small);
void slab_give_run(struct heap *h, struct slab *s);

/* ---- slab_caches.c -------------------------------------------------------------------------------------------------
 */

/* Takes 1 to n objects into into[], the last one to be used first. Returns how many; 0: exhausted. */
size_t slab_take(struct heap *h, unsigned cache, void **into, size_t n);

/* Gives back n objects of one cache. */
void slab_put(struct heap *h, unsigned cache, void *const *objects, size_t n);

/* Empties the magazines and gives all empty slabs back. */
void slab_reap(struct heap *h);

/* ---- slab_magazines.c ----------------------------------------------------------------------------------------------
 */

/* An object of a cache whose loaded magazine is empty. NULL: exhausted. */
void *slab_reload(struct heap *h, unsigned cache);

/* Takes back an object of a cache whose loaded magazine is full. */
void slab_unload(struct heap *h, unsigned cache, void *object);

/* All rounds of all magazines go back to their slabs, and all magazines but a cache's own two. */
void slab_empty_magazines(struct heap *h);

/* Calls visit for each round of a cache's magazines, with how many there are in a row. */
typedef void slab_rounds(void *const *rounds, size_t n, void *arg);
void slab_each_magazine(const struct heap *h, unsigned cache, slab_rounds *visit, void *arg);

/* ---- slab_check.c --------------------------------------------------------------------------------------------------
 */

bool slab_walk(const struct heap *h, heap_visit *visit, void *arg);
const char *slab_check(const struct heap *h);

#endif
