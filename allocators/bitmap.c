/*
 * bitmap.c - chunks of 4096 granules of 16 bytes, with a bitmap that says which are free, searched a row at a time.
 *
 * A block is as many granules one after the other as it needs. A row is the 64 granules of one word of the bitmap. In a
 * row, the free runs that begin there and have n granules are found by folding the word onto itself, shifted by 1, 2, 4
 * ..., six times at most. Which rows to search, hints tell: a chunk has a word for every class of lengths (four to a
 * doubling), with a bit for each row where a free run of that class may begin, and is on the heap's list of the class
 * while that word is not 0. A search takes the lowest class that surely serves and has a list, the chunk at its head
 * and the first row hinted at; before that a few rows of the class of n itself, where runs may be a little shorter.
 * Every run is hinted at where it begins. A hint may be old, for runs merge and blocks are cut from them: then one row
 * is searched in vain, once, and its hints are put right. The granules of the newest chunk that were never used are no
 * run yet; they are taken in order when no run serves. A second bitmap marks the last granule of every block, so that
 * release finds a block's length without a header. What is larger than a quarter of a chunk is whole pages.
 *
 * Most requests never come to the bitmap. Of each length, a few of the blocks released last are kept whole for the next
 * requests, and a search cuts several blocks from the run that it found (quick lists: C. Weinstock, W. Wulf, "Quick
 * Fit", SIGPLAN Notices 23(10), 1988). When there are too many, the older half is made free, and merges.
 *
 *   a chunk     [ free bits | end bits | hints | links | granules ... ]        aligned to its size, 64 KiB
 *                 free    0 0 0 0 0 1 1 0 0 1
 *                 ends    0 0 1 0 1 0 0 0 1 0      blocks of 3 and 2, a free run of 2, a block of 2, a free one
 *
 * Bitmaps are among the oldest ways to keep free memory: P. Wilson et al., "Dynamic storage allocation: a survey and
 * critical review", 1995, 3.8, who doubt that they can be searched fast. Folding: H. Warren, Hacker's Delight, 6-3.
 *
 * Cost          release of a block that is kept, alloc of a kept one: O(1), the free bits are not touched. Else alloc
 *               O(log n) a row searched; every row searched in vain is paid for by the release or the cut that left its
 *               hint, so that the mean is O(1). A run that is made free or cut: O(its length / 64), at most 64 words.
 * Overhead      no header; 3 % of a chunk for bitmaps, hints and links; sizes are rounded up to a granule; of every
 *               length up to 1 KiB at most `keep` bytes, or four blocks, are kept.
 * Worst case    of memory, one granule kept in the way of every run, M times the largest over the smallest size, as for
 *               best fit (Robson 1977). check() verifies bits, counts, hints, lists, and that what is kept are blocks.
 */
#include "allocators/chunks.h"

extern const struct allocator allocator_bitmap;

#define GRANULE   16
#define ROW       64 /* granules: those that a word has bits for */
#define ROWS      64 /* of a chunk: as many as a hint has bits */
#define GRANULES  (ROWS * ROW)
#define CHUNK     ((size_t)GRANULES * GRANULE)
#define SMALL_MAX (CHUNK / 4)
#define LONG      512 /* granules; all runs from here on are of one class, the last */
#define CLASSES   33  /* class_of(LONG) + 1 */
#define TRIES     8   /* rows searched in the class of n where runs may be a little shorter */
#define KEPT_MAX  64  /* granules; longer blocks are not kept */
#define FEW       4   /* blocks kept of the longest of these */
#define MANY      16  /* and of the shortest */
#define BATCH     8   /* blocks that a run is cut into at once, as long as they fit in a row */

enum { OPT_KEEP };

struct links {
    struct chunk *next, *prev;
};

struct chunk {
    uint64_t free[ROWS + 2]; /* bit: the granule is free; the first and the last word stay 0 */
    uint64_t ends[ROWS];     /* bit: the granule ends a block */
    uint64_t hints[CLASSES]; /* bit: in this row a run of that class may begin */
    unsigned used;           /* granules in blocks */
    struct links all;
    struct links on[CLASSES]; /* the heap's list for the class, while there is a hint for it */
};

struct heap {
    struct chunks chunks;
    uint64_t classes; /* bit: the class's list has a chunk */
    struct chunk *lists[CLASSES];
    struct chunk *all;
    struct chunk *newest;
    unsigned fresh;                 /* granules of the newest chunk from here on were never used */
    unsigned empty;                 /* chunks without a block; one is kept, against a see-saw */
    uint8_t nkept[KEPT_MAX + 1];    /* blocks of that many granules */
    uint8_t room[KEPT_MAX + 1];     /* the most of them */
    void *kept[KEPT_MAX + 1][MANY]; /* the newest last */
};

_Static_assert(sizeof(struct chunk) + sizeof(struct heap) <= CHUNK / 2, "the heap fits in a chunk");

#define FIRST ((unsigned)(sizeof(struct chunk) + GRANULE - 1) / GRANULE) /* granule behind a chunk's header */

/* ---- Bits ----------------------------------------------------------------------------------------------------------
 */

/* The highest bit set, of bits other than 0; needs no compiler library on a 32-bit machine. */
static inline unsigned last_bit(uint64_t bits)
{
    if (sizeof(long) == 8)
        return 63 - (unsigned)__builtin_clzll(bits);
    return bits >> 32 ? 63 - (unsigned)__builtin_clz((uint32_t)(bits >> 32))
                      : 31 - (unsigned)__builtin_clz((uint32_t)bits);
}

static inline uint64_t free_word(const struct chunk *c, unsigned w)
{
    return c->free[w + 1];
}

static inline bool is_free(const struct chunk *c, unsigned at)
{
    return free_word(c, at / ROW) >> at % ROW & 1;
}

/* Where the free granules from `at` on end; a long run may be told to end from `enough` on. */
static inline unsigned run_end(const struct chunk *c, unsigned at, unsigned enough)
{
    unsigned w = at / ROW;
    uint64_t taken = ~free_word(c, w) >> at % ROW;
    if (ALLOC_LIKELY(taken))
        return at + alloc_first_bit(taken);
    for (w++; w < ROWS && w * ROW < enough; w++)
        if ((taken = ~free_word(c, w)))
            return w * ROW + alloc_first_bit(taken);
    return w * ROW;
}

/* Where the free granules before `at` begin. */
static inline unsigned run_start(const struct chunk *c, unsigned at)
{
    unsigned w = (at - 1) / ROW;
    uint64_t taken = ~free_word(c, w) << (ROW - 1 - (at - 1) % ROW);
    if (ALLOC_LIKELY(taken))
        return at - (ROW - 1 - last_bit(taken));
    do
        taken = ~free_word(c, --w);
    while (!taken);
    return w * ROW + last_bit(taken) + 1;
}

/* n ones, 1 to 64 */
static inline uint64_t ones(unsigned n)
{
    return ~(uint64_t)0 >> (ROW - n);
}

/* Flips n granules, which are all free or all not. */
static inline void flip(struct chunk *c, unsigned at, unsigned n)
{
    uint64_t *word = &c->free[at / ROW + 1];
    unsigned in = at % ROW;
    if (ALLOC_LIKELY(in + n <= ROW)) {
        *word ^= ~(uint64_t)0 >> (ROW - n) << in;
        return;
    }
    *word++ ^= ~(uint64_t)0 << in;
    for (n -= ROW - in; n >= ROW; n -= ROW)
        *word++ ^= ~(uint64_t)0;
    if (n)
        *word ^= ~(uint64_t)0 >> (ROW - n);
}

static inline void flip_end(struct chunk *c, unsigned end)
{
    c->ends[(end - 1) / ROW] ^= (uint64_t)1 << (end - 1) % ROW;
}

/* Behind the last granule of the block at `at`. */
static inline unsigned end_of(const struct chunk *c, unsigned at)
{
    unsigned w = at / ROW;
    uint64_t ends = c->ends[w] >> at % ROW;
    if (ALLOC_LIKELY(ends))
        return at + alloc_first_bit(ends) + 1;
    while (!c->ends[++w])
        ;
    return w * ROW + alloc_first_bit(c->ends[w]) + 1;
}

/* ---- Hints ---------------------------------------------------------------------------------------------------------
 */

/* Exact up to 8, then four classes to a doubling. */
static inline unsigned class_of(unsigned n)
{
    unsigned log2 = last_bit(n | 4);
    return ((log2 - 2) << 2) + (n >> (log2 - 2));
}

static inline unsigned class_of_run(unsigned n)
{
    return class_of(ALLOC_MIN(n, LONG));
}

static inline bool is_least_of_class(unsigned n)
{
    return n <= LONG && !(n & (((unsigned)1 << (last_bit(n | 4) - 2)) - 1));
}

static void link_chunk(struct heap *h, struct chunk *c, unsigned class)
{
    struct chunk *next = h->lists[class];
    c->on[class] = (struct links){next, NULL};
    if (next)
        next->on[class].prev = c;
    h->lists[class] = c;
    h->classes |= (uint64_t)1 << class;
}

static void unlink_chunk(struct heap *h, struct chunk *c, unsigned class)
{
    struct chunk *next = c->on[class].next, *prev = c->on[class].prev;
    if (next)
        next->on[class].prev = prev;
    if (prev)
        prev->on[class].next = next;
    else if (!(h->lists[class] = next))
        h->classes ^= (uint64_t)1 << class;
}

static inline void hint(struct heap *h, struct chunk *c, unsigned at, unsigned n)
{
    unsigned class = class_of_run(n);
    if (!c->hints[class])
        link_chunk(h, c, class);
    c->hints[class] |= (uint64_t)1 << at / ROW;
}

/* ---- Chunks --------------------------------------------------------------------------------------------------------
 */

static inline struct chunk *chunk_of(const void *p)
{
    return (struct chunk *)((uintptr_t)p & ~(uintptr_t)(CHUNK - 1));
}

static inline unsigned index_of(const void *p)
{
    return (unsigned)((uintptr_t)p & (CHUNK - 1)) / GRANULE;
}

static inline void *granule_at(const struct chunk *c, unsigned at)
{
    return (char *)(uintptr_t)c + (size_t)at * GRANULE;
}

static inline size_t chunk_pages(const struct chunks *chunks)
{
    return chunks->size >> chunks->page_log2;
}

/* Makes a chunk of which no granule is free yet. */
static void open_chunk(struct heap *h, struct chunk *c)
{
    __builtin_memset(c, 0, offsetof(struct chunk, on));
    c->used = 0;
    c->all = (struct links){h->all, NULL};
    if (h->all)
        h->all->all.prev = c;
    h->all = c;
    h->newest = c;
    h->fresh = FIRST;
}

/* Never the heap's own, which is never empty. */
static void close_chunk(struct heap *h, struct chunk *c)
{
    for (unsigned class = 0; class < CLASSES; class ++)
        if (c->hints[class])
            unlink_chunk(h, c, class);
    if (c->all.prev)
        c->all.prev->all.next = c->all.next;
    else
        h->all = c->all.next;
    if (c->all.next)
        c->all.next->all.prev = c->all.prev;
    if (h->newest == c) {
        h->newest = chunk_of(h);
        h->fresh = GRANULES;
    }
    h->empty--;
    chunks_give_pages(&h->chunks, c, chunk_pages(&h->chunks));
}

/* Hints at the run that free granules in [at, end) are part of. */
static inline void hint_around(struct heap *h, struct chunk *c, unsigned at, unsigned end)
{
    if (is_free(c, at - 1))
        at = run_start(c, at);
    hint(h, c, at, run_end(c, end, GRANULES) - at);
}

/* Makes granules free that no block has any more; they may touch free ones. */
static inline void give(struct heap *h, struct chunk *c, unsigned at, unsigned end)
{
    flip(c, at, end - at);
    hint_around(h, c, at, end);
}

/* ---- Blocks kept ---------------------------------------------------------------------------------------------------
 */

/* A block is one no more; true: it was its chunk's last. */
static inline bool dissolve(struct chunk *c, unsigned at, unsigned n)
{
    flip_end(c, at + n);
    flip(c, at, n);
    return !(c->used -= n);
}

static inline void leave_empty(struct heap *h, struct chunk *c)
{
    if (h->empty++)
        close_chunk(h, c);
}

/* The oldest of a length's are kept no longer. Neighbours are hinted at once. */
static __attribute__((noinline)) void let_go(struct heap *h, unsigned n, unsigned some)
{
    void **kept = h->kept[n];
    struct chunk *last = NULL;
    unsigned last_start = 0, last_end = 0, emptied = 0;
    for (unsigned i = 0; i < some; i++)
        emptied |= (unsigned)dissolve(chunk_of(kept[i]), index_of(kept[i]), n) << i;
    for (unsigned i = 0; i < some; i++) {
        struct chunk *c = chunk_of(kept[i]);
        unsigned at = index_of(kept[i]);
        if (c == last && at < last_end && at >= last_start)
            continue;
        last = c;
        last_start = is_free(c, at - 1) ? run_start(c, at) : at;
        last_end = run_end(c, at + n, GRANULES);
        hint(h, c, last_start, last_end - last_start);
    }
    for (unsigned i = 0; i < some; i++)
        if (emptied >> i & 1)
            leave_empty(h, chunk_of(kept[i]));
    h->nkept[n] = (uint8_t)(h->nkept[n] - some);
    for (unsigned i = 0; i < h->nkept[n]; i++)
        kept[i] = kept[i + some];
}

static bool let_all_go(struct heap *h)
{
    bool any = false;
    for (unsigned n = 1; n <= KEPT_MAX; n++) {
        any |= h->nkept[n];
        let_go(h, n, h->nkept[n]);
    }
    return any;
}

/* ---- Search --------------------------------------------------------------------------------------------------------
 */

/* The runs that begin in a row, each as the bit that it begins with. */
static inline uint64_t starts_in(const struct chunk *c, unsigned row)
{
    uint64_t free = free_word(c, row);
    return free & ~(free << 1 | free_word(c, row - 1) >> (ROW - 1));
}

/* Those of them that have n granules. */
static inline uint64_t search_row(const struct chunk *c, unsigned row, unsigned n)
{
    uint64_t taken = ~free_word(c, row), starts = starts_in(c, row);
    for (unsigned step = 1, left = ALLOC_MIN(n, ROW) - 1; left; step *= 2) {
        step = ALLOC_MIN(step, left);
        taken |= taken >> step;
        left -= step;
    }
    starts &= ~taken;
    if (!starts || last_bit(starts) + n <= ROW)
        return starts;
    unsigned in = last_bit(starts), end = row * ROW + in + n; /* it goes on in the next rows, if at all */
    return run_end(c, (row + 1) * ROW, end) >= end ? starts : starts ^ (uint64_t)1 << in;
}

/* A hint that led nowhere goes; the row's runs may be shorter now. */
static __attribute__((noinline)) void correct_hint(struct heap *h, struct chunk *c, unsigned class, unsigned row)
{
    uint64_t starts = starts_in(c, row);
    if (!(c->hints[class] &= ~((uint64_t)1 << row)))
        unlink_chunk(h, c, class);
    for (; starts; starts &= starts - 1) {
        unsigned at = row * ROW + alloc_first_bit(starts);
        hint(h, c, at, run_end(c, at, at + LONG) - at);
    }
}

struct place {
    struct chunk *c;
    unsigned row;
};

/* In the class of n, where runs may be a little shorter than that. */
static uint64_t search_own_class(struct heap *h, unsigned n, unsigned class, struct place *in)
{
    unsigned tries = TRIES;
    for (struct chunk *c = h->lists[class], *next; c; c = next) {
        next = c->on[class].next;
        for (uint64_t rows = c->hints[class]; rows; rows &= rows - 1) {
            *in = (struct place){c, alloc_first_bit(rows)};
            uint64_t starts = search_row(c, in->row, n);
            if (starts)
                return starts;
            correct_hint(h, c, class, in->row);
            if (!--tries)
                return 0;
        }
    }
    return 0;
}

/* A row where runs of n granules begin: which; 0: none anywhere. */
static uint64_t search(struct heap *h, unsigned n, struct place *in)
{
    unsigned class = class_of_run(n);
    if (!is_least_of_class(n)) {
        uint64_t starts = search_own_class(h, n, class, in);
        if (starts)
            return starts;
        class ++;
    }
    for (uint64_t lists; (lists = h->classes >> class);) {
        unsigned found = class + alloc_first_bit(lists);
        *in = (struct place){h->lists[found], alloc_first_bit(h->lists[found]->hints[found])};
        uint64_t starts = search_row(in->c, in->row, n);
        if (ALLOC_LIKELY(starts))
            return starts;
        correct_hint(h, in->c, found, in->row);
    }
    return 0;
}

/* ---- alloc and release ---------------------------------------------------------------------------------------------
 */

/* Makes another chunk the newest; what the old one has left becomes a run. False: exhausted. */
static bool new_chunk(struct heap *h)
{
    struct chunk *old = h->newest, *c = chunks_take_aligned(&h->chunks, chunk_pages(&h->chunks));
    unsigned rest = h->fresh;
    if (!c)
        return false;
    open_chunk(h, c);
    h->empty++;
    if (rest < GRANULES)
        give(h, old, rest, GRANULES);
    return true;
}

static inline unsigned granules_for(size_t size)
{
    return (unsigned)((size + GRANULE - 1) / GRANULE + !size);
}

static inline bool can_keep(const struct heap *h, unsigned n)
{
    return n <= KEPT_MAX && h->nkept[n] < h->room[n];
}

/* Cuts [at, end), no granule of which is free, into blocks: the first for the request, the others to keep. Returns
 * where the last ends. */
static inline unsigned cut_up(struct heap *h, struct chunk *c, unsigned at, unsigned end, unsigned n)
{
    flip_end(c, at + n);
    if (!c->used)
        h->empty--;
    unsigned from = at;
    for (at += n; at + n <= end && can_keep(h, n); at += n) {
        flip_end(c, at + n);
        h->kept[n][h->nkept[n]++] = granule_at(c, at);
    }
    c->used += at - from;
    return at;
}

static inline unsigned batch_of(unsigned n)
{
    return ALLOC_MAX(n, ALLOC_MIN(BATCH * n, ROW));
}

/* The first of the runs that begin in a row; more of it, and others that are just as long, become blocks to keep. */
static void *take_run(struct heap *h, const struct place *in, uint64_t starts, unsigned n)
{
    struct chunk *c = in->c;
    unsigned at = in->row * ROW + alloc_first_bit(starts), end = run_end(c, at + n - 1, at + n + ROW + LONG);
    unsigned rest = cut_up(h, c, at, ALLOC_MIN(end, at + batch_of(n)), n);
    flip(c, at, rest - at);
    if (rest < end)
        hint(h, c, rest, end - rest);
    for (starts &= starts - 1; starts && can_keep(h, n); starts &= starts - 1) {
        unsigned other = in->row * ROW + alloc_first_bit(starts);
        if (is_free(c, other + n))
            continue;
        flip(c, other, n);
        flip_end(c, other + n);
        c->used += n;
        h->kept[n][h->nkept[n]++] = granule_at(c, other);
    }
    return granule_at(c, at);
}

/* From granules never used. NULL: exhausted. */
static void *take_fresh(struct heap *h, unsigned n)
{
    if (n > GRANULES - h->fresh && !new_chunk(h))
        return NULL;
    unsigned at = h->fresh;
    h->fresh = cut_up(h, h->newest, at, ALLOC_MIN(at + batch_of(n), GRANULES), n);
    return granule_at(h->newest, at);
}

static __attribute__((noinline)) void *alloc_slow(struct heap *h, size_t size)
{
    if (size > SMALL_MAX)
        return large_alloc(&h->chunks, size);
    struct place in;
    unsigned n = granules_for(size);
    uint64_t starts = search(h, n, &in);
    if (starts)
        return take_run(h, &in, starts, n);
    void *p = take_fresh(h, n);
    if (!p && let_all_go(h) && (starts = search(h, n, &in)))
        p = take_run(h, &in, starts, n);
    return p;
}

static void *alloc(struct heap *h, size_t size)
{
    size_t n = (size + GRANULE - 1) / GRANULE + !size;
    if (ALLOC_UNLIKELY(n > KEPT_MAX || !h->nkept[n]))
        return alloc_slow(h, size);
    return h->kept[n][--h->nkept[n]];
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
        give(h, c, end, from + all);
    }
    if (at > from)
        give(h, c, from, at);
    c->used -= all - n;
    return granule_at(c, at);
}

/* A block that is not kept, or others of its length must go first. */
static __attribute__((noinline)) void release_slow(struct heap *h, void *p, unsigned n)
{
    struct chunk *c = chunk_of(p);
    unsigned at = index_of(p);
    if (n <= KEPT_MAX && h->room[n]) {
        let_go(h, n, (h->nkept[n] + 1u) / 2);
        h->kept[n][h->nkept[n]++] = p;
        return;
    }
    bool emptied = dissolve(c, at, n);
    hint_around(h, c, at, at + n);
    if (emptied)
        leave_empty(h, c);
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
    if (ALLOC_UNLIKELY(n > KEPT_MAX || (nkept = h->nkept[n]) == h->room[n])) {
        release_slow(h, p, n);
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

/* Whether the granules from the end of a block on are free, or fresh; then they are the block's. */
static bool grow(struct heap *h, struct chunk *c, unsigned end, unsigned to)
{
    if (to > GRANULES)
        return false;
    if (c == h->newest && end == h->fresh) {
        h->fresh = to;
        return true;
    }
    if (run_end(c, end, to) < to)
        return false;
    flip(c, end, to - end);
    if (is_free(c, to))
        hint(h, c, to, run_end(c, to, to + LONG) - to);
    return true;
}

/* Takes granules in from behind the block, or lets some go there. */
static void *resize(struct heap *h, void *p, size_t size)
{
    struct chunk *c = chunk_of(p);
    bool is_large = p == (void *)c;
    if (is_large && size > SMALL_MAX && size <= large_usable(&h->chunks, p)) {
        large_shrink(&h->chunks, p, size);
        return p;
    }
    if (is_large || size > SMALL_MAX)
        return alloc_resize_by_copy(&allocator_bitmap, h, p, size);
    unsigned at = index_of(p), end = end_of(c, at), to = at + granules_for(size);
    if (to == end)
        return p;
    if (to > end && !grow(h, c, end, to))
        return alloc_resize_by_copy(&allocator_bitmap, h, p, size);
    flip_end(c, end);
    flip_end(c, to);
    c->used += to - end;
    if (to < end)
        give(h, c, to, end);
    return p;
}

/* ---- The heap ------------------------------------------------------------------------------------------------------
 */

static const struct alloc_option options[] = {
    [OPT_KEEP] = {.name = "keep",
                  .help = "bytes of released blocks of each length up to 1024 that are kept whole; 0: none",
                  .type = OPTION_SIZE,
                  .def = 2048,
                  .min = 0,
                  .max = 16384},
    {.name = NULL},
};

/* How many blocks of n granules are kept, of so many bytes. */
static uint8_t room_for(unsigned n, size_t bytes)
{
    if (!bytes)
        return 0;
    size_t blocks = bytes / GRANULE >> last_bit(n);
    return (uint8_t)(blocks < FEW ? FEW : blocks > MANY ? MANY : blocks);
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
        h->room[n] = room_for(n, (size_t)config->opt[OPT_KEEP]);
    open_chunk(h, own);
    own->used = granules_for(sizeof *own + sizeof *h) - FIRST;
    h->fresh += own->used;
    return h;
}

static void destroy(struct heap *h)
{
    struct chunks chunks = h->chunks;
    struct chunk *own = chunk_of(h);
    large_destroy(&chunks);
    for (struct chunk *c = h->all, *next; c; c = next) {
        next = c->all.next;
        if (c != own)
            chunks_give_pages(&chunks, c, chunk_pages(&chunks));
    }
    chunks_give_pages(&chunks, own, chunk_pages(&chunks));
}

/* ---- walk and check ------------------------------------------------------------------------------------------------
 */

/* The granule that the first block or run of a chunk begins with. */
static inline unsigned first_of(const struct heap *h, const struct chunk *c)
{
    return c == chunk_of(h) ? granules_for(sizeof *c + sizeof *h) : FIRST;
}

/* Behind the last granule that a block or run may have. */
static inline unsigned last_of(const struct heap *h, const struct chunk *c)
{
    return c == h->newest ? h->fresh : GRANULES;
}

static bool is_kept(const struct heap *h, const void *p, unsigned n)
{
    for (unsigned i = 0; n <= KEPT_MAX && i < h->nkept[n]; i++)
        if (h->kept[n][i] == p)
            return true;
    return false;
}

static bool walk_chunk(const struct heap *h, const struct chunk *c, heap_visit *visit, void *arg)
{
    unsigned last = last_of(h, c);
    for (unsigned at = first_of(h, c), end; at < last; at = end) {
        bool used = !is_free(c, at);
        end = used ? end_of(c, at) : run_end(c, at, GRANULES);
        used = used && !is_kept(h, granule_at(c, at), end - at);
        struct heap_block seen = {granule_at(c, at), (size_t)(end - at) * GRANULE, used};
        if (!visit(&seen, arg))
            return false;
    }
    struct heap_block fresh = {granule_at(c, last), (size_t)(GRANULES - last) * GRANULE, false};
    return last == GRANULES || visit(&fresh, arg);
}

static bool walk(const struct heap *h, heap_visit *visit, void *arg)
{
    for (const struct chunk *c = h->all; c; c = c->all.next)
        if (!walk_chunk(h, c, visit, arg))
            return false;
    return large_walk(&h->chunks, visit, arg);
}

/* The first end bit in [at, last); last: none. */
static unsigned next_end(const struct chunk *c, unsigned at, unsigned last)
{
    while (at < last && !(c->ends[at / ROW] >> at % ROW & 1))
        at++;
    return at;
}

static const char *check_granules(const struct heap *h, const struct chunk *c)
{
    unsigned first = first_of(h, c), last = last_of(h, c), used = c == chunk_of(h) ? first - FIRST : 0;
    if (next_end(c, 0, first) < first || next_end(c, last, GRANULES) < GRANULES)
        return "a block ends where none can be";
    for (unsigned at = 0; at < GRANULES; at++)
        if ((at < first || at >= last) && is_free(c, at))
            return "a granule is free that cannot be";
    for (unsigned at = first, end; at < last; at = end) {
        if (is_free(c, at)) {
            end = run_end(c, at, GRANULES);
            if (!(c->hints[class_of_run(end - at)] >> at / ROW & 1))
                return "a run is not hinted at";
            if (next_end(c, at, end) < end)
                return "a block ends in a free run";
        } else {
            end = next_end(c, at, last) + 1;
            if (end > last || (is_free(c, at) ? at : run_end(c, at, end)) != at)
                return "a block has no end";
            for (unsigned i = at; i < end; i++)
                if (is_free(c, i))
                    return "a block has free granules";
            used += end - at;
        }
    }
    return used == c->used ? NULL : "a chunk miscounts its granules";
}

static const char *check_lists(const struct heap *h)
{
    for (unsigned class = 0; class < CLASSES; class ++) {
        size_t hinted = 0, listed = 0;
        for (const struct chunk *c = h->all; c; c = c->all.next)
            hinted += c->hints[class] != 0;
        for (const struct chunk *c = h->lists[class], *prev = NULL; c && listed <= hinted;
             prev = c, c = c->on[class].next) {
            if (c->on[class].prev != prev || !c->hints[class])
                return "a list of chunks is damaged";
            listed++;
        }
        if (listed != hinted || (h->classes >> class & 1) != (hinted > 0))
            return "a list of chunks is not what the hints say";
    }
    return NULL;
}

static const char *check(const struct heap *h)
{
    size_t bytes = 0, empty = 0;
    const char *broken = large_check(&h->chunks, &bytes);
    for (const struct chunk *c = h->all; c && !broken; c = c->all.next) {
        broken = check_granules(h, c);
        bytes += h->chunks.size;
        empty += c->used == 0;
    }
    if (!broken)
        broken = check_lists(h);
    if (broken)
        return broken;
    return bytes != h->chunks.held ? "the chunks do not add up to the pages held"
           : empty != h->empty     ? "the heap miscounts its empty chunks"
                                   : NULL;
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
    .aligned = aligned,
    .resize = resize,
    .usable = usable,
    .walk = walk,
    .check = check,
};
