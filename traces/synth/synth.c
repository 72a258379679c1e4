/* synth.c - the table of models, and what they share; see synth.h. */
#include "traces/synth/synth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocators/options.h"

#define PREFIX "model:"

const struct model *const models[] = {
    &model_churn,
    &model_kernel,
    &model_adversary,
    &model_boom,
    &model_apart,
    NULL,
};

/* ---- Random numbers ---------------------------------------------------------------------------------------------- */

/* SplitMix64: Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014, figure 17 with the
 * finaliser of Stafford's variant 13. */
static uint64_t next_random(struct synth *synth)
{
    uint64_t z = synth->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

uint64_t synth_below(struct synth *synth, uint64_t n)
{
    return ((next_random(synth) >> 32) * n) >> 32;
}

/* 2^(f / 65536) for f below 65536, times 2^31: the product of the roots 2^(1/2), 2^(1/4), … that f has bits for. */
static uint64_t power_of_two(uint64_t f)
{
    static const uint32_t roots[16] = {/* 2^(1/2), 2^(1/4), …, 2^(1/65536), times 2^31 and rounded */
                                       0xb504f334, 0x9837f052, 0x8b95c1e4, 0x85aac368, 0x82cd8699, 0x8164d1f4,
                                       0x80b1ed50, 0x8058d7d3, 0x802c6437, 0x8016302f, 0x800b179d, 0x80058baf,
                                       0x8002c5d0, 0x800162e6, 0x8000b173, 0x800058b9};
    uint64_t power = UINT64_C(1) << 31;
    for (int i = 0; i < 16; i++)
        if (f >> (15 - i) & 1)
            power = (power * roots[i] + (UINT64_C(1) << 30)) >> 31;
    return power;
}

uint64_t synth_log_uniform(struct synth *synth, uint64_t min, uint64_t max)
{
    if (max - min < min >> 6) /* so narrow that log-uniform is uniform, and that the roots below may all miss it */
        return min + synth_below(synth, max - min + 1);
    unsigned low = 63 - (unsigned)__builtin_clzll(min), high = 63 - (unsigned)__builtin_clzll(max);
    for (;;) { /* over whole doublings, until it lies within the bounds */
        uint64_t octave = low + synth_below(synth, high - low + 1);
        uint64_t size = (power_of_two(synth_below(synth, 65536)) << octave) >> 31;
        if (size >= min && size <= max)
            return size;
    }
}

/* ---- Ops --------------------------------------------------------------------------------------------------------- */

void synth_malloc(struct synth *synth, struct op *op, uint64_t size)
{
    *op = (struct op){.kind = OP_MALLOC, .block = synth->next_block, .size = size};
    synth->live[synth->nlive++] = synth->next_block++;
}

void synth_free(struct synth *synth, struct op *op, size_t i)
{
    *op = (struct op){.kind = OP_FREE, .block = synth->live[i]};
    synth->live[i] = synth->live[--synth->nlive];
}

/* ---- The reader -------------------------------------------------------------------------------------------------- */

static size_t synth_read(struct trace_reader *reader, struct op *ops, size_t n, struct error *error)
{
    struct synth *synth = (struct synth *)reader;
    size_t part = synth->left < n ? (size_t)synth->left : n, done = 0;
    (void)error;
    while (done < part && synth->model->next(synth, &ops[done]))
        done++;
    synth->left -= done;
    return done;
}

static void synth_close(struct trace_reader *reader)
{
    struct synth *synth = (struct synth *)reader;
    free(synth->live);
    free(synth);
}

bool synth_is_model(const char *path)
{
    return strncmp(path, PREFIX, strlen(PREFIX)) == 0;
}

static const struct model *find_model(const char *path, const char *spec, struct error *error)
{
    char known[200] = "";
    size_t length = options_name_length(spec);
    for (size_t i = 0, at = 0; models[i]; i++) {
        if (strlen(models[i]->name) == length && memcmp(models[i]->name, spec, length) == 0)
            return models[i];
        at += (size_t)snprintf(known + at, sizeof known - at, " %s", models[i]->name);
    }
    error_set(error, EXIT_USAGE, "%s: no such model; there are:%s", path, known);
    return NULL;
}

/* All options with their values, so that a converted trace says how to make it again. */
static void write_meta(struct synth *synth)
{
    size_t at = (size_t)snprintf(synth->meta, sizeof synth->meta, "source: " PREFIX "%s", synth->model->name);
    for (size_t i = 0; synth->model->options[i].name; i++)
        at += (size_t)snprintf(synth->meta + at, sizeof synth->meta - at, ":%s=%llu", synth->model->options[i].name,
                               (unsigned long long)synth->opt[i]);
    snprintf(synth->meta + at, sizeof synth->meta - at, "\n");
}

static bool set_up(struct synth *synth, const char *path, struct error *error)
{
    synth->random = synth->model->ends ? 0 : synth->opt[MODEL_SEED];
    synth->left = synth->model->ends ? UINT64_MAX : synth->opt[MODEL_OPS];
    synth->room = synth->model->room(synth);
    if (synth->room == 0)
        return error_set(error, EXIT_USAGE, "%s: the options contradict each other: %s", path,
                         synth->model->contradiction);
    if (!(synth->live = calloc(synth->room, sizeof *synth->live)))
        return error_set(error, EXIT_LACKS, "%s: no memory for as many live blocks", path);
    write_meta(synth);
    return true;
}

struct trace_reader *synth_open(const char *path, struct error *error)
{
    const char *spec = path + strlen(PREFIX);
    const struct model *model = find_model(path, spec, error);
    struct option_values values;
    char wrong[300];
    if (!model)
        return NULL;
    if (!options_parse(&values, model->options, spec, wrong, sizeof wrong)) {
        error_set(error, EXIT_USAGE, "%s: %s", path, wrong);
        return NULL;
    }
    struct synth *synth = calloc(1, sizeof *synth);
    if (!synth) {
        error_set(error, EXIT_LACKS, "%s: no memory", path);
        return NULL;
    }
    synth->base = (struct trace_reader){.read = synth_read, .close = synth_close};
    synth->base.info = (struct trace_info){.format = "model", .meta = synth->meta};
    synth->model = model;
    memcpy(synth->opt, values.opt, sizeof synth->opt);
    if (set_up(synth, path, error))
        return &synth->base;
    synth_close(&synth->base);
    return NULL;
}
