/*
 * error.h - what went wrong, where, and what to do: carried from a library function to the tool that prints it.
 *
 * A function that can fail takes a `struct error *`, fills it and returns false, NULL or 0 as its comment says. Only the
 * tools' main files print, and exit with the code that the error carries.
 */
#ifndef HEAPBENCH_ERROR_H
#define HEAPBENCH_ERROR_H

#include <stdbool.h>

/* The exit codes of every tool. */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_ALLOCATOR = 1, /* an allocator failed the work: out of memory, broke a check, crashed */
    EXIT_USAGE = 2,     /* the command line makes no sense */
    EXIT_INPUT = 3,     /* an input file is bad */
    EXIT_LACKS = 4,     /* the machine lacks something asked for, or a file cannot be written */
};

struct error {
    enum exit_code code; /* EXIT_DONE: nothing is wrong */
    char text[480];      /* what, where (file, byte or line, op), what to do; no newline */
};

/* Of a tool's main, first: what is closed of stdin, stdout and stderr stays unusable, rather than being the file that is
 * opened next, into which messages or results would go. */
void error_keep_streams(void);

/* Fills *error from a printf format; returns false, so that `return error_set(…)` reads well. The first error stays. */
bool error_set(struct error *error, enum exit_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
