/* timer.c - how fast the counters of timer.h run, and what reading them costs. */
#include "driver/timer.h"

#define CALIBRATION_NS  10000000u
#define READINGS        16
#define EMPTY_INTERVALS 10000

struct moment {
    uint64_t ns, ticks;
};

/* What both clocks say at one moment. Between two readings a busy machine may do something else for milliseconds: of
 * several attempts it is the one that took least. */
static struct moment read_both(void)
{
    struct moment moment = {0, 0};
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < READINGS; i++) {
        const uint64_t before = clock_ns(), ticks = timer_ticks(), took = clock_ns() - before;
        if (took < least) {
            least = took;
            moment = (struct moment){before + took / 2, ticks};
        }
    }
    return moment;
}

static double rate(void)
{
    const struct moment begin = read_both();
    while (clock_ns() - begin.ns < CALIBRATION_NS)
        ;
    const struct moment end = read_both();
    return (double)(end.ticks - begin.ticks) / (double)(end.ns - begin.ns);
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
