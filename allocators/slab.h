/*
 * slab.h - what the files of slab share: its structures, from the magazines down to the chunks.
 *
 *   slab.c            the contract: fast paths, classes, options
 *   slab_magazines.c  the magazine layer: what happens when a magazine is empty or full
 *   slab_caches.c     the slab layer: each cache's slabs, the objects in them, the reserve
 *   slab_pages.c      runs of pages for slabs, out of chunks
 *   slab_check.c      walk and check
 *
 *   loaded magazine ──► previous magazine, depot ──► current slab ──► partial slabs ──► runs of pages ──► page source
 */
#ifndef HEAPBENCH_SLAB_H
#define HEAPBENCH_SLAB_H

#include "allocators/chunks.h"

#define PAGES       16    /* of a chunk */
#define MAX_PAGE    65536 /* bytes, so that 16 bits count the objects of a slab */
#define MAX_CACHES  192
#define SMALL_MAX   4096 /* requests up to this find their cache in one table, to the byte */
#define COARSE      256  /* entries of the table for larger ones: where to begin to look */
#define MAX_ROUNDS  255
#define LINE        64   /* bytes of a cache line, the step of a colour */
#define CONSTRUCTED 0xc5 /* what the constructor writes */
#define UNIT_LOG2   12   /* of the bytes that an entry of the map stands for: the smallest page */
#define LEAF_LOG2   10   /* of the entries in a leaf of the map */

/* The caches that serve no request: a large block is a slab of one object, in a cache of its own. */
enum { CACHE_LARGE, CACHE_MAGAZINES, FIRST_CACHE };

/* What a release needs is in its first 16 bytes. */
struct slab {
    void *free;        /* objects, linked through their first word; NULL where the fast paths have nothing to do */
    uint16_t live;     /* objects handed out, to a magazine or beyond */
    uint16_t fresh;    /* objects never handed out, the last ones */
    uint16_t capacity; /* objects */
    uint8_t cache;
    char *objects;            /* the first one */
    void *stored;             /* objects, linked through the word that the cache says, in a heap whose paths are slow */
    struct slab *next, *prev; /* in its cache's list of slabs with free objects; of large blocks */
    size_t npages;
};

struct chunk {
    struct chunk *next, *prev; /* of those whose longest free run is the same */
    struct chunk *all_next, *all_prev;
    uint16_t free_pages; /* bit: the page is in no slab */
    uint8_t list;        /* of heap.runs */
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
    uint8_t rounds;     /* of a magazine; 0: the cache has none */
    uint8_t batch;      /* fresh objects threaded at once */
    uint32_t size;      /* of an object, bytes */
    uint32_t link;      /* bytes from an object to the word that links it while it is free */
    uint32_t inverse;   /* 2^32 / size, rounded up: to tell an object's index without a division */
    uint32_t construct; /* bytes that the constructor writes, once for each object */
    uint16_t empty;     /* slabs among the partial ones that are empty */
    uint16_t colour;    /* of the next slab */
    uint16_t capacity;  /* of a slab, but for one behind a header */
    uint16_t room;      /* bytes that a slab's objects leave over, for its colour */
    uint8_t npages;     /* of a slab */
    uint8_t run;        /* the first list of heap.runs with the pages for a slab */
    uint8_t descriptor; /* bytes at the end of a slab, for its descriptor; 0: that is elsewhere */
    bool previous_full;
};

/* Page to slab, in two levels; see slab_pages.c. The caches stand apart, a byte for each page, for release to read no
 * descriptor: those on slabs are all at the end of a page, so that they compete for the same sets of the processor's
 * cache. */
struct slab_leaf {
    uint8_t caches[1u << LEAF_LOG2];
    struct slab *slabs[1u << LEAF_LOG2];
};

struct slab_map {
    uintptr_t origin; /* where the directory would begin if it began with leaf 0 */
    struct slab_leaf **leaves;
    size_t first, capacity; /* of the directory */
    size_t own_pages;       /* of the directory; 0 while it is in the heap's room */
};

struct heap {
    struct slab_map map;
    bool direct;                      /* the fast paths may use the slabs' lists: these are `free`, else `stored` */
    void **top[MAX_CACHES];           /* of each cache's loaded magazine: behind the last round; top[-1] is NULL when */
    void **end[MAX_CACHES];           /* there is none; and where no round fits any more */
    struct slab *current[MAX_CACHES]; /* of each cache the slab to take from, on no list; or `no_slab` */
    uint8_t small[SMALL_MAX / HEAP_ALIGN + 1]; /* the cache of each rounded size */
    uint8_t coarse[COARSE];                    /* the first cache of objects larger than a multiple of coarse steps */
    unsigned coarse_log2;
    size_t max_object;
    struct slab no_slab;  /* has no object */
    void *no_magazine[1]; /* NULL, and no place */
    struct chunks chunks;
    size_t mask; /* of an address, its place in a chunk */
    size_t page_size;
    unsigned page_log2;
    unsigned ncaches, reserve, depot;
    struct magazine *spare;        /* empty magazines */
    struct slab *spare_slabs;      /* descriptors */
    struct slab *slab_pages;       /* the first descriptor of each page of them, used for this link only */
    unsigned nonempty;             /* bit: heap.runs has a chunk there */
    struct chunk *runs[PAGES + 1]; /* by the longest free run of pages 1 and on, plus one; 1: only page 0; 0: none */
    struct chunk *all;
    struct cache caches[];
};

/* ---- Where things are ----------------------------------------------------------------------------------------------
 */

/* The leaf for an address in a slab, and the place in it. */
static inline struct slab_leaf *leaf_of(const struct heap *h, const void *p)
{
    uintptr_t number = (uintptr_t)p >> (UNIT_LOG2 + LEAF_LOG2);
    return *(struct slab_leaf **)(h->map.origin + number * sizeof(struct slab_leaf *));
}

static inline size_t unit_of(const void *p)
{
    return (uintptr_t)p >> UNIT_LOG2 & ((1u << LEAF_LOG2) - 1);
}

static inline struct slab *slab_of(const struct heap *h, const void *p)
{
    return leaf_of(h, p)->slabs[unit_of(p)];
}

static inline unsigned cache_of(const struct heap *h, const void *p)
{
    return leaf_of(h, p)->caches[unit_of(p)];
}

static inline struct chunk *chunk_of(const struct heap *h, const void *p)
{
    return (struct chunk *)((uintptr_t)p & ~(uintptr_t)h->mask);
}

/* The page of its chunk where a slab begins. */
static inline unsigned page_of(const struct heap *h, const struct slab *s)
{
    return (unsigned)(((uintptr_t)s->objects & h->mask) >> h->page_log2);
}

/* The word that links a stored object. */
static inline void **link_of(const struct cache *k, const void *object)
{
    return (void **)((uintptr_t)object + k->link);
}

/* ---- slab_pages.c --------------------------------------------------------------------------------------------------
 */

/* An empty map whose directory begins in the room. */
void slab_map_open(struct slab_map *map, void *room, size_t room_bytes);

/* The slab of any address; NULL: none. */
struct slab *slab_find(const struct heap *h, const void *p);

/* A chunk of the aligned memory at c, whose first `taken` pages are not for slabs. False: no page for the map. */
bool slab_open_chunk(struct heap *h, struct chunk *c, unsigned taken);

/* A slab for the cache, of free pages of one chunk, the fullest that has them, `objects` at the first usable byte; of
 * page 0 only what the header leaves, for a cache whose slabs may be there. NULL: exhausted. */
struct slab *slab_take_run(struct heap *h, const struct cache *k);
void slab_give_run(struct heap *h, struct slab *s);

/* Gives back the chunk that was kept though it is empty. */
void slab_give_chunks(struct heap *h);

/* A large block, with `zero` one whose first `size` bytes are zero. NULL: exhausted. */
struct slab *slab_take_large(struct heap *h, size_t size, size_t align, bool zero);

/* Gives the block's last pages back, or takes those behind it. False: they are not to be had. */
bool slab_resize_large(struct heap *h, struct slab *s, size_t size);
void slab_give_large(struct heap *h, struct slab *s);

/* Gives every page back. */
void slab_close_pages(struct heap *h);

/* ---- slab_caches.c -------------------------------------------------------------------------------------------------
 */

void slab_list_first(struct cache *k, struct slab *s);
void slab_unlist(struct cache *k, struct slab *s);

/* An object of the cache's slabs. NULL: exhausted. */
void *slab_alloc(struct heap *h, unsigned cache);

/* Takes an object back into its slab, whatever that looks like. */
void slab_release(struct heap *h, struct slab *s, void *object);

/* The last object in use of a slab came back. */
void slab_emptied(struct heap *h, struct slab *s);

/* Empties the magazines and gives all empty slabs back. */
void slab_reap(struct heap *h);

/* ---- slab_magazines.c ----------------------------------------------------------------------------------------------
 */

/* The loaded magazine is empty, or there is none yet: puts one with rounds in its place. False: there is none. */
bool slab_reload(struct heap *h, unsigned cache);

/* The loaded magazine is full: puts one with room in its place. False: there is none. */
bool slab_unload(struct heap *h, unsigned cache);

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
