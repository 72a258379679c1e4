/*
 * reader.h - what every kind of trace reader has in common. For the readers themselves; users see trace.h.
 *
 * A reader embeds this as its first member. Adding a kind is one opener in trace.c; a text format is one line in
 * the table of import/import.c, a model one in that of synth/synth.c.
 */
#ifndef HEAPBENCH_READER_H
#define HEAPBENCH_READER_H

#include "traces/source.h"
#include "traces/trace.h"

/* No request that succeeds on a machine of today is as large; it keeps every sum of sizes within 64 bits. */
#define TRACE_MAX_SIZE (UINT64_C(1) << 48)

struct trace_reader {
    struct trace_info info;
    size_t (*read)(struct trace_reader *reader, struct op *ops, size_t n, struct error *error);
    void (*close)(struct trace_reader *reader); /* frees the reader and its source */
    struct error failure;                       /* what ended the reading; told once the ops before it are handed out */
    char *name;                                 /* of the trace, to put into messages */
    char note[240];                             /* info.note */
};

/* Counts one event that could not be kept as it is; the first one's description becomes the note. */
void reader_tolerate(struct trace_reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The native format and the text formats; each takes the source, also when it fails. */
struct trace_reader *native_open(struct source *source, struct error *error);
struct trace_reader *import_open(struct source *source, struct error *error);

#endif
