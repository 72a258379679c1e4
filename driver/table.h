/* table.h - the table for people: a row an allocator, per trace. */
#ifndef HEAPBENCH_TABLE_H
#define HEAPBENCH_TABLE_H

#include <stdio.h>

#include "driver/cli.h"
#include "driver/host.h"
#include "driver/study.h"

/* Prints what stands once before all tables: the names of a CSV's columns. */
void table_begin(FILE *out, const struct cli *cli);

/* Prints what is known about a trace, as cli->format says, with the word "emulated" where times are no machine's; on a
 * terminal that wants it in colour, and within its width.
 */
void table_print(FILE *out, const struct study *study, const struct cli *cli, const struct host *host);

/* Prints what the columns mean, once below all tables; a CSV has no place for it. */
void table_legend(FILE *out, const struct cli *cli, const struct host *host);

#endif
