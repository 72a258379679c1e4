/*
 * first_access.h - tells of the first access to each page of the arena, as it happens.
 *
 * The arena's pages are closed, to all access or to writing only. An access to one is a fault that the kernel reports
 * as SIGSEGV; the handler tells of the page and opens it. So what is told is exact after every op, and costs these
 * faults, and closing and opening all pages once.
 */
#ifndef HEAPBENCH_FIRST_ACCESS_H
#define HEAPBENCH_FIRST_ACCESS_H

#include "driver/bench.h"

enum first_access { FIRST_ACCESS, FIRST_WRITE }; /* reading counts, or does not */

/* Told of a page of the arena, by its number, before it is accessed: in a signal handler. False: no more. */
typedef bool first_access_seen(size_t page);

/* Tells from now on. One watcher at a time. False: the arena's pages cannot be protected. */
bool first_access_watch(const struct bench *bench, enum first_access which, first_access_seen *seen);

/* Whether every first access so far was told. Not when `seen` wanted no more; nor when the pages are scattered over
 * more mappings than the kernel keeps (vm.max_map_count). From then on all pages are open. */
bool first_access_is_whole(void);

/* Ends it, all pages open; as first_access_is_whole(). */
bool first_access_end(void);

#endif
