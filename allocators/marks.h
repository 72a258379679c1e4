/*
 * marks.h - which of many lists are not empty: a bitmap in two levels, so that the next such list is two
 * find-first-sets away (M. Masmano et al., TLSF, ECRTS 2004, section 3). Every operation is O(1).
 *
 * Whether a list empties or fills costs no branch, as that would be a coin's throw; only a word of 64 lists does, which
 * is rare. Included after the includer has defined MARK_WORDS, of 64 lists each: at most 32, a bit each in the first
 * level.
 */
#ifndef HEAPBENCH_MARKS_H
#define HEAPBENCH_MARKS_H

#include "allocators/alloc.h"

_Static_assert(MARK_WORDS <= 32, "a word has a bit in the first level");

struct marks {
    uint32_t words;              /* bit: a list of the word is not empty */
    uint64_t filled[MARK_WORDS]; /* bit: the list is not empty */
};

static inline size_t word_of(size_t list)
{
    size_t word = list / 64;
    __asm__("" : "+r"(word)); /* the compiler would make it anew at each use */
    return word;
}

/* The list has a block. */
static inline void mark(struct marks *m, size_t list)
{
    size_t word = word_of(list);
    uint64_t before = m->filled[word];
    m->filled[word] = before | UINT64_C(1) << (list % 64);
    if (ALLOC_UNLIKELY(!before))
        m->words |= UINT32_C(1) << word;
}

/* The list is empty now, if `emptied`; else nothing changes. */
static inline void unmark(struct marks *m, size_t list, bool emptied)
{
    size_t word = word_of(list);
    uint64_t left = m->filled[word] ^ (uint64_t)emptied << (list % 64);
    __asm__("" : "+r"(left)); /* the compiler would keep what was there, to compare it */
    m->filled[word] = left;
    if (ALLOC_UNLIKELY(!left))
        m->words &= ~(UINT32_C(1) << word);
}

/* The lowest list above *list that is not empty. False: there is none. */
static inline bool next_marked(const struct marks *m, size_t *list)
{
    size_t word = word_of(*list);
    uint64_t lists = m->filled[word] & ~UINT64_C(1) << (*list % 64);
    if (!lists) {
        uint32_t words = m->words & ~UINT32_C(1) << word;
        if (!words)
            return false;
        word = alloc_first_bit(words);
        lists = m->filled[word];
    }
    *list = word * 64 + alloc_first_bit(lists);
    return true;
}

static inline bool is_marked(const struct marks *m, size_t list)
{
    return m->filled[list / 64] >> (list % 64) & 1;
}

/* NULL, or what is wrong between the levels. */
static inline const char *marks_check(const struct marks *m)
{
    for (unsigned word = 0; word < MARK_WORDS; word++)
        if (!(m->words >> word & 1) != !m->filled[word])
            return "a word's mark contradicts its lists";
    return NULL;
}

#endif
