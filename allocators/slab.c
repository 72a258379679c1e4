/*
 * slab.c - caches of objects of one size, in slabs: runs of whole pages cut into equal objects.
 *
 * Each size class has a cache. A cache has a magazine: an array of free objects, from whose top objects are handed out
 * and onto which released ones are put, so that the last one released is the first one used again, whichever slab it
 * is of. When the magazine is empty, objects come from the free list of the current slab, or, fresh ones, are cut off
 * it into the magazine; when it is full, each goes back to the list of its own slab (slab_caches.c). With a depot, a
 * cache has a second magazine, and full ones beside, to exchange first (slab_magazines.c). An address leads to its
 * slab by a map; slabs are runs of pages cut from chunks; large blocks come from the page source (slab_pages.c).
 *
 *   a magazine           [ below ][ round ][ round ] ... [ round ][      ]
 *                                                                 ^ top  ^ end
 *   a chunk, 16 pages    [ header | page 0 ][ page 1 ][ page 2 ] ... [ page 15 ]      aligned to its size
 *   a slab               [ colour ][ object ][ object ] ... [ object ][ rest ][ descriptor ]     or that is elsewhere
 *
 * Follows J. Bonwick, "The slab allocator: an object-caching kernel memory allocator", USENIX Summer 1994: caches of
 * constructed objects (2.1), slabs with a free list and a count each, the partial ones listed before the empty ones
 * (3.2), reclaiming whole slabs (3.4), colouring (4.2); and J. Bonwick, J. Adams, "Magazines and Vmem", USENIX 2001,
 * for the magazines. The first keeps the descriptors of slabs of small objects on the slab, at its end, and finds the
 * others by hashing (3.2.2): so does management=on, but that the map leads to either. With management=off all are kept
 * off the slabs, side by side, as an object less in each slab costs more than they do. By default they are on the slab
 * where what its objects leave over has room for them.
 *
 * Cost          alloc and release O(1); a few instructions more when a slab is made or given back, O(split) for the
 *               class of a request of more than SMALL_MAX.
 * Overhead      no header; objects are rounded up to their class, a multiple of HEAP_ALIGN, with `split` classes per
 *               power of two by at most 1/split beyond that; 1/12 of a slab at most is left over where slabs of up to
 *               15 pages allow it, but for one behind a chunk's header; a descriptor of 56 bytes a slab (none where
 *               it is in what is left over), a pointer and a byte for each 4 KiB, and the magazines.
 *
 * Worst case    of memory: one object kept in every slab of every class ("hoardworst"), number of classes times the
 *               live bytes. check() verifies lists, counts, magazines and pages.
 */
#include "allocators/classes.h"
#include "allocators/slab.h"

#define BATCH     512 /* bytes of fresh objects listed at once, at least one object */
#define ON_SLAB   8   /* objects of 1/8 of a page at most may have their slab's descriptor on it, as in the paper */
#define LEFT_OVER 12  /* 1/12 of a slab may stay without an object: less makes longer slabs, which stay half used */

/* ---- Objects -------------------------------------------------------------------------------------------------------
 */

/* The cache of a request of more than SMALL_MAX and at most h->max_object bytes. */
static unsigned search_cache(const struct heap *h, size_t size)
{
    unsigned cache = h->coarse[(size - 1) >> h->coarse_log2];
    while (h->caches[cache].size < size)
        cache++;
    return cache;
}

static inline unsigned cache_for(const struct heap *h, size_t size)
{
    return size <= SMALL_MAX ? h->small[(size + HEAP_ALIGN - 1) / HEAP_ALIGN] : search_cache(h, size);
}

/* A large block; what the caches keep to themselves is given up for it if need be. */
static void *alloc_large(struct heap *h, size_t size, size_t align, bool zero)
{
    struct slab *s = slab_take_large(h, size, align, zero);
    if (!s && size <= SIZE_MAX / 2) {
        slab_reap(h);
        s = slab_take_large(h, size, align, zero);
    }
    return s ? s->objects : NULL;
}

/* There is no object where the fast path looks. */
static __attribute__((noinline)) void *take_slowly(struct heap *h, unsigned cache)
{
    bool exchange = h->depot || !h->caches[cache].loaded;
    return exchange && slab_reload(h, cache) ? *--h->top[cache] : slab_alloc(h, cache);
}

/* From the magazine, or, when it is empty, from the current slab. */
static inline void *take(struct heap *h, unsigned cache)
{
    void **top = h->top[cache], *object = top[-1];
    if (ALLOC_LIKELY(object != NULL)) {
        h->top[cache] = top - 1;
        return object;
    }
    struct slab *s = h->current[cache];
    object = s->free;
    if (ALLOC_UNLIKELY(!object))
        return take_slowly(h, cache);
    s->free = *(void **)object;
    s->live++;
    return object;
}

static __attribute__((noinline)) void *alloc_unusual(struct heap *h, size_t size)
{
    return size > h->max_object ? alloc_large(h, size, 1, false) : take(h, search_cache(h, size));
}

static void *alloc(struct heap *h, size_t size)
{
    if (ALLOC_UNLIKELY(size > SMALL_MAX))
        return alloc_unusual(h, size);
    return take(h, h->small[(size + HEAP_ALIGN - 1) / HEAP_ALIGN]);
}

static void *zalloc(struct heap *h, size_t size)
{
    if (size > h->max_object)
        return alloc_large(h, size, 1, true);
    void *object = alloc(h, size);
    return object ? __builtin_memset(object, 0, size) : NULL;
}

/* The slab was full, or is a large block, or its list is not for the fast path. */
static __attribute__((noinline)) void release_slowly(struct heap *h, void *p, struct slab *s)
{
    if (s->cache == CACHE_LARGE)
        slab_give_large(h, s);
    else if (slab_unload(h, s->cache))
        *h->top[s->cache]++ = p;
    else
        slab_release(h, s, p);
}

/* Onto the magazine, or, when it is full, onto the slab's own list. */
static void release(struct heap *h, void *p)
{
    unsigned cache = cache_of(h, p);
    void **top = h->top[cache];
    if (ALLOC_LIKELY(top != h->end[cache])) {
        *top = p;
        h->top[cache] = top + 1;
        return;
    }
    struct slab *s = slab_of(h, p);
    void *free = s->free;
    if (ALLOC_UNLIKELY(!free)) {
        release_slowly(h, p, s);
        return;
    }
    *(void **)p = free;
    s->free = p;
    if (ALLOC_UNLIKELY(--s->live == 0))
        slab_emptied(h, s);
}

/* Objects of a size that is a multiple of a power of two are aligned to it up to a page, since slabs begin at one;
 * large blocks begin at any page. */
static void *aligned(struct heap *h, size_t align, size_t size)
{
    if (align > h->chunks.size)
        return NULL;
    unsigned cache = size <= h->max_object && align <= h->page_size ? cache_for(h, size) : h->ncaches;
    while (cache < h->ncaches && h->caches[cache].size & (align - 1))
        cache++;
    return cache < h->ncaches ? take(h, cache) : alloc_large(h, size, align, false);
}

static inline size_t usable_in(const struct heap *h, const void *p, unsigned cache)
{
    return cache == CACHE_LARGE ? slab_of(h, p)->npages << h->page_log2 : h->caches[cache].size;
}

static size_t usable(const struct heap *h, const void *p)
{
    return usable_in(h, p, cache_of(h, p));
}

/* Stays where it is while the class stays; a large block, while it shrinks, or grows into pages that are free. Moves by
 * itself: alloc_resize_by_copy() would ask for the size by a call, and come back by two more. */
static void *resize(struct heap *h, void *p, size_t size)
{
    unsigned cache = cache_of(h, p);
    if (size <= h->max_object ? cache == cache_for(h, size)
                              : cache == CACHE_LARGE && slab_resize_large(h, slab_of(h, p), size))
        return p;
    void *moved = alloc(h, size);
    if (!moved)
        return NULL;
    __builtin_memcpy(moved, p, ALLOC_MIN(size, usable_in(h, p, cache)));
    release(h, p);
    return moved;
}

/* ---- The heap ------------------------------------------------------------------------------------------------------
 */

enum {
    OPT_CLASSES,
    OPT_SIZES,
    OPT_SPLIT,
    OPT_RESERVE,
    OPT_MAGAZINES,
    OPT_DEPOT,
    OPT_CONSTRUCT,
    OPT_CACHED,
    OPT_MANAGEMENT
};
enum { CLASSES_GEOMETRIC, CLASSES_TRACE };
enum { MANAGEMENT_OFF, MANAGEMENT_ON, MANAGEMENT_AUTO };

static const char *const class_choices[] = {"geometric", "trace", NULL};
static const char *const management_choices[] = {"off", "on", "auto", NULL};

static const struct alloc_option options[] = {
    [OPT_CLASSES] = {.name = "classes",
                     .help = "object sizes: in geometric steps, or chosen from what the trace asks for",
                     .type = OPTION_CHOICE,
                     .def = CLASSES_GEOMETRIC,
                     .choices = class_choices},
    [OPT_SIZES] = {.name = "sizes",
                   .help = "object sizes, instead of choosing them; geometric steps above the last",
                   .type = OPTION_SIZES,
                   .min = 1,
                   .max = 32768},
    [OPT_SPLIT] =
        {.name = "split", .help = "size classes per power of two", .type = OPTION_NUMBER, .def = 8, .min = 1, .max = 8},
    [OPT_RESERVE] = {.name = "reserve",
                     .help = "empty slabs that each cache keeps",
                     .type = OPTION_NUMBER,
                     .def = 1,
                     .min = 0,
                     .max = 1000},
    [OPT_MAGAZINES] = {.name = "magazines",
                       .help = "rounds of a magazine, that is, objects that a cache has at hand; 0: no magazines",
                       .type = OPTION_NUMBER,
                       .def = 63,
                       .min = 0,
                       .max = MAX_ROUNDS},
    [OPT_DEPOT] = {.name = "depot",
                   .help = "full magazines that a cache's depot keeps, to exchange; 0: a single magazine each",
                   .type = OPTION_NUMBER,
                   .def = 0,
                   .min = 0,
                   .max = 1000},
    [OPT_CONSTRUCT] = {.name = "construct",
                       .help = "bytes that a constructor writes, once for each object",
                       .type = OPTION_SIZE,
                       .def = 0,
                       .min = 0,
                       .max = 4096},
    [OPT_CACHED] = {.name = "cached",
                    .help = "bytes of objects that a magazine holds, at most, but for one object",
                    .type = OPTION_SIZE,
                    .def = 16384,
                    .min = 0,
                    .max = 1 << 20},
    [OPT_MANAGEMENT] =
        {.name = "management",
         .help = "descriptors of small objects' slabs: off the slab, on it, or on it if that costs no object",
         .type = OPTION_CHOICE,
         .def = MANAGEMENT_AUTO,
         .choices = management_choices},
    {.name = NULL},
};

/* The fewest pages that leave at most 1/LEFT_OVER over. */
static void choose_pages(const struct heap *h, struct cache *k)
{
    for (unsigned n = 1; n < PAGES; n++) {
        size_t bytes = ((size_t)n << h->page_log2) - k->descriptor, objects = alloc_divide(bytes, k->size);
        size_t room = bytes - objects * k->size;
        if (!objects || (k->npages && room > bytes / LEFT_OVER))
            continue; /* the fewest that hold one at all serve, if none leaves less */
        k->npages = (uint8_t)n;
        k->capacity = (uint16_t)objects;
        k->room = (uint16_t)ALLOC_MIN(room, h->page_size - 1); /* a slab's first object is in its first page */
        if (room <= bytes / LEFT_OVER)
            break;
    }
}

/* Where the descriptors of the cache's slabs are, with that how many pages a slab has, and where these may be. */
static void choose_layout(const struct heap *h, struct cache *k, uint64_t management)
{
    struct cache on = *k;
    on.descriptor = sizeof(struct slab);
    choose_pages(h, k);
    choose_pages(h, &on);
    bool costs = on.npages != k->npages || on.capacity != k->capacity;
    if (k->size <= h->page_size / ON_SLAB && management != MANAGEMENT_OFF && (management == MANAGEMENT_ON || !costs))
        *k = on;
    bool anywhere = k->npages == 1 && k->size <= (h->page_size - sizeof(struct chunk)) / 4;
    k->run = (uint8_t)(anywhere ? 1 : k->npages + 1);
}

static void open_cache(struct heap *h, unsigned cache, size_t size, const uint64_t *opt)
{
    size_t rounds = (size_t)opt[OPT_MAGAZINES], fits = alloc_divide((size_t)opt[OPT_CACHED], size);
    size_t link = opt[OPT_CONSTRUCT] ? size - sizeof(void *) : 0; /* behind what is constructed */
    bool internal = cache < FIRST_CACHE;
    h->current[cache] = &h->no_slab;
    h->top[cache] = h->end[cache] = h->no_magazine + 1;
    struct cache *k = &h->caches[cache];
    *k = (struct cache){.size = (uint32_t)size,
                        .link = internal ? 0 : (uint32_t)link,
                        .rounds = internal ? 0 : (uint8_t)ALLOC_MIN(rounds, ALLOC_MAX(fits, 1)),
                        .inverse = (uint32_t)alloc_divide(UINT32_MAX, size) + 1,
                        .construct = internal ? 0 : (uint32_t)ALLOC_MIN((size_t)opt[OPT_CONSTRUCT], link)};
    k->batch = (uint8_t)ALLOC_MAX(alloc_divide(BATCH, size), 1u);
    choose_layout(h, k, opt[OPT_MANAGEMENT]);
}

/* Those above `from`: multiples of HEAP_ALIGN first, then as many steps in each power of two as `split` says. */
static size_t geometric_sizes(size_t *sizes, size_t n, size_t from, size_t to, size_t split)
{
    size_t step = HEAP_ALIGN;
    for (size_t size = step;; size += step) {
        if (size > from)
            sizes[n++] = size;
        if (size >= to)
            return n;
        if (size >= 2 * split * step)
            step *= 2;
    }
}

/* The sizes of the caches' objects, into sizes[MAX_CACHES]. Returns how many; 0: no page to work in. */
static size_t choose_sizes(const struct page_source *source, const struct heap_config *config, size_t *sizes)
{
    const uint64_t *opt = config->opt;
    size_t largest = PAGES / 2 * source->page_size, nwork = 0, n = FIRST_CACHE;
    bool chosen = opt[OPT_SIZES] || opt[OPT_CLASSES] == CLASSES_TRACE;
    sizes[CACHE_LARGE] = 1;
    sizes[CACHE_MAGAZINES] = sizeof(struct magazine) + (size_t)opt[OPT_MAGAZINES] * sizeof(void *);
    while (chosen && nwork < config->nsizes && config->sizes[nwork].size <= largest)
        nwork++;
    if (nwork) {
        size_t nchosen = classes_from_work(source, config->sizes, nwork, sizes + n, CLASSES_MOST);
        if (!nchosen)
            return 0;
        n += nchosen;
    }
    return geometric_sizes(sizes, n, nwork ? sizes[n - 1] : 0, largest, (size_t)opt[OPT_SPLIT]);
}

static void fill_tables(struct heap *h)
{
    unsigned cache = FIRST_CACHE;
    for (size_t i = 0; i <= SMALL_MAX / HEAP_ALIGN; i++) {
        while (h->caches[cache].size < i * HEAP_ALIGN)
            cache++;
        h->small[i] = (uint8_t)cache;
    }
    cache = FIRST_CACHE;
    for (size_t i = 0; i < COARSE; i++) {
        while (h->caches[cache].size <= i << h->coarse_log2)
            cache++;
        h->coarse[i] = (uint8_t)cache;
    }
}

/* Lays the heap out behind the header of its first chunk. */
static struct heap *open_heap(const struct chunks *chunks, struct chunk *own, const uint64_t *opt, const size_t *sizes,
                              size_t n)
{
    struct heap *h = (struct heap *)(own + 1);
    char *end = (char *)(h->caches + n);
    size_t page_size = chunks->source.page_size;
    *h = (struct heap){.chunks = *chunks,
                       .mask = chunks->size - 1,
                       .page_size = page_size,
                       .page_log2 = chunks->page_log2,
                       .max_object = sizes[n - 1],
                       .coarse_log2 = alloc_first_bit(PAGES / 2 * page_size / COARSE),
                       .ncaches = (unsigned)n,
                       .direct = !opt[OPT_CONSTRUCT] && !opt[OPT_DEPOT],
                       .reserve = (unsigned)opt[OPT_RESERVE],
                       .depot = (unsigned)opt[OPT_DEPOT]};
    for (unsigned i = 0; i < n; i++)
        open_cache(h, i, sizes[i], opt);
    fill_tables(h);
    size_t bytes = ALLOC_ROUND_UP((size_t)(end - (char *)own) + sizeof(uint8_t *), page_size);
    slab_map_open(&h->map, end, bytes - (size_t)(end - (char *)own));
    if (slab_open_chunk(h, own, (unsigned)(bytes >> h->page_log2)))
        return h;
    slab_close_pages(h);
    return NULL;
}

static struct heap *create(const struct page_source *source, const struct heap_config *config)
{
    size_t sizes[MAX_CACHES], n = source->page_size <= MAX_PAGE ? choose_sizes(source, config, sizes) : 0;
    struct chunks chunks;
    chunks_init(&chunks, source, PAGES * source->page_size);
    struct chunk *own = n ? chunks_take_aligned(&chunks, PAGES) : NULL;
    struct heap *h = own ? open_heap(&chunks, own, config->opt, sizes, n) : NULL;
    if (own && !h)
        chunks_give_pages(&chunks, own, PAGES);
    return h;
}

static void destroy(struct heap *h)
{
    slab_close_pages(h);
}

const struct allocator allocator_slab = {
    .abi = ALLOC_ABI,
    .caps = CAP_FREE | CAP_ANY_SIZE,
    .name = "slab",
    .summary = "magazines over caches of slabs by size class, after Bonwick",
    .options = options,
    .create = create,
    .destroy = destroy,
    .alloc = alloc,
    .release = release,
    .zalloc = zalloc,
    .aligned = aligned,
    .resize = resize,
    .usable = usable,
    .walk = slab_walk,
    .check = slab_check,
};
