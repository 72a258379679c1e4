/* progress.h - a line on stderr that says how far the sweep is and when it will end; only on a terminal. */
#ifndef HEAPBENCH_PROGRESS_H
#define HEAPBENCH_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    bool shown;       /* stderr is a terminal */
    size_t done, all; /* runs */
    uint64_t began_ns;
};

void progress_begin(struct progress *progress, size_t runs);

/* About to do the next of the runs: what it is. */
void progress_show(const struct progress *progress, const char *trace, const char *allocator, const char *pass);

/* That many runs are done with, or left out. */
void progress_advance(struct progress *progress, size_t runs);

/* Takes the line away, so that something else can be printed. */
void progress_clear(const struct progress *progress);

#endif
