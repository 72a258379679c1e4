/* row_figures.h - the figures of each pass in a row of results. */
#ifndef HEAPBENCH_ROW_FIGURES_H
#define HEAPBENCH_ROW_FIGURES_H

#include <jansson.h>

#include "driver/run.h"

struct row_figures {
    json_t *figures, *missing; /* objects: the figures, and why one is null, under the same names */
};

/* Puts in what run->pass measured. */
void row_add_figures(struct row_figures *row, const struct run *run);

/* One figure; NAN and UNKNOWN_BYTES become null, with the reason among the missing. */
void row_set_number(struct row_figures *row, const char *field, double value, const char *why);
void row_set_bytes(struct row_figures *row, const char *field, uint64_t value, const char *why);

/* The object of an op: index, kind, size. */
json_t *row_op(const struct plan *plan, uint64_t step);

#endif
