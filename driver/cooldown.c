/* cooldown.c - waits for a machine to recover; see cooldown.h. */
#include "driver/cooldown.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#include "driver/launch.h"
#include "driver/timer.h"

#define LOOK_S 1 /* seconds between two looks: what happened in between counts as now */

static void say_hot(const struct cooldown *cooldown, const struct board_state *state, const char *what)
{
    char degrees[32] = "";
    if (!isnan(state->temperature_celsius))
        snprintf(degrees, sizeof degrees, " at %.1f °C", state->temperature_celsius);
    fprintf(stderr, "replay: %s%s: its row is marked; waiting up to %g s for the machine to recover\n", what, degrees,
            cooldown->most_s);
}

bool cooldown_wait(struct cooldown *cooldown, const struct board *board, const struct board_state *after,
                   const char *what)
{
    const struct timespec look = {.tv_sec = LOOK_S};
    const uint64_t begin = clock_ns(), most_ns = cooldown->in_vain ? 0 : (uint64_t)(cooldown->most_s * 1e9);
    struct board_state before = *after, now;
    if (!cooldown->in_vain)
        say_hot(cooldown, after, what);
    for (;;) {
        if (!cooldown->in_vain || after->source == THROTTLING_EVENTS) /* events take time to happen */
            nanosleep(&look, NULL);
        board_read(board, &now);
        const uint64_t spent_ns = clock_ns() - begin;
        if (launch_interrupted)
            return false;
        if (!board_is_throttled(&before, &now)) {
            cooldown->in_vain = false;
            fprintf(stderr, "replay: it has recovered after %.0f s: once more\n", (double)spent_ns / 1e9);
            return true;
        }
        if (spent_ns >= most_ns)
            break;
        before = now;
    }
    if (!cooldown->in_vain)
        fprintf(
            stderr,
            "replay: it has not recovered: going on, with such runs marked but not done again, until it has; see to "
            "its cooling and its power supply\n");
    cooldown->in_vain = true;
    return false;
}
