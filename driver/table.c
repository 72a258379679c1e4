/*
 * table.c - lays the study of a trace out in columns; see table.h.
 *
 * Columns are a table of functions: a number, how it is written, and whether less or more is better. The best of each
 * column among the real allocators is marked. A pass that was not asked for has no columns.
 */
#include "driver/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/figures.h"

#define CELL_TEXT 64
#define OP_WIDTH  (-26)
#define GREEN     "\033[1;32m"
#define RED       "\033[31m"
#define BOLD      "\033[1m"
#define DIM       "\033[2m"
#define PLAIN     "\033[0m"

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
    return cell->latency.runs > 0 ? ticks / cell->latency.ticks_per_ns : NAN;
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
    snprintf(text, CELL_TEXT, "%.*f", fabs(value) < 9.995 ? 2 : fabs(value) < 999.95 ? 1 : 0, value);
}

static void write_time(char *text, double ns)
{
    if (ns < 999.5)
        snprintf(text, CELL_TEXT, "%.0f ns", ns);
    else if (ns < 999.5e3)
        snprintf(text, CELL_TEXT, "%.*f µs", ns < 99.95e3 ? 1 : 0, ns / 1e3);
    else
        snprintf(text, CELL_TEXT, "%.*f ms", ns < 99.95e6 ? 1 : 0, ns / 1e6);
}

static void write_rate(char *text, double value)
{
    snprintf(text, CELL_TEXT, "%.*f", value < 99.95 ? 1 : 0, value);
}

static void write_ratio(char *text, double value)
{
    snprintf(text, CELL_TEXT, value < 99.995 ? "%.3f" : "%.0f", value);
}

static void write_percent(char *text, double value)
{
    snprintf(text, CELL_TEXT, "%.1f%%", value * 100);
}

static void write_whole(char *text, double value)
{
    snprintf(text, CELL_TEXT, "%.0f", value);
}

enum better { NEITHER, LESS, MORE };

static const struct column {
    enum pass pass;
    int width;
    enum better better;
    const char *title;
    double (*value)(const struct study *, const struct cell *);
    void (*write)(char *text, double value);
} columns[] = {
    {PASS_THROUGHPUT, 8, LESS, "ns/op", ns_per_op, write_ns},
    {PASS_THROUGHPUT, 6, NEITHER, "±", ns_spread, write_ns},
    {PASS_THROUGHPUT, 8, MORE, "Mops/s", mops, write_rate},
    {PASS_THROUGHPUT, 8, LESS, "−null", above_floor, write_ns},
    {PASS_LATENCY, 8, LESS, "p50", p50, write_time},
    {PASS_LATENCY, 8, LESS, "p99", p99, write_time},
    {PASS_LATENCY, 8, LESS, "p99.9", p999, write_time},
    {PASS_LATENCY, 8, NEITHER, "max", most, write_time},
    {PASS_LATENCY, 8, LESS, "worst", worst, write_time},
    {PASS_LATENCY, OP_WIDTH, NEITHER, "of op", NULL, NULL},
    {PASS_SPACE, 7, LESS, "held", held, write_ratio},
    {PASS_SPACE, 8, LESS, "touched", touched, write_ratio},
    {PASS_SPACE, 8, LESS, "intern", internal, write_percent},
    {PASS_SPACE, 8, LESS, "extern", external, write_percent},
    {PASS_ARENA, 8, LESS, "arena", arena, write_ratio},
    {PASS_INSTRUCTIONS, 8, LESS, "i/malloc", malloc_mean, write_rate},
    {PASS_INSTRUCTIONS, 7, LESS, "worst", malloc_worst, write_whole},
    {PASS_INSTRUCTIONS, 7, LESS, "i/free", free_mean, write_rate},
    {PASS_INSTRUCTIONS, 7, LESS, "worst", free_worst, write_whole},
    {PASS_INSTRUCTIONS, 9, LESS, "i/realloc", realloc_mean, write_rate},
    {PASS_INSTRUCTIONS, 9, LESS, "worst", realloc_worst, write_whole},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

/* ---- The page ---------------------------------------------------------------------------------------------------- */

struct page {
    FILE *out;
    const struct study *study;
    const struct cli *cli;
    bool colour;
    int name_width;
};

static const char *paint(const struct page *page, const char *colour)
{
    return page->colour ? colour : "";
}

/* Characters, not bytes, of UTF-8 text. */
static int text_width(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

/* Padded to a width, at the left when it is positive, at the right when not; always a space before it. */
static void put(const struct page *page, int width, const char *text, const char *colour)
{
    const int pad = abs(width) - text_width(text);
    fprintf(page->out, "%*s%s%s%s%*s", width > 0 && pad > 0 ? pad : width > 0, "", paint(page, colour), text,
            colour[0] ? paint(page, PLAIN) : "", width < 0 && pad > 0 ? pad : 0, "");
}

static bool yardstick(const struct cell *cell)
{
    return cell->spec.allocator->caps & CAP_YARDSTICK;
}

/* The best value of a column among the real allocators; NAN when fewer than two have one. */
static double best_of(const struct page *page, const struct column *column)
{
    double best = NAN;
    size_t values = 0;
    for (size_t i = 0; i < page->study->ncells && column->better != NEITHER; i++) {
        const struct cell *cell = &page->study->cells[i];
        const double value = yardstick(cell) ? NAN : column->value(page->study, cell);
        if (isnan(value))
            continue;
        values++;
        if (isnan(best) || (column->better == LESS ? value < best : value > best))
            best = value;
    }
    return values > 1 ? best : NAN;
}

static void put_worst_op(const struct page *page, const struct cell *cell)
{
    char text[CELL_TEXT];
    if (cell->latency.runs == 0) {
        put(page, OP_WIDTH, " -", "");
        return;
    }
    const uint64_t step = cell->latency.runs > 1 ? cell->latency.worst_step : cell->latency.most_step;
    const struct op op = study_op(&page->study->plan, step);
    snprintf(text, sizeof text, " %s %" PRIu64 " #%" PRIu64, op_names[op.kind], op.size, step);
    put(page, OP_WIDTH, text, "");
}

static void put_row(const struct page *page, const struct cell *cell, const double best[COLUMNS])
{
    char name[CELL_TEXT];
    const size_t length = strlen(cell->text);
    const char *tail = length > (size_t)page->name_width ? cell->text + length - (size_t)page->name_width : cell->text;
    snprintf(name, sizeof name, "%s", tail);
    put(page, -page->name_width, name, cell->failed ? RED : yardstick(cell) ? DIM : BOLD);
    for (size_t i = 0; i < COLUMNS; i++) {
        char text[CELL_TEXT] = "-";
        if (!page->cli->passes[columns[i].pass])
            continue;
        if (columns[i].value == NULL) {
            put_worst_op(page, cell);
            continue;
        }
        const double value = columns[i].value(page->study, cell);
        if (!isnan(value))
            columns[i].write(text, value);
        put(page, columns[i].width, text, !yardstick(cell) && value == best[i] ? GREEN : "");
    }
    fputc('\n', page->out);
}

/* 1234567 as "1,234,567"; returns text. */
static const char *grouped(uint64_t number, char text[32])
{
    char digits[24];
    const int n = snprintf(digits, sizeof digits, "%" PRIu64, number);
    char *at = text;
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            *at++ = ',';
        *at++ = digits[i];
    }
    *at = '\0';
    return text;
}

static void put_heading(const struct page *page)
{
    const struct plan_header *header = page->study->plan.header;
    char ops[32], blocks[32], threads[32];
    fprintf(page->out, "%s%s%s  %s ops, %s thread%s, peak of live %.2f MiB, at most %s blocks, arena %.*f MiB%s%s\n",
            paint(page, BOLD), page->study->name, paint(page, PLAIN), grouped(page->study->ops, ops),
            grouped(header->threads, threads), header->threads == 1 ? "" : "s", (double)header->peak_live / (1 << 20),
            grouped(header->nslots, blocks), page->study->arena_bytes < 10 << 20 ? 2 : 0,
            (double)page->study->arena_bytes / (1 << 20), page->study->truncated ? ", cut off" : "",
            page->cli->guard[0] != '\0' ? ", guarded" : "");
    put(page, -page->name_width, "allocator", DIM);
    for (size_t i = 0; i < COLUMNS; i++)
        if (page->cli->passes[columns[i].pass]) {
            const bool left = columns[i].width < 0;
            char title[CELL_TEXT];
            snprintf(title, sizeof title, "%s%s", left ? " " : "", columns[i].title);
            put(page, columns[i].width, title, DIM);
        }
    fputc('\n', page->out);
}

/* The ops whose counts are the worst, a line for each allocator. */
static void put_worst_counts(const struct page *page)
{
    static const enum op_kind kinds[] = {OP_MALLOC, OP_FREE, OP_REALLOC};
    for (size_t i = 0; i < page->study->ncells; i++) {
        const struct cell *cell = &page->study->cells[i];
        const char *before = "  worst instructions of ";
        if (!cell->instructions.done)
            continue;
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            const struct icount_figures *figures = &cell->instructions.kinds[kinds[k]];
            if (figures->ops == 0)
                continue;
            const struct op op = study_op(&page->study->plan, figures->worst_step);
            fprintf(page->out, "%s%s%s%" PRIu32 " at %s %" PRIu64 " #%" PRIu64, before, k == 0 ? cell->text : "",
                    k == 0 ? ": " : "", figures->worst, op_names[op.kind], op.size, figures->worst_step);
            before = ", ";
        }
        fputc('\n', page->out);
    }
}

void table_print(FILE *out, const struct study *study, const struct cli *cli, bool colour)
{
    struct page page = {.out = out, .study = study, .cli = cli, .colour = colour, .name_width = 10};
    double best[COLUMNS];
    for (size_t i = 0; i < study->ncells; i++) {
        const int width = (int)strlen(study->cells[i].text);
        page.name_width = width > page.name_width ? width : page.name_width;
    }
    if (page.name_width > 28)
        page.name_width = 28;
    for (size_t i = 0; i < COLUMNS; i++)
        best[i] = columns[i].value && cli->passes[columns[i].pass] ? best_of(&page, &columns[i]) : NAN;
    put_heading(&page);
    for (size_t i = 0; i < study->ncells; i++)
        put_row(&page, &study->cells[i], best);
    put_worst_counts(&page);
    for (size_t i = 0; i < study->ncells; i++)
        if (study->cells[i].why[0] != '\0')
            fprintf(out, "  %s%s%s %s\n", study->cells[i].failed ? paint(&page, RED) : paint(&page, BOLD),
                    study->cells[i].text, paint(&page, PLAIN), study->cells[i].why);
    fputc('\n', out);
}

void table_legend(FILE *out, const struct cli *cli)
{
    if (cli->passes[PASS_THROUGHPUT])
        fprintf(out,
                "ns/op, Mops/s: processor time, median of the runs (up to %u); ±: half the distance between their "
                "quartiles. −null: "
                "less what "
                "the loop itself takes.\n",
                cli->runs);
    if (cli->passes[PASS_LATENCY])
        fprintf(out,
                "p50 … max: of all single calls, the clock's own cost included. worst: the largest of every op's least "
                "over the runs,\n  which no interrupt hits each time. of op: of worst, or with one run of max: kind, "
                "bytes, #index from 0.\n");
    if (cli->passes[PASS_SPACE])
        fprintf(out,
                "held, touched: peak over the peak requested; an arena's touched pages stay so when they are given "
                "back.\n  intern: 1 − requested/granted, extern: 1 − largest free/free total, both at the peak of "
                "live.\n");
    if (cli->passes[PASS_ARENA])
        fprintf(out, "arena: the smallest in which the trace completes, over the peak requested; of libc the smallest "
                     "limit on its\n  private writable memory.\n");
    if (cli->passes[PASS_INSTRUCTIONS])
        fprintf(
            out,
            "i/malloc, i/free, i/realloc: instructions (%s) of a call, their mean, and the worst; the page source's "
            "are not in\n  it, but for one that is replayed alone.\n",
            cli->isa);
    if (cli->guard[0] != '\0')
        fprintf(out, "guarded: figures contain what the debugging layer costs, but for null and the oracle, which it does not "
                     "fit.\n");
    fprintf(out, "-: not measured.\n");
}

bool table_wants_colour(FILE *out)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fileno(out)) && (no == NULL || no[0] == '\0') && (term == NULL || strcmp(term, "dumb") != 0);
}
