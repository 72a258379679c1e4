/*
 * kernel.c - a kernel's heap: sizes are powers of two as its size classes are; N blocks stay live, and on top of them
 * each call into the kernel allocates a few blocks and frees as many before it returns, mostly the newest first.
 */
#include "traces/synth/synth.h"

enum { LIVE = MODEL_OWN, BURST, LIFO };

static const struct alloc_option options[] = {
    MODEL_COMMON_OPTIONS,
    {.name = "live", .help = "blocks between calls", .type = OPTION_NUMBER, .def = 10000, .min = 1, .max = 1 << 26},
    {.name = "burst", .help = "most blocks of one call", .type = OPTION_NUMBER, .def = 16, .min = 1, .max = 1 << 16},
    {.name = "lifo", .help = "percent of frees that take the newest", .type = OPTION_NUMBER, .def = 90, .max = 100},
    {.name = NULL},
};

#define SMALLEST 32
#define CLASSES  6 /* 32 to 1024 */

static size_t room(const struct synth *synth)
{
    return (size_t)(synth->opt[LIVE] + synth->opt[BURST]);
}

static void malloc_one(struct synth *synth, struct op *op)
{
    synth_malloc(synth, op, (uint64_t)SMALLEST << synth_below(synth, CLASSES));
}

static void free_one(struct synth *synth, struct op *op)
{
    bool newest = synth_below(synth, 100) < synth->opt[LIFO];
    synth_free(synth, op, newest ? synth->nlive - 1 : (size_t)synth_below(synth, synth->nlive));
}

/* phase: the blocks of this call; step: its ops done. */
static bool next(struct synth *synth, struct op *op)
{
    if (synth->phase == 0 && synth->nlive < synth->opt[LIVE]) {
        malloc_one(synth, op);
        return true;
    }
    if (synth->step == 2 * synth->phase) {
        synth->phase = 1 + synth_below(synth, synth->opt[BURST]);
        synth->step = 0;
    }
    if (synth->step++ < synth->phase)
        malloc_one(synth, op);
    else
        free_one(synth, op);
    return true;
}

const struct model model_kernel = {.name = "kernel",
                                   .summary = "powers of two from 32 to 1024, mostly freed newest first",
                                   .options = options,
                                   .room = room,
                                   .next = next};
