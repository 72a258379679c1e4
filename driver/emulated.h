/*
 * emulated.h - whether this processor is a program: times taken on one mean nothing, whatever else of a run does.
 */
#ifndef HEAPBENCH_EMULATED_H
#define HEAPBENCH_EMULATED_H

#include <stdbool.h>

enum { EMULATED_TEXT = 160 };

/* Finds out whether this process, or the runs that HEAPBENCH_RUNNER starts, are emulated, and by what, in words. False:
 * nothing tells of it. A virtual machine whose processor is the real one is not emulated. `root` as in sysfs.h; a root
 * other than "" leaves out what is asked of the processor itself. */
bool emulated_by(const char *root, char what[EMULATED_TEXT]);

#endif
