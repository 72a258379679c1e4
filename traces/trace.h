/*
 * trace.h - a trace as a stream of ops: one interface to read it, whatever file it comes from, and one to write it.
 *
 * A block is named by its ordinal: the number of allocation ops (malloc, calloc, aligned alloc) before the one that made
 * it. Resizing keeps the name. Both directions stream in memory that does not grow with the trace; an importer of a
 * foreign format keeps a table of the live blocks besides.
 */
#ifndef HEAPBENCH_TRACE_H
#define HEAPBENCH_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "traces/error.h"

enum op_kind {
    OP_MALLOC,
    OP_CALLOC,     /* size is count × size */
    OP_ALIGNED,    /* memalign, posix_memalign, aligned_alloc, valloc, pvalloc */
    OP_REALLOC,    /* of a live block, to a size that is not refused; realloc(NULL, n) is a malloc */
    OP_FREE,       /* block TRACE_NULL: free(NULL) */
    OP_THREAD_END, /* the thread ended; no heap operation, kept so that a trace converts back */
    OP_KINDS
};
extern const char *const op_names[OP_KINDS];

#define TRACE_NULL UINT64_MAX

struct op {
    enum op_kind kind;
    uint32_t thread; /* as recorded */
    uint64_t block;  /* ordinal; see above */
    uint64_t size;   /* bytes requested; 0 for a free */
    uint64_t align;  /* bytes, a power of two; 0 but for OP_ALIGNED */
    uint64_t time;   /* ns since the trace began; 0 unless TRACE_TIME */
    uint64_t site;   /* the caller's address; 0 unless TRACE_SITE */
};

enum trace_flags {
    TRACE_TIME = 1 << 0, /* ops carry a time */
    TRACE_SITE = 1 << 1, /* ops carry a call site */
};

struct trace_info {
    const char *format;   /* "heapbench", "android", "wee_alloc", "model" */
    uint32_t flags;       /* enum trace_flags */
    const char *meta;     /* "key: value" lines about the recording (command, machine, …); "" when there are none */
    uint64_t skipped;     /* so far: events that make no op, or not quite the op they were (a free of a block born before
                           * the recording, …) */
    bool truncated;       /* so far: the file ends before its end mark; what was read is whole */
    const char *note;     /* so far: a sentence about the first one skipped, or the cut, with the place; "" when all is well */
};

struct trace_reader;

/* Opens a trace of any format known, plain or compressed (gzip, zstd, zip, …); the format is found from the content.
 * "-" is standard input; "model:churn:live=5000" is a synthetic trace, see traces/synth/. NULL: *error says why. */
struct trace_reader *trace_open(const char *path, struct error *error);

/* Up to n ops into ops[]; the number read. 0: the end, or a bad file (then *error is set). Every op handed out is valid:
 * kinds, blocks (born earlier in the trace), alignments. That a block is still live is checked by plan_build(). */
size_t trace_read(struct trace_reader *reader, struct op *ops, size_t n, struct error *error);

/* Valid until trace_close(). */
const struct trace_info *trace_info(const struct trace_reader *reader);

void trace_close(struct trace_reader *reader);

struct trace_writer;

/* Writes to a file in our format, under its final name from the first whole block on, since a recording that is killed
 * must keep what it has. level: zstd's, 1 to 19. NULL: *error says why. */
struct trace_writer *trace_create(const char *path, uint32_t flags, const char *meta, int level, struct error *error);

/* Appends; the blocks of allocation ops must come numbered 0, 1, 2, … False: *error (a full disk, a bad op). */
bool trace_write(struct trace_writer *writer, const struct op *ops, size_t n, struct error *error);

/* Writes the ops that are still gathered as a block of their own, so that they are kept if the writing process is killed. */
bool trace_flush(struct trace_writer *writer, struct error *error);

/* What comes is not all: the file is to have no end mark, as one that was cut off. */
void trace_cut_off(struct trace_writer *writer);

/* Ends the file whole, and frees the writer whatever happens. False: *error, or an error that was told before. */
bool trace_finish(struct trace_writer *writer, struct error *error);

#endif
