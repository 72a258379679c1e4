/*
 * columns.c - the columns of the table for people: a number each, how it is written, and whether less or more is
 * better; see columns.h.
 */
#include "driver/columns.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "driver/fields.h"
#include "driver/figures.h"

#define OP_WIDTH (-26)

/* ---- Numbers ----------------------------------------------------------------------------------------------------- */

static double ns_per_op(const struct study *study, const struct cell *cell)
{
    (void)study;
    return study_ns(cell);
}

static double ns_spread(const struct study *study, const struct cell *cell)
{
    (void)study;
    return study_spread_ns(cell);
}

static double mops(const struct study *study, const struct cell *cell)
{
    return 1e3 / ns_per_op(study, cell);
}

static double above_floor(const struct study *study, const struct cell *cell)
{
    if (study->floor == NULL || cell->spec.allocator->caps & CAP_YARDSTICK)
        return NAN;
    return study_ns(cell) - study_ns(study->floor);
}

static double latency(const struct cell *cell, double ticks)
{
    return cell->latency.runs > 0 && ticks > 0 ? ticks / cell->latency.ticks_per_unit : NAN; /* 0: under a step */
}

#define QUANTILE(NAME, Q)                                                                                              \
    static double NAME(const struct study *study, const struct cell *cell)                                             \
    {                                                                                                                  \
        (void)study;                                                                                                   \
        return latency(cell, histogram_quantile(&cell->latency.histogram, Q));                                         \
    }
QUANTILE(p50, 0.50)
QUANTILE(p99, 0.99)
QUANTILE(p999, 0.999)

static double most(const struct study *study, const struct cell *cell)
{
    (void)study;
    return latency(cell, cell->latency.most);
}

static double worst(const struct study *study, const struct cell *cell)
{
    (void)study;
    return cell->latency.runs > 1 ? latency(cell, cell->latency.worst) : NAN; /* one run cannot tell interrupts apart */
}

#define SPACE(NAME, MEMBER)                                                                                            \
    static double NAME(const struct study *study, const struct cell *cell)                                             \
    {                                                                                                                  \
        return cell->space ? space_figures(cell->space, study->plan.header->peak_live).MEMBER : NAN;                   \
    }
SPACE(held, held_ratio)
SPACE(touched, touched_ratio)
SPACE(internal, internal_at_peak)
SPACE(external, external_at_peak)

static double arena(const struct study *study, const struct cell *cell)
{
    return arena_ratio(&cell->arena, study->plan.header->peak_live);
}

#define INSTRUCTIONS(NAME, KIND, MEMBER)                                                                               \
    static double NAME(const struct study *study, const struct cell *cell)                                             \
    {                                                                                                                  \
        const struct icount_figures *figures = &cell->instructions.kinds[KIND];                                        \
        (void)study;                                                                                                   \
        return figures->ops > 0 ? (double)figures->MEMBER : NAN;                                                       \
    }
INSTRUCTIONS(malloc_mean, OP_MALLOC, mean)
INSTRUCTIONS(malloc_worst, OP_MALLOC, worst)
INSTRUCTIONS(free_mean, OP_FREE, mean)
INSTRUCTIONS(free_worst, OP_FREE, worst)
INSTRUCTIONS(realloc_mean, OP_REALLOC, mean)
INSTRUCTIONS(realloc_worst, OP_REALLOC, worst)

/* ---- How they are written ---------------------------------------------------------------------------------------- */

static void write_ns(char *text, double value)
{
    snprintf(text, COLUMN_TEXT, "%.*f", fabs(value) < 9.995 ? 2 : fabs(value) < 999.95 ? 1 : 0, value);
}

static void write_time(char *text, double ns)
{
    if (ns < 999.5)
        snprintf(text, COLUMN_TEXT, "%.0f ns", ns);
    else if (ns < 999.5e3)
        snprintf(text, COLUMN_TEXT, "%.*f µs", ns < 99.95e3 ? 1 : 0, ns / 1e3);
    else
        snprintf(text, COLUMN_TEXT, "%.*f ms", ns < 99.95e6 ? 1 : 0, ns / 1e6);
}

static void write_cycles(char *text, double cycles)
{
    if (cycles < 99999.5)
        snprintf(text, COLUMN_TEXT, "%.0f cy", cycles);
    else
        snprintf(text, COLUMN_TEXT, cycles < 99999.5e3 ? "%.0f kcy" : "%.0f Mcy",
                 cycles / (cycles < 99999.5e3 ? 1e3 : 1e6));
}

static void write_rate(char *text, double value)
{
    snprintf(text, COLUMN_TEXT, "%.*f", value < 99.95 ? 1 : 0, value);
}

static void write_ratio(char *text, double value)
{
    snprintf(text, COLUMN_TEXT, value < 99.995 ? "%.3f" : "%.0f", value);
}

static void write_percent(char *text, double value)
{
    snprintf(text, COLUMN_TEXT, "%.1f%%", value * 100);
}

static void write_whole(char *text, double value)
{
    snprintf(text, COLUMN_TEXT, "%.0f", value);
}

const struct column columns[COLUMNS] = {
    {PASS_THROUGHPUT, 8, LESS, "ns/op", "ns_per_op", ns_per_op, write_ns, LATENCY_UNITS},
    {PASS_THROUGHPUT, 6, NEITHER, "±", "half_interquartile_ns_per_op", ns_spread, write_ns, LATENCY_UNITS},
    {PASS_THROUGHPUT, 8, MORE, "Mops/s", "mops_per_s", mops, write_rate, LATENCY_UNITS},
    {PASS_THROUGHPUT, 8, LESS, "−null", "above_floor_ns_per_op", above_floor, write_ns, LATENCY_UNITS},
    {PASS_LATENCY, 8, LESS, "p50", FIELD_P50, p50, write_time, LATENCY_NS},
    {PASS_LATENCY, 8, LESS, "p99", FIELD_P99, p99, write_time, LATENCY_NS},
    {PASS_LATENCY, 8, LESS, "p99.9", FIELD_P999, p999, write_time, LATENCY_NS},
    {PASS_LATENCY, 8, NEITHER, "max", FIELD_MAX, most, write_time, LATENCY_NS},
    {PASS_LATENCY, 8, LESS, "worst", FIELD_WORST, worst, write_time, LATENCY_NS},
    {PASS_LATENCY, 9, LESS, "p50", FIELD_P50_CYCLES, p50, write_cycles, LATENCY_CYCLES},
    {PASS_LATENCY, 9, LESS, "p99", FIELD_P99_CYCLES, p99, write_cycles, LATENCY_CYCLES},
    {PASS_LATENCY, 9, LESS, "p99.9", FIELD_P999_CYCLES, p999, write_cycles, LATENCY_CYCLES},
    {PASS_LATENCY, 9, NEITHER, "max", FIELD_MAX_CYCLES, most, write_cycles, LATENCY_CYCLES},
    {PASS_LATENCY, 9, LESS, "worst", FIELD_WORST_CYCLES, worst, write_cycles, LATENCY_CYCLES},
    {PASS_LATENCY, 9, LESS, "p50/op", FIELD_P50_PER_OP, p50, write_time, LATENCY_NS_PER_OP},
    {PASS_LATENCY, 9, LESS, "p99/op", FIELD_P99_PER_OP, p99, write_time, LATENCY_NS_PER_OP},
    {PASS_LATENCY, 9, LESS, "p99.9/op", FIELD_P999_PER_OP, p999, write_time, LATENCY_NS_PER_OP},
    {PASS_LATENCY, 9, NEITHER, "max/op", FIELD_MAX_PER_OP, most, write_time, LATENCY_NS_PER_OP},
    {PASS_LATENCY, 9, LESS, "worst/op", FIELD_WORST_PER_OP, worst, write_time, LATENCY_NS_PER_OP},
    {PASS_LATENCY, OP_WIDTH, NEITHER, "of op", "worst_op", NULL, NULL, LATENCY_UNITS},
    {PASS_SPACE, 7, LESS, "held", "held_peak_per_requested_peak", held, write_ratio, LATENCY_UNITS},
    {PASS_SPACE, 8, LESS, "touched", "touched_peak_per_requested_peak", touched, write_ratio, LATENCY_UNITS},
    {PASS_SPACE, 8, LESS, "intern", "internal_fragmentation_at_peak", internal, write_percent, LATENCY_UNITS},
    {PASS_SPACE, 8, LESS, "extern", "external_fragmentation_at_peak", external, write_percent, LATENCY_UNITS},
    {PASS_ARENA, 8, LESS, "arena", "smallest_arena_per_requested_peak", arena, write_ratio, LATENCY_UNITS},
    {PASS_INSTRUCTIONS, 8, LESS, "i/malloc", "malloc_mean_instructions", malloc_mean, write_rate, LATENCY_UNITS},
    {PASS_INSTRUCTIONS, 7, LESS, "worst", "malloc_worst_instructions", malloc_worst, write_whole, LATENCY_UNITS},
    {PASS_INSTRUCTIONS, 7, LESS, "i/free", "free_mean_instructions", free_mean, write_rate, LATENCY_UNITS},
    {PASS_INSTRUCTIONS, 7, LESS, "worst", "free_worst_instructions", free_worst, write_whole, LATENCY_UNITS},
    {PASS_INSTRUCTIONS, 9, LESS, "i/realloc", "realloc_mean_instructions", realloc_mean, write_rate, LATENCY_UNITS},
    {PASS_INSTRUCTIONS, 9, LESS, "worst", "realloc_worst_instructions", realloc_worst, write_whole, LATENCY_UNITS},
};

bool column_is_asked_for(const struct column *column, const struct cli *cli)
{
    return cli->passes[column->pass] && (column->unit == LATENCY_UNITS || column->unit == cli->unit);
}

bool column_worst_op(char text[COLUMN_TEXT], const struct study *study, const struct cell *cell)
{
    if (cell->latency.runs == 0)
        return false;
    const uint64_t step = cell->latency.runs > 1 ? cell->latency.worst_step : cell->latency.most_step;
    const struct op op = study_op(&study->plan, step);
    snprintf(text, COLUMN_TEXT, "%s %" PRIu64 " #%" PRIu64, op_names[op.kind], op.size, step);
    return true;
}
