/* shared_file.h - memory that the driver and its workers share: a file without a name, inherited by its number. */
#ifndef HEAPBENCH_SHARED_FILE_H
#define HEAPBENCH_SHARED_FILE_H

#include <stdint.h>

#include "traces/error.h"

/* An anonymous file of `bytes`, zero, that workers can inherit. -1: *error. */
int shared_file(const char *name, uint64_t bytes, struct error *error);

#endif
