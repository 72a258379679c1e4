/* rewind.c - copies what some steps write of a heap; see rewind.h. */
#include "driver/rewind.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "driver/first_access.h"
#include "driver/oracle.h"

/* Mallocs of others, the oracle, and what is built around an allocator have state elsewhere. */
static bool is_all_in_arena(const struct bench *bench)
{
    const struct allocator *a = bench->allocator.allocator;
    return bench->region != NULL && !(a->caps & CAP_HOSTED) && a != &allocator_oracle &&
           bench->allocator.pages == NULL && bench->job->guard[0] == '\0' && !bench->job->diagnose &&
           getenv("HEAPBENCH_RUNNER") == NULL; /* whose pages may be larger */
}

static bool take_memory(struct rewind *rewind, const struct bench *bench)
{
    const size_t pages = REWIND_MOST / bench->page * sizeof *rewind->pages;
    const size_t bytes = REWIND_MOST + pages + bench->pages.kind->state_size;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    rewind->bytes = memory;
    rewind->pages = (uint32_t *)(memory + REWIND_MOST);
    rewind->pages_state = memory + REWIND_MOST + pages;
    rewind->page = bench->page;
    return true;
}

/* What the signal handler fills. */
static struct rewind *filled;
static const char *arena;

static bool copy_page(size_t page)
{
    const size_t bytes = filled->page;
    if ((filled->npages + 1) * bytes > REWIND_MOST)
        return false;
    memcpy(filled->bytes + filled->npages * bytes, arena + page * bytes, bytes);
    filled->pages[filled->npages++] = (uint32_t)page;
    return true;
}

static void **slot_of(const struct bench *bench, uint64_t step)
{
    return &bench->slots[plan_slot(bench->plan.steps[step])];
}

bool rewind_keep(struct rewind *rewind, const struct bench *bench, uint64_t from, uint64_t end)
{
    if (!is_all_in_arena(bench) || (rewind->bytes == NULL && !take_memory(rewind, bench)))
        return false;
    rewind->from = from;
    rewind->end = end;
    rewind->npages = 0;
    for (uint64_t step = from; step < end; step++)
        rewind->slots[step - from] = *slot_of(bench, step);
    memcpy(rewind->pages_state, bench->pages_state, bench->pages.kind->state_size);
    filled = rewind;
    arena = bench->region;
    return first_access_watch(bench, FIRST_WRITE, copy_page);
}

bool rewind_kept(void)
{
    return first_access_end();
}

void rewind_back(const struct rewind *rewind, const struct bench *bench)
{
    for (size_t i = 0; i < rewind->npages; i++) {
        char *page = (char *)bench->region + rewind->pages[i] * rewind->page;
        const char *kept = rewind->bytes + i * rewind->page;
        if (memcmp(page, kept, rewind->page) != 0) /* those that are the same stay as they are in the caches */
            memcpy(page, kept, rewind->page);
    }
    memcpy(bench->pages_state, rewind->pages_state, bench->pages.kind->state_size);
    for (uint64_t step = rewind->from; step < rewind->end; step++)
        *slot_of(bench, step) = rewind->slots[step - rewind->from];
}
