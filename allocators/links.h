/*
 * links.h - lists of free blocks: circular and doubly linked, through the blocks themselves, with a head of their own
 * (D. Knuth, TAOCP 1, 2.2.5). Every operation is O(1) and without a branch.
 */
#ifndef HEAPBENCH_LINKS_H
#define HEAPBENCH_LINKS_H

#include "allocators/alloc.h"

struct link {
    struct link *next, *prev;
};

static inline void link_init(struct link *head)
{
    head->next = head->prev = head;
}

static inline void link_behind(struct link *l, struct link *prev)
{
    struct link *next = prev->next;
    l->next = next;
    next->prev = l;
    l->prev = prev;
    prev->next = l;
}

/* Takes l out. NULL, or the list's head if it is empty now: only that can be both neighbours of a link, so an emptied
 * list is told without asking for the block's size. */
static inline struct link *unlink_from_list(struct link *l)
{
    struct link *next = l->next, *prev = l->prev;
    next->prev = prev;
    prev->next = next;
    return next == prev ? next : NULL;
}

#endif
