/*
 * icount.h - the instruction pass: how many instructions every op takes, exactly, by an emulator that counts.
 *
 * The worker runs under QEMU's user-mode emulator with a plugin (plugin.c) that fills a shared table, an entry for each
 * calibration and then one for each step of the plan; the driver makes figures of it (summary.c).
 */
#ifndef HEAPBENCH_ICOUNT_H
#define HEAPBENCH_ICOUNT_H

#include "driver/bench.h"
#include "traces/trace.h"

#define ICOUNT_PLUGIN_BUILT "driver/icount/icount.so" /* beside the program in the build tree */
#define ICOUNT_WORKER_BUILT "driver/icount/worker-aarch64"

/* Words that icount_command() makes. */
#define ICOUNT_WORDS 10

/* The command that runs the worker, `program` or the one built for another instruction set, where it is counted: fills
 * words[], allocated, up to the worker's own arguments; the number of them. 0: it cannot be done on this machine or in
 * this build, job->outcome and job->reason say why and what to do. */
size_t icount_command(struct job *job, const char *program, char *words[ICOUNT_WORDS]);

/* Whether `isa` is "native" or names a set that can be counted in from here. */
bool icount_knows(const char *isa);

/* Puts marks around the page source that heaps of this worker get. */
void icount_count_pages(struct bench *bench);

/* All ops of one kind, in instructions. A percentile is a value that occurs, exactly. */
struct icount_figures {
    uint64_t ops;
    double mean, pages_mean; /* the page source's part is in no other figure */
    uint32_t p50, p99, p999, worst, pages_worst;
    uint64_t worst_step;
};

struct icount_study {
    bool done;
    struct icount_figures kinds[OP_KINDS];
};

/* Bytes of the table that a plan of so many steps needs. */
uint64_t icount_table_bytes(uint64_t nsteps);

/* Makes the table of a run that is done into figures. False: no memory. */
struct icount;
bool icount_summarize(struct icount_study *study, const struct plan *plan, const struct icount *table);

#endif
