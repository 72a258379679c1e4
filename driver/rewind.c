/* rewind.c - copies what a heap is made of; see rewind.h. */
#include "driver/rewind.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "driver/oracle.h"
#include "driver/proc.h"
#include "driver/timer.h"

/* Mallocs of others, the oracle, and what is built around an allocator have state elsewhere. */
static bool is_all_in_arena(const struct bench *bench)
{
    const struct allocator *a = bench->allocator.allocator;
    return bench->region != NULL && !(a->caps & CAP_HOSTED) && a != &allocator_oracle &&
           bench->allocator.pages == NULL && bench->job->guard[0] == '\0' && !bench->job->diagnose;
}

static bool take_memory(struct rewind *rewind, const struct bench *bench)
{
    const size_t pages = REWIND_MOST / bench->page * sizeof *rewind->pages;
    const size_t state = ALLOC_ROUND_UP(bench->pages.kind->state_size, sizeof(uint64_t));
    const size_t bytes = REWIND_MOST + pages + state + bench->region_bytes / bench->page;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    rewind->bytes = memory;
    rewind->pages = (uint32_t *)(memory + REWIND_MOST);
    rewind->pages_state = memory + REWIND_MOST + pages;
    rewind->in_memory = (unsigned char *)memory + REWIND_MOST + pages + state;
    return true;
}

/* Others than those in memory were never written, unless they are swapped out. */
static bool find_pages(struct rewind *rewind, const struct bench *bench)
{
    const size_t npages = bench->region_bytes / bench->page;
    rewind->npages = 0;
    if (getenv("HEAPBENCH_RUNNER") != NULL) /* whose pages may be larger */
        return false;
    if (mincore(bench->region, bench->region_bytes, rewind->in_memory) != 0)
        return false;
    for (size_t i = 0; i < npages; i++) {
        if (!(rewind->in_memory[i] & 1))
            continue;
        if (rewind->npages == REWIND_MOST / bench->page)
            return false;
        rewind->pages[rewind->npages++] = (uint32_t)i;
    }
    return proc_bytes("smaps_rollup", "Swap") == 0;
}

static char *page_of(const struct bench *bench, size_t page)
{
    return (char *)bench->region + page * bench->page;
}

static void **slot_of(const struct bench *bench, uint64_t step)
{
    return &bench->slots[plan_slot(bench->plan.steps[step])];
}

static bool copy(struct rewind *rewind, const struct bench *bench)
{
    if (!find_pages(rewind, bench))
        return false;
    for (size_t i = 0; i < rewind->npages; i++)
        memcpy(rewind->bytes + i * bench->page, page_of(bench, rewind->pages[i]), bench->page);
    memcpy(rewind->pages_state, bench->pages_state, bench->pages.kind->state_size);
    return true;
}

bool rewind_keep(struct rewind *rewind, const struct bench *bench, uint64_t from)
{
    if (!is_all_in_arena(bench))
        return false;
    if (rewind->bytes == NULL && !(take_memory(rewind, bench) && copy(rewind, bench)))
        return false; /* the first copy takes longer than others, as its memory has to be had */
    const uint64_t begin = clock_ns();
    if (!copy(rewind, bench))
        return false;
    rewind->from = from;
    for (uint64_t step = from; step < bench->end; step++)
        rewind->slots[step - from] = *slot_of(bench, step);
    rewind->keep_ns = clock_ns() - begin;
    return true;
}

void rewind_back(const struct rewind *rewind, const struct bench *bench)
{
    for (size_t i = 0; i < rewind->npages; i++) {
        char *page = page_of(bench, rewind->pages[i]);
        const char *kept = rewind->bytes + i * bench->page;
        if (memcmp(page, kept, bench->page) != 0) /* most are the same, and stay as they are in the caches */
            memcpy(page, kept, bench->page);
    }
    memcpy(bench->pages_state, rewind->pages_state, bench->pages.kind->state_size);
    for (uint64_t step = rewind->from; step < bench->end; step++)
        *slot_of(bench, step) = rewind->slots[step - rewind->from];
}
