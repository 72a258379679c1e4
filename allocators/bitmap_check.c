/*
 * bitmap_check.c - bitmap, seen from outside: every block and run, and the invariants of bits, hints and lists.
 */
#include "allocators/bitmap.h"

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

bool bitmap_walk(const struct heap *h, heap_visit *visit, void *arg)
{
    for (const struct chunk *c = chunk_behind(h, NULL); c; c = chunk_behind(h, c))
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

static const char *check_group(const struct group *g)
{
    uint64_t hinted[CLASSES] = {0};
    for (uint64_t open = g->open; open; open &= open - 1) {
        unsigned slot = alloc_first_bit(open);
        const struct chunk *c = g->chunks[slot];
        if (c->group != g || c->slot != slot)
            return "a group's chunk is not in its place";
        for (unsigned class = 0; class < CLASSES; class ++)
            hinted[class] |= (uint64_t)(c->hints[class] != 0) << slot;
    }
    for (unsigned class = 0; class < CLASSES; class ++)
        if (g->hinted[class] != hinted[class])
            return "a group is not what its chunks' hints say";
    return NULL;
}

static const char *check_lists(const struct heap *h)
{
    for (unsigned class = 0; class < CLASSES; class ++) {
        size_t hinted = 0, listed = 0;
        for (const struct group *g = &h->first; g; g = g->all.next)
            hinted += g->hinted[class] != 0;
        for (const struct group *g = h->lists[class], *prev = NULL; g && listed <= hinted;
             prev = g, g = g->on[class].next) {
            if (g->on[class].prev != prev || !g->hinted[class])
                return "a list of groups is damaged";
            if ((uintptr_t)g < (uintptr_t)prev)
                return "a list of groups is out of order";
            listed++;
        }
        if (listed != hinted || (h->classes >> class & 1) != (hinted > 0))
            return "a list of groups is not what the hints say";
    }
    return NULL;
}

/* What the lengths may keep is what the chunks allow. */
static const char *check_kept(const struct heap *h, size_t chunks)
{
    long spare = h->spare;
    for (unsigned n = 1; n <= KEPT_MAX; n++) {
        unsigned least = ALLOC_MIN(h->limit[n], few_of(n));
        if (h->nkept[n] > h->room[n] || h->room[n] > h->limit[n] || h->room[n] < least)
            return "too many blocks of a length are kept";
        spare += (long)(h->room[n] - least) * n;
    }
    return spare == SPARE * (long)chunks ? NULL : "the room for kept blocks does not add up to the chunks";
}

const char *bitmap_check(const struct heap *h)
{
    size_t bytes = 0, chunks = 0, empty = 0;
    const char *broken = large_check(&h->chunks, &bytes);
    for (const struct group *g = &h->first; g && !broken; g = g->all.next) {
        broken = check_group(g);
        bytes += g == &h->first ? 0 : group_pages(&h->chunks) << h->chunks.page_log2;
    }
    for (const struct chunk *c = chunk_behind(h, NULL); c && !broken; c = chunk_behind(h, c)) {
        broken = check_granules(h, c);
        bytes += h->chunks.size;
        empty += c->used == 0;
        chunks++;
    }
    if (!broken)
        broken = check_lists(h);
    if (!broken)
        broken = check_kept(h, chunks);
    if (broken)
        return broken;
    return bytes != h->chunks.held ? "the chunks do not add up to the pages held"
           : empty != h->empty     ? "the heap miscounts its empty chunks"
                                   : NULL;
}
