/*
 * plan.h - a trace compiled for replay: eight bytes an op, slots reused, nothing left to decode.
 *
 * A plan lives in one anonymous file (memfd), so that every run, each a process of its own, maps the same pages.
 */
#ifndef HEAPBENCH_PLAN_H
#define HEAPBENCH_PLAN_H

#include "traces/trace.h"

/*
 * A step: kind in bits 61-63, slot in bits 32-60, size in bits 0-31.
 * What does not fit (a size of 4 GiB or more, an aligned alloc) is PLAN_EXTRA, whose size is an index into extras[].
 * free(NULL) and the end of a thread are PLAN_NOTHING, so that a step's index is its op's index in the trace.
 */
enum plan_kind { PLAN_MALLOC, PLAN_FREE, PLAN_CALLOC, PLAN_REALLOC, PLAN_EXTRA, PLAN_NOTHING };

#define PLAN_MAX_SLOT ((UINT32_C(1) << 29) - 1)
static inline unsigned plan_kind(uint64_t step) { return (unsigned)(step >> 61); }
static inline uint32_t plan_slot(uint64_t step) { return (uint32_t)(step >> 32) & PLAN_MAX_SLOT; }
static inline uint32_t plan_size(uint64_t step) { return (uint32_t)step; }

struct plan_extra {
    uint64_t size, align; /* bytes; align 0 unless kind is OP_ALIGNED */
    uint64_t kind;        /* enum op_kind: MALLOC, CALLOC, ALIGNED or REALLOC */
};

struct plan_size {
    uint64_t size, peak; /* a requested size; the most blocks of it live at once */
};

struct plan_header {
    uint64_t bytes;                  /* of the whole file */
    uint64_t nsteps, steps_offset;   /* uint64_t[nsteps] at that offset */
    uint64_t nextras, extras_offset; /* struct plan_extra[] */
    uint64_t nsizes, sizes_offset;   /* struct plan_size[], ascending by size */
    uint64_t nslots;                 /* the most blocks live at once */
    uint64_t counts[OP_KINDS];       /* ops of the trace by kind */
    uint64_t threads;                /* distinct thread ids */
    uint64_t nothings;               /* steps that are PLAN_NOTHING; rates are per the others */
    uint64_t max_request;            /* bytes */
    uint64_t peak_live;              /* the most requested bytes live at once */
    uint64_t peak_step;              /* the first step after which that was so */
    uint64_t left_live;              /* blocks never freed */
    uint8_t hash[16];                /* XXH128 of the steps and extras, canonical (big-endian) byte order */
};

struct plan {
    int fd;                           /* the memfd; -1: not open */
    const struct plan_header *header; /* the mapping; the pointers below lead into it */
    const uint64_t *steps;
    const struct plan_extra *extras;
    const struct plan_size *sizes;
};

/* Reads the whole trace. False: *error (a block freed twice, more than 2^29 live blocks, no memory, a bad file). A trace
 * that is cut off gives a plan of what is whole; see trace_info(). */
bool plan_build(struct plan *plan, struct trace_reader *reader, struct error *error);

/* The header of the plan that plan_build() would make, hash and all, and each op with the slot of its block, in memory in
 * proportion to the live blocks alone. The slot of an op without a block is 0. */
typedef void plan_visit(void *arg, const struct op *op, uint32_t slot);
bool plan_survey(struct plan_header *header, struct trace_reader *reader, plan_visit *visit, void *arg,
                 struct error *error);

/* Maps a plan that another process built; takes the descriptor. */
bool plan_map(struct plan *plan, int fd, struct error *error);

void plan_close(struct plan *plan);

#endif
