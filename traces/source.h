/*
 * source.h - the bytes of an input file, decompressed, in order.
 *
 * A compressed stream or a zip with one file in it is unpacked on the way (unpack.h); anything else comes as it is.
 * Constant memory.
 */
#ifndef HEAPBENCH_SOURCE_H
#define HEAPBENCH_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "traces/error.h"

#define SOURCE_MAX_LINE 4096 /* bytes */

struct source;

/* "-" is standard input. NULL: *error (no such file, not readable). */
struct source *source_open(const char *path, struct error *error);
void source_close(struct source *source);

/* The name to put into messages. */
const char *source_name(const struct source *source);

/* Bytes handed out so far. */
uint64_t source_offset(const struct source *source);

/* The bytes that come next, up to n (at most SOURCE_MAX_LINE) or the end, not handed out yet; their number. An error
 * shows as the end here, and again at the next read. */
size_t source_peek(struct source *source, size_t n, const char **bytes, struct error *error);

/* Copies n bytes, or as many as are left; the number. Fewer than n without *error: the end. */
size_t source_read(struct source *source, void *to, size_t n, struct error *error);

/* The next line without its end (LF or CRLF), valid until the next call; also a last one without end. False: the end,
 * or *error (the file is damaged, a line longer than SOURCE_MAX_LINE). */
bool source_line(struct source *source, const char **line, size_t *length, struct error *error);

#endif
