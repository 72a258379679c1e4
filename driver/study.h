/*
 * study.h - what is known so far about every allocator on one trace: filled by the sweep, read by the table.
 */
#ifndef HEAPBENCH_STUDY_H
#define HEAPBENCH_STUDY_H

#include "driver/cli.h"
#include "driver/histogram.h"
#include "driver/icount/icount.h"
#include "driver/job.h"
#include "driver/packing.h"
#include "driver/spec.h"
#include "traces/plan.h"

/* The longest op description, "realloc to 18446744073709551615 bytes, aligned to …". */
#define OP_TEXT 96

struct throughput_study {
    double *ns_per_op; /* study_run_ns() of each run; `runs` of them */
    size_t runs;
};

struct latency_study {
    struct histogram histogram; /* ticks of ops, or of batches of them, all runs together */
    uint32_t *least;            /* of each op or batch, over all runs: ticks; NULL before the first run */
    uint32_t most;              /* the observed maximum, ticks, and its op, or the first of its batch */
    uint64_t most_step;
    uint32_t worst; /* the largest of least[], and its op */
    uint64_t worst_step;
    double ticks_per_unit; /* the first run's; the unit is that of the command line */
    size_t runs;
};

/* What the search for the smallest arena found; see arena_search.h. */
struct arena_study {
    bool done;
    uint64_t smallest;       /* bytes: the smallest arena that was seen to do; UNKNOWN_BYTES */
    uint64_t largest_failed; /* bytes: the largest arena that was seen not to do; 0: none was */
    uint32_t probes;
    bool checked;      /* sizes around the smallest were tried, so that monotonic means something */
    bool monotonic;    /* every larger one that was tried does, every smaller one does not */
    char missing[120]; /* why smallest is not known; "" when it is */
};

/* One allocator on one trace. */
struct cell {
    const char *text; /* as on the command line */
    struct allocator_spec spec;
    bool added;            /* not asked for: null, as the floor */
    bool passes[PASSES];   /* which to do */
    bool failed, lacks;    /* the rest is left out; lacks: it was not the allocator that failed */
    char why[840];         /* the failure, or what was left out for want of time; "" when there is nothing to say */
    bool cut[PASSES];      /* runs were left out for want of time */
    uint64_t spent_ns;     /* in all runs so far */
    unsigned throttled;    /* timed runs that count although the machine was throttled in them */
    unsigned shared;       /* timed runs that count although the core was shared in them */
    unsigned cache_shared; /* and although the last cache was */
    struct space_result *space; /* NULL: not done */
    struct arena_study arena;
    struct throughput_study throughput;
    struct latency_study latency;
    struct icount_study instructions;
};

/* The page source that it stands on, as on the command line. */
static inline const char *cell_pages(const struct cell *cell, const struct cli *cli)
{
    return cell->spec.pages != NULL ? cell->spec.pages : cli->pages;
}

/* One trace. */
struct study {
    const char *path; /* as on the command line */
    const char *name; /* the last part of it */
    struct plan plan;
    struct packing packing; /* for the oracle; not open when it is not asked for, or could not be made */
    bool truncated;
    char hash[33]; /* hexadecimal */
    uint64_t ops;  /* that do something: what rates are per */
    uint64_t arena_bytes;
    struct cell *cells;
    size_t ncells;
    struct cell *floor; /* null's, NULL when throughput is not measured */
};

/* The op at a step as the trace has it; the size of a free is that of its block. */
struct op study_op(const struct plan *plan, uint64_t step);

/* "malloc of 4096 bytes"; returns text. */
const char *study_op_text(const struct plan *plan, uint64_t step, char text[OP_TEXT]);

/* How many ops are timed together: never more than there are. */
static inline uint64_t study_batch_ops(const struct study *study, const struct cli *cli)
{
    return cli->batch_ops < study->ops ? cli->batch_ops : study->ops;
}

/* A run's time of the whole plan, ns: the sum of its parts, each as in the fastest repetition. */
double study_run_ns(const struct throughput_result *result);

/* Medians over the runs: ns per op; NAN when there are no runs. */
double study_ns(const struct cell *cell);
double study_spread_ns(const struct cell *cell);

/* Takes the ticks of one latency run into the study, of its last repetition of all ops that counts and the least of
 * each op: of the plan's steps, of which nothings have none, or of each `batch_ops` of them at the first; fewer at the
 * end count as none. False: no memory. `run` gets that repetition's histogram, maximum and its op; and which ops had
 * the largest least in this run, so that the worst case of several runs can be told that do not know of each other. */
#define SLOW_STEPS 64
struct latency_run {
    struct histogram histogram;
    uint32_t most;
    uint64_t most_step;
    uint32_t nslow;                  /* of the next two, in no order */
    uint64_t slow_steps[SLOW_STEPS]; /* of batches, the first op's */
    uint32_t slow_ticks[SLOW_STEPS];
    uint32_t fastest; /* the place of the least of them */
    uint32_t others;  /* ticks: no other's is more */
};
bool study_add_latency(struct latency_study *study, struct latency_run *run, const struct plan *plan,
                       const uint32_t *ticks, const uint32_t *least, uint64_t batch_ops);

#endif
