/* in_path.h - whether a command is there to be run. */
#ifndef HEAPBENCH_IN_PATH_H
#define HEAPBENCH_IN_PATH_H

#include <stdbool.h>

/* Whether a command is found where execvp() looks. */
bool in_path(const char *command);

#endif
