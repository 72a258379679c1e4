/* trace.c - opens whatever a path turns out to be; see trace.h. */
#include "traces/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "traces/format.h"
#include "traces/reader.h"
#include "traces/synth/synth.h"

static struct trace_reader *open_file(const char *path, struct error *error)
{
    struct source *source = source_open(path, error);
    if (!source)
        return NULL;
    const char *first;
    size_t n = source_peek(source, FORMAT_MAGIC_BYTES, &first, error);
    if (n == 0) {
        error_set(error, EXIT_INPUT, "%s: is empty; a trace has at least a header", source_name(source));
        source_close(source);
        return NULL;
    }
    /* Also a file that ends within the magic: no text starts with its first byte. */
    bool native = memcmp(first, FORMAT_MAGIC, n) == 0;
    return native ? native_open(source, error) : import_open(source, error);
}

struct trace_reader *trace_open(const char *path, struct error *error)
{
    struct trace_reader *reader = synth_is_model(path) ? synth_open(path, error) : open_file(path, error);
    if (!reader)
        return NULL;
    reader->info.note = reader->note;
    if ((reader->name = strdup(strcmp(path, "-") ? path : "standard input")))
        return reader;
    error_set(error, EXIT_LACKS, "%s: no memory to read it", path);
    trace_close(reader);
    return NULL;
}

size_t trace_read(struct trace_reader *reader, struct op *ops, size_t n, struct error *error)
{
    size_t got = reader->failure.code ? 0 : reader->read(reader, ops, n, &reader->failure);
    if (got == 0 && reader->failure.code)
        error_set(error, reader->failure.code, "%s", reader->failure.text);
    return got;
}

const struct trace_info *trace_info(const struct trace_reader *reader)
{
    return &reader->info;
}

void trace_close(struct trace_reader *reader)
{
    if (!reader)
        return;
    free(reader->name);
    reader->close(reader);
}

void reader_tolerate(struct trace_reader *reader, const char *format, ...)
{
    if (reader->info.skipped++)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(reader->note, sizeof reader->note, format, args);
    va_end(args);
}
