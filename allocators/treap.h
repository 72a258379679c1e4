/*
 * treap.h - free blocks in the order of their addresses, in a tree through the blocks themselves: any block is added or
 * taken out, and the lowest found, in expected O(log n) for n blocks.
 *
 * A binary search tree by address that is a heap by priority (C. R. Aragon and R. G. Seidel, "Randomized search trees",
 * FOCS 1989). The priority is a hash of the address, so a block needs no more than its two links.
 */
#ifndef HEAPBENCH_TREAP_H
#define HEAPBENCH_TREAP_H

#include "allocators/alloc.h"

struct treap {
    struct treap *lower, *higher; /* addresses; both of lower priority */
};

static inline uintptr_t treap_priority(const struct treap *t)
{
    uintptr_t n = (uintptr_t)t * (uintptr_t)UINT64_C(0x9E3779B97F4A7C15);
    n = (n ^ n >> (4 * sizeof n)) * (uintptr_t)UINT64_C(0x94D049BB133111EB);
    return n ^ n >> (4 * sizeof n);
}

static __attribute__((noinline)) void treap_insert(struct treap **root, struct treap *t)
{
    struct treap **at = root;
    while (*at && treap_priority(*at) >= treap_priority(t))
        at = t < *at ? &(*at)->lower : &(*at)->higher;
    struct treap *rest = *at, **lower = &t->lower, **higher = &t->higher; /* split what was there around the new one */
    *at = t;
    while (rest)
        if (rest < t) {
            *lower = rest;
            lower = &rest->higher;
            rest = *lower;
        } else {
            *higher = rest;
            higher = &rest->lower;
            rest = *higher;
        }
    *lower = *higher = NULL;
}

/* Takes out t, which is in the tree. */
static __attribute__((noinline)) void treap_remove(struct treap **root, struct treap *t)
{
    struct treap **at = root, *low = t->lower, *high = t->higher;
    while (*at != t)
        at = t < *at ? &(*at)->lower : &(*at)->higher;
    while (low && high) /* join its two sides */
        if (treap_priority(low) >= treap_priority(high)) {
            *at = low;
            at = &low->higher;
            low = *at;
        } else {
            *at = high;
            at = &high->lower;
            high = *at;
        }
    *at = low ? low : high;
}

/* The lowest of a tree that is not empty. */
static inline struct treap *treap_lowest(struct treap *t)
{
    while (t->lower)
        t = t->lower;
    return t;
}

#endif
