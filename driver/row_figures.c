/* row_figures.c - turns the answer of each pass into figures; see row_figures.h. */
#include "driver/row_figures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "driver/fields.h"
#include "driver/figures.h"
#include "driver/statistics.h"

static void add_throughput(struct row_figures *row, const struct run *run)
{
    static const char no_floor[] = "null has no figure in this round";
    const struct throughput_result *result = &run->job->throughput;
    const struct repetitions *repeated = &run->job->repetitions;
    const double ops = (double)run->study->ops;
    double ns[JOB_REPETITIONS], wall_ns[JOB_REPETITIONS];
    json_t *repetitions = json_array();
    for (uint32_t i = 0; i < repeated->count; i++) {
        ns[i] = (double)result->ns[i];
        wall_ns[i] = (double)result->wall_ns[i];
        json_array_append_new(repetitions, json_integer((json_int_t)result->ns[i]));
    }
    const double least = study_run_ns(result) / ops;
    row_set_number(row, FIELD_NS_PER_OP, least, "");
    row_set_number(row, FIELD_CYCLES_PER_OP, run->job->watch_core ? least * repeated->clock_hz / 1e9 : NAN,
                   "the clock rate is not looked at in an emulator or under a runner");
    row_set_number(row, FIELD_NS_PER_OP_MEDIAN, statistics_quantile(ns, repeated->count, 0.5) / ops, "");
    row_set_number(row, FIELD_WALL_NS_PER_OP, statistics_quantile(wall_ns, repeated->count, 0.5) / ops, "");
    row_set_number(row, FIELD_OPS_PER_S, 1e9 / least, "");
    row_set_number(row, FIELD_FLOOR, run->floor_ns, no_floor);
    row_set_number(row, FIELD_ABOVE_FLOOR, least - run->floor_ns, no_floor);
    json_object_set_new(row->figures, FIELD_REPETITIONS_NS, repetitions);
    json_object_set_new(row->figures, FIELD_PARTS, json_integer(result->parts));
}

/* What the figures of the latency pass are called in each unit. */
static const struct latency_names {
    const char *p50, *p99, *p999, *max, *worst, *counts, *cost, *resolution, *slowest, *others;
} latency_names[LATENCY_UNITS] = {
    [LATENCY_NS] = {FIELD_P50, FIELD_P99, FIELD_P999, FIELD_MAX, FIELD_WORST, FIELD_COUNTS, FIELD_CLOCK_COST,
                    FIELD_CLOCK_RESOLUTION, FIELD_SLOWEST_LEAST, FIELD_SLOWEST_OTHERS},
    [LATENCY_CYCLES] = {FIELD_P50_CYCLES, FIELD_P99_CYCLES, FIELD_P999_CYCLES, FIELD_MAX_CYCLES, FIELD_WORST_CYCLES,
                        FIELD_COUNTS_CYCLES, FIELD_CLOCK_COST_CYCLES, FIELD_CLOCK_RESOLUTION_CYCLES,
                        FIELD_SLOWEST_LEAST_CYCLES, FIELD_SLOWEST_OTHERS_CYCLES},
    [LATENCY_NS_PER_OP] = {FIELD_P50_PER_OP, FIELD_P99_PER_OP, FIELD_P999_PER_OP, FIELD_MAX_PER_OP, FIELD_WORST_PER_OP,
                           FIELD_COUNTS_PER_OP, FIELD_CLOCK_COST, FIELD_CLOCK_RESOLUTION, FIELD_SLOWEST_LEAST_PER_OP,
                           FIELD_SLOWEST_OTHERS_PER_OP}};

static json_t *histogram_object(const struct histogram *histogram, double ticks_per_unit, const char *counts_name)
{
    json_t *object = json_object(), *counts = json_array();
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        if (histogram->counts[i] > 0)
            json_array_append_new(
                counts, json_pack("[f, I]", histogram_upper(i) / ticks_per_unit, (json_int_t)histogram->counts[i]));
    json_object_set_new(object, FIELD_HISTOGRAM_ERROR, json_real(HISTOGRAM_ERROR));
    json_object_set_new(object, counts_name, counts);
    return object;
}

/* Columns: of the ops that were the slowest in this run by the least that each took. */
static json_t *slowest_object(const struct latency_run *run, double ticks_per_unit, const struct latency_names *names)
{
    json_t *object = json_object(), *steps = json_array(), *least = json_array();
    for (uint32_t i = 0; i < run->nslow; i++) {
        json_array_append_new(steps, json_integer((json_int_t)run->slow_steps[i]));
        json_array_append_new(least, json_real(run->slow_ticks[i] / ticks_per_unit));
    }
    json_object_set_new(object, FIELD_INDEX, steps);
    json_object_set_new(object, names->slowest, least);
    json_object_set_new(object, names->others, json_real(run->others / ticks_per_unit));
    return object;
}

/* What is not known of a single op in nanoseconds, and why: figures of two units never have one name. */
static void add_missing_ns(struct row_figures *row, enum latency_unit unit, const struct latency_result *result)
{
    const struct latency_names *ns = &latency_names[LATENCY_NS], *names = &latency_names[unit];
    const char *const all[][2] = {{ns->p50, names->p50},
                                  {ns->p99, names->p99},
                                  {ns->p999, names->p999},
                                  {ns->max, names->max},
                                  {ns->worst, names->worst},
                                  {ns->cost, names->cost},
                                  {ns->resolution, names->resolution}};
    char why[120];
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (unit == LATENCY_CYCLES)
            snprintf(why, sizeof why, "measured in cycles: %s", all[i][1]);
        else
            snprintf(why, sizeof why, "%u ops were timed together: %s", result->batch_ops, all[i][1]);
        if (strcmp(all[i][0], all[i][1]) != 0)
            row_set_number(row, all[i][0], NAN, why);
    }
}

/* A time that a coarse clock took for none is not known: it is less than a step. */
static void set_ticks(struct row_figures *row, const char *field, double ticks, double ticks_per_unit)
{
    row_set_number(row, field, ticks > 0 ? ticks / ticks_per_unit : NAN, "less than a step of the clock");
}

static void add_latency(struct row_figures *row, const struct run *run)
{
    const struct latency_result *result = &run->job->latency;
    const struct latency_study *study = &run->cell->latency;
    const struct histogram *histogram = &run->latency->histogram;
    const enum latency_unit unit = (enum latency_unit)run->job->unit;
    const struct latency_names *names = &latency_names[unit];
    const double per_unit = study->ticks_per_unit, per_step = per_unit / result->batch_ops;
    set_ticks(row, names->p50, histogram_quantile(histogram, 0.50), per_unit);
    set_ticks(row, names->p99, histogram_quantile(histogram, 0.99), per_unit);
    set_ticks(row, names->p999, histogram_quantile(histogram, 0.999), per_unit);
    set_ticks(row, names->max, run->latency->most, per_unit);
    json_object_set_new(row->figures, FIELD_MAX_OP, row_op(&run->study->plan, run->latency->most_step));
    set_ticks(row, names->worst, study->worst, per_unit);
    json_object_set_new(row->figures, FIELD_WORST_OP, row_op(&run->study->plan, study->worst_step));
    json_object_set_new(row->figures, FIELD_WORST_RUNS, json_integer((json_int_t)study->runs));
    json_object_set_new(row->figures, FIELD_SLOWEST, slowest_object(run->latency, per_unit, names));
    json_object_set_new(row->figures, FIELD_HISTOGRAM, histogram_object(histogram, per_unit, names->counts));
    json_object_set_new(row->figures, FIELD_BATCH_OPS, json_integer(result->batch_ops));
    json_object_set_new(row->figures, FIELD_CLOCK, json_string(result->clock));
    set_ticks(row, names->cost, (double)result->cost_ticks, per_step);
    set_ticks(row, names->resolution, (double)result->resolution_ticks, per_step);
    if (unit != LATENCY_NS)
        add_missing_ns(row, unit, result);
}

static json_t *bytes_or_null(uint64_t bytes)
{
    return bytes == UNKNOWN_BYTES ? json_null() : json_integer((json_int_t)bytes);
}

/* Columns, not objects: 256 samples stay readable, and load into a data frame as they are. */
static json_t *samples_object(const struct space_result *result)
{
    static const char *const names[] = {FIELD_SAMPLE_OP, FIELD_REQUESTED, FIELD_GRANTED,      FIELD_HELD,
                                        FIELD_TOUCHED,   FIELD_FREE,      FIELD_FREE_LARGEST, FIELD_FREE_BLOCKS};
    enum { COLUMNS = sizeof names / sizeof *names };
    json_t *object = json_object();
    for (size_t column = 0; column < COLUMNS; column++) {
        json_t *values = json_array();
        for (uint32_t i = 0; i < result->nsamples; i++) {
            const struct space_sample *sample = &result->samples[i];
            const uint64_t all[COLUMNS] = {sample->step,         sample->requested,  sample->granted,
                                           sample->held,         sample->touched,    sample->free_total,
                                           sample->free_largest, sample->free_blocks};
            json_array_append_new(values, bytes_or_null(all[column]));
        }
        json_object_set_new(object, names[column], values);
    }
    return object;
}

/* RFC 4648, section 4. */
static json_t *base64_of(const uint8_t *bytes, size_t count)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[(JOB_MAP_OPS + 2) / 3 * 4];
    size_t n = 0;
    for (size_t at = 0; at < count; at += 3) {
        uint32_t three = 0;
        for (size_t i = at; i < at + 3; i++)
            three = three << 8 | (i < count ? bytes[i] : 0);
        for (size_t i = 0; i < 4; i++)
            text[n++] = at + i <= count ? digits[three >> (18 - 6 * i) & 63] : '=';
    }
    return json_stringn(text, n);
}

static json_t *integers(const uint64_t *values, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_integer((json_int_t)values[i]));
    return array;
}

static json_t *map_object(const struct heap_map_result *map)
{
    json_t *object = json_object(), *live = json_array();
    for (uint32_t bin = 0; bin < map->nbins; bin++)
        json_array_append_new(live, base64_of(map->live[bin], map->nops));
    json_object_set_new(object, FIELD_MAP_BIN_BYTES, json_integer((json_int_t)map->bin_bytes));
    json_object_set_new(object, FIELD_MAP_LOWEST, json_integer((json_int_t)map->lowest_address));
    json_object_set_new(object, FIELD_MAP_BINS, integers(map->bins, map->nbins));
    json_object_set_new(object, FIELD_SAMPLE_OP, integers(map->steps, map->nops));
    json_object_set_new(object, FIELD_MAP_LIVE, live);
    return object;
}

/* Johnstone and Wilson's four. The first is missing for a reason of its own; the third may have nothing to relate to.
 */
static void add_fragmentation(struct row_figures *row, const char *const names[4], const double measures[4],
                              const char *nothing, const char *missing, const char *mean_missing)
{
    static const char none_live[] = "nothing was live when the peak was reached";
    for (int i = 0; i < 4; i++) {
        const char *why = nothing[0] ? nothing : i == 0 ? mean_missing : missing;
        row_set_number(row, names[i], measures[i], i == 2 && why[0] == '\0' ? none_live : why);
    }
}

static void add_space(struct row_figures *row, const struct run *run)
{
    static const char *const of_held[4] = {FIELD_FRAGMENTATION_1_HELD, FIELD_FRAGMENTATION_2_HELD,
                                           FIELD_FRAGMENTATION_3_HELD, FIELD_FRAGMENTATION_4_HELD};
    static const char *const of_touched[4] = {FIELD_FRAGMENTATION_1_TOUCHED, FIELD_FRAGMENTATION_2_TOUCHED,
                                              FIELD_FRAGMENTATION_3_TOUCHED, FIELD_FRAGMENTATION_4_TOUCHED};
    const struct space_result *result = &run->job->space;
    const uint64_t peak_live = run->study->plan.header->peak_live;
    const struct space_figures figures = space_figures(result, peak_live);
    const char *nothing = peak_live == 0 ? "no byte was requested" : "";
    row_set_bytes(row, FIELD_REQUESTED_PEAK, peak_live, "");
    row_set_bytes(row, FIELD_GRANTED_AT_PEAK, result->at_peak.granted, "");
    row_set_bytes(row, FIELD_GRANTED_PEAK, result->granted_peak, "");
    row_set_bytes(row, FIELD_HELD_AT_PEAK, result->at_peak.held, result->held_missing);
    row_set_bytes(row, FIELD_HELD_PEAK, result->held_peak, result->held_missing);
    row_set_bytes(row, FIELD_HELD_END, result->at_end.held, result->held_missing);
    row_set_bytes(row, FIELD_TOUCHED_AT_PEAK, result->at_peak.touched, result->touched_missing);
    row_set_bytes(row, FIELD_TOUCHED_PEAK, result->touched_peak, result->touched_missing);
    row_set_bytes(row, FIELD_TOUCHED_END, result->at_end.touched, result->touched_missing);
    row_set_bytes(row, FIELD_FREE_AT_PEAK, result->at_peak.free_total, result->free_missing);
    row_set_bytes(row, FIELD_FREE_BLOCKS_AT_PEAK, result->at_peak.free_blocks, result->free_missing);
    row_set_bytes(row, FIELD_METADATA, result->metadata_at_peak, result->metadata_missing);
    row_set_number(row, FIELD_HELD_RATIO, figures.held_ratio, nothing[0] ? nothing : result->held_missing);
    row_set_number(row, FIELD_TOUCHED_RATIO, figures.touched_ratio, nothing[0] ? nothing : result->touched_missing);
    row_set_number(row, FIELD_INTERNAL, figures.internal_at_peak, "");
    row_set_number(row, FIELD_INTERNAL_MAX, figures.internal_max, "");
    row_set_number(row, FIELD_EXTERNAL, figures.external_at_peak, result->free_missing);
    row_set_number(row, FIELD_EXTERNAL_MAX, figures.external_max, result->free_missing);
    add_fragmentation(row, of_held, figures.held, nothing, result->held_missing, result->held_missing);
    add_fragmentation(row, of_touched, figures.touched, nothing, result->touched_missing, result->touched_mean_missing);
    json_object_set_new(row->figures, FIELD_SAMPLES, samples_object(result));
    json_object_set_new(row->figures, FIELD_HEAP_MAP, map_object(&result->map));
}

static void add_arena(struct row_figures *row, const struct run *run)
{
    static const char unchecked[] = "other sizes were not tried, as --limit was up";
    const struct arena_study *arena = &run->cell->arena;
    const uint64_t peak_live = run->study->plan.header->peak_live;
    const bool known = arena->smallest != UNKNOWN_BYTES;
    const char *why = known ? "no byte was requested" : arena->missing;
    row_set_bytes(row, FIELD_REQUESTED_PEAK, peak_live, "");
    row_set_bytes(row, FIELD_SMALLEST_ARENA, arena->smallest, why);
    row_set_number(row, FIELD_SMALLEST_ARENA_RATIO, arena_ratio(arena, peak_live), why);
    row_set_bytes(row, FIELD_LARGEST_FAILED_ARENA, known ? arena->largest_failed : UNKNOWN_BYTES, why);
    json_object_set_new(row->figures, FIELD_MONOTONIC, arena->checked ? json_boolean(arena->monotonic) : json_null());
    if (!arena->checked)
        json_object_set_new(row->missing, FIELD_MONOTONIC, json_string(known ? unchecked : why));
    json_object_set_new(row->figures, FIELD_PROBES, json_integer(arena->probes));
}

static json_t *icount_object(const struct plan *plan, const struct icount_figures *figures)
{
    json_t *object = json_object();
    json_object_set_new(object, FIELD_OPS, json_integer((json_int_t)figures->ops));
    json_object_set_new(object, FIELD_MEAN_INSTRUCTIONS, json_real(figures->mean));
    json_object_set_new(object, FIELD_P50_INSTRUCTIONS, json_integer(figures->p50));
    json_object_set_new(object, FIELD_P99_INSTRUCTIONS, json_integer(figures->p99));
    json_object_set_new(object, FIELD_P999_INSTRUCTIONS, json_integer(figures->p999));
    json_object_set_new(object, FIELD_WORST_INSTRUCTIONS, json_integer(figures->worst));
    json_object_set_new(object, FIELD_WORST_INSTRUCTIONS_OP, row_op(plan, figures->worst_step));
    json_object_set_new(object, FIELD_PAGES_MEAN_INSTRUCTIONS, json_real(figures->pages_mean));
    json_object_set_new(object, FIELD_PAGES_MAX_INSTRUCTIONS, json_integer(figures->pages_worst));
    return object;
}

/* Kinds that the trace has not are left out: nothing of them is missing. */
static void add_instructions(struct row_figures *row, const struct run *run)
{
    json_t *kinds = json_object();
    for (unsigned kind = 0; kind < OP_KINDS; kind++) {
        const struct icount_figures *figures = &run->cell->instructions.kinds[kind];
        if (figures->ops > 0)
            json_object_set_new(kinds, op_names[kind], icount_object(&run->study->plan, figures));
    }
    json_object_set_new(row->figures, FIELD_INSTRUCTION_SET, json_string(run->job->instructions.set));
    json_object_set_new(row->figures, FIELD_COMPILER, json_string(run->job->instructions.compiler));
    json_object_set_new(row->figures, FIELD_INSTRUCTIONS, kinds);
}

static void add_verify(struct row_figures *row, const struct run *run)
{
    const struct verify_result *result = &run->job->verify;
    row_set_bytes(row, FIELD_BLOCKS_CHECKED, result->blocks, "");
    row_set_bytes(row, FIELD_BYTES_CHECKED, result->bytes, "");
    row_set_bytes(row, FIELD_HEAP_CHECKS, result->heap_checks, "");
    row_set_bytes(row, FIELD_HEAP_WALKS, result->heap_walks, "");
}

void row_add_figures(struct row_figures *row, const struct run *run)
{
    static void (*const adders[PASSES])(struct row_figures *, const struct run *) = {
        [PASS_VERIFY] = add_verify,         [PASS_SPACE] = add_space,     [PASS_ARENA] = add_arena,
        [PASS_THROUGHPUT] = add_throughput, [PASS_LATENCY] = add_latency, [PASS_INSTRUCTIONS] = add_instructions};
    adders[run->pass](row, run);
}
