/*
 * launch.h - starts a worker process for one job, and waits for its end, whatever that is.
 */
#ifndef HEAPBENCH_LAUNCH_H
#define HEAPBENCH_LAUNCH_H

#include <signal.h>

#include "driver/job.h"
#include "traces/error.h"

enum run_end {
    RUN_ANSWERED,    /* job.outcome says how it went */
    RUN_SIGNALLED,   /* died of a signal */
    RUN_EXITED,      /* ended on its own without an answer */
    RUN_TIMED_OUT,   /* was killed after the timeout */
    RUN_INTERRUPTED, /* was killed because the user interrupted the sweep */
};

struct launcher {
    struct job *job; /* shared with the worker; set its questions, read its answers */
    int job_fd;
    char program[4096]; /* this program */
    double timeout_s;
};

/* Set by SIGINT and SIGTERM: to that signal, once launch_open() has been called. */
extern volatile sig_atomic_t launch_interrupted;

/* False: *error. */
bool launch_open(struct launcher *launcher, double timeout_s, struct error *error);
void launch_close(struct launcher *launcher);

/* Runs launcher->job in a process of its own. *detail: the signal's number, or the exit code. */
enum run_end launch_run(struct launcher *launcher, int *detail);

#endif
