/*
 * bitmap_runs.c - bitmap's runs of free granules: what leads to them, how they become blocks, and blocks runs again;
 * and the chunks that they are in. All that is to be done when no block kept serves a request, or none more can be
 * kept.
 */
#include "allocators/bitmap.h"

#define TRIES  8 /* rows searched in the class of n where runs may be a little shorter */
#define LOWEST 4 /* blocks; where no more may be kept, those at the lowest addresses are, or else the newest */
#define BATCH  8 /* blocks that a run is cut into at once, as long as they fit in a row */

/* ---- Hints ---------------------------------------------------------------------------------------------------------
 */

static inline unsigned least_of_class(unsigned class)
{
    return class < 16 ? class : (8 | class % 8) << (class / 8 - 1);
}

/* The lists are in address order, so that the low end fills up. */
static void link_group(struct heap *h, struct group *g, unsigned class)
{
    struct group *next = h->lists[class], *prev = NULL;
    for (; next && (uintptr_t)next < (uintptr_t)g; next = next->on[class].next)
        prev = next;
    g->on[class] = (struct links){next, prev};
    if (next)
        next->on[class].prev = g;
    if (prev)
        prev->on[class].next = g;
    else
        h->lists[class] = g;
    h->classes |= (uint64_t)1 << class;
}

static void unlink_group(struct heap *h, struct group *g, unsigned class)
{
    struct group *next = g->on[class].next, *prev = g->on[class].prev;
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
    if (!c->hints[class]) {
        if (!c->group->hinted[class])
            link_group(h, c->group, class);
        c->group->hinted[class] |= (uint64_t)1 << c->slot;
    }
    c->hints[class] |= (uint32_t)1 << at / ROW;
}

/* The chunk has no hint of the class any more. */
static void unhint(struct heap *h, const struct chunk *c, unsigned class)
{
    if (!(c->group->hinted[class] ^= (uint64_t)1 << c->slot))
        unlink_group(h, c->group, class);
}

/* ---- Chunks --------------------------------------------------------------------------------------------------------
 */

/* A group that has room for a chunk. NULL: exhausted. */
static struct group *group_with_room(struct heap *h)
{
    struct group *g = &h->first;
    for (; !~g->open; g = g->all.next)
        if (!g->all.next) {
            struct group *more = chunks_take_pages(&h->chunks, group_pages(&h->chunks));
            if (!more)
                return NULL;
            __builtin_memset(more, 0, offsetof(struct group, on));
            more->all.prev = g;
            g->all.next = more;
        }
    return g;
}

static void leave_group(struct heap *h, struct group *g)
{
    if (g->open || g == &h->first)
        return;
    g->all.prev->all.next = g->all.next;
    if (g->all.next)
        g->all.next->all.prev = g->all.prev;
    chunks_give_pages(&h->chunks, g, group_pages(&h->chunks));
}

void bitmap_open_chunk(struct heap *h, struct group *g, struct chunk *c)
{
    __builtin_memset(c, 0, sizeof *c);
    c->group = g;
    c->slot = alloc_first_bit(~g->open);
    g->chunks[c->slot] = c;
    g->open |= (uint64_t)1 << c->slot;
    h->newest = c;
    h->fresh = FIRST;
    h->spare += SPARE;
}

/* Never the heap's own, which is never empty. */
static void close_chunk(struct heap *h, struct chunk *c)
{
    for (unsigned class = 0; class < CLASSES; class ++)
        if (c->hints[class])
            unhint(h, c, class);
    if (h->newest == c) {
        h->newest = chunk_of(h);
        h->fresh = GRANULES;
    }
    h->empty--;
    h->spare -= SPARE;
    c->group->open ^= (uint64_t)1 << c->slot;
    leave_group(h, c->group);
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

void bitmap_give(struct heap *h, struct chunk *c, unsigned at, unsigned end)
{
    give(h, c, at, end);
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

struct run {
    struct chunk *c;
    unsigned at, length;
};

/* No run of the class begins in the row: the hint at one goes. */
static inline void drop_hint(struct heap *h, struct chunk *c, unsigned class, unsigned row)
{
    if (!(c->hints[class] &= ~((uint32_t)1 << row)))
        unhint(h, c, class);
}

/* The shortest run of n granules that begins in a row. There are few in one. The hint followed goes when no run of
 * `least` granules, the class's fewest or n, will be left. False: none has n. */
static inline bool search_row(struct heap *h, struct chunk *c, unsigned class, unsigned least, unsigned row, unsigned n,
                              struct run *run)
{
    uint64_t free = free_word(c, row), starts = free & ~(free << 1 | free_word(c, row - 1) >> (ROW - 1));
    unsigned at = 0, best = GRANULES, runs = 0;
    for (; starts; starts &= starts - 1) {
        unsigned in = row * ROW + alloc_first_bit(starts), length = run_end(c, in, in + ROW + LONG + n) - in;
        if (length < least)
            continue;
        runs++;
        if (length >= n && length < best)
            at = in, best = length;
    }
    *run = (struct run){c, at, best};
    if (runs <= (at > 0))
        drop_hint(h, c, class, row);
    return at > 0;
}

/* In the class of n, where runs may be shorter than that. */
static bool search_own_class(struct heap *h, unsigned n, unsigned class, struct run *run)
{
    unsigned tries = TRIES;
    for (struct group *g = h->lists[class], *next; g; g = next) {
        next = g->on[class].next;
        for (uint64_t slots = g->hinted[class]; slots; slots &= slots - 1) {
            struct chunk *c = g->chunks[alloc_first_bit(slots)];
            for (uint64_t rows = c->hints[class]; rows; rows &= rows - 1) {
                if (search_row(h, c, class, least_of_class(class), alloc_first_bit(rows), n, run))
                    return true;
                if (!--tries)
                    return false;
            }
        }
    }
    return false;
}

/* A run of n granules. False: there is none. */
static bool search(struct heap *h, unsigned n, struct run *run)
{
    unsigned class = class_of_run(n);
    if (n > least_of_class(class)) {
        if (search_own_class(h, n, class, run))
            return true;
        class ++;
    }
    for (uint64_t lists; (lists = h->classes >> class);) {
        class += alloc_first_bit(lists);
        struct group *g = h->lists[class];
        struct chunk *c = g->chunks[alloc_first_bit(g->hinted[class])];
        if (ALLOC_LIKELY(search_row(h, c, class, n, alloc_first_bit(c->hints[class]), n, run)))
            return true;
    }
    return false;
}

/* ---- alloc and release ---------------------------------------------------------------------------------------------
 */

/* Makes another chunk the newest; what the old one has left becomes a run. False: exhausted. */
static bool new_chunk(struct heap *h)
{
    struct group *g = group_with_room(h);
    struct chunk *old = h->newest, *c = g ? chunks_take_aligned(&h->chunks, chunk_pages(&h->chunks)) : NULL;
    unsigned rest = h->fresh;
    if (!c) {
        if (g)
            leave_group(h, g);
        return false;
    }
    bitmap_open_chunk(h, g, c);
    h->empty++;
    if (rest < GRANULES)
        give(h, old, rest, GRANULES);
    return true;
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

/* A block from a run; more of it becomes blocks to keep. */
static void *take_run(struct heap *h, const struct run *run, unsigned n)
{
    struct chunk *c = run->c;
    unsigned at = run->at, end = at + run->length, rest = cut_up(h, c, at, at + ALLOC_MIN(run->length, batch_of(n)), n);
    flip(c, at, rest - at);
    if (rest < end)
        hint(h, c, rest, end - rest);
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

void *bitmap_alloc(struct heap *h, size_t size)
{
    if (size > SMALL_MAX)
        return large_alloc(&h->chunks, size);
    struct run run;
    unsigned n = granules_for(size);
    if (search(h, n, &run))
        return take_run(h, &run, n);
    void *p = take_fresh(h, n);
    if (!p && let_all_go(h) && search(h, n, &run))
        p = take_run(h, &run, n);
    return p;
}

/* One more block of n granules may be kept. False: as many as may be are. */
static bool widen(struct heap *h, unsigned n)
{
    if (h->room[n] == h->limit[n] || h->spare < (long)n)
        return false;
    h->room[n]++;
    h->spare -= n;
    return true;
}

/* A block becomes free granules. */
static inline void make_free(struct heap *h, void *p, unsigned n)
{
    struct chunk *c = chunk_of(p);
    unsigned at = index_of(p);
    bool emptied = dissolve(c, at, n);
    hint_around(h, c, at, at + n);
    if (emptied)
        leave_empty(h, c);
}

/* Keeps p in the place of the highest of the length's blocks, which is returned; p itself, when that is the highest. */
static inline void *keep_lower(struct heap *h, void *p, unsigned n)
{
    for (unsigned i = 0; i < h->nkept[n]; i++)
        if ((uintptr_t)h->kept[n][i] > (uintptr_t)p) {
            void *higher = h->kept[n][i];
            h->kept[n][i] = p;
            p = higher;
        }
    return p;
}

void bitmap_release(struct heap *h, void *p, unsigned n)
{
    if (n > KEPT_MAX || (!widen(h, n) && !h->room[n])) {
        make_free(h, p, n);
        return;
    }
    unsigned some = h->nkept[n] < h->room[n] ? 0 : (h->nkept[n] + 1u) / 2;
    if (some > LOWEST / 2)
        let_go(h, n, some);
    else
        for (; some; some--) {
            make_free(h, keep_lower(h, p, n), n);
            p = h->kept[n][--h->nkept[n]];
        }
    h->kept[n][h->nkept[n]++] = p;
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

void *bitmap_resize(struct heap *h, void *p, size_t size)
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
