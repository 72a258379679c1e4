/*
 * churn.c - a program in its steady state: N blocks are live; again and again a random one is freed and a new one
 * allocated. Sizes are log-uniform: each doubling is as likely as any other. No structure that an allocator could use,
 * which makes it a hard case for fragmentation and for caches.
 */
#include "traces/synth/synth.h"

enum { LIVE = MODEL_OWN, MIN, MAX };

static const struct alloc_option options[] = {
    MODEL_COMMON_OPTIONS,
    {.name = "live", .help = "blocks", .type = OPTION_NUMBER, .def = 20000, .min = 1, .max = 1 << 26},
    {.name = "min", .help = "smallest size", .type = OPTION_SIZE, .def = 16, .min = 1, .max = UINT32_MAX},
    {.name = "max", .help = "largest size", .type = OPTION_SIZE, .def = 4096, .min = 1, .max = UINT32_MAX},
    {.name = NULL},
};

static size_t room(const struct synth *synth)
{
    return synth->opt[MIN] <= synth->opt[MAX] ? (size_t)synth->opt[LIVE] : 0;
}

static bool next(struct synth *synth, struct op *op)
{
    if (synth->nlive < synth->room)
        synth_malloc(synth, op, synth_log_uniform(synth, synth->opt[MIN], synth->opt[MAX]));
    else
        synth_free(synth, op, (size_t)synth_below(synth, synth->room));
    return true;
}

const struct model model_churn = {.name = "churn",
                                  .summary = "a random live block is freed, another allocated; log-uniform sizes",
                                  .options = options,
                                  .contradiction = "min is above max",
                                  .room = room,
                                  .next = next};
