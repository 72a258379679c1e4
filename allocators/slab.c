/*
 * slab.c - caches of objects of one size, in slabs: runs of whole pages cut into equal objects.
 *
 * Each size class has a cache; each cache a current slab, from whose free list objects are taken, and a list of partial
 * slabs. A slab that was never full is not threaded through: its fresh objects are cut in batches when the list is
 * empty, so an untouched page stays untouched. A released object goes on its own slab's list, wherever that stands. An
 * empty slab stays with its cache as long as that has no more than `reserve` of them; then its pages go back to the
 * chunk, for any cache, and a chunk without a slab goes back to the page source.
 *
 *   a chunk, 16 pages    [ header | page 0 ][ page 1 ][ page 2 ] ... [ page 15 ]      aligned to its size
 *                          the slabs' descriptors, off the slabs: which slab a page is in, its list, its count
 *   a slab               [ colour ][ object ][ object ] ... [ object ][ rest ]
 *
 * Follows J. Bonwick, "The slab allocator: an object-caching kernel memory allocator", USENIX Summer 1994: caches,
 * slabs with a free list and a count each (3.2), colouring (4.2), reclaiming whole slabs (3.4). Where the paper keeps
 * small slabs' data on the slab and finds the others by hashing (3.2.2), here all stand in the chunk's header, found by
 * masking.
 *
 * Cost          alloc and release O(1); now and then a slab changes lists or is cut anew.
 * Overhead      no header; objects are rounded up to their class, a multiple of HEAP_ALIGN, with `split` classes per
 *               power of two by at most 1/split beyond that; 1/8 of a slab at most is left over, but for one behind a
 *               chunk's header, which takes 1 % of the chunk.
 * Worst case    of memory: one object kept in every slab of every class ("hoardworst"), number of classes times the
 * live bytes. check() verifies lists, counts and pages.
 */
#include "allocators/chunks.h"

extern const struct allocator allocator_slab;

#define PAGES       16    /* of a chunk */
#define MAX_PAGE    65536 /* bytes, so that 16 bits count the objects of a slab and find its first */
#define MAX_CLASSES 112
#define TABLE_MAX   1024   /* requests up to this find their class in a table */
#define FULL        0x4000 /* taken from the count of a slab on no list, so that a release there is noticed */
#define BATCH       512    /* bytes of fresh objects threaded at once, at least one object */
#define LINE        64     /* bytes of a cache line, the step of a colour */

struct slab {
    void *free;               /* objects, linked through their first word */
    struct slab *next, *prev; /* in its cache's list of partial slabs; not while current or full */
    int16_t live;             /* objects handed out; minus FULL while on no list for being full */
    uint16_t fresh;           /* objects never handed out, the last ones */
    uint16_t start;           /* bytes from the first page to the first object */
    uint8_t class;
    uint8_t npages; /* 0: not a slab */
};

struct chunk {
    struct chunk *next, *prev; /* of those whose longest free run is the same */
    struct chunk *all_next, *all_prev;
    uint16_t free_pages;  /* bit: the page is in no slab */
    uint8_t run;          /* the longest run of them; also the list it is on */
    uint8_t first[PAGES]; /* of each page in a slab: the slab's first page, also its descriptor's index */
    struct slab slabs[PAGES];
};

struct cache {
    struct slab *current; /* never NULL: `none` while there is none */
    struct slab *partial; /* the next current; an empty one is at the end */
    struct slab *last;
    uint32_t size;     /* of an object, bytes */
    uint16_t empty;    /* slabs among the partial ones that are empty */
    uint16_t colour;   /* of the next slab */
    uint16_t capacity; /* of a slab, but for one behind a header */
    uint16_t batch;    /* fresh objects threaded at once */
    uint16_t room;     /* bytes that a slab's objects leave over, for its colour */
    uint8_t npages;    /* of a slab */
};

struct heap {
    struct chunks chunks;
    size_t mask; /* of an address, its place in a chunk */
    size_t page_size, max_object;
    unsigned page_log2;
    unsigned nclasses, reserve;
    struct slab none;              /* what caches without a slab have: its list is empty */
    struct chunk *runs[PAGES + 1]; /* chunks by their longest free run */
    struct chunk *all;
    uint8_t class_of[TABLE_MAX / HEAP_ALIGN + 1];
    struct cache caches[MAX_CLASSES];
};

_Static_assert(sizeof(struct slab) == 16 + 2 * sizeof(void *) || sizeof(void *) == 4, "a descriptor is half a line");
_Static_assert(sizeof(struct heap) + sizeof(struct chunk) < 12288, "the heap fits in a chunk's first pages");

/* ---- Where things are ----------------------------------------------------------------------------------------------
 */

static inline struct chunk *chunk_of(const struct heap *h, const void *p)
{
    return (struct chunk *)((uintptr_t)p & ~(uintptr_t)h->mask);
}

static inline struct slab *slab_of(const struct heap *h, struct chunk *c, const void *p)
{
    return &c->slabs[c->first[((uintptr_t)p & h->mask) >> h->page_log2]];
}

static inline char *objects_of(const struct heap *h, const struct slab *s)
{
    struct chunk *c = chunk_of(h, s);
    return (char *)c + ((size_t)(s - c->slabs) << h->page_log2) + s->start;
}

static inline size_t capacity(const struct heap *h, const struct slab *s)
{
    const struct cache *k = &h->caches[s->class];
    if (s != chunk_of(h, s)->slabs)
        return k->capacity;
    return alloc_divide(h->page_size - s->start, k->size);
}

/* The class of a request of at most h->max_object bytes. */
static inline unsigned class_for(const struct heap *h, size_t size)
{
    if (ALLOC_LIKELY(size <= TABLE_MAX))
        return h->class_of[(size + HEAP_ALIGN - 1) / HEAP_ALIGN];
    unsigned low = h->class_of[TABLE_MAX / HEAP_ALIGN], high = h->nclasses - 1;
    while (low < high) {
        unsigned mid = (low + high) / 2;
        if (h->caches[mid].size < size)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* ---- Pages of chunks ------------------------------------------------------------------------------------------------
 */

/* The pages from which on n of them are set. */
static inline unsigned runs_of(unsigned pages, unsigned n)
{
    for (; n > 1 && pages; n--)
        pages &= pages >> 1;
    return pages;
}

static void list_chunk(struct heap *h, struct chunk *c)
{
    c->run = 0;
    while (runs_of(c->free_pages, c->run + 1u))
        c->run++;
    c->prev = NULL;
    c->next = h->runs[c->run];
    if (c->next)
        c->next->prev = c;
    h->runs[c->run] = c;
}

static void unlist_chunk(struct heap *h, struct chunk *c)
{
    if (c->prev)
        c->prev->next = c->next;
    else
        h->runs[c->run] = c->next;
    if (c->next)
        c->next->prev = c->prev;
}

/* Makes a chunk of the aligned memory at c, whose first `taken` pages are not for slabs. */
static void open_chunk(struct heap *h, struct chunk *c, unsigned taken)
{
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

/* n free pages of one chunk, the fullest that has them, as a slab's descriptor; of page 0 only what the header leaves,
 * which serves no slab but one of a page of small objects. NULL: exhausted. */
static struct slab *take_run(struct heap *h, unsigned n, bool small)
{
    unsigned run = n;
    struct chunk *c = NULL;
    unsigned pages = 0;
    for (; run <= PAGES && !pages; run++)
        if ((c = h->runs[run])) {
            pages = runs_of(c->free_pages, n);
            if (!small)
                pages &= ~1u; /* the longest run may begin at page 0: then a longer one is asked for */
        }
    if (!pages) {
        c = chunks_take_aligned(&h->chunks, PAGES);
        if (!c)
            return NULL;
        open_chunk(h, c, 0);
        pages = runs_of(c->free_pages, n) & (small ? ~0u : ~1u);
    }
    unsigned page = (unsigned)__builtin_ctz(pages);
    unlist_chunk(h, c);
    c->free_pages &= (uint16_t) ~(((1u << n) - 1) << page);
    list_chunk(h, c);
    for (unsigned i = 0; i < n; i++)
        c->first[page + i] = (uint8_t)page;
    struct slab *s = &c->slabs[page];
    s->npages = (uint8_t)n;
    return s;
}

static void give_run(struct heap *h, struct slab *s)
{
    struct chunk *c = chunk_of(h, s);
    unsigned page = (unsigned)(s - c->slabs);
    unlist_chunk(h, c);
    c->free_pages |= (uint16_t)(((1u << s->npages) - 1) << page);
    s->npages = 0;
    list_chunk(h, c);
    if (c->free_pages == 0xffff && h->runs[PAGES] && h->runs[PAGES]->next)
        close_chunk(h, c); /* one empty chunk is kept, against a see-saw */
}

/* ---- Slabs ---------------------------------------------------------------------------------------------------------
 */

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

/* The largest power of two that divides an object's size: its natural alignment. */
static inline size_t alignment_of(size_t size)
{
    return size & -size;
}

/* A slab of fresh objects. NULL: exhausted. */
static struct slab *new_slab(struct heap *h, unsigned class)
{
    struct cache *k = &h->caches[class];
    bool small = k->npages == 1 && k->size <= (h->page_size - sizeof(struct chunk)) / 4;
    struct slab *s = take_run(h, k->npages, small);
    if (!s)
        return NULL;
    bool behind_header = s == chunk_of(h, s)->slabs;
    size_t align = alignment_of(k->size), step = ALLOC_MAX(align, LINE);
    size_t start = behind_header ? ALLOC_ROUND_UP(sizeof(struct chunk), align) : k->colour;
    if (!behind_header)
        k->colour = (uint16_t)(k->colour + step <= k->room ? k->colour + step : 0);
    s->free = NULL;
    s->live = 0;
    s->class = (uint8_t) class;
    s->start = (uint16_t)start;
    s->fresh = (uint16_t)capacity(h, s);
    return s;
}

/* Threads some of a slab's fresh objects onto its list. */
static void thread_fresh(const struct heap *h, struct slab *s)
{
    size_t size = h->caches[s->class].size, n = ALLOC_MIN(s->fresh, h->caches[s->class].batch);
    char *object = objects_of(h, s) + (capacity(h, s) - s->fresh) * size;
    s->free = object;
    s->fresh = (uint16_t)(s->fresh - n);
    for (; n > 1; n--, object += size)
        *(void **)object = object + size;
    *(void **)object = NULL;
}

/* The current slab's list is empty: threads more of it, or makes another current. */
static __attribute__((noinline)) void *alloc_slow(struct heap *h, unsigned class)
{
    struct cache *k = &h->caches[class];
    struct slab *s = k->current;
    if (s->fresh == 0) {
        if (s != &h->none)
            s->live -= FULL;
        k->current = &h->none;
        s = k->partial;
        if (s) {
            unlist(k, s);
            k->empty -= s->live == 0;
        } else if (!(s = new_slab(h, class))) {
            return NULL;
        }
        k->current = s;
    }
    if (!s->free)
        thread_fresh(h, s);
    void *object = s->free;
    s->free = *(void **)object;
    s->live++;
    return object;
}

static void *alloc(struct heap *h, size_t size)
{
    if (ALLOC_UNLIKELY(size > h->max_object))
        return large_alloc(&h->chunks, size);
    unsigned class = class_for(h, size);
    struct slab *s = h->caches[class].current;
    void *object = s->free;
    if (ALLOC_UNLIKELY(!object))
        return alloc_slow(h, class);
    s->free = *(void **)object;
    s->live++;
    return object;
}

/* A slab that was full has an object again, or one that is not current has none left in use. */
static __attribute__((noinline)) void release_slow(struct heap *h, struct slab *s)
{
    struct cache *k = &h->caches[s->class];
    bool was_full = s->live < 0;
    if (was_full)
        s->live += FULL;
    if (s == k->current)
        return; /* empty, and still the one to take from */
    if (s->live > 0) {
        list_first(k, s);
        return;
    }
    if (!was_full)
        unlist(k, s);
    if (k->empty < h->reserve) {
        k->empty++;
        list_last(k, s);
    } else {
        give_run(h, s);
    }
}

static void release(struct heap *h, void *p)
{
    struct chunk *c = chunk_of(h, p);
    if (ALLOC_UNLIKELY(p == (void *)c)) {
        large_release(&h->chunks, p);
        return;
    }
    struct slab *s = slab_of(h, c, p);
    *(void **)p = s->free;
    s->free = p;
    if (ALLOC_UNLIKELY(--s->live <= 0))
        release_slow(h, s);
}

/* Objects of a size that is a multiple of a power of two are aligned to it up to a page, since slabs begin at one;
 * large blocks begin where a chunk would. */
static void *aligned(struct heap *h, size_t align, size_t size)
{
    if (align > h->chunks.size)
        return NULL;
    unsigned class = size <= h->max_object && align <= h->page_size ? class_for(h, size) : h->nclasses;
    while (class < h->nclasses && alignment_of(h->caches[class].size) < align)
        class ++;
    if (class == h->nclasses)
        return large_alloc(&h->chunks, size);
    return alloc(h, h->caches[class].size);
}

static size_t usable(const struct heap *h, const void *p)
{
    struct chunk *c = chunk_of(h, p);
    return p == (void *)c ? large_usable(&h->chunks, p) : h->caches[slab_of(h, c, p)->class].size;
}

/* Stays where it is while the class, or the number of pages, stays; a large block shrinks in place. */
static void *resize(struct heap *h, void *p, size_t size)
{
    size_t has = usable(h, p);
    bool is_large = p == (void *)chunk_of(h, p);
    if (is_large && size <= has && size > h->max_object) {
        large_shrink(&h->chunks, p, size);
        return p;
    }
    if (!is_large && size <= has && h->caches[class_for(h, size)].size == has)
        return p;
    return alloc_resize_by_copy(&allocator_slab, h, p, size);
}

/* ---- The heap ------------------------------------------------------------------------------------------------------
 */

enum { OPT_SPLIT, OPT_RESERVE };

static const struct alloc_option options[] = {
    [OPT_SPLIT] =
        {.name = "split", .help = "size classes per power of two", .type = OPTION_NUMBER, .def = 8, .min = 1, .max = 8},
    [OPT_RESERVE] = {.name = "reserve",
                     .help = "empty slabs that each cache keeps",
                     .type = OPTION_NUMBER,
                     .def = 1,
                     .min = 0,
                     .max = 1000},
    {.name = NULL},
};

/* The fewest pages that leave at most 1/8 over. */
static void add_class(struct heap *h, size_t size)
{
    struct cache *k = &h->caches[h->nclasses++];
    *k = (struct cache){.current = &h->none, .size = (uint32_t)size};
    for (unsigned n = 1; n < PAGES; n++) {
        size_t bytes = (size_t)n << h->page_log2, objects = alloc_divide(bytes, size);
        size_t room = bytes - objects * size;
        if (!objects || (k->npages && room > bytes / 8))
            continue; /* the fewest that hold one at all serve, if none leaves less */
        k->npages = (uint8_t)n;
        k->capacity = (uint16_t)objects;
        k->room = (uint16_t)room;
        if (room <= bytes / 8)
            break;
    }
    k->batch = (uint16_t)ALLOC_MAX(alloc_divide(BATCH, size), 1u);
}

/* Multiples of HEAP_ALIGN first, then as many steps in each power of two as `split` says. */
static void make_classes(struct heap *h, size_t split)
{
    size_t step = HEAP_ALIGN, size = 0;
    h->max_object = PAGES / 2 * h->page_size;
    while (size < h->max_object && h->nclasses < MAX_CLASSES) {
        size += step;
        add_class(h, size);
        if (size >= 2 * split * step)
            step *= 2;
    }
    h->max_object = size;
    for (size_t i = 0, class = 0; i <= TABLE_MAX / HEAP_ALIGN; i++) {
        class += h->caches[class].size < i * HEAP_ALIGN;
        h->class_of[i] = (uint8_t) class;
    }
}

static struct heap *create(const struct page_source *source, const struct heap_config *config)
{
    struct chunks chunks;
    chunks_init(&chunks, source, PAGES * source->page_size);
    struct chunk *own = source->page_size <= MAX_PAGE ? chunks_take_aligned(&chunks, PAGES) : NULL;
    if (!own)
        return NULL;
    struct heap *h = (struct heap *)(own + 1);
    *h = (struct heap){.chunks = chunks,
                       .mask = chunks.size - 1,
                       .page_size = source->page_size,
                       .page_log2 = chunks.page_log2,
                       .reserve = (unsigned)config->opt[OPT_RESERVE]};
    make_classes(h, (size_t)config->opt[OPT_SPLIT]);
    size_t bytes = ALLOC_ROUND_UP(sizeof *own + sizeof *h, source->page_size);
    open_chunk(h, own, (unsigned)(bytes >> h->page_log2));
    return h;
}

static void destroy(struct heap *h)
{
    struct chunks chunks = h->chunks;
    large_destroy(&chunks);
    for (struct chunk *c = h->all, *next; c; c = next) {
        next = c->all_next; /* the heap stands in the last one */
        chunks_give_pages(&chunks, c, PAGES);
    }
}

/* ---- walk and check ------------------------------------------------------------------------------------------------
 */

#define MAX_OBJECTS (MAX_PAGE / HEAP_ALIGN) /* of a slab: small ones have a page */

/* Bit: the object is free. */
struct objects {
    uint64_t free[MAX_OBJECTS / 64];
};

/* The number of objects on the slab's list or fresh; more than its capacity if the list is damaged. */
static size_t find_free(const struct heap *h, const struct slab *s, struct objects *o)
{
    size_t size = h->caches[s->class].size, n = capacity(h, s), found = s->fresh;
    const char *start = objects_of(h, s);
    for (size_t i = 0; i < (n + 63) / 64; i++)
        o->free[i] = 0;
    for (size_t i = n - s->fresh; i < n; i++)
        o->free[i / 64] |= UINT64_C(1) << (i % 64);
    for (const char *object = s->free; object; object = *(void *const *)object) {
        size_t offset = (size_t)(object - start), i = alloc_divide(offset, size);
        if (i >= n || i * size != offset || o->free[i / 64] >> (i % 64) & 1)
            return n + 1;
        o->free[i / 64] |= UINT64_C(1) << (i % 64);
        found++;
    }
    return found;
}

static bool walk_slab(const struct heap *h, const struct slab *s, heap_visit *visit, void *arg)
{
    struct objects o;
    find_free(h, s, &o);
    size_t size = h->caches[s->class].size;
    for (size_t i = 0; i < capacity(h, s); i++) {
        struct heap_block seen = {objects_of(h, s) + i * size, size, !(o.free[i / 64] >> (i % 64) & 1)};
        if (!visit(&seen, arg))
            return false;
    }
    return true;
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
        if (n ? !visit(&seen, arg)
              : c->slabs[page].npages && c->first[page] == page && !walk_slab(h, &c->slabs[page], visit, arg))
            return false;
    }
    return true;
}

static bool walk(const struct heap *h, heap_visit *visit, void *arg)
{
    for (const struct chunk *c = h->all; c; c = c->all_next)
        if (!walk_chunk(h, c, visit, arg))
            return false;
    return large_walk(&h->chunks, visit, arg);
}

static bool is_partial(const struct heap *h, const struct slab *s)
{
    for (const struct slab *l = h->caches[s->class].partial; l; l = l->next)
        if (l == s)
            return true;
    return false;
}

static const char *check_slab(const struct heap *h, const struct slab *s)
{
    struct objects o;
    const struct cache *k = &h->caches[s->class];
    bool full = s->live < 0;
    size_t n = capacity(h, s), live = (size_t)(full ? s->live + FULL : s->live), found = find_free(h, s, &o);
    if (found > n)
        return "a slab's list is damaged";
    if (found + live != n)
        return "a slab miscounts its objects";
    if (full && (live != n || s == k->current))
        return "a slab is marked full and is not";
    if (!full && s != k->current && !is_partial(h, s))
        return "a slab with free objects is on no list";
    return NULL;
}

static const char *check_chunk(const struct heap *h, const struct chunk *c)
{
    for (unsigned page = 0; page < PAGES; page++) {
        const struct slab *s = &c->slabs[page];
        if (s->npages && !(c->free_pages >> page & 1) && c->first[page] == page) {
            const char *broken = check_slab(h, s);
            if (broken)
                return broken;
        } else if (s->npages && c->free_pages >> page & 1) {
            return "a free page is in a slab";
        }
    }
    unsigned run = 0;
    while (runs_of(c->free_pages, run + 1))
        run++;
    for (const struct chunk *l = h->runs[run]; l; l = l->next)
        if (l == c)
            return run == c->run ? NULL : "a chunk's longest run is wrong";
    return "a chunk is not on the list of its longest run";
}

static const char *check(const struct heap *h)
{
    size_t bytes = 0;
    const char *broken = large_check(&h->chunks, &bytes);
    for (const struct chunk *c = h->all; c && !broken; c = c->all_next) {
        broken = check_chunk(h, c);
        bytes += h->chunks.size;
    }
    for (unsigned i = 0; i < h->nclasses && !broken; i++) {
        const struct cache *k = &h->caches[i];
        size_t empty = 0;
        for (const struct slab *s = k->partial; s; s = s->next)
            empty += s->live == 0;
        if (empty != k->empty)
            broken = "a cache miscounts its empty slabs";
    }
    return broken ? broken : bytes == h->chunks.held ? NULL : "the chunks do not add up to the pages held";
}

const struct allocator allocator_slab = {
    .abi = ALLOC_ABI,
    .caps = CAP_FREE | CAP_ANY_SIZE,
    .name = "slab",
    .summary = "caches of slabs by size class, each slab with a free list of its own",
    .options = options,
    .create = create,
    .destroy = destroy,
    .alloc = alloc,
    .release = release,
    .aligned = aligned,
    .resize = resize,
    .usable = usable,
    .walk = walk,
    .check = check,
};
