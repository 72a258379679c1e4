/*
 * synth.h - models: traces that are computed, not recorded. A model is one file that defines one `struct model`, and
 * one line in the table of synth.c. It is bit-identical on every machine: integers only, a generator of our own.
 */
#ifndef HEAPBENCH_SYNTH_H
#define HEAPBENCH_SYNTH_H

#include "allocators/alloc.h"
#include "traces/reader.h"

/* The table of a model that goes on for ever begins with these two, so that it can be repeated and made as long as one
 * likes. */
enum { MODEL_OPS, MODEL_SEED, MODEL_OWN };
#define MODEL_COMMON_OPTIONS                                                                                           \
    {.name = "ops", .help = "ops in all", .type = OPTION_NUMBER, .def = 1000000, .min = 1, .max = UINT64_C(1) << 40},  \
    {                                                                                                                  \
        .name = "seed", .help = "of the random numbers", .type = OPTION_NUMBER, .def = 1, .max = UINT64_MAX            \
    }

/* A model at work. */
struct synth {
    struct trace_reader base;
    const struct model *model;
    uint64_t opt[ALLOC_MAX_OPTIONS];
    uint64_t random;      /* state of the generator */
    uint64_t left;        /* ops to come; of a model that ends, at most */
    uint64_t next_block;  /* allocations so far */
    uint64_t *live;       /* blocks, the newest last as long as only synth_free(…, nlive - 1) is used */
    size_t nlive, room;   /* room: the most that the model keeps there */
    uint64_t phase, step; /* the model's own */
    char meta[200];
};

struct model {
    const char *name, *summary;
    const struct alloc_option *options;
    const char *contradiction; /* between options, in words */
    bool ends; /* by itself, and needs no random numbers: MODEL_OPS and MODEL_SEED are not in its table */

    /* The most blocks that will be in synth->live; 0: the options contradict each other. */
    size_t (*room)(const struct synth *synth);

    /* Makes the next op, with one of the functions below for a model that keeps its blocks in synth->live. False: there
     * is none. */
    bool (*next)(struct synth *synth, struct op *op);
};

extern const struct model *const models[]; /* ends with NULL */
extern const struct model model_churn, model_kernel, model_adversary, model_boom, model_apart;

/* Is it the name of a model ("model:churn:live=500")? */
bool synth_is_model(const char *path);

/* NULL: *error (no such model, a bad option). */
struct trace_reader *synth_open(const char *path, struct error *error);

/* A number from 0 to n - 1; n is from 1 to 2^32. */
uint64_t synth_below(struct synth *synth, uint64_t n);

/* A size from min to max (1 to 2^32) such that each doubling is as likely as any other. */
uint64_t synth_log_uniform(struct synth *synth, uint64_t min, uint64_t max);

void synth_malloc(struct synth *synth, struct op *op, uint64_t size);

/* Frees live[i]; the newest block takes its place. */
void synth_free(struct synth *synth, struct op *op, size_t i);

#endif
