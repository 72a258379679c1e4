/*
 * job.h - what the driver asks of one run and what the run answers: one struct in memory that both processes share.
 *
 * Every run is a fresh process of this same program (see worker.c). It inherits its files by number: the job itself,
 * the plan, for the oracle its packing, and for the latency and instruction passes the ticks or counts of every op. It
 * writes nothing anywhere else.
 */
#ifndef HEAPBENCH_JOB_H
#define HEAPBENCH_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The hidden first argument that makes this program a worker; the second is the number of the job's file. */
#define WORKER_ARGUMENT "--heapbench-worker"

/* In the order they are run: what shows that an allocator is wrong comes before what takes long. */
enum pass { PASS_VERIFY, PASS_SPACE, PASS_ARENA, PASS_THROUGHPUT, PASS_LATENCY, PASS_INSTRUCTIONS, PASSES };
extern const char *const pass_names[PASSES];

/* Whether its answers vary: it is done several times. */
static inline bool pass_is_timed(uint32_t pass)
{
    return pass == PASS_THROUGHPUT || pass == PASS_LATENCY;
}

/* What is written to a block after it was handed out, so that the cost of its memory is paid as a program would. */
enum touch { TOUCH_NONE, TOUCH_WORD, TOUCH_PAGE, TOUCH_ALL, TOUCHES };
extern const char *const touch_names[TOUCHES];

/* A caller's mistake to make at one op; see plant.h. */
enum plant {
    PLANT_NONE,
    PLANT_OVERFLOW,
    PLANT_UNDERFLOW,
    PLANT_DOUBLE_FREE,
    PLANT_FOREIGN,
    PLANT_WRITE_AFTER_FREE,
    PLANTS
};
extern const char *const plant_names[PLANTS];

/* What a figure of the latency pass is in. A clock that is too coarse for one op times batches of them. */
enum latency_unit { LATENCY_NS, LATENCY_CYCLES, LATENCY_NS_PER_OP, LATENCY_UNITS };

enum outcome {
    OUTCOME_UNKNOWN, /* the run ended before it could say: a crash */
    OUTCOME_DONE,
    OUTCOME_FAILED, /* the allocator failed the work */
    OUTCOME_LACKS,  /* the run could not be set up: the machine or the command line */
};

#define ISA_CHARS       16   /* the name of an instruction set, as uname and QEMU have it */
#define JOB_SPEC_CHARS  1024 /* an allocator or page source with its options, as on the command line */
#define JOB_REPETITIONS 64   /* timed repetitions of throughput, each of which is kept */
#define JOB_PARTS       1024 /* parts of a replay that are timed each */
#define JOB_SAMPLES     256  /* samples of the heap over a space run, the one at the peak not counted */
#define JOB_MAP_BINS    128  /* stretches of memory in a heap map */
#define JOB_MAP_OPS     96   /* ops at which it says what is live in them */
#define MISSING         120  /* why a figure is unknown, in words */
#define UNKNOWN_BYTES   UINT64_MAX

/* Where a run is when it is at no op. */
#define NO_STEP          UINT64_MAX       /* not known, or setting up */
#define STEP_CREATE      (UINT64_MAX - 1) /* in create() */
#define STEP_DESTROY     (UINT64_MAX - 2) /* in destroy(), or releasing what is left before it */
#define STEP_IS_OP(step) ((step) < STEP_DESTROY)

/* The sizes by which the last cache is looked at, and what was found; see last_cache.h. */
struct last_cache_known {
    uint64_t far_bytes, near_bytes; /* near 0: there is none, or none that can be told from the core's own */
    uint64_t most_bytes;            /* most of it; 0: there is none */
    double far_ns, near_ns;         /* the least time of a load; 0: not known */
};

#define CORE_TURNS 2 /* so often a run waits for the core for as long as it is timed, when it begins again */

/* The replays of a timed pass; see repetitions.c. */
struct repetitions {
    uint32_t warmups;         /* before the first timed one */
    uint32_t count;           /* that count, each from an empty heap */
    uint32_t left_out;        /* that do not, as the core or the last cache was shared */
    uint32_t shared;          /* the core was in those that count too, for want of others */
    uint32_t cache_shared;    /* others filled the last cache before or after those that count, for want of others */
    uint32_t pad;             /* the same layout in 32 and 64 bits */
    uint64_t waited_ns;       /* in replays left out for the core: the limit is not about them */
    uint64_t cache_waited_ns; /* until others left the last cache: nor about that */
    double whole;             /* struct core's, as far as it is known now */
    double clock_hz;          /* the core's, the mean over those that count; 0: it was not watched */
    double load_ns;           /* a load from the last cache, the slower of one before and one after all */
    double most_load_ns;      /* one all over most of it, the mean of before and after; 0: not known */
    struct last_cache_known cache; /* as far as it is known now */
};

struct throughput_result {
    uint64_t ns[JOB_REPETITIONS];      /* of each that counts: time that its thread had a processor */
    uint64_t wall_ns[JOB_REPETITIONS]; /* of each: time that went by */
    uint32_t parts, pad;               /* that a replay was timed in */
    uint64_t part_ns[JOB_PARTS];       /* of each, in the last replay: time that went by */
    uint64_t least_ns[JOB_PARTS];      /* of each: the least of all repetitions */
};

struct latency_result {
    uint32_t batch_ops;        /* ops that one reading of the clock to the next is of; 1: each op alone */
    char clock[32];            /* what the ticks are */
    double ticks_per_unit;     /* of one op: the ticks of a batch over this are its figure */
    uint64_t cost_ticks;       /* of an empty interval: the least seen, contained in every figure */
    uint64_t resolution_ticks; /* the smallest step seen between two readings */
};

/* The table of the latency pass: of each step the ticks in the replay at work, when that times every op; then the least
 * of all replays that count and timed it; then the ticks in the last that counts and timed every op. */
static inline uint64_t latency_table_bytes(uint64_t nsteps)
{
    return (nsteps + 1) * 3 * sizeof(uint32_t);
}

static inline uint32_t *latency_least(uint32_t *table, uint64_t nsteps)
{
    return table + nsteps;
}

static inline uint32_t *latency_counted(uint32_t *table, uint64_t nsteps)
{
    return table + 2 * nsteps;
}

struct space_sample {
    uint64_t step;                     /* after this op */
    uint64_t requested, granted, held; /* bytes, at that moment; held may be UNKNOWN_BYTES */
    uint64_t touched;                  /* bytes, or UNKNOWN_BYTES */
    uint64_t free_total, free_largest; /* bytes in free blocks; UNKNOWN_BYTES where the heap was not walked */
    uint64_t free_blocks;              /* how many; UNKNOWN_BYTES likewise */
};

/* The requested bytes of live blocks in stretches of memory, over time. */
struct heap_map_result {
    uint32_t nbins, nops;
    uint64_t bin_bytes;          /* of each */
    uint64_t lowest_address;     /* of the first */
    uint64_t bins[JOB_MAP_BINS]; /* how far each is from the first, in bins; only those in which a block ever lay */
    uint64_t steps[JOB_MAP_OPS];
    uint8_t live[JOB_MAP_BINS][JOB_MAP_OPS]; /* after each of these ops: 255ths of the bin, rounded up */
};

struct space_result {
    uint64_t held_peak, granted_peak;                 /* bytes, the most at any op; held may be UNKNOWN_BYTES */
    uint64_t touched_peak;                            /* bytes, the most whenever it was looked at, or UNKNOWN_BYTES */
    uint64_t live_at_held_peak, live_at_touched_peak; /* requested bytes after the op that reached each */
    double held_mean, touched_mean;                   /* (used - live)/live over all ops with something live; or NAN */
    struct space_sample at_peak, at_end;              /* after the op of peak live, and after the last op */
    uint64_t metadata_at_peak; /* bytes held that are in no block, used or free; or UNKNOWN_BYTES */
    uint32_t nsamples, pad;
    struct space_sample samples[JOB_SAMPLES];
    struct heap_map_result map;
    char held_missing[MISSING], touched_missing[MISSING], free_missing[MISSING]; /* why; "" when known */
    char touched_mean_missing[MISSING], metadata_missing[MISSING];
};

/* Of one probe: it was done, so the arena was large enough. */
struct arena_result {
    uint64_t span; /* bytes up to the highest page handed out, or the most held; 0: not seen, as of the C library */
    char missing[MISSING]; /* why the memory cannot be limited here; "" when it is */
};

struct verify_result {
    uint64_t blocks, bytes; /* blocks checked, bytes filled and compared */
    uint64_t heap_checks;   /* calls of check(), and of walk() */
    uint64_t heap_walks;
};

/* The counts themselves are in the table of icount/icount.h. */
struct instructions_result {
    char set[ISA_CHARS]; /* the instruction set counted in */
    char compiler[64];   /* that built what was counted */
};

struct job {
    /* What is asked; written by the driver. */
    uint32_t pass;  /* enum pass */
    uint32_t touch; /* enum touch */
    uint32_t warmups;
    uint32_t diagnose;    /* keep `step` current and watch the page source, at the cost of time */
    uint32_t keep_random; /* leave address randomisation on */
    uint32_t plant;       /* enum plant: verify, at the op plant_step */
    uint32_t watch_core;  /* throughput and latency: leave out replays in which it, or the last cache, was shared */
    uint32_t unit;        /* enum latency_unit */
    uint32_t batch_ops;   /* latency: LATENCY_NS_PER_OP, at most so many ops timed together; else 1 */
    int32_t cpu;          /* to pin to; -1: none */
    int32_t plan_fd, packing_fd, ticks_fd, counts_fd;
    uint64_t plant_step; /* NO_STEP: none */
    uint64_t arena_bytes;
    uint64_t timed_ns;             /* throughput and latency: repeat for this long */
    uint64_t limit_ns;             /* begin no other replay after this long; one is measured in any case */
    uint64_t settle_ns;            /* replay so much longer when the core is shared */
    uint64_t cache_settle_ns;      /* and wait so long when the last cache is */
    double whole;                  /* struct core's, from runs before; 0: not known */
    struct last_cache_known cache; /* from runs before */
    char allocator[JOB_SPEC_CHARS], pages[JOB_SPEC_CHARS];
    char guard[JOB_SPEC_CHARS];   /* the debugging layer with its options; "": none */
    char preload[JOB_SPEC_CHARS]; /* a library for LD_PRELOAD; "": none */
    char isa[ISA_CHARS];          /* instructions: the set to count in, or "native" */

    /* What is answered; written by the worker. */
    uint32_t outcome;               /* enum outcome */
    uint32_t randomized;            /* address randomisation could not be turned off */
    uint32_t unpinned;              /* the CPU could not be chosen */
    uint32_t realtime;              /* timed passes: it had real-time priority */
    uint32_t own_text;              /* timed passes: its code had pages of its own */
    uint32_t arena_moved;           /* the arena could not have its fixed address */
    uint64_t arena_address;         /* where it is, 0 without one */
    volatile uint64_t step;         /* where the run is; in the timed passes only when diagnosing */
    uint64_t failed_step;           /* OUTCOME_FAILED: the op, or where else */
    char reason[480];               /* OUTCOME_FAILED, OUTCOME_LACKS: in words, the op not named */
    struct repetitions repetitions; /* throughput and latency */
    union {
        struct throughput_result throughput;
        struct latency_result latency;
        struct space_result space;
        struct arena_result arena;
        struct verify_result verify;
        struct instructions_result instructions;
    };
};
#define JOB_ANSWER offsetof(struct job, outcome) /* from here on it is answer, all zero at first */

#endif
