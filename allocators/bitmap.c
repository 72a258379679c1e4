/*
 * bitmap.c - chunks of 2048 granules of 16 bytes, with a bitmap that says which are free, searched a row at a time.
 *
 * A block is as many granules one after the other as it needs. A row is the 64 granules of one word of the bitmap. Of
 * the free runs that begin in a row, the shortest that serves is taken; bits tell where they begin and how long they
 * are, and they are few. Which rows to search, hints tell: a chunk has a word for every class of lengths (eight to a
 * doubling), with a bit for each row where a free run of that class may begin; and each group of 64 chunks has a word
 * for every class, with a bit for each chunk whose word is not 0, and is on the heap's list of the class while there is
 * one, in the order of the groups' addresses. A search takes the lowest class that surely serves and has a list, and
 * the first chunk and row hinted at, so that the first chunks fill up and the last ones can become empty; before that a
 * few rows of the class of n itself, where runs may be a little shorter. Every run is hinted at where it begins. The
 * hint that led to a row goes with the last run there that it could mean. Others may be old, for runs merge: then one
 * row is searched in vain, once. The granules of the newest chunk that were never used are no run yet; they are taken
 * in order when no run serves. A second bitmap marks the last granule of every block, so that release finds a block's
 * length without a header. What is larger than half a chunk is whole pages.
 *
 * Most requests never come to the bitmap. Of each length, a few of the blocks released last are kept whole for the next
 * requests, and a search cuts several blocks from the run that it found (quick lists: C. Weinstock, W. Wulf, "Quick
 * Fit", SIGPLAN Notices 23(10), 1988). When there are too many, half of them are made free, and merge. Of lengths
 * with four or fewer, those at the highest addresses are: if blocks high up were used again for having come back last,
 * the last chunks would stay full of them, and the holes between them small. Of more, it is the older half, without a
 * look at them. How many are too many, the work decides: a length of which too many come back may keep one more, until
 * all lengths together keep their share of the heap.
 *
 *   a chunk     [ free bits | end bits | hints | granules ... ]        aligned to its size, 32 KiB
 *                 free    0 0 0 0 0 1 1 0 0 1
 *                 ends    0 0 1 0 1 0 0 0 1 0      blocks of 3 and 2, a free run of 2, a block of 2, a free one
 *
 * Bitmaps are among the oldest ways to keep free memory: P. Wilson et al., "Dynamic storage allocation: a survey and
 * critical review", 1995, 3.8, who doubt that they can be searched fast.
 *
 * Cost          release of a block that is kept, alloc of a kept one: O(1), the free bits are not touched. Else alloc
 *               O(runs that begin there) a row searched, 32 at most, about 1 in programs; every row searched in vain
 *               is paid for by the release or the cut that left its hint, so that the mean is O(1). A run that is made
 *               free or cut: O(its length / 64), at most 32 words. A new chunk, and a group's first hint of a class:
 *               O(groups).
 * Overhead      no header; 2.4 % of a chunk for bitmaps and hints; sizes are rounded up to a granule. Kept are of each
 *               length up to 1 KiB one block, of those up to 256 bytes two, up to 128 four; and more, up to `keep`
 *               bytes or four blocks, while all that is more is at most 1/409 of the chunks when there were the most.
 *               A page for every 64 chunks but the first.
 * Worst case    of memory, one granule kept in the way of every run, M times the largest over the smallest size, as for
 *               best fit (Robson 1977). check() verifies bits, counts, hints, lists, what may be kept, and that what is
 *               kept are blocks.
 */
#include "allocators/bitmap.h"

#define MORE 4 /* blocks that may be kept of the longest that are kept, MANY of the shortest */

enum { OPT_KEEP };

/* ---- alloc and release ---------------------------------------------------------------------------------------------
 */

static void *alloc(struct heap *h, size_t size)
{
    size_t n = (size + GRANULE - 1) / GRANULE + !size;
    if (ALLOC_UNLIKELY(n > KEPT_MAX || !h->nkept[n]))
        return bitmap_alloc(h, size);
    return h->kept[n][--h->nkept[n]];
}

static void *zalloc(struct heap *h, size_t size)
{
    if (size > SMALL_MAX)
        return large_zalloc(&h->chunks, size);
    void *p = alloc(h, size);
    return p ? __builtin_memset(p, 0, size) : NULL;
}

/* From a run so long that the block fits wherever it begins; what is before and behind is given back. */
static void *aligned(struct heap *h, size_t align, size_t size)
{
    if (align > CHUNK)
        return NULL;
    if (size > SMALL_MAX || size + align > SMALL_MAX)
        return large_alloc(&h->chunks, size);
    unsigned step = (unsigned)ALLOC_MAX(align / GRANULE, 1), n = granules_for(size), all = n + step - 1;
    char *p = alloc(h, (size_t)all * GRANULE);
    if (!p)
        return NULL;
    struct chunk *c = chunk_of(p);
    unsigned from = index_of(p), at = ALLOC_ROUND_UP(from, step), end = at + n;
    if (end < from + all) {
        flip_end(c, from + all);
        flip_end(c, end);
        bitmap_give(h, c, end, from + all);
    }
    if (at > from)
        bitmap_give(h, c, from, at);
    c->used -= all - n;
    return granule_at(c, at);
}

static __attribute__((noinline)) void release_large(struct heap *h, void *p)
{
    large_release(&h->chunks, p);
}

static void release(struct heap *h, void *p)
{
    const struct chunk *c = chunk_of(p);
    if (ALLOC_UNLIKELY(p == (const void *)c)) {
        release_large(h, p);
        return;
    }
    unsigned at = index_of(p);
    uint64_t ends = c->ends[at / ROW] >> at % ROW;
    unsigned n = ALLOC_LIKELY(ends) ? alloc_first_bit(ends) + 1 : end_of(c, at) - at, nkept;
    if (ALLOC_UNLIKELY(n > KEPT_MAX || (nkept = h->nkept[n]) >= h->room[n])) {
        bitmap_release(h, p, n);
        return;
    }
    h->kept[n][nkept] = p;
    h->nkept[n] = (uint8_t)(nkept + 1);
}

static size_t usable(const struct heap *h, const void *p)
{
    const struct chunk *c = chunk_of(p);
    if (p == (const void *)c)
        return large_usable(&h->chunks, p);
    unsigned at = index_of(p);
    return (size_t)(end_of(c, at) - at) * GRANULE;
}

/* ---- The heap ------------------------------------------------------------------------------------------------------
 */

static const struct alloc_option options[] = {
    [OPT_KEEP] = {.name = "keep",
                  .help = "bytes of released blocks of each length up to 1024 that are kept whole at most; 0: none",
                  .type = OPTION_SIZE,
                  .def = 2048,
                  .min = 0,
                  .max = 16384},
    {.name = NULL},
};

/* How many blocks of n granules are kept at most, of so many bytes. */
static uint8_t limit_for(unsigned n, size_t bytes)
{
    if (!bytes)
        return 0;
    size_t blocks = bytes / GRANULE >> last_bit(n);
    return (uint8_t)(blocks < MORE ? MORE : blocks > MANY ? MANY : blocks);
}

static struct heap *create(const struct page_source *source, const struct heap_config *config)
{
    struct chunks chunks;
    chunks_init(&chunks, source, CHUNK);
    struct chunk *own = source->page_size <= CHUNK ? chunks_take_aligned(&chunks, chunk_pages(&chunks)) : NULL;
    if (!own)
        return NULL;
    struct heap *h = (struct heap *)(own + 1);
    __builtin_memset(h, 0, sizeof *h);
    h->chunks = chunks;
    for (unsigned n = 1; n <= KEPT_MAX; n++)
        h->limit[n] = limit_for(n, (size_t)config->opt[OPT_KEEP]);
    for (unsigned n = 1; n <= KEPT_MAX; n++)
        h->room[n] = ALLOC_MIN(h->limit[n], few_of(n));
    bitmap_open_chunk(h, &h->first, own);
    own->used = granules_for(sizeof *own + sizeof *h) - FIRST;
    h->fresh += own->used;
    return h;
}

static void destroy(struct heap *h)
{
    struct chunks chunks = h->chunks;
    struct chunk *own = chunk_of(h);
    large_destroy(&chunks);
    for (struct chunk *c = chunk_behind(h, NULL), *next; c; c = next) {
        next = chunk_behind(h, c);
        if (c != own)
            chunks_give_pages(&chunks, c, chunk_pages(&chunks));
    }
    for (struct group *g = h->first.all.next, *next; g; g = next) {
        next = g->all.next;
        chunks_give_pages(&chunks, g, group_pages(&chunks));
    }
    chunks_give_pages(&chunks, own, chunk_pages(&chunks));
}

const struct allocator allocator_bitmap = {
    .abi = ALLOC_ABI,
    .caps = CAP_FREE | CAP_ANY_SIZE,
    .name = "bitmap",
    .summary = "granules in chunks, bitmaps of what is free and where blocks end, hints where to search",
    .options = options,
    .create = create,
    .destroy = destroy,
    .alloc = alloc,
    .release = release,
    .zalloc = zalloc,
    .aligned = aligned,
    .resize = bitmap_resize,
    .usable = usable,
    .walk = bitmap_walk,
    .check = bitmap_check,
};
