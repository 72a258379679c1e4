/*
 * avl.c - a given region of memory: its free runs in two balanced trees, one by address, one by size; best fit.
 *
 * Algorithm: a request takes the low end of the smallest free run that holds it, of those the lowest; a run that comes
 * back is merged with the free runs before and behind it. Both trees are AVL trees: the heights of a node's subtrees
 * differ by one at most (Adelson-Velsky and Landis 1962, as in Knuth, TAOCP 3, 6.2.3). Best fit by a tree of sizes and
 * merging by a tree of addresses is how Solaris' vmem and ZFS' range trees keep their free segments.
 *
 * Cost: O(log free runs) for every request, and for every run given back, whatever its length. Bound: the trees are no
 * higher than 1.45 log2(runs + 2); best fit needs at most M(n - 2) pages, M being the most ever out and n the longest
 * run asked for (Robson 1977). Overhead: none: a free run's record lies in its first page; of pages never out, only
 * one is ever written to at a time. Checked by: tests/avl.c, which verifies height, balance and order of both trees
 * after every step, and tests/page_sources.c, which compares every placement with a search of the whole region.
 *
 *   | out | free run | out  | free run            | out |     by address: before and behind
 *           npages            npages                          by size:    the smallest that fits, the lowest of those
 *           link[2]           link[2]
 */
#include "allocators/alloc.h"

enum tree { BY_ADDRESS, BY_SIZE, TREES };

#define MAX_HEIGHT (12 * sizeof(size_t)) /* more than 1.45 log2 of any number of pages */

struct run {
    size_t npages;
    struct {
        struct run *child[2]; /* what comes before, what comes behind */
        unsigned height;      /* of this subtree; 1: no children */
    } link[TREES];
};

struct state {
    struct run *root[TREES];
    size_t page_size;
};

/* ---- AVL trees -----------------------------------------------------------------------------------------------------
 */

static bool precedes(const struct run *a, const struct run *b, enum tree tree)
{
    if (tree == BY_SIZE && a->npages != b->npages)
        return a->npages < b->npages;
    return (uintptr_t)a < (uintptr_t)b;
}

static unsigned height(const struct run *run, enum tree tree)
{
    return run != NULL ? run->link[tree].height : 0;
}

static void update_height(struct run *run, enum tree tree)
{
    const unsigned before = height(run->link[tree].child[0], tree), behind = height(run->link[tree].child[1], tree);
    run->link[tree].height = 1 + ALLOC_MAX(before, behind);
}

/* Lifts the child on `side` over its parent. */
static void rotate(struct run **slot, unsigned side, enum tree tree)
{
    struct run *parent = *slot, *child = parent->link[tree].child[side];
    parent->link[tree].child[side] = child->link[tree].child[!side];
    child->link[tree].child[!side] = parent;
    update_height(parent, tree);
    update_height(child, tree);
    *slot = child;
}

/* Restores the balance of a subtree whose children are balanced and differ by two at most. */
static void rebalance(struct run **slot, enum tree tree)
{
    struct run *run = *slot;
    if (run == NULL)
        return;
    for (unsigned side = 0; side < 2; side++) {
        struct run *high = run->link[tree].child[side];
        if (height(high, tree) < height(run->link[tree].child[!side], tree) + 2)
            continue;
        if (height(high->link[tree].child[!side], tree) > height(high->link[tree].child[side], tree))
            rotate(&run->link[tree].child[side], !side, tree);
        rotate(slot, side, tree);
        return;
    }
    update_height(run, tree);
}

/* From the root to where `run` is, or would be: the slots passed in path[], the last one returned. */
static struct run **descend(struct state *state, const struct run *run, enum tree tree, struct run ***path,
                            unsigned *depth)
{
    struct run **slot = &state->root[tree];
    while (*slot != NULL && *slot != run) {
        path[(*depth)++] = slot;
        slot = &(*slot)->link[tree].child[precedes(*slot, run, tree)];
    }
    return slot;
}

static void insert(struct state *state, struct run *run, enum tree tree)
{
    struct run **path[MAX_HEIGHT];
    unsigned depth = 0;
    *descend(state, run, tree, path, &depth) = run;
    run->link[tree].child[0] = run->link[tree].child[1] = NULL;
    run->link[tree].height = 1;
    while (depth > 0)
        rebalance(path[--depth], tree);
}

/* A run with two children gives its place to the next in order. */
static void take_out(struct state *state, struct run *run, enum tree tree)
{
    struct run **path[MAX_HEIGHT];
    unsigned depth = 0;
    struct run **slot = descend(state, run, tree, path, &depth);
    if (run->link[tree].child[0] == NULL || run->link[tree].child[1] == NULL) {
        *slot = run->link[tree].child[run->link[tree].child[0] == NULL];
    } else {
        path[depth++] = slot;
        const unsigned below = depth;
        struct run **last = &run->link[tree].child[1];
        for (; (*last)->link[tree].child[0] != NULL; last = &(*last)->link[tree].child[0])
            path[depth++] = last;
        struct run *next = *last;
        *last = next->link[tree].child[1];
        next->link[tree] = run->link[tree];
        *slot = next;
        if (depth > below)
            path[below] = &next->link[tree].child[1];
    }
    while (depth > 0)
        rebalance(path[--depth], tree);
}

/* Puts `by` where `run` was among the addresses; no other run lies between the two. */
static void replace(struct state *state, struct run *run, struct run *by)
{
    struct run **path[MAX_HEIGHT];
    unsigned depth = 0;
    struct run **slot = descend(state, run, BY_ADDRESS, path, &depth);
    by->link[BY_ADDRESS] = run->link[BY_ADDRESS];
    *slot = by;
}

/* ---- Pages ---------------------------------------------------------------------------------------------------------
 */

static char *end_of(const struct state *state, const struct run *run)
{
    return (char *)(uintptr_t)run + run->npages * state->page_size;
}

/* The smallest run of at least npages, of those the lowest; NULL: none. */
static struct run *best_fit(const struct state *state, size_t npages)
{
    struct run *best = NULL;
    for (struct run *run = state->root[BY_SIZE]; run != NULL;) {
        const bool fits = run->npages >= npages;
        if (fits)
            best = run;
        run = run->link[BY_SIZE].child[!fits];
    }
    return best;
}

static void *avl_alloc_page(void *ctx, size_t npages)
{
    struct state *state = ctx;
    struct run *run = best_fit(state, npages);
    if (run == NULL)
        return NULL;
    struct run *rest = (struct run *)((char *)run + npages * state->page_size);
    take_out(state, run, BY_SIZE);
    if (run->npages > npages) {
        rest->npages = run->npages - npages;
        replace(state, run, rest);
        insert(state, rest, BY_SIZE);
    } else {
        take_out(state, run, BY_ADDRESS);
    }
    return run;
}

/* The last free run below `at` and the first above; NULL: none. */
static void find_neighbours(const struct state *state, const void *at, struct run **before, struct run **behind)
{
    *before = *behind = NULL;
    for (struct run *run = state->root[BY_ADDRESS]; run != NULL;) {
        const bool below = (uintptr_t)run < (uintptr_t)at;
        *(below ? before : behind) = run;
        run = run->link[BY_ADDRESS].child[below];
    }
}

static void avl_free_page(void *ctx, void *pages, size_t npages)
{
    struct state *state = ctx;
    struct run *run = pages, *before, *behind;
    find_neighbours(state, pages, &before, &behind);
    const bool joins_before = before != NULL && end_of(state, before) == (char *)pages;
    const bool joins_behind = behind != NULL && (char *)pages + npages * state->page_size == (char *)behind;
    if (joins_before)
        take_out(state, before, BY_SIZE);
    if (joins_behind)
        take_out(state, behind, BY_SIZE);
    if (joins_before && joins_behind)
        take_out(state, behind, BY_ADDRESS);
    else if (joins_behind)
        replace(state, behind, run);
    else if (!joins_before)
        insert(state, run, BY_ADDRESS);
    npages += (joins_before ? before->npages : 0) + (joins_behind ? behind->npages : 0);
    run = joins_before ? before : run;
    run->npages = npages;
    insert(state, run, BY_SIZE);
}

static bool avl_open(struct page_source *source, void *state, void *region, size_t region_bytes, size_t page_size,
                     const uint64_t *opt)
{
    struct state *own = state;
    struct run *all = region;
    const size_t npages = alloc_whole_pages(region_bytes, page_size);
    (void)opt;
    if (((uintptr_t)region & (page_size - 1)) != 0 || npages == 0)
        return false;
    *own = (struct state){.page_size = page_size};
    all->npages = npages;
    insert(own, all, BY_ADDRESS);
    insert(own, all, BY_SIZE);
    *source = (struct page_source){
        .alloc_page = avl_alloc_page, .free_page = avl_free_page, .ctx = own, .page_size = page_size};
    return true;
}

static void avl_close(struct page_source *source)
{
    (void)source;
}

const struct page_kind page_kind_avl = {
    .caps = 0,
    .name = "avl",
    .summary = "the region itself: its free runs in balanced trees, best fit",
    .state_size = sizeof(struct state),
    .open = avl_open,
    .close = avl_close,
};
