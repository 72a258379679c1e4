/* rewind.c - copies what a heap is made of; see rewind.h. */
#include "driver/rewind.h"

#include <string.h>
#include <sys/mman.h>

#include "driver/oracle.h"
#include "driver/proc.h"

/* Mallocs of others, the oracle, and what is built around an allocator have state elsewhere. */
static bool is_all_in_arena(const struct bench *bench)
{
    const struct allocator *a = bench->allocator.allocator;
    return bench->region != NULL && !(a->caps & CAP_HOSTED) && a != &allocator_oracle &&
           bench->allocator.pages == NULL && bench->job->guard[0] == '\0' && !bench->job->diagnose;
}

static bool take_memory(struct rewind *rewind, struct bench *bench)
{
    if (rewind->bytes != NULL)
        return true;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *bytes = mmap(NULL, REWIND_MOST, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (bytes == MAP_FAILED)
        return false;
    rewind->bytes = bytes;
    rewind->pages = bench_table(bench, REWIND_MOST / bench->page, sizeof *rewind->pages);
    rewind->in_memory = bench_table(bench, bench->region_bytes / bench->page, 1);
    rewind->slots = bench_table(bench, bench->plan.header->nslots, sizeof *rewind->slots);
    rewind->pages_state = bench_table(bench, 1, bench->pages.kind->state_size);
    return true;
}

/* Others than those in memory were never written, unless they are swapped out. */
static bool find_pages(struct rewind *rewind, const struct bench *bench)
{
    const size_t npages = bench->region_bytes / bench->page;
    rewind->npages = 0;
    if (mincore(bench->region, bench->region_bytes, rewind->in_memory) != 0)
        return false;
    for (size_t i = 0; i < npages; i++) {
        if (!(rewind->in_memory[i] & 1))
            continue;
        if (rewind->npages == REWIND_MOST / bench->page)
            return false;
        rewind->pages[rewind->npages++] = (uint32_t)i;
    }
    return proc_bytes("status", "VmSwap") == 0;
}

static char *page_of(const struct bench *bench, size_t page)
{
    return (char *)bench->region + page * bench->page;
}

bool rewind_keep(struct rewind *rewind, struct bench *bench)
{
    if (!is_all_in_arena(bench) || !take_memory(rewind, bench) || !find_pages(rewind, bench))
        return false;
    for (size_t i = 0; i < rewind->npages; i++)
        memcpy(rewind->bytes + i * bench->page, page_of(bench, rewind->pages[i]), bench->page);
    memcpy(rewind->slots, bench->slots, bench->plan.header->nslots * sizeof *rewind->slots);
    memcpy(rewind->pages_state, bench->pages_state, bench->pages.kind->state_size);
    return true;
}

void rewind_back(const struct rewind *rewind, struct bench *bench)
{
    for (size_t i = 0; i < rewind->npages; i++) {
        char *page = page_of(bench, rewind->pages[i]);
        const char *kept = rewind->bytes + i * bench->page;
        if (memcmp(page, kept, bench->page) != 0) /* most are the same, and stay as they are in the caches */
            memcpy(page, kept, bench->page);
    }
    memcpy(bench->slots, rewind->slots, bench->plan.header->nslots * sizeof *rewind->slots);
    memcpy(bench->pages_state, rewind->pages_state, bench->pages.kind->state_size);
}
