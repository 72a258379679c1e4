/* table.h - the table for people: a row an allocator, per trace. */
#ifndef HEAPBENCH_TABLE_H
#define HEAPBENCH_TABLE_H

#include <stdio.h>

#include "driver/cli.h"
#include "driver/study.h"

/* Prints what is known about a trace; in colour when asked. */
void table_print(FILE *out, const struct study *study, const struct cli *cli, bool colour);

/* Prints what the columns mean, once below all tables. */
void table_legend(FILE *out, const struct cli *cli);

/* Whether a stream is a terminal that wants colour: NO_COLOR (no-color.org) and TERM=dumb do not. */
bool table_wants_colour(FILE *out);

#endif
