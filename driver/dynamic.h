/*
 * dynamic.h - what a run needs of the dynamic linker: plug-ins, and the mallocs of others.
 *
 * dynamic.c has it. A program that is linked statically has none, and dynamic_none.c says so to whoever asks.
 */
#ifndef HEAPBENCH_DYNAMIC_H
#define HEAPBENCH_DYNAMIC_H

#include "driver/spec.h"

/* NULL, or why neither a plug-in nor a malloc of others can be had in this program. */
extern const char *const dynamic_missing;

/* The allocator that a shared object exports, loaded for the life of the process. NULL: *error. */
const struct allocator *plugin_load(const char *path, struct error *error);

/* Whether the dynamic linker finds a foreign malloc's library: tried on this program. */
bool foreign_installed(const struct foreign_malloc *foreign);

/* Whether this process has its malloc from that library, a path or a file's name. */
bool malloc_is_of(const char *library);

#endif
