/*
 * timer.h - the clock of the latency pass: the processor's own counter where user space may read it, else
 * clock_gettime().
 *
 * On x86, lfence before rdtsc keeps the counter from being read before what precedes it is done (Intel SDM vol. 2,
 * RDTSC); on aarch64, isb before CNTVCT_EL0 (Arm ARM D11.2). Both cost some ns, which are part of every interval and
 * are stated beside the figures. What counts cycles instead is in cycles.h: one run has ticks of one kind.
 */
#ifndef HEAPBENCH_TIMER_H
#define HEAPBENCH_TIMER_H

#include <stdint.h>
#include <time.h>

#include "driver/cycles.h"

struct timer {
    const char *name;
    double ticks_per_ns;       /* of cycles 1: they are their own unit */
    uint64_t cost_ticks;       /* the least an empty interval takes */
    uint64_t resolution_ticks; /* the smallest step between two readings that differ */
};

static inline uint64_t clock_read(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t clock_ns(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

static inline __attribute__((always_inline)) uint64_t timer_ticks(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __asm__ volatile("lfence" ::: "memory");
    uint64_t ticks = __builtin_ia32_rdtsc();
    __asm__ volatile("lfence" ::: "memory");
    return ticks;
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(ticks)::"memory");
    return ticks;
#else
    return clock_ns();
#endif
}

/* Whether the timer may tick so seldom that it tells nothing of a single op; x86's does not, and what is measured there
 * as its resolution is no more than what a reading takes. */
#if defined(__x86_64__) || defined(__i386__)
#define TIMER_MAY_BE_COARSE 0
#else
#define TIMER_MAY_BE_COARSE 1
#endif

/* Finds the rate against CLOCK_MONOTONIC over 10 ms, and the cost of an interval. */
void timer_calibrate(struct timer *timer);

/* The same of the cycle counter, which must be open for user space. */
void timer_calibrate_cycles(struct timer *timer, const struct cycles *cycles);

#endif
