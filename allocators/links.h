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
    next->prev = l; /* between the two stores to l, lest the compiler makes them one of a vector, which takes longer */
    l->prev = prev;
    prev->next = l;
}

/* Takes l out. True: its list is empty now, and l->next is the head; only that can be both neighbours of a link, so an
 * emptied list is told without asking for the block's size. */
static inline bool unlink_from_list(const struct link *l)
{
    struct link *next = l->next, *prev = l->prev;
    next->prev = prev;
    prev->next = next;
    return next == prev;
}

/* Takes the first link off a list. True: it was the last. */
static inline bool pop_from_list(struct link *head, const struct link *first)
{
    struct link *next = first->next;
    head->next = next;
    next->prev = head;
    return next == head;
}

/* Puts l in the place of another. */
static inline void link_instead(struct link *l, const struct link *other)
{
    struct link *next = other->next, *prev = other->prev;
    l->next = next;
    next->prev = l;
    l->prev = prev;
    prev->next = l;
}

/* Links reach every address. */
#define LINK_REACH UINTPTR_MAX

/* The head's address; the compiler would make it anew at each use. */
static inline struct link *head_of(struct link *lists, size_t list)
{
    struct link *head = &lists[list];
    __asm__("" : "+r"(head));
    return head;
}

#endif
