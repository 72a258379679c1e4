/*
 * import.h - foreign text formats. A format is one file that defines one `struct importer`, and one line in the table
 * of import.c. Its lines become ops one by one; the live blocks are the only state that grows.
 */
#ifndef HEAPBENCH_IMPORT_H
#define HEAPBENCH_IMPORT_H

#include <stdio.h>

#include "traces/map.h"
#include "traces/reader.h"

/* What a format's line parser works with. */
struct import {
    struct trace_reader base;
    const struct importer *importer;
    struct source *source;
    uint64_t line;       /* the number of the line in hand, from 1 */
    uint64_t next_block; /* allocations so far */
    uint64_t first_time; /* of the recording's clock; MAP_NONE before the first */
    uint64_t last_time;  /* since then, of the latest op that has one */
    struct map live;     /* address to block, for formats that name blocks by address */
};

enum import_result {
    IMPORT_OP,      /* *op is filled */
    IMPORT_NOTHING, /* the line makes no op */
    IMPORT_BAD      /* *wrong says why the line does not parse */
};

struct importer {
    const char *name;

    /* Is a file that begins with this line of the format? Sets the trace_flags that its ops will carry. */
    bool (*sniff)(const char *line, size_t length, uint32_t *flags);

    enum import_result (*parse)(struct import *import, const char *line, size_t length, struct op *op,
                                const char **wrong);

    /* Prints one op as a line. NULL, or why the format cannot express it. `flags` are the trace's. */
    const char *(*print)(FILE *out, const struct op *op, uint32_t flags);
};

extern const struct importer *const importers[]; /* ends with NULL */
extern const struct importer import_android, import_wee_alloc;

/* ---- Helpers for line parsers: each moves *at past what it took, and leaves it when it returns false ----------------
 */

/* An unsigned number of 64 bits, decimal, or with 0x and hexadecimal. */
bool take_decimal(const char **at, const char *end, uint64_t *value);
bool take_hex(const char **at, const char *end, uint64_t *value);

/* The text itself. */
bool take_text(const char **at, const char *end, const char *text);

/* One blank or more. */
bool take_blanks(const char **at, const char *end);

/* ---- Helpers for formats that name blocks by address: each fills *op, or tells reader_tolerate() why not --------- */

enum import_result import_alloc(struct import *import, struct op *op, uint64_t address, const char **wrong);
enum import_result import_free(struct import *import, struct op *op, uint64_t address);
enum import_result import_realloc(struct import *import, struct op *op, uint64_t from, uint64_t to, const char **wrong);

#endif
