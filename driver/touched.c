/*
 * touched.c - counts the pages that a replay writes; see touched.h.
 *
 * An arena is closed to all access at first. The first access to a page of it is a fault that the kernel reports as
 * SIGSEGV; the handler opens that page and counts it, so that the count is exact after every op and costs nothing but
 * these faults. A page stays touched when it is given back. Reading counts, too, as it makes a page resident.
 * Without an arena the kernel is asked for the written private memory of the process (smaps_rollup), which goes down
 * again, too, and takes too long for every op.
 */
#include "driver/touched.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "driver/proc.h"

/* What a signal handler can see. */
static struct {
    char *base;
    size_t bytes, page;
    volatile uint64_t touched; /* bytes */
    volatile sig_atomic_t full;
    struct sigaction before;
} arena;

/* An access elsewhere is the allocator's own fault: it happens again, and then has the effect it had before. */
static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    const size_t at = (uintptr_t)info->si_addr - (uintptr_t)arena.base;
    if (at >= arena.bytes || arena.full) {
        sigaction(number, &arena.before, NULL);
        return;
    }
    arena.touched += arena.page;
    if (mprotect(arena.base + at / arena.page * arena.page, arena.page, PROT_READ | PROT_WRITE) == 0)
        return;
    arena.full = mprotect(arena.base, arena.bytes, PROT_READ | PROT_WRITE) == 0;
    if (!arena.full)
        sigaction(number, &arena.before, NULL);
}

static void watch_arena(struct touched *touched, struct bench *bench)
{
    const struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    arena.base = bench->region;
    arena.bytes = bench->region_bytes;
    arena.page = bench->page;
    arena.touched = 0;
    madvise(arena.base, arena.bytes, MADV_NOHUGEPAGE);
    /* Written once as a whole, its parts can become one mapping again for the kernel, which keeps only so many. */
    *(volatile char *)arena.base = 0;
    if (sigaction(SIGSEGV, &action, &arena.before) != 0 || mprotect(arena.base, arena.bytes, PROT_NONE) != 0)
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
    if (touched->in_arena && arena.full)
        strcpy(touched->missing, "its pages are scattered over more mappings than the kernel keeps (vm.max_map_count)");
    if (touched->in_arena)
        return arena.full ? UNKNOWN_BYTES : arena.touched;
    const uint64_t now = written();
    if (now == UNKNOWN_BYTES) {
        strcpy(touched->missing, "/proc/self/smaps_rollup cannot be read");
        return UNKNOWN_BYTES;
    }
    return now > touched->before ? now - touched->before : 0;
}
