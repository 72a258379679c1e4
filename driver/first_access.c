/* first_access.c - closes pages and opens them again one by one; see first_access.h. */
#include "driver/first_access.h"

#include <signal.h>
#include <sys/mman.h>

/* What a signal handler can see. */
static struct {
    char *base;
    size_t bytes, page;
    first_access_seen *seen;
    volatile sig_atomic_t broken;
    struct sigaction before;
} arena;

static bool open_all(void)
{
    return mprotect(arena.base, arena.bytes, PROT_READ | PROT_WRITE) == 0;
}

/* An access elsewhere is the allocator's own fault: it happens again, and then has the effect it had before. */
static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    const size_t at = (uintptr_t)info->si_addr - (uintptr_t)arena.base;
    if (at >= arena.bytes || arena.broken) {
        sigaction(number, &arena.before, NULL);
        return;
    }
    char *page = arena.base + at / arena.page * arena.page;
    if (arena.seen(at / arena.page) && mprotect(page, arena.page, PROT_READ | PROT_WRITE) == 0)
        return;
    arena.broken = true;
    if (!open_all())
        sigaction(number, &arena.before, NULL);
}

bool first_access_watch(const struct bench *bench, enum first_access which, first_access_seen *seen)
{
    const struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    arena.base = bench->region;
    arena.bytes = bench->region_bytes;
    arena.page = bench->page;
    arena.seen = seen;
    arena.broken = false;
    madvise(arena.base, arena.bytes, MADV_NOHUGEPAGE);
    if (sigaction(SIGSEGV, &action, &arena.before) != 0)
        return false;
    if (mprotect(arena.base, arena.bytes, which == FIRST_WRITE ? PROT_READ : PROT_NONE) == 0)
        return true;
    open_all(); /* some may be closed */
    sigaction(SIGSEGV, &arena.before, NULL);
    return false;
}

bool first_access_is_whole(void)
{
    return !arena.broken;
}

bool first_access_end(void)
{
    const bool opened = open_all();
    sigaction(SIGSEGV, &arena.before, NULL);
    return opened && !arena.broken;
}
