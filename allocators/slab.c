/*
 * slab.c - caches of objects of one size, in slabs: runs of whole pages cut into equal objects.
 *
 * Each size class has a cache, and each cache two magazines: arrays of free objects, from whose top objects are handed
 * out and onto which released ones are put, with no question but whether it is empty or full (slab_magazines.c). Behind
 * them stand the slabs, each with a free list and a count of its own (slab_caches.c), in runs of pages cut from chunks
 * (slab_pages.c). Which cache an object belongs to is found by its page in a page map; its slab, by masking its
 * address, in the header of the chunk.
 *
 *   a magazine           [ below ][ round ][ round ] ... [ round ][      ]
 *                                                                 ^ top  ^ end
 *   a chunk, 16 pages    [ header | page 0 ][ page 1 ][ page 2 ] ... [ page 15 ]      aligned to its size
 *                          the slabs' descriptors, off the slabs: which slab a page is in, its list, its count
 *   a slab               [ colour ][ object ][ object ] ... [ object ][ rest ]
 *
 * Follows J. Bonwick, "The slab allocator: an object-caching kernel memory allocator", USENIX Summer 1994: caches of
 * constructed objects (2.1), slabs with a free list and a count each (3.2), reclaiming whole slabs (3.4), colouring
 * (4.2); and J. Bonwick, J. Adams, "Magazines and Vmem", USENIX 2001. Where the first keeps small slabs' data on the
 * slab and finds the others by hashing (3.2.2), here all stand in the chunk's header, found by masking.
 *
 * Cost          alloc and release O(1), and in one of `magazines` operations at most O(magazines) more.
 * Overhead      no header; objects are rounded up to their class, a multiple of HEAP_ALIGN, with `split` classes per
 *               power of two by at most 1/split beyond that; 1/8 of a slab at most is left over, but for one behind a
 *               chunk's header, which takes 1 % of the chunk; a byte a page for the map.
 * Worst case    of memory: one object kept in every slab of every class ("hoardworst"), number of classes times the
 *               live bytes. check() verifies lists, counts, magazines and pages.
 */
#include "allocators/classes.h"
#include "allocators/slab.h"

extern const struct allocator allocator_slab;

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

static void *take_large(struct heap *h, size_t size, size_t align)
{
    void *block = large_alloc_at(&h->chunks, size, align);
    if (!block)
        return NULL;
    if (!page_map_cover(&h->map, block, 1)) {
        large_release(&h->chunks, block);
        return NULL;
    }
    page_map_set(&h->map, block, 1, CACHE_LARGE, CACHE_LARGE);
    return block;
}

/* A large block; what the caches keep to themselves is given up for it if need be. */
static void *alloc_large(struct heap *h, size_t size, size_t align)
{
    void *block = take_large(h, size, align);
    if (block || size > SIZE_MAX / 2)
        return block;
    slab_reap(h);
    return take_large(h, size, align);
}

static inline void *take(struct heap *h, unsigned cache)
{
    void **top = h->top[cache], *object = top[-1];
    if (ALLOC_UNLIKELY(!object))
        return slab_reload(h, cache);
    h->top[cache] = top - 1;
    return object;
}

static __attribute__((noinline)) void *alloc_unusual(struct heap *h, size_t size)
{
    return size > h->max_object ? alloc_large(h, size, 1) : take(h, search_cache(h, size));
}

static void *alloc(struct heap *h, size_t size)
{
    if (ALLOC_UNLIKELY(size > SMALL_MAX))
        return alloc_unusual(h, size);
    return take(h, h->small[(size + HEAP_ALIGN - 1) / HEAP_ALIGN]);
}

/* No round fits: there is no magazine, as a large block never has one, or it is full. */
static __attribute__((noinline)) void release_unusual(struct heap *h, void *p, unsigned cache)
{
    if (cache == CACHE_LARGE)
        large_release(&h->chunks, p);
    else
        slab_unload(h, cache, p);
}

static void release(struct heap *h, void *p)
{
    unsigned cache = page_map_get(&h->map, p);
    void **top = h->top[cache];
    if (ALLOC_UNLIKELY(top == h->end[cache])) {
        release_unusual(h, p, cache);
        return;
    }
    *top = p;
    h->top[cache] = top + 1;
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
    return cache < h->ncaches ? take(h, cache) : alloc_large(h, size, align);
}

static size_t usable(const struct heap *h, const void *p)
{
    unsigned cache = page_map_get(&h->map, p);
    return cache == CACHE_LARGE ? large_usable(&h->chunks, p) : h->caches[cache].size;
}

/* Stays where it is while the class, or the number of pages, stays; a large block shrinks in place. */
static void *resize(struct heap *h, void *p, size_t size)
{
    unsigned cache = page_map_get(&h->map, p);
    if (size <= h->max_object ? cache == cache_for(h, size)
                              : cache == CACHE_LARGE && size <= large_usable(&h->chunks, p)) {
        if (cache == CACHE_LARGE)
            large_shrink(&h->chunks, p, size);
        return p;
    }
    return alloc_resize_by_copy(&allocator_slab, h, p, size);
}

/* ---- The heap ------------------------------------------------------------------------------------------------------
 */

enum { OPT_CLASSES, OPT_SIZES, OPT_SPLIT, OPT_RESERVE, OPT_MAGAZINES, OPT_DEPOT, OPT_CONSTRUCT, OPT_CACHED };
enum { CLASSES_GEOMETRIC, CLASSES_TRACE };

static const char *const class_choices[] = {"geometric", "trace", NULL};

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
                       .help = "rounds of a magazine, two for each cache; 0: none",
                       .type = OPTION_NUMBER,
                       .def = 31,
                       .min = 0,
                       .max = MAX_ROUNDS},
    [OPT_DEPOT] = {.name = "depot",
                   .help = "full magazines that each cache's depot keeps",
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
                    .help = "bytes of objects that a magazine holds at most, but for one round",
                    .type = OPTION_SIZE,
                    .def = 8192,
                    .min = 0,
                    .max = 1 << 20},
    {.name = NULL},
};

/* The fewest pages that leave at most 1/8 over. */
static void choose_pages(const struct heap *h, struct cache *k)
{
    for (unsigned n = 1; n < PAGES; n++) {
        size_t bytes = (size_t)n << h->page_log2, objects = alloc_divide(bytes, k->size);
        size_t room = bytes - objects * k->size;
        if (!objects || (k->npages && room > bytes / 8))
            continue; /* the fewest that hold one at all serve, if none leaves less */
        k->npages = (uint8_t)n;
        k->capacity = (uint16_t)objects;
        k->room = (uint16_t)room;
        if (room <= bytes / 8)
            break;
    }
}

static void open_cache(struct heap *h, unsigned cache, size_t size, const uint64_t *opt)
{
    size_t rounds = (size_t)opt[OPT_MAGAZINES], fits = alloc_divide((size_t)opt[OPT_CACHED], size);
    size_t link = opt[OPT_CONSTRUCT] ? size - sizeof(void *) : 0; /* behind what is constructed */
    bool internal = cache < FIRST_CACHE;
    h->top[cache] = h->end[cache] = h->none + 1;
    struct cache *k = &h->caches[cache];
    *k = (struct cache){.size = (uint32_t)size,
                        .link = internal ? 0 : (uint32_t)link,
                        .rounds = internal ? 0 : (uint16_t)ALLOC_MIN(rounds, ALLOC_MAX(fits, 1)),
                        .construct = internal ? 0 : (uint32_t)ALLOC_MIN((size_t)opt[OPT_CONSTRUCT], link)};
    choose_pages(h, k);
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
                       .reserve = (unsigned)opt[OPT_RESERVE],
                       .depot = (unsigned)opt[OPT_DEPOT]};
    for (unsigned i = 0; i < n; i++)
        open_cache(h, i, sizes[i], opt);
    fill_tables(h);
    size_t bytes = ALLOC_ROUND_UP((size_t)(end - (char *)own) + sizeof(uint8_t *), page_size);
    page_map_open(&h->map, &chunks->source, end, bytes - (size_t)(end - (char *)own));
    if (slab_open_chunk(h, own, (unsigned)(bytes >> h->page_log2)))
        return h;
    page_map_close(&h->map);
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
    struct chunks chunks = h->chunks;
    large_destroy(&chunks);
    page_map_close(&h->map);
    for (struct chunk *c = h->all, *next; c; c = next) {
        next = c->all_next; /* the heap stands in the last one */
        chunks_give_pages(&chunks, c, PAGES);
    }
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
    .aligned = aligned,
    .resize = resize,
    .usable = usable,
    .walk = slab_walk,
    .check = slab_check,
};
