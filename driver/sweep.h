/* sweep.h - all runs of all allocators on one trace, in their order. */
#ifndef HEAPBENCH_SWEEP_H
#define HEAPBENCH_SWEEP_H

#include "driver/cooldown.h"
#include "driver/progress.h"
#include "driver/row.h"

struct sweep {
    const struct cli *cli;
    const struct host *host;
    struct launcher *launcher;
    struct row_file *rows;
    struct progress *progress;
    struct board board;
    struct cooldown cooldown;
    uint64_t random;                                                     /* the state of the shuffles */
    bool told_random, told_pinned, told_arena, told_unseen, told_shared; /* what the machine does is said once */
    bool told_cache;
    bool watch_core;          /* times mean something here, so that it is of use to look whether the core is whole */
    bool settled_in_vain;     /* the last run waited for a whole core for as long as it might */
    bool cache_in_vain;       /* and for the last cache */
    uint64_t spent_ns;        /* by all runs */
    uint64_t waited_ns;       /* beside it, for a whole core */
    uint64_t cache_waited_ns; /* and for the last cache */
    double whole;             /* struct core's, from the runs so far; 0: not known */
    struct last_cache_known cache; /* the same of the last cache */
};

/* Runs that sweep_trace() will do at most for one trace, for the progress line. */
size_t sweep_runs(const struct cli *cli);

/* Compiles the trace and sets the study up, a cell for each allocator. False: *error; nothing is to be freed. */
bool study_open(struct study *study, const struct cli *cli, const char *path, struct error *error);
void study_close(struct study *study);

/* Does the runs; rows are appended as each ends. An allocator that fails is no error. False: *error (the machine), or
 * the user interrupted it, and *error is not set. What is known by then is in the study. */
bool sweep_trace(struct sweep *sweep, struct study *study, struct error *error);

#endif
