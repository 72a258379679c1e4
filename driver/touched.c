/*
 * touched.c - counts the pages that a replay writes; see touched.h.
 *
 * An arena tells of the first access to each of its pages (see first_access.h), so that the count is exact after every
 * op. A page stays touched when it is given back. Reading counts, too, as it makes a page resident.
 * Without an arena the kernel is asked for the written private memory of the process (smaps_rollup), which goes down
 * again, too, and takes too long for every op.
 */
#include "driver/touched.h"

#include <stdlib.h>
#include <string.h>

#include "driver/first_access.h"
#include "driver/proc.h"

/* Bytes, and in what pages: as a signal handler can see them. */
static volatile uint64_t touched_bytes;
static size_t page_bytes;

static bool count_page(size_t page)
{
    (void)page;
    touched_bytes += page_bytes;
    return true;
}

static void watch_arena(struct touched *touched, struct bench *bench)
{
    touched_bytes = 0;
    page_bytes = bench->page;
    /* Written once as a whole, its parts can become one mapping again for the kernel, which keeps only so many. */
    *(volatile char *)bench->region = 0;
    if (!first_access_watch(bench, FIRST_ACCESS, count_page))
        strcpy(touched->missing, "the arena's pages cannot be protected, to see which are written");
}

/* Private pages of the process that were written. */
static uint64_t written(void)
{
    return proc_bytes("smaps_rollup", "Anonymous");
}

void touched_open(struct touched *touched, struct bench *bench)
{
    *touched = (struct touched){.in_arena = bench->region != NULL && !(bench->allocator.allocator->caps & CAP_HOSTED)};
    if (touched->in_arena) {
        watch_arena(touched, bench);
        return;
    }
    written(); /* what reading itself writes is written now */
    touched->before = written();
    if (getenv("HEAPBENCH_RUNNER") != NULL)
        strcpy(touched->missing, "under HEAPBENCH_RUNNER the process' pages are not only the program's");
    else if (touched->before == UNKNOWN_BYTES)
        strcpy(touched->missing, "/proc/self/smaps_rollup cannot be read");
}

uint64_t touched_now(struct touched *touched)
{
    if (touched->missing[0] != '\0')
        return UNKNOWN_BYTES;
    if (touched->in_arena && !first_access_is_whole())
        strcpy(touched->missing, "its pages are scattered over more mappings than the kernel keeps (vm.max_map_count)");
    if (touched->in_arena)
        return first_access_is_whole() ? touched_bytes : UNKNOWN_BYTES;
    const uint64_t now = written();
    if (now == UNKNOWN_BYTES) {
        strcpy(touched->missing, "/proc/self/smaps_rollup cannot be read");
        return UNKNOWN_BYTES;
    }
    return now > touched->before ? now - touched->before : 0;
}
