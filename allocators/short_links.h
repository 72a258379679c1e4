/*
 * short_links.h - the lists of links.h with links of 32 bits on every machine: on 64-bit a free block of 16 bytes holds
 * both beside its tags, and a list's head takes 4 bytes, not 16.
 *
 * A link is an offset in units of 4 bytes from the heads of the lists, which so reaches LINK_REACH bytes to either
 * side. A head is the half of a link that leads on, as nothing looks for a last block, and its offset is the list's
 * number. The first two heads are no lists but the end of all, at offset 0, which is written to as if it were a block:
 * thus no operation asks whether there is a next one. Every operation is O(1) and without a branch. Included after the
 * includer has defined NLISTS, with those two; all zero is all empty. Blocks lie behind the heads or before them: taken
 * as positive, an offset of theirs is at least NLISTS.
 */
#ifndef HEAPBENCH_SHORT_LINKS_H
#define HEAPBENCH_SHORT_LINKS_H

#include "allocators/alloc.h"

/* A head is written to as one too, and so the compiler must not take them for different things. */
struct __attribute__((may_alias)) link {
    int32_t next, prev;
};

struct lists {
    int32_t heads[NLISTS];
};

#define LINK_LOG2  2
#define LINK_REACH ((uint64_t)INT32_MAX << LINK_LOG2)

/* At offset 0 is no block, but it may be written to. */
static inline struct link *link_at(const struct lists *x, int32_t offset)
{
    return (struct link *)((uintptr_t)x + ((uintptr_t)(intptr_t)offset << LINK_LOG2));
}

static inline int32_t offset_of(const struct lists *x, const struct link *l)
{
    return (int32_t)((intptr_t)((uintptr_t)l - (uintptr_t)x) >> LINK_LOG2);
}

static inline void push_on_list(struct lists *x, size_t list, struct link *l)
{
    int32_t next = x->heads[list], self = offset_of(x, l);
    l->next = next;
    __asm__("" : "+m"(l->next)); /* lest the compiler makes both halves one store of a vector, which takes longer */
    l->prev = (int32_t)list;
    link_at(x, next)->prev = self;
    x->heads[list] = self;
}

/* Takes l out. True: the list is empty now, and *list is its number; else it is 0. */
static inline bool unlink_from_list(struct lists *x, const struct link *l, size_t *list)
{
    int32_t next = l->next, prev = l->prev;
    link_at(x, next)->prev = prev;
    link_at(x, prev)->next = next;
    bool emptied = (uint32_t)(next | prev) < NLISTS;
    *list = (size_t)prev & -(size_t)emptied;
    return emptied;
}

/* Takes the first link off a list. True: it was the last. */
static inline bool pop_from_list(struct lists *x, size_t list, const struct link *first)
{
    int32_t next = first->next;
    x->heads[list] = next;
    link_at(x, next)->prev = (int32_t)list;
    return !next;
}

/* Puts l in the place of another. */
static inline void link_instead(struct lists *x, struct link *l, const struct link *other)
{
    int32_t next = other->next, prev = other->prev, self = offset_of(x, l);
    l->next = next;
    __asm__("" : "+m"(l->next));
    l->prev = prev;
    link_at(x, next)->prev = self;
    link_at(x, prev)->next = self;
}

#endif
