/*
 * cli.h - the command line of replay, read and checked.
 */
#ifndef HEAPBENCH_CLI_H
#define HEAPBENCH_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "driver/job.h"
#include "traces/error.h"

enum request_kind { REQUEST_REPLAY, REQUEST_LIST, REQUEST_HELP };

enum clock_wish { CLOCK_AUTO, CLOCK_TIMER, CLOCK_CYCLES };

enum table_format { FORMAT_TABLE, FORMAT_MARKDOWN, FORMAT_CSV };

#define SETTLE_AUTO (-1.0)

struct cli {
    enum request_kind request;
    const char *help_name; /* REQUEST_HELP: the allocator or page source */
    char **allocators;     /* specifications; allocated, as is each */
    size_t nallocators;
    const char *pages;    /* a specification */
    uint64_t arena_bytes; /* 0: from the trace */
    const char *isa;      /* instructions: "native", or the name of a set */
    bool passes[PASSES];
    char guard[JOB_SPEC_CHARS]; /* the debugging layer with its options; "": none */
    enum plant plant;           /* a mistake to make at plant_step; NO_STEP: none */
    uint64_t plant_step;
    unsigned runs, warmups;
    enum table_format format;
    const char *json; /* a path, "-", or NULL */
    int cpu;          /* -1: none */
    enum touch touch;
    uint64_t seed;
    double timeout_s, limit_s; /* of one run; of one allocator on one trace */
    double timed_s;            /* of one throughput run, at least */
    double settle_s;           /* to replay on while the core or the last cache is shared; 0: not; or SETTLE_AUTO */
    double cooldown_s;         /* to wait for a throttled machine before a run is done again; 0: never again */
    const char *emulated;      /* by what, in words; "no"; NULL: to be found out */
    enum clock_wish clock;
    unsigned batch_ops;     /* latency: timed together; 0: as the clock needs it, until clock_choose() */
    enum latency_unit unit; /* set by clock_choose() */
    bool keep_random;
    char **traces; /* leads into argv */
    size_t ntraces;
};

/* Reads the command line. False: *error, exit code EXIT_USAGE, or EXIT_LACKS when the machine has nothing of what is
 * asked for; --help and --version end the program. */
bool cli_read(struct cli *cli, int argc, char **argv, struct error *error);
void cli_free(struct cli *cli);

#endif
