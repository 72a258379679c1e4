/*
 * line.c - blocks on a line of addresses, best fit; see line.h.
 *
 * What is on the line is a list in the order of addresses, so that a block that is taken away finds the gaps beside it.
 * The gaps are a treap as well, by size and then by address (R. Seidel and C. R. Aragon, "Randomized search trees",
 * Algorithmica 16 (1996)). There is no gap behind the last block, and no two gaps touch.
 */
#include "driver/line.h"

#include <stdlib.h>

#define NONE UINT32_MAX

struct segment {
    uint32_t at, units;
    uint32_t prev, next; /* NONE: there is none */
};

struct gap {
    uint32_t smaller, larger; /* subtrees */
    uint32_t priority;        /* no smaller than those of the subtrees */
};

/* The beginning of the line is a segment of no units, so that each has one before it. */
static uint32_t beginning(const struct line *line)
{
    return line->nblocks;
}

static bool is_gap(const struct line *line, uint32_t segment)
{
    return segment != NONE && segment > beginning(line);
}

static struct gap *gap_of(const struct line *line, uint32_t segment)
{
    return &line->gaps[segment - beginning(line) - 1];
}

/* ---- The tree ---------------------------------------------------------------------------------------------------- */

static bool precedes(const struct line *line, uint32_t a, uint32_t b)
{
    const struct segment *x = &line->segments[a], *y = &line->segments[b];
    return x->units != y->units ? x->units < y->units : x->at < y->at;
}

/* The place in the tree where a gap is, or belongs above those of lower priority. */
static uint32_t *find_slot(struct line *line, uint32_t gap)
{
    uint32_t *slot = &line->root;
    while (*slot != NONE && *slot != gap && gap_of(line, *slot)->priority >= gap_of(line, gap)->priority) {
        struct gap *at = gap_of(line, *slot);
        slot = precedes(line, *slot, gap) ? &at->larger : &at->smaller;
    }
    return slot;
}

static void tree_add(struct line *line, uint32_t gap)
{
    uint32_t *slot = find_slot(line, gap), rest = *slot;
    uint32_t *smaller = &gap_of(line, gap)->smaller, *larger = &gap_of(line, gap)->larger;
    *slot = gap;
    while (rest != NONE) {
        struct gap *at = gap_of(line, rest);
        if (precedes(line, rest, gap)) {
            *smaller = rest;
            smaller = &at->larger;
            rest = at->larger;
        } else {
            *larger = rest;
            larger = &at->smaller;
            rest = at->smaller;
        }
    }
    *smaller = *larger = NONE;
}

static void tree_remove(struct line *line, uint32_t gap)
{
    uint32_t *slot = find_slot(line, gap);
    uint32_t smaller = gap_of(line, gap)->smaller, larger = gap_of(line, gap)->larger;
    while (smaller != NONE && larger != NONE) {
        struct gap *low = gap_of(line, smaller), *high = gap_of(line, larger);
        if (low->priority > high->priority) {
            *slot = smaller;
            slot = &low->larger;
            smaller = low->larger;
        } else {
            *slot = larger;
            slot = &high->smaller;
            larger = high->smaller;
        }
    }
    *slot = smaller != NONE ? smaller : larger;
}

/* The smallest gap of at least so many units, of those the lowest. */
static uint32_t tree_find(const struct line *line, uint64_t units)
{
    uint32_t found = NONE;
    for (uint32_t at = line->root; at != NONE;) {
        const bool fits = line->segments[at].units >= units;
        found = fits ? at : found;
        at = fits ? gap_of(line, at)->smaller : gap_of(line, at)->larger;
    }
    return found;
}

/* ---- The list ---------------------------------------------------------------------------------------------------- */

static void link_behind(struct line *line, uint32_t before, uint32_t segment)
{
    struct segment *s = line->segments;
    s[segment].prev = before;
    s[segment].next = s[before].next;
    *(s[before].next != NONE ? &s[s[before].next].prev : &line->last) = segment;
    s[before].next = segment;
}

static void unlink_segment(struct line *line, uint32_t segment)
{
    struct segment *s = line->segments;
    s[s[segment].prev].next = s[segment].next;
    *(s[segment].next != NONE ? &s[s[segment].next].prev : &line->last) = s[segment].prev;
}

/* Xorshift (G. Marsaglia, "Xorshift RNGs", 2003). */
static uint32_t next_random(struct line *line)
{
    line->random ^= line->random << 13;
    line->random ^= line->random >> 17;
    return line->random ^= line->random << 5;
}

static void add_gap(struct line *line, uint32_t before, uint64_t at, uint64_t units)
{
    if (units == 0)
        return;
    const uint32_t gap = line->unused[--line->nunused];
    line->segments[gap].at = (uint32_t)at;
    line->segments[gap].units = (uint32_t)units;
    gap_of(line, gap)->priority = next_random(line);
    link_behind(line, before, gap);
    tree_add(line, gap);
}

static void remove_gap(struct line *line, uint32_t gap)
{
    tree_remove(line, gap);
    unlink_segment(line, gap);
    line->unused[line->nunused++] = gap;
}

/* ---- Blocks ------------------------------------------------------------------------------------------------------ */

bool line_put(struct line *line, uint32_t block, uint32_t units, uint32_t align)
{
    struct segment *s = line->segments;
    const uint32_t gap = tree_find(line, (uint64_t)units + align - 1);
    const uint32_t before = gap != NONE ? s[gap].prev : line->last;
    const uint64_t start = gap != NONE ? s[gap].at : (uint64_t)s[before].at + s[before].units;
    const uint64_t at = (start + align - 1) & ~((uint64_t)align - 1), end = at + units;
    const uint64_t gap_end = gap != NONE ? start + s[gap].units : end;
    if (end > LINE_ROOM)
        return false;
    if (gap != NONE)
        remove_gap(line, gap);
    s[block].at = (uint32_t)at;
    s[block].units = units;
    link_behind(line, before, block);
    add_gap(line, before, start, at - start);
    add_gap(line, block, end, gap_end - end);
    line->highest = end > line->highest ? end : line->highest;
    return true;
}

void line_take(struct line *line, uint32_t block)
{
    struct segment *s = line->segments;
    uint32_t before = s[block].prev;
    const uint32_t behind = s[block].next;
    uint64_t at = s[block].at, end = at + s[block].units;
    unlink_segment(line, block);
    if (is_gap(line, before)) {
        const uint32_t gap = before;
        at = s[gap].at;
        before = s[gap].prev;
        remove_gap(line, gap);
    }
    if (behind == NONE)
        return;
    if (is_gap(line, behind)) {
        end += s[behind].units;
        remove_gap(line, behind);
    }
    add_gap(line, before, at, end - at);
}

uint32_t line_place(const struct line *line, uint32_t block)
{
    return line->segments[block].at;
}

void line_clear(struct line *line)
{
    const uint32_t first = beginning(line);
    line->segments[first] = (struct segment){.prev = NONE, .next = NONE};
    line->root = NONE;
    line->last = first;
    line->highest = 0;
    line->nunused = 0;
    for (uint32_t i = line->ngaps; i > 0; i--)
        line->unused[line->nunused++] = first + i;
}

bool line_open(struct line *line, uint32_t nblocks, uint32_t nlive)
{
    *line = (struct line){.nblocks = nblocks, .ngaps = nlive + 2, .random = 1};
    line->segments = calloc((size_t)nblocks + 1 + line->ngaps, sizeof *line->segments);
    line->gaps = calloc(line->ngaps, sizeof *line->gaps);
    line->unused = calloc(line->ngaps, sizeof *line->unused);
    if (line->segments != NULL && line->gaps != NULL && line->unused != NULL) {
        line_clear(line);
        return true;
    }
    line_close(line);
    return false;
}

void line_close(struct line *line)
{
    free(line->segments);
    free(line->gaps);
    free(line->unused);
}
