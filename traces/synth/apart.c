/*
 * apart.c - two small blocks far apart: one, then very many, then another; all between the two are freed, the newest
 * first, and the two stay. A heap that ends at its highest block keeps all that lies between; the model shows who gives
 * the middle back.
 */
#include "traces/synth/synth.h"

enum { BETWEEN, SIZE };

#define WORD 16 /* bytes of each of the two */

static const struct alloc_option options[] = {
    {.name = "between", .help = "blocks between the two", .type = OPTION_NUMBER, .def = 16384, .min = 1, .max = 1 << 26},
    {.name = "size", .help = "bytes of each of these", .type = OPTION_SIZE, .def = 4080, .min = 1, .max = UINT32_MAX},
    {.name = NULL},
};

static size_t room(const struct synth *synth)
{
    return (size_t)synth->opt[BETWEEN] + 2;
}

/* phase: blocks freed so far. */
static bool next(struct synth *synth, struct op *op)
{
    const uint64_t between = synth->opt[BETWEEN];
    if (synth->next_block < between + 2) {
        const bool is_end = synth->next_block == 0 || synth->next_block == between + 1;
        synth_malloc(synth, op, is_end ? WORD : synth->opt[SIZE]);
        return true;
    }
    if (synth->phase == between)
        return false;
    if (synth->phase++ == 0)
        synth->nlive--; /* the second word stays, and is spoken of no more */
    synth_free(synth, op, synth->nlive - 1);
    return true;
}

const struct model model_apart = {.name = "apart",
                                  .summary = "two small blocks with very many between them, which are then freed",
                                  .options = options,
                                  .ends = true,
                                  .room = room,
                                  .next = next};
