/*
 * host.h - the machine a sweep runs on, and the build that runs: what every result carries.
 */
#ifndef HEAPBENCH_HOST_H
#define HEAPBENCH_HOST_H

#include <stdint.h>

#include "driver/cycles.h"
#include "driver/emulated.h"

/* A text that could not be found out is "". */
struct host {
    char name[128], board[128], cpu[128], architecture[72], kernel[160], governor[32], clock_source[32];
    char governor_missing[64]; /* why; "" when known */
    int word_bits;             /* of this process, not of the kernel */
    int cpus;                  /* on line */
    int pinned_cpu;            /* that workers are pinned to; -1: none */
    long page_bytes;
    enum counter_access counters;                      /* who may read the processor's counters */
    char counters_missing[CYCLES_WHY];                 /* what is in the way of user space; "" when nothing is */
    char emulated[EMULATED_TEXT];                      /* by what; "": the processor is real, as far as is known */
    const char *version, *revision, *compiler, *flags; /* of this build */

    /* How noisy: gaps of more than a microsecond in a loop that only reads the clock, as something else had the CPU. */
    double noise_share;      /* of the time, lost in such gaps */
    uint64_t noise_worst_ns; /* the longest */
    uint64_t noise_probe_ns; /* how long was looked */
};

/* The highest CPU that this process may use; -1: not known. */
int host_default_cpu(void);

/* Finds out all of it; takes about 50 ms. `cpu`: to pin to, -1: none. `emulated`: what the user says of that, "no" for
 * not at all; NULL: to be found out. */
void host_probe(struct host *host, int cpu, const char *emulated);

#endif
