/*
 * marks.h - what the worker and whoever counts its instructions agree on: marks in the code, and a table of counts.
 *
 * A mark is an instruction that does nothing and that no compiler makes, so that an emulator finds it by its bytes: no
 * addresses and no symbols have to be handed over. An interval runs from MARK_BEGIN to MARK_END around one call; within
 * it, the page source's part runs from MARK_PAGES_BEGIN to MARK_PAGES_END. The first CALIBRATIONS intervals are around
 * functions whose count is known; what they show too much is what the marks and the calls of call.c cost, and is taken
 * off all others.
 *
 * The plugin of an emulator is one counter (plugin.c), a program that steps through a process another (tests/step.c).
 */
#ifndef HEAPBENCH_ICOUNT_MARKS_H
#define HEAPBENCH_ICOUNT_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum mark { MARK_BEGIN, MARK_END, MARK_PAGES_BEGIN, MARK_PAGES_END, MARKS };

/* x86-64: nopl MAGIC + mark(%rax), of 7 bytes. AArch64: movz xzr, MAGIC + mark. */
#define MARK_X86_64_MAGIC  0x48425030
#define MARK_X86_64_BYTES  7
#define MARK_AARCH64_MAGIC 0x4840
#define MARK_AARCH64_BYTES 4

/* One interval: instructions of the allocator, and of the page source under it; UINT32_MAX when more. */
struct icount {
    uint32_t own, pages;
};

/* The first intervals: around a function that is one instruction, and around a call of the page source that is one. */
#define CALIBRATIONS 2

/* The argument of a plugin: the number of the inherited file that holds the table. */
#define COUNTS_ARGUMENT "counts"

/* The mark that the bytes of one instruction are; MARKS: none. */
static inline enum mark mark_of(bool aarch64, const void *bytes, size_t size)
{
    static const uint8_t nopl[3] = {0x0f, 0x1f, 0x80};
    const uint8_t *at = bytes;
    if (size < (aarch64 ? MARK_AARCH64_BYTES : MARK_X86_64_BYTES) || (!aarch64 && memcmp(at, nopl, sizeof nopl) != 0))
        return MARKS;
    at += aarch64 ? 0 : sizeof nopl;
    const uint32_t word = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    const uint32_t first = aarch64 ? 0xd2800000u | MARK_AARCH64_MAGIC << 5 | 31 : MARK_X86_64_MAGIC;
    const uint32_t mark = (word - first) >> (aarch64 ? 5 : 0);
    return mark < MARKS && (!aarch64 || (word & 31) == 31) ? (enum mark)mark : MARKS;
}

/* A counter at work: the table it fills, and the interval it is in. */
struct intervals {
    struct icount *table;
    size_t room, done;           /* intervals that fit, and that ended */
    uint64_t begin, pages_begin; /* instructions executed when it began, and when its page source last did */
    uint64_t pages, pages_calls; /* instructions so far between the page source's marks, and how often */
    uint64_t call, pages_cost,
        left; /* calibrated: of an interval, of a page source's call inside and outside its marks */
};

static inline uint32_t intervals_cut(uint64_t count)
{
    return count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
}

/* A mark was reached with `now` instructions executed before it. */
static inline void intervals_mark(struct intervals *at, enum mark mark, uint64_t now)
{
    switch (mark) {
    case MARK_BEGIN:
        at->begin = now;
        at->pages = at->pages_calls = 0;
        break;
    case MARK_PAGES_BEGIN:
        at->pages_begin = now;
        break;
    case MARK_PAGES_END:
        at->pages += now - at->pages_begin;
        at->pages_calls++;
        break;
    default: {
        const uint64_t own = now - at->begin - at->pages;
        if (at->done == 0)
            at->call = own - 1;
        else if (at->done == 1) {
            at->left = own - at->call;
            at->pages_cost = at->pages - 1;
        }
        if (at->done < at->room)
            at->table[at->done++] = (struct icount){
                intervals_cut(own - at->call - at->pages_calls * at->left),
                intervals_cut(at->pages - at->pages_calls * at->pages_cost),
            };
    }
    }
}

#endif
