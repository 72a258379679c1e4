/* timer.c - how fast the counter of timer.h runs, and what reading it costs. */
#include "driver/timer.h"

#define CALIBRATION_NS  10000000u
#define EMPTY_INTERVALS 10000

static double rate(void)
{
    uint64_t ns0 = clock_ns(), ticks0 = timer_ticks(), ns1;
    do
        ns1 = clock_ns();
    while (ns1 - ns0 < CALIBRATION_NS);
    return (double)(timer_ticks() - ticks0) / (double)(ns1 - ns0);
}

void timer_calibrate(struct timer *timer)
{
#if defined(__x86_64__) || defined(__i386__)
    timer->name = "tsc";
#elif defined(__aarch64__)
    timer->name = "cntvct";
#else
    timer->name = "clock_gettime";
#endif
    timer->ticks_per_ns = rate();
    timer->cost_ticks = timer->resolution_ticks = UINT64_MAX;
    uint64_t before = timer_ticks();
    for (int i = 0; i < EMPTY_INTERVALS; i++) {
        uint64_t start = timer_ticks(), end = timer_ticks();
        if (end - start < timer->cost_ticks)
            timer->cost_ticks = end - start;
        if (start != before && start - before < timer->resolution_ticks)
            timer->resolution_ticks = start - before;
        if (end != start && end - start < timer->resolution_ticks)
            timer->resolution_ticks = end - start;
        before = end;
    }
}
