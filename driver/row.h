/* row.h - a run as one JSON object, and the file that such rows are appended to. */
#ifndef HEAPBENCH_ROW_H
#define HEAPBENCH_ROW_H

#include <jansson.h>

#include "driver/run.h"

/* The object of results/schema.json; the caller's to json_decref(). NULL: no memory. */
json_t *row_of(const struct run *run);

struct row_file {
    int fd;           /* -1: rows go nowhere */
    const char *path; /* for messages */
};

/* "-" is standard output, NULL nowhere. A file is appended to. False: *error. */
bool row_file_open(struct row_file *file, const char *path, struct error *error);

/* Writes the row as one line, in one piece, and syncs it. False: *error. */
bool row_file_append(struct row_file *file, const struct run *run, struct error *error);

void row_file_close(struct row_file *file);

#endif
