/*
 * table.c - lays the study of a trace out in columns, as text, Markdown or CSV; see table.h.
 *
 * In text and Markdown the best of each column among the real allocators is marked. A terminal that is too narrow for
 * all columns gets them in several blocks. CSV (RFC 4180) has the bare numbers, and nothing where there is none.
 */
#include "driver/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "driver/columns.h"

#define GREEN "\033[1;32m"
#define RED   "\033[31m"
#define BOLD  "\033[1m"
#define DIM   "\033[2m"
#define PLAIN "\033[0m"

/* ---- The page ---------------------------------------------------------------------------------------------------- */

struct page {
    FILE *out;
    const struct study *study;
    const struct cli *cli;
    const struct host *host;
    bool colour;
    int line_width; /* 0: no end */
    int name_width;
    double best[COLUMNS];
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

static bool shown(const struct page *page, size_t column)
{
    return column_is_asked_for(&columns[column], page->cli);
}

/* What a column has of an allocator, as people read it; "-" where there is nothing. Returns whether it is the best. */
static bool cell_text(const struct page *page, const struct cell *cell, size_t column, char text[COLUMN_TEXT])
{
    const struct column *at = &columns[column];
    snprintf(text, COLUMN_TEXT, "-");
    if (at->value == NULL) {
        column_worst_op(text, page->study, cell);
        return false;
    }
    const double value = at->value(page->study, cell);
    if (!isnan(value))
        at->write(text, value);
    return !yardstick(cell) && value == page->best[column];
}

/* Words keep a second space to the number before them. */
static void put_column(const struct page *page, size_t column, const char *text, const char *colour)
{
    if (columns[column].width < 0)
        fputc(' ', page->out);
    put(page, columns[column].width + (columns[column].width < 0), text, colour);
}

static void put_row(const struct page *page, const struct cell *cell, size_t from, size_t to)
{
    const size_t length = strlen(cell->text);
    const char *name = length > (size_t)page->name_width ? cell->text + length - (size_t)page->name_width : cell->text;
    put(page, -page->name_width, name, cell->failed ? RED : yardstick(cell) ? DIM : BOLD);
    for (size_t i = from; i < to; i++) {
        char text[COLUMN_TEXT];
        if (shown(page, i))
            put_column(page, i, text, cell_text(page, cell, i, text) ? GREEN : "");
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

static void put_facts(const struct page *page)
{
    const struct plan_header *header = page->study->plan.header;
    char ops[32], blocks[32], threads[32];
    fprintf(page->out, "%s ops, %s thread%s, peak of live %.2f MiB, at most %s blocks, arena %.*f MiB%s%s%s",
            grouped(page->study->ops, ops), grouped(header->threads, threads), header->threads == 1 ? "" : "s",
            (double)header->peak_live / (1 << 20), grouped(header->nslots, blocks),
            page->study->arena_bytes < 10 << 20 ? 2 : 0, (double)page->study->arena_bytes / (1 << 20),
            page->study->truncated ? ", cut off" : "", page->cli->guard[0] != '\0' ? ", guarded" : "",
            page->host->emulated[0] != '\0' ? ", emulated" : "");
    if (page->cli->passes[PASS_LATENCY] && page->cli->unit == LATENCY_CYCLES)
        fputs(", latency in cycles", page->out);
    if (page->cli->passes[PASS_LATENCY] && page->cli->unit == LATENCY_NS_PER_OP)
        fprintf(page->out, ", latency of %" PRIu64 " ops together", study_batch_ops(page->study, page->cli));
    fputc('\n', page->out);
}

static void put_titles(const struct page *page, size_t from, size_t to)
{
    put(page, -page->name_width, "allocator", DIM);
    for (size_t i = from; i < to; i++)
        if (shown(page, i))
            put_column(page, i, columns[i].title, DIM);
    fputc('\n', page->out);
}

/* The ops whose counts are the worst, a line for each allocator. */
static void put_worst_counts(const struct page *page, const char *item)
{
    static const enum op_kind kinds[] = {OP_MALLOC, OP_FREE, OP_REALLOC};
    for (size_t i = 0; i < page->study->ncells; i++) {
        const struct cell *cell = &page->study->cells[i];
        const char *before = ": ";
        if (!cell->instructions.done)
            continue;
        fprintf(page->out, "%sworst instructions of %s", item, cell->text);
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            const struct icount_figures *figures = &cell->instructions.kinds[kinds[k]];
            if (figures->ops == 0)
                continue;
            const struct op op = study_op(&page->study->plan, figures->worst_step);
            fprintf(page->out, "%s%" PRIu32 " at %s %" PRIu64 " #%" PRIu64, before, figures->worst, op_names[op.kind],
                    op.size, figures->worst_step);
            before = ", ";
        }
        fputs(before[0] == ':' ? ": no malloc, free or realloc\n" : "\n", page->out);
    }
}

/* Whether a stream is a terminal that wants colour: NO_COLOR (no-color.org) and TERM=dumb do not. */
static bool wants_colour(FILE *out)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fileno(out)) && (no == NULL || no[0] == '\0') && (term == NULL || strcmp(term, "dumb") != 0);
}

/* Of a terminal; 0: the stream is none, and a line may be as long as it likes. */
static int line_width(FILE *out)
{
    struct winsize size;
    return isatty(fileno(out)) && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* The columns from one on that fit into a line, those of a pass together where that can be; the first that does not. */
static size_t block_end(const struct page *page, size_t from)
{
    int width = page->name_width + 1;
    size_t end = from, whole = from; /* whole: the last end of a pass */
    for (; end < COLUMNS; end++) {
        if (end > from && columns[end].pass != columns[end - 1].pass)
            whole = end;
        if (shown(page, end))
            width += abs(columns[end].width);
        if (page->line_width > 0 && width > page->line_width && end > from)
            return whole > from ? whole : end;
    }
    return end;
}

static void print_text(const struct page *page)
{
    const struct study *study = page->study;
    fprintf(page->out, "%s%s%s  ", paint(page, BOLD), study->name, paint(page, PLAIN));
    put_facts(page);
    for (size_t from = 0, to; from < COLUMNS; from = to) {
        to = block_end(page, from);
        if (from > 0)
            fputc('\n', page->out);
        put_titles(page, from, to);
        for (size_t i = 0; i < study->ncells; i++)
            put_row(page, &study->cells[i], from, to);
    }
    put_worst_counts(page, "  ");
    for (size_t i = 0; i < study->ncells; i++)
        if (study->cells[i].why[0] != '\0')
            fprintf(page->out, "  %s%s%s %s\n", study->cells[i].failed ? paint(page, RED) : paint(page, BOLD),
                    study->cells[i].text, paint(page, PLAIN), study->cells[i].why);
    fputc('\n', page->out);
}

/* Text with a backslash before what would be markup. */
static void put_markdown(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("\\`*_|<[]#", *text))
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void print_markdown(const struct page *page)
{
    const struct study *study = page->study;
    FILE *out = page->out;
    fputs("### ", out);
    put_markdown(out, study->name);
    fputs("\n\n", out);
    put_facts(page);
    fputs("\n| allocator |", out);
    for (size_t i = 0; i < COLUMNS; i++)
        if (shown(page, i))
            fprintf(out, " %s |", columns[i].title);
    fputs("\n| --- |", out);
    for (size_t i = 0; i < COLUMNS; i++)
        if (shown(page, i))
            fputs(columns[i].width < 0 ? " --- |" : " ---: |", out);
    for (size_t i = 0; i < study->ncells; i++) {
        fputs("\n| ", out);
        put_markdown(out, study->cells[i].text);
        fputs(" |", out);
        for (size_t k = 0; k < COLUMNS; k++) {
            char text[COLUMN_TEXT];
            if (!shown(page, k))
                continue;
            const char *mark = cell_text(page, &study->cells[i], k, text) ? "**" : "";
            fprintf(out, " %s%s%s |", mark, text, mark);
        }
    }
    fputs("\n\n", out);
    put_worst_counts(page, "- ");
    for (size_t i = 0; i < study->ncells; i++)
        if (study->cells[i].why[0] != '\0') {
            fputs("- ", out);
            put_markdown(out, study->cells[i].text);
            fputs(study->cells[i].failed ? " failed: " : ": ", out);
            put_markdown(out, study->cells[i].why);
            fputc('\n', out);
        }
    fputc('\n', out);
}

/* A field of CSV, quoted where it has to be. */
static void put_csv(FILE *out, const char *text)
{
    const bool quote = strpbrk(text, ",\"\r\n") != NULL;
    if (quote)
        fputc('"', out);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', out);
        fputc(*text, out);
    }
    if (quote)
        fputc('"', out);
}

static void print_csv(const struct page *page)
{
    FILE *out = page->out;
    const bool emulated = page->host->emulated[0] != '\0';
    for (size_t i = 0; i < page->study->ncells; i++) {
        const struct cell *cell = &page->study->cells[i];
        char note[sizeof cell->why + 16];
        put_csv(out, page->study->name);
        fputc(',', out);
        put_csv(out, cell->text);
        for (size_t k = 0; k < COLUMNS; k++) {
            char text[COLUMN_TEXT] = "";
            if (!shown(page, k))
                continue;
            const double value = columns[k].value ? columns[k].value(page->study, cell) : NAN;
            if (columns[k].value == NULL)
                column_worst_op(text, page->study, cell);
            else if (!isnan(value))
                snprintf(text, sizeof text, "%.9g", value);
            fputc(',', out);
            put_csv(out, text);
        }
        fprintf(out, ",%s,", cell->failed ? "failed" : "done");
        snprintf(note, sizeof note, "%s%s%s", emulated ? "emulated" : "", emulated && cell->why[0] ? "; " : "",
                 cell->why);
        put_csv(out, note);
        fputs("\r\n", out);
    }
}

void table_begin(FILE *out, const struct cli *cli)
{
    if (cli->format != FORMAT_CSV)
        return;
    fputs("trace,allocator", out);
    for (size_t i = 0; i < COLUMNS; i++)
        if (column_is_asked_for(&columns[i], cli))
            fprintf(out, ",%s", columns[i].name);
    fputs(",status,note\r\n", out);
}

void table_print(FILE *out, const struct study *study, const struct cli *cli, const struct host *host)
{
    struct page page = {.out = out,
                        .study = study,
                        .cli = cli,
                        .host = host,
                        .colour = cli->format == FORMAT_TABLE && wants_colour(out),
                        .line_width = line_width(out),
                        .name_width = 10};
    for (size_t i = 0; i < study->ncells; i++) {
        const int width = (int)strlen(study->cells[i].text);
        page.name_width = width > page.name_width ? width : page.name_width;
    }
    if (page.name_width > 28)
        page.name_width = 28;
    for (size_t i = 0; i < COLUMNS; i++)
        page.best[i] = columns[i].value && shown(&page, i) ? best_of(&page, &columns[i]) : NAN;
    switch (cli->format) {
    case FORMAT_TABLE:
        print_text(&page);
        break;
    case FORMAT_MARKDOWN:
        print_markdown(&page);
        break;
    case FORMAT_CSV:
        print_csv(&page);
        break;
    }
}

static void legend_of_latency(FILE *out, const struct cli *cli, const char *item)
{
    if (cli->unit == LATENCY_NS_PER_OP)
        fprintf(
            out,
            "%sp50/op … max/op: of batches of up to %u ops, their time over their ops, with what the loop and touching "
            "take (see null);\n  worst/op: the largest of every batch's least over the runs. of op: the first of "
            "that batch: kind, bytes, #index from 0.\n",
            item, cli->batch_ops);
    else
        fprintf(out,
                "%sp50 … max: of single calls%s, in each run's last replay of every op, the clock's own cost "
                "included.\n  worst: the largest of every op's least over the runs, which no interrupt hits each time. "
                "of op: of worst, or with one\n  run of max: kind, bytes, #index from 0.\n",
                item, cli->unit == LATENCY_CYCLES ? ", in cycles of the processor (cy)" : "");
}

void table_legend(FILE *out, const struct cli *cli, const struct host *host)
{
    const char *item = cli->format == FORMAT_MARKDOWN ? "- " : "";
    if (cli->format == FORMAT_CSV)
        return;
    if (cli->passes[PASS_THROUGHPUT])
        fprintf(out,
                "%sns/op, Mops/s: time without what disturbed it, median of the runs (up to %u); ±: half the distance "
                "between\n"
                "  their quartiles. −null: less what the loop itself takes.\n",
                item, cli->runs);
    if (cli->passes[PASS_LATENCY])
        legend_of_latency(out, cli, item);
    if (cli->passes[PASS_SPACE])
        fprintf(out,
                "%sheld, touched: peak over the peak requested; an arena's touched pages stay so when they are given "
                "back.\n  intern: 1 − requested/granted, extern: 1 − largest free/free total, both at the peak of "
                "live.\n",
                item);
    if (cli->passes[PASS_ARENA])
        fprintf(out,
                "%sarena: the smallest in which the trace completes, over the peak requested; of libc the smallest "
                "limit on its\n  private writable memory.\n",
                item);
    if (cli->passes[PASS_INSTRUCTIONS])
        fprintf(out,
                "%si/malloc, i/free, i/realloc: instructions (%s) of a call, their mean, and the worst; the page "
                "source's are not in\n  it, but for one that is replayed alone.\n",
                item, cli->isa);
    if (cli->guard[0] != '\0')
        fprintf(out,
                "%sguarded: figures contain what the debugging layer costs, but for null and the oracle, which it does "
                "not fit.\n",
                item);
    if (host->emulated[0] != '\0')
        fprintf(out, "%semulated by %s: the times are the emulator's, and tell nothing of any machine.\n", item,
                host->emulated);
    fprintf(out, "%sA dash: not measured.\n", item);
}
