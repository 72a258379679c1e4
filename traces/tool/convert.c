/* convert.c - ./trace head, import and export: a trace in, its ops out in another form. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "traces/import/import.h"
#include "traces/tool/tool.h"

/* What the reader had to leave out is said once, after the work. */
static void say_note(const char *path, struct trace_reader *reader)
{
    const struct trace_info *info = trace_info(reader);
    clear_progress();
    if (info->skipped)
        fprintf(stderr, "trace: %s: %llu events do not fit; the first: %s\n", path, (unsigned long long)info->skipped,
                info->note);
    else if (*info->note)
        fprintf(stderr, "trace: %s: %s\n", path, info->note);
}

static bool one_file(const struct arguments *arguments, struct error *error)
{
    return arguments->nfiles == 1 || error_set(error, EXIT_USAGE, "%s: takes one file", arguments->command->name);
}

/* ---- Output under its final name only when it is whole ----------------------------------------------------------- */

/* The name to write to: beside the final one, or that itself when it is no regular file. NULL: no memory. */
static char *part_name(const char *path)
{
    struct stat status;
    char *name = NULL;
    bool direct = strcmp(path, "-") == 0 || (stat(path, &status) == 0 && !S_ISREG(status.st_mode));
    return asprintf(&name, "%s%s", path, direct ? "" : ".part") < 0 ? NULL : name;
}

static bool settle(const char *part, const char *path, bool done, struct error *error)
{
    if (strcmp(part, path) == 0)
        return done;
    if (done && rename(part, path) == 0)
        return true;
    if (done)
        error_set(error, EXIT_LACKS, "%s: cannot be created: %s", path, strerror(errno));
    unlink(part);
    return false;
}

/* ---- import ------------------------------------------------------------------------------------------------------ */

static bool copy_ops(const char *path, struct trace_reader *reader, struct trace_writer *writer, struct error *error)
{
    struct op ops[BATCH];
    uint64_t done = 0;
    size_t n;
    while ((n = trace_read(reader, ops, BATCH, error)) > 0) {
        if (!trace_write(writer, ops, n, error))
            return false;
        show_progress(path, done += n);
    }
    return error->code == EXIT_DONE;
}

/* Where the ops come from, unless the trace says so itself. */
static char *meta_for(const char *path, const struct trace_info *info)
{
    const char *base = strrchr(path, '/');
    char *meta = NULL;
    if (*info->meta)
        return strdup(info->meta);
    return asprintf(&meta, "source: %s\nformat: %s\n", base ? base + 1 : path, info->format) < 0 ? NULL : meta;
}

static bool import_to(const char *part, const char *path, struct trace_reader *reader, int level, struct error *error)
{
    const struct trace_info *info = trace_info(reader);
    char *meta = meta_for(path, info);
    struct trace_writer *writer = meta ? trace_create(part, info->flags, meta, level, error) : NULL;
    free(meta);
    if (!writer)
        return error_set(error, EXIT_LACKS, "no memory to import %s", path);
    bool done = copy_ops(path, reader, writer, error);
    struct error late = {0};
    if (!done)
        trace_cut_off(writer);
    if (!trace_finish(writer, &late) && done)
        done = error_set(error, late.code, "%s", late.text);
    return done;
}

bool command_import(const struct arguments *arguments, struct error *error)
{
    if (!one_file(arguments, error))
        return false;
    if (!arguments->output)
        return error_set(error, EXIT_USAGE, "%s: name the new file with -o", arguments->command->name);
    const char *path = arguments->files[0];
    struct trace_reader *reader = trace_open(path, error);
    char *part = part_name(arguments->output);
    bool done = reader && part && import_to(part, path, reader, arguments->level, error);
    if (reader && part)
        done = settle(part, arguments->output, done, error);
    if (done)
        say_note(path, reader);
    free(part);
    trace_close(reader);
    return done;
}

/* ---- export ------------------------------------------------------------------------------------------------------ */

static const struct importer *format_named(const char *name, struct error *error)
{
    char known[200] = "";
    for (size_t i = 0, at = 0; importers[i]; i++) {
        if (name && strcmp(importers[i]->name, name) == 0)
            return importers[i];
        at += (size_t)snprintf(known + at, sizeof known - at, " %s", importers[i]->name);
    }
    error_set(error, EXIT_USAGE, "export: --format is one of:%s", known);
    return NULL;
}

static bool print_ops(FILE *out, const char *path, struct trace_reader *reader, const struct importer *format,
                      struct error *error)
{
    struct op ops[BATCH];
    uint64_t done = 0;
    size_t n;
    while ((n = trace_read(reader, ops, BATCH, error)) > 0) {
        for (size_t i = 0; i < n; i++) {
            const char *wrong = format->print(out, &ops[i], trace_info(reader)->flags);
            if (wrong)
                return error_set(error, EXIT_INPUT, "%s: op %llu %s, which %s cannot express; try another --format",
                                 path, (unsigned long long)(done + i), wrong, format->name);
        }
        show_progress(path, done += n);
    }
    return error->code == EXIT_DONE;
}

static bool export_to(const char *part, const char *path, struct trace_reader *reader, const struct importer *format,
                      struct error *error)
{
    bool standard = strcmp(part, "-") == 0;
    FILE *out = standard ? stdout : fopen(part, "we");
    if (!out)
        return error_set(error, EXIT_LACKS, "%s: cannot be created: %s", part, strerror(errno));
    bool done = print_ops(out, path, reader, format, error);
    const bool failed = ferror(out) != 0;
    if (((standard ? fflush(out) : fclose(out)) != 0 || failed) && done)
        done = error_set(error, EXIT_LACKS, "%s: cannot be written: %s", standard ? "standard output" : part,
                         strerror(errno));
    return done;
}

bool command_export(const struct arguments *arguments, struct error *error)
{
    const struct importer *format = format_named(arguments->format, error);
    if (!format || !one_file(arguments, error))
        return false;
    const char *path = arguments->files[0], *output = arguments->output ? arguments->output : "-";
    struct trace_reader *reader = trace_open(path, error);
    char *part = part_name(output);
    bool done = reader && part && export_to(part, path, reader, format, error);
    if (reader && part)
        done = settle(part, output, done, error);
    if (done)
        say_note(path, reader);
    free(part);
    trace_close(reader);
    return done;
}

/* ---- head -------------------------------------------------------------------------------------------------------- */

static void print_readable(uint64_t index, const struct op *op, uint32_t flags)
{
    printf("%8llu  thread %-6u %s", (unsigned long long)index, op->thread, op_names[op->kind]);
    if (op->kind == OP_FREE && op->block == TRACE_NULL)
        printf(" NULL");
    else if (op->kind != OP_THREAD_END)
        printf(" block %llu", (unsigned long long)op->block);
    if (op->kind <= OP_REALLOC)
        printf(", %llu bytes", (unsigned long long)op->size);
    if (op->kind == OP_ALIGNED)
        printf(", aligned to %llu", (unsigned long long)op->align);
    if (flags & TRACE_TIME)
        printf("  at %llu ns", (unsigned long long)op->time);
    if (flags & TRACE_SITE)
        printf("  from 0x%llx", (unsigned long long)op->site);
    putchar('\n');
}

bool command_head(const struct arguments *arguments, struct error *error)
{
    if (!one_file(arguments, error))
        return false;
    struct trace_reader *reader = trace_open(arguments->files[0], error);
    struct op ops[BATCH];
    size_t n = 1;
    for (uint64_t done = 0; reader && done < arguments->n && n; done += n) {
        n = trace_read(reader, ops, arguments->n - done < BATCH ? (size_t)(arguments->n - done) : BATCH, error);
        for (size_t i = 0; i < n; i++)
            print_readable(done + i, &ops[i], trace_info(reader)->flags);
    }
    if (reader)
        say_note(arguments->files[0], reader);
    trace_close(reader);
    return error->code == EXIT_DONE;
}
