/* list.h - what there is to choose from: --list and --alloc-help. */
#ifndef HEAPBENCH_LIST_H
#define HEAPBENCH_LIST_H

#include <stdbool.h>

#include "traces/error.h"

/* Prints every allocator and page source with its summary. */
void list_all(void);

/* Prints the options of the allocator or page source of that name, or of a plug-in. False: *error. */
bool list_options(const char *name, struct error *error);

#endif
