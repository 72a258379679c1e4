/* cooldown.h - waiting for a machine that throttled to recover, so that the run in which it did can be done again. */
#ifndef HEAPBENCH_COOLDOWN_H
#define HEAPBENCH_COOLDOWN_H

#include "driver/board.h"

struct cooldown {
    double most_s; /* the longest wait */
    bool in_vain;  /* it was waited so long once already: from then on a look has to do, until it has recovered */
};

/* Waits until nothing throttles the machine any more, and says so on stderr; `what` is the run, `after` the state at
 * its end. False: it did not recover in time, or the user interrupted. */
bool cooldown_wait(struct cooldown *cooldown, const struct board *board, const struct board_state *after,
                   const char *what);

#endif
