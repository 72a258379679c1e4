/* clock.c - chooses the clock of the latency pass; see clock.h. */
#include "driver/clock.h"

#include <stdio.h>

#include "driver/timer.h"

#define FINE_ENOUGH_NS 15 /* a step of the clock up to which one op is timed alone */
#define MOST_BATCH_OPS 1024
#define RATE_ERROR     1.01 /* a step of 16 ns, found to be 16.001, is no reason for twice the ops */

/* So many ops that a step of the clock is at most a nanosecond of each: a power of two. */
static unsigned batch_for(double resolution_ns)
{
    unsigned ops = 1;
    while (ops * RATE_ERROR < resolution_ns && ops < MOST_BATCH_OPS)
        ops *= 2;
    return ops;
}

/* Whether user space may read cycles here; `why` not. */
static bool cycles_are_there(char why[CYCLES_WHY])
{
    struct cycles cycles;
    if (!CYCLES_IN_USER_SPACE) {
        snprintf(why, CYCLES_WHY, "it is read on 64-bit Arm alone");
        return false;
    }
    const bool there = cycles_open(&cycles, why) == COUNTERS_USER;
    cycles_close(&cycles);
    return there;
}

bool clock_choose(struct cli *cli, struct error *error)
{
    char why[CYCLES_WHY];
    struct timer timer;
    cli->unit = LATENCY_NS;
    if (!cli->passes[PASS_LATENCY])
        return true;
    if (cli->clock == CLOCK_CYCLES || (cli->clock == CLOCK_AUTO && cli->batch_ops <= 1 && CYCLES_IN_USER_SPACE)) {
        cli->unit = cycles_are_there(why) ? LATENCY_CYCLES : LATENCY_NS;
        if (cli->clock == CLOCK_CYCLES && cli->unit != LATENCY_CYCLES)
            return error_set(error, EXIT_LACKS, "--clock=cycles: the cycle counter cannot be had: %s; or --clock=timer",
                             why);
    }
    if (TIMER_MAY_BE_COARSE && cli->batch_ops == 0 && cli->unit == LATENCY_NS) {
        timer_calibrate(&timer);
        const double resolution_ns = (double)timer.resolution_ticks / timer.ticks_per_ns;
        cli->batch_ops = resolution_ns > FINE_ENOUGH_NS ? batch_for(resolution_ns) : 1;
        if (cli->batch_ops > 1)
            fprintf(stderr, "replay: the clock (%s) steps by %.1f ns: latency is that of batches of %u ops%s%s\n",
                    timer.name, resolution_ns, cli->batch_ops,
                    CYCLES_IN_USER_SPACE && cli->clock == CLOCK_AUTO ? "; the cycle counter cannot be had: " : "",
                    CYCLES_IN_USER_SPACE && cli->clock == CLOCK_AUTO ? why : "");
    }
    if (cli->batch_ops > 1)
        cli->unit = LATENCY_NS_PER_OP;
    else
        cli->batch_ops = 1;
    return true;
}
