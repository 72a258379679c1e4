/* timer.c - how fast the counters of timer.h run, and what reading them costs. */
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

/* Takes empty intervals with a clock, which is an expression. */
#define MEASURE_INTERVALS(timer, now)                                                                                  \
    do {                                                                                                               \
        (timer)->cost_ticks = (timer)->resolution_ticks = UINT64_MAX;                                                  \
        uint64_t before_ = (now);                                                                                      \
        for (int i_ = 0; i_ < EMPTY_INTERVALS; i_++) {                                                                 \
            const uint64_t start_ = (now), end_ = (now);                                                               \
            if (end_ - start_ < (timer)->cost_ticks)                                                                   \
                (timer)->cost_ticks = end_ - start_;                                                                   \
            if (start_ != before_ && start_ - before_ < (timer)->resolution_ticks)                                     \
                (timer)->resolution_ticks = start_ - before_;                                                          \
            if (end_ != start_ && end_ - start_ < (timer)->resolution_ticks)                                           \
                (timer)->resolution_ticks = end_ - start_;                                                             \
            before_ = end_;                                                                                            \
        }                                                                                                              \
    } while (0)

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
    MEASURE_INTERVALS(timer, timer_ticks());
}

#if CYCLES_IN_USER_SPACE
void timer_calibrate_cycles(struct timer *timer, const struct cycles *cycles)
{
    timer->name = cycles->user_only ? "cycles of user space" : "cycles";
    timer->ticks_per_ns = 1;
    MEASURE_INTERVALS(timer, cycles_now(cycles->page));
}
#endif
