/* columns.h - what the table for people has of an allocator on a trace. A pass that was not asked for has no columns.
 */
#ifndef HEAPBENCH_COLUMNS_H
#define HEAPBENCH_COLUMNS_H

#include "driver/cli.h"
#include "driver/study.h"

enum better { NEITHER, LESS, MORE };

struct column {
    enum pass pass;
    int width; /* in characters; negative: words, at the left */
    enum better better;
    const char *title; /* over the table */
    const char *name;  /* of the CSV: with its unit, as in the results where they have the figure */
    double (*value)(const struct study *, const struct cell *); /* NAN: not known; NULL: the op of the worst case */
    void (*write)(char *text, double value);
    enum latency_unit unit; /* PASS_LATENCY: in which it is; LATENCY_UNITS: in none */
};

enum { COLUMNS = 31, COLUMN_TEXT = 64 };
extern const struct column columns[COLUMNS];

/* Whether a sweep has the column: its pass was asked for, and its unit is the clock's. */
bool column_is_asked_for(const struct column *column, const struct cli *cli);

/* Writes the op of the worst case as "kind bytes #index". False: there was no pass that could tell. */
bool column_worst_op(char text[COLUMN_TEXT], const struct study *study, const struct cell *cell);

#endif
