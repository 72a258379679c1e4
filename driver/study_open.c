/* study_open.c - compiles a trace and lays out the table of what is to be found out about it; see sweep.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/oracle.h"
#include "driver/sweep.h"

/* So many times the peak of live, and some for headers and odd pages; at most what addresses here can span with ease.
 */
static uint64_t with_room(uint64_t times, const struct plan_header *header)
{
    const uint64_t most = sizeof(void *) == 8 ? UINT64_C(1) << 45 : UINT64_C(1) << 30;
    uint64_t bytes;
    if (__builtin_mul_overflow(header->peak_live, times, &bytes) ||
        __builtin_add_overflow(bytes, header->nslots * 128 + (UINT64_C(16) << 20), &bytes) || bytes > most)
        return most;
    return bytes;
}

/*
 * Generous, for pages cost nothing until they are touched, and a few pages held in bad places can waste the addresses
 * of many times the peak: sixty-four times the peak of live, or a quarter of the machine's memory where that is less,
 * since an allocator that reuses nothing touches it all, or what segfit's links reach; eight times the peak in any
 * case.
 */
static uint64_t arena_for(const struct plan_header *header)
{
    const uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    const uint64_t wanted = with_room(64, header), least = with_room(8, header);
    const uint64_t reach = UINT64_C(8) << 30, most = memory / 4 < reach ? memory / 4 : reach;
    const uint64_t bytes = wanted < most ? wanted : most;
    return bytes > least ? bytes : least;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

static bool compile(struct study *study, struct error *error)
{
    struct trace_reader *reader = trace_open(study->path, error);
    if (reader == NULL)
        return false;
    const bool built = plan_build(&study->plan, reader, error);
    const struct trace_info *info = trace_info(reader);
    study->truncated = info->truncated;
    if (built && info->note[0] != '\0')
        fprintf(stderr, "replay: %s: %s\n", study->path, info->note);
    trace_close(reader);
    return built;
}

/* Which passes make sense: a yardstick's blocks overlap, so that nothing but its time means anything. */
static void choose_passes(struct cell *cell, const struct cli *cli)
{
    const bool yardstick = cell->spec.allocator->caps & CAP_YARDSTICK;
    for (unsigned pass = 0; pass < PASSES; pass++)
        cell->passes[pass] = cli->passes[pass];
    if (yardstick)
        cell->passes[PASS_VERIFY] = cell->passes[PASS_SPACE] = cell->passes[PASS_ARENA] = false;
    if (cell->spec.inlined || cell->added)
        cell->passes[PASS_LATENCY] = cell->passes[PASS_INSTRUCTIONS] = false;
}

static bool is_floor(const struct cell *cell)
{
    return !cell->spec.inlined && strcmp(cell->text, "null") == 0;
}

static bool add_cells(struct study *study, const struct cli *cli, struct error *error)
{
    study->cells = calloc(cli->nallocators + 1, sizeof *study->cells);
    if (study->cells == NULL)
        return error_set(error, EXIT_LACKS, "no memory");
    for (size_t i = 0; i < cli->nallocators; i++)
        study->cells[study->ncells++].text = cli->allocators[i];
    for (size_t i = 0; i < study->ncells; i++)
        if (!allocator_spec_read(&study->cells[i].spec, study->cells[i].text, error))
            return false;
    if (cli->passes[PASS_THROUGHPUT]) {
        for (size_t i = 0; i < study->ncells && study->floor == NULL; i++)
            if (is_floor(&study->cells[i]))
                study->floor = &study->cells[i];
        if (study->floor == NULL) {
            memmove(study->cells + 1, study->cells, study->ncells++ * sizeof *study->cells);
            study->cells[0] = (struct cell){.text = "null", .added = true};
            study->floor = &study->cells[0];
            if (!allocator_spec_read(&study->floor->spec, "null", error))
                return false;
        }
    }
    for (size_t i = 0; i < study->ncells; i++)
        choose_passes(&study->cells[i], cli);
    return true;
}

/* The oracle alone needs it: without one, that is what its runs end with, and the others go on. */
static void pack(struct study *study)
{
    struct error error = {.code = EXIT_DONE};
    bool wanted = false;
    for (size_t i = 0; i < study->ncells; i++)
        wanted |= study->cells[i].spec.allocator == &allocator_oracle;
    if (wanted && !packing_build(&study->packing, &study->plan, &error))
        fprintf(stderr, "replay: %s: --alloc=oracle: %s\n", study->path, error.text);
}

/* A mistake needs an op that has a block. */
static bool can_plant(const struct study *study, const struct cli *cli, struct error *error)
{
    const uint64_t step = cli->plant_step, nsteps = study->plan.header->nsteps;
    if (cli->plant == PLANT_NONE || (step < nsteps && plan_kind(study->plan.steps[step]) != PLAN_NOTHING))
        return true;
    return error_set(error, EXIT_USAGE, "--plant: op %" PRIu64 " of %s does nothing; name another below %" PRIu64, step,
                     study->path, nsteps);
}

bool study_open(struct study *study, const struct cli *cli, const char *path, struct error *error)
{
    *study = (struct study){.path = path, .name = last_part(path), .plan.fd = -1, .packing.fd = -1};
    if (!compile(study, error))
        return false;
    const struct plan_header *header = study->plan.header;
    study->ops = header->nsteps - header->nothings;
    study->arena_bytes = cli->arena_bytes != 0 ? cli->arena_bytes : arena_for(header);
    for (size_t i = 0; i < sizeof header->hash; i++)
        snprintf(study->hash + 2 * i, 3, "%02x", header->hash[i]);
    if (study->ops == 0)
        error_set(error, EXIT_INPUT, "%s: has no op to replay", path);
    else if (can_plant(study, cli, error) && add_cells(study, cli, error)) {
        pack(study);
        return true;
    }
    study_close(study);
    return false;
}

void study_close(struct study *study)
{
    for (size_t i = 0; i < study->ncells; i++) {
        free(study->cells[i].space);
        free(study->cells[i].throughput.ns_per_op);
        free(study->cells[i].latency.least);
    }
    free(study->cells);
    packing_close(&study->packing);
    plan_close(&study->plan);
}
