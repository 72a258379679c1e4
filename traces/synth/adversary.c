/*
 * adversary.c - static adversaries: work that makes even the best of allocators need more than is live.
 *
 * In units: for i = 0, 1, … log2 n, blocks of 2^i are allocated until M units are live; then of every round j up to i
 * all blocks go but each 2^(i-j+1)-th, so that no hole that they leave is as large as the next round's blocks. For
 * sizes that are powers of two no allocator can promise less than M(1 + log2(n)/2) - n + 1 units (J. M. Robson, "Bounds
 * for some functions concerning dynamic storage allocation", JACM 21 (1974)); first fit, next fit, best fit and the
 * buddy system reach M(1 + log2(n)/2) here when M and n are powers of two. The work ends with the last allocation.
 *
 * boom differs in one thing: every round allocates M units, so that up to 2M are live, and M(1 + log2 n) are needed.
 */
#include "traces/synth/synth.h"

enum { LIVE, LARGEST, UNIT, HEADER };

#define OPTIONS(live_help, most)                                                                                       \
    {.name = "live", .help = live_help, .type = OPTION_NUMBER, .def = 1024, .min = 1, .max = 1 << 26},                 \
        {.name = "largest",                                                                                            \
         .help = "units of the largest block; of other numbers, the power of two below",                               \
         .type = OPTION_NUMBER,                                                                                        \
         .def = most,                                                                                                  \
         .min = 1,                                                                                                     \
         .max = 1 << 26},                                                                                              \
        {.name = "unit", .help = "bytes of a unit", .type = OPTION_SIZE, .def = 32, .min = 1, .max = 1 << 26},         \
        {.name = "header",                                                                                             \
         .help = "bytes less in each request, so that it makes whole units with an allocator's header",                \
         .type = OPTION_SIZE,                                                                                          \
         .max = 1 << 16},                                                                                              \
    {                                                                                                                  \
        .name = NULL                                                                                                   \
    }

static const struct alloc_option options[] = {OPTIONS("units live at most", 16)};
static const struct alloc_option boom_options[] = {OPTIONS("units that a round allocates", 1024)};

/* The number of the last round. */
static unsigned last_round(const struct synth *synth)
{
    return 63 - (unsigned)__builtin_clzll(synth->opt[LARGEST]);
}

/* Of each round begun, live[] has the first block; behind them stands where the next one begins. */
static size_t room(const struct synth *synth)
{
    const bool fits = synth->opt[LARGEST] <= synth->opt[LIVE] && synth->opt[HEADER] < synth->opt[UNIT];
    return fits ? last_round(synth) + 2 : 0;
}

/* Blocks of round j that are live when those of round i are about to be allocated; those of round i when j = i: as many
 * as make M units live, or boom's M units. */
static uint64_t blocks_of(const struct synth *synth, unsigned j, unsigned i)
{
    if (j < i)
        return (synth->live[j + 1] - synth->live[j]) >> (i - j);
    uint64_t units = 0;
    for (unsigned round = 0; round < i && synth->model == &model_adversary; round++)
        units += blocks_of(synth, round, i) << round;
    return (synth->opt[LIVE] - units) >> i;
}

static void begin_round(struct synth *synth, unsigned i)
{
    synth->live[i] = synth->next_block;
    synth->live[i + 1] = synth->next_block + blocks_of(synth, i, i);
    synth->nlive = i + 1;
}

/* The next block to be freed behind the k-th of round j, at the end of round i. False: there is none. */
static bool next_free(const struct synth *synth, unsigned i, uint64_t *j, uint64_t *k)
{
    for (; *j <= i; ++*j, *k = 0) {
        const uint64_t live_step = UINT64_C(1) << (i - *j), kept_step = 2 * live_step;
        const uint64_t last = synth->live[*j + 1] - synth->live[*j];
        uint64_t next = (*k / live_step + 1) * live_step;
        if (next % kept_step == 0)
            next += live_step;
        if (next <= last) {
            *k = next;
            return true;
        }
    }
    return false;
}

/* phase, step: the round and the place in it, from 1, of the block freed last. */
static bool next(struct synth *synth, struct op *op)
{
    const unsigned last = last_round(synth);
    if (synth->nlive == 0)
        begin_round(synth, 0);
    for (;;) {
        const unsigned i = (unsigned)synth->nlive - 1;
        if (synth->next_block < synth->live[i + 1]) {
            const uint64_t size = (synth->opt[UNIT] << i) - synth->opt[HEADER];
            *op = (struct op){.kind = OP_MALLOC, .block = synth->next_block++, .size = size};
            return true;
        }
        if (i == last)
            return false;
        if (next_free(synth, i, &synth->phase, &synth->step)) {
            *op = (struct op){.kind = OP_FREE, .block = synth->live[synth->phase] + synth->step - 1};
            return true;
        }
        synth->phase = synth->step = 0;
        begin_round(synth, i + 1);
    }
}

#define ADVERSARY                                                                                                      \
    .contradiction = "largest is above live, or header not below unit", .ends = true, .room = room, .next = next

const struct model model_adversary = {.name = "adversary",
                                      .summary = "frees so that no hole fits what comes next (Robson 1974)",
                                      .options = options,
                                      ADVERSARY};

const struct model model_boom = {
    .name = "boom", .summary = "the same with larger rounds", .options = boom_options, ADVERSARY};
