/*
 * cycles.h - the processor's cycle counter, through perf_event_open(), and who may read it.
 *
 * perf maps a page into the process that says where the counter is and what to add to it; user space can then read the
 * counter itself, in some ten cycles, where the kernel lets it (on arm64: Linux 5.17 with kernel.perf_user_access=1).
 */
#ifndef HEAPBENCH_CYCLES_H
#define HEAPBENCH_CYCLES_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>

enum { CYCLES_WHY = 160 };

/* Who may read hardware counters: nobody, the kernel for us, or this process itself. */
enum counter_access { COUNTERS_NONE, COUNTERS_READ, COUNTERS_USER };

struct cycles {
    int fd;
    const struct perf_event_mmap_page *page; /* COUNTERS_USER: what cycles_now() reads */
    bool user_only;                          /* what the kernel takes is not counted: it may not be */
};

/* Opens the counter of this thread. For less than COUNTERS_USER, `why` says what is in the way. To be closed in any
 * case. */
enum counter_access cycles_open(struct cycles *cycles, char why[CYCLES_WHY]);
void cycles_close(struct cycles *cycles);

/* Whether the counter ran all the time since it was opened, which makes its readings good. */
bool cycles_were_counted(const struct cycles *cycles);

#if defined(__aarch64__)
#define CYCLES_IN_USER_SPACE 1

#define CYCLES_PMCCNTR 31 /* the number that perf gives the cycle counter, less one */

/* A counter of the processor, by its number; the general ones only through a selector. */
static inline __attribute__((always_inline)) uint64_t cycles_counter(uint64_t number)
{
    uint64_t count;
    if (number == CYCLES_PMCCNTR)
        __asm__ volatile("isb\n\tmrs %0, pmccntr_el0\n\tisb" : "=r"(count)::"memory");
    else
        __asm__ volatile("msr pmselr_el0, %1\n\tisb\n\tmrs %0, pmxevcntr_el0\n\tisb"
                         : "=r"(count)
                         : "r"(number)
                         : "memory");
    return count;
}

/* The cycles so far. The kernel changes page->lock before and after it moves the counter, so that what was read in
 * between is read again (perf_event_open(2)). An index of 0: the counter is not on the processor, and the count stands.
 */
static inline __attribute__((always_inline)) uint64_t cycles_now(const struct perf_event_mmap_page *page)
{
    uint64_t count;
    uint32_t lock;
    do {
        lock = __atomic_load_n(&page->lock, __ATOMIC_ACQUIRE);
        const uint32_t index = __atomic_load_n(&page->index, __ATOMIC_RELAXED);
        count = (uint64_t)__atomic_load_n(&page->offset, __ATOMIC_RELAXED);
        if (index != 0) { /* the counter is narrower than the count, and signed */
            const unsigned unused = 64u - page->pmc_width;
            count += (uint64_t)((int64_t)(cycles_counter(index - 1) << unused) >> unused);
        }
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (__atomic_load_n(&page->lock, __ATOMIC_RELAXED) != lock);
    return count;
}
#else
#define CYCLES_IN_USER_SPACE 0
#endif

#endif
