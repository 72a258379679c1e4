/* run.h - one run as the sweep sees it: what came of it, and everything that a result says about it. */
#ifndef HEAPBENCH_RUN_H
#define HEAPBENCH_RUN_H

#include "driver/board.h"
#include "driver/cli.h"
#include "driver/host.h"
#include "driver/launch.h"
#include "driver/study.h"

enum run_status { RUN_DONE, RUN_FAILED, RUN_LACKS, RUN_STOPPED };
extern const char *const run_status_names[RUN_STOPPED];

struct run {
    const struct cli *cli;
    const struct host *host;
    const struct study *study;
    const struct cell *cell;
    const struct job *job;             /* the answer */
    const struct latency_run *latency; /* PASS_LATENCY and done */
    enum pass pass;                    /* job->pass may be another: the verify pass that ends a search */
    unsigned number;                   /* of the allocator's runs in this pass, from 0 */
    unsigned turn;                     /* in which place of its round it was */
    unsigned repetition;               /* how often it was done again, as the machine was throttled; 0: the first */
    struct board_state before, after;  /* the machine's state around it */
    double floor_ns;                   /* null's figure in the same round; NAN: none */
    enum run_status status;            /* RUN_STOPPED: the user interrupted it; it does not count */
    char reason[800];                  /* in words with the op; "" when done */
    uint64_t step;                     /* the op that failed, when STEP_IS_OP() */
};

/* Does the run that launcher->job asks for; when it fails without saying where, does it once more to find out. */
void run_do(struct run *run, struct launcher *launcher);

#endif
