/*
 * tool.h - the commands of ./trace. A command is one function and one line in the table of main.c.
 */
#ifndef HEAPBENCH_TRACE_TOOL_H
#define HEAPBENCH_TRACE_TOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "traces/trace.h"

/* What the command line said. */
struct arguments {
    const struct command *command;
    char **files; /* NULL at the end */
    int nfiles;
    const char *output; /* -o; NULL: not given */
    const char *format; /* --format */
    int level;          /* --level */
    uint64_t n;         /* -n */
    bool json;
};

struct command {
    const char *name, *summary;
    bool (*run)(const struct arguments *arguments, struct error *error); /* false: *error */
};

bool command_info(const struct arguments *arguments, struct error *error);
bool command_head(const struct arguments *arguments, struct error *error);
bool command_import(const struct arguments *arguments, struct error *error);
bool command_export(const struct arguments *arguments, struct error *error);

#define BATCH 1024 /* ops handled at once */

/* Says on a terminal, now and then, how far a long piece of work is; done is the ops so far. */
void show_progress(const char *file, uint64_t done);
void clear_progress(void);

#endif
