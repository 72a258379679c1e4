/*
 * space.c - the space pass: what the heap holds for what was asked of it. No clock, no warm-up: one replay from empty.
 *
 * Held is counted by a watching page source; for the C library it is what mallinfo2() says it took from the system. A
 * malloc of others takes more than it uses, and no two count alike, so that it has no such figure.
 * Touched is counted by the kernel: resident pages of the arena (mincore), or, without an arena, the growth of the
 * process' written private memory (smaps_rollup). An arena's pages stay touched, so that its count at the end is its
 * peak; elsewhere pages come and go, and the peak is the most of all samples, which leaves out what came and went
 * between two. Free memory comes from walk(). What cannot be known is left unknown, with the reason; never zero.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "driver/bench.h"
#include "driver/libc_heap.h"
#include "driver/op.h"

/* The C library serves a block of this size or more by a mapping of its own, or may: mallopt(3), M_MMAP_THRESHOLD. */
#define BIG_BLOCK (64u * 1024)

struct space {
    struct bench *bench;
    struct space_result *result;
    size_t *requested_of; /* bytes of the block in each slot */
    uint64_t requested, granted;
    bool libc;                       /* held is what mallinfo2() says */
    void *brk;                       /* when it was last asked */
    uint64_t libc_held, libc_before; /* bytes; before: in use when the replay began */
    uint64_t touched_before;
};

/* ---- Held -------------------------------------------------------------------------------------------------------- */

static void libc_read(struct space *space)
{
    space->libc_held = libc_heap_read().held;
    space->brk = sbrk(0);
}

static void libc_open(struct space *space)
{
    const char *missing = libc_heap_missing();
    if (missing != NULL) {
        strcpy(space->result->held_missing, missing);
        return;
    }
    libc_read(space);
    space->libc_before = libc_heap_read().used;
}

static void held_open(struct space *space)
{
    const struct allocator *a = space->bench->allocator.allocator;
    space->libc = spec_is_libc(&space->bench->allocator);
    if (space->libc)
        libc_open(space);
    else if (a->caps & CAP_HOSTED)
        strcpy(space->result->held_missing, "it takes its memory past the page source, and reserves more than it uses");
}

/* mallinfo2() walks the heap's bins: asked again only when the heap can have grown or shrunk. */
static uint64_t held_now(struct space *space, size_t size)
{
    if (space->result->held_missing[0] != '\0')
        return UNKNOWN_BYTES;
    if (!space->libc)
        return space->bench->watch.held;
    if (size >= BIG_BLOCK || sbrk(0) != space->brk)
        libc_read(space);
    return space->libc_held > space->libc_before ? space->libc_held - space->libc_before : 0;
}

/* ---- Touched ----------------------------------------------------------------------------------------------------- */

static uint64_t resident(struct bench *bench)
{
    static unsigned char in_core[1 << 16];
    uint64_t pages = 0;
    for (size_t at = 0; at < bench->region_bytes; at += sizeof in_core * bench->page) {
        const size_t bytes = ALLOC_MIN(sizeof in_core * bench->page, bench->region_bytes - at);
        if (mincore((char *)bench->region + at, bytes, in_core) != 0)
            return UNKNOWN_BYTES;
        for (size_t i = 0; i < bytes / bench->page; i++)
            pages += in_core[i] & 1;
    }
    return pages * bench->page;
}

/* The Anonymous line of smaps_rollup: private pages of the process that were written. */
static uint64_t written(void)
{
    char text[4096];
    const int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
    const ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (got <= 0)
        return UNKNOWN_BYTES;
    text[got] = '\0';
    const char *line = strstr(text, "\nAnonymous:");
    return line ? strtoull(line + strlen("\nAnonymous:"), NULL, 10) * 1024 : UNKNOWN_BYTES;
}

static bool in_arena(const struct space *space)
{
    return space->bench->region != NULL && !(space->bench->allocator.allocator->caps & CAP_HOSTED);
}

static void touched_open(struct space *space)
{
    if (in_arena(space)) {
        madvise(space->bench->region, space->bench->region_bytes, MADV_NOHUGEPAGE);
        return;
    }
    written(); /* what reading itself writes is written now */
    space->touched_before = written();
    if (getenv("HEAPBENCH_RUNNER") != NULL)
        strcpy(space->result->touched_missing, "under HEAPBENCH_RUNNER the process' pages are not only the program's");
    else if (space->touched_before == UNKNOWN_BYTES)
        strcpy(space->result->touched_missing, "/proc/self/smaps_rollup cannot be read");
}

static uint64_t touched_now(struct space *space)
{
    struct space_result *result = space->result;
    if (result->touched_missing[0] != '\0')
        return UNKNOWN_BYTES;
    uint64_t now = in_arena(space) ? resident(space->bench) : written();
    if (now == UNKNOWN_BYTES) {
        strcpy(result->touched_missing, "the kernel does not say which pages are resident");
        return UNKNOWN_BYTES;
    }
    if (!in_arena(space))
        now = now > space->touched_before ? now - space->touched_before : 0;
    result->touched_peak = ALLOC_MAX(result->touched_peak, now);
    return now;
}

/* ---- Free -------------------------------------------------------------------------------------------------------- */

struct free_count {
    uint64_t total, largest; /* bytes */
    uint64_t visited;
};

static bool count_free(const struct heap_block *block, void *arg)
{
    struct free_count *count = arg;
    count->visited++;
    if (!block->used) {
        count->total += block->size;
        count->largest = ALLOC_MAX(count->largest, block->size);
    }
    return true;
}

/* A sample; of free memory it knows nothing when it is not to walk, of touched when it is not to look. */
static struct space_sample sample_at(struct space *space, uint64_t step, uint64_t held, bool walk, bool look)
{
    struct bench *bench = space->bench;
    struct space_sample sample = {.step = step,
                                  .requested = space->requested,
                                  .granted = space->granted,
                                  .held = held,
                                  .touched = look ? touched_now(space) : UNKNOWN_BYTES,
                                  .free_total = UNKNOWN_BYTES,
                                  .free_largest = UNKNOWN_BYTES};
    if (walk && bench->allocator.allocator->walk != NULL) {
        struct free_count count = {.total = 0};
        bench->allocator.allocator->walk(bench->heap, count_free, &count);
        sample.free_total = count.total;
        sample.free_largest = count.largest;
        bench->visited += count.visited;
    }
    return sample;
}

/* ---- The replay -------------------------------------------------------------------------------------------------- */

/* Does the op at `step`; the largest size it had to do with. */
static size_t do_op(struct space *space, uint64_t step)
{
    struct bench *bench = space->bench;
    const struct allocator *a = bench->allocator.allocator;
    const struct request request = request_of(&bench->plan, bench->plan.steps[step]);
    void **slot = &bench->slots[request.slot];
    size_t *requested = &space->requested_of[request.slot], before = 0;
    if (request.kind == OP_THREAD_END)
        return 0;
    if (request.kind == OP_FREE || request.kind == OP_REALLOC) {
        before = *requested;
        space->granted -= a->usable(bench->heap, *slot);
        space->requested -= before;
    }
    if (request.kind == OP_FREE) {
        a->release(bench->heap, *slot);
        return before;
    }
    void *block = request_do(a, bench->heap, &request, *slot);
    if (block == NULL)
        bench_refused(bench, step);
    *slot = block;
    *requested = request.size;
    space->requested += request.size;
    space->granted += a->usable(bench->heap, block);
    touch_block(block, request.size, (enum touch)bench->job->touch, bench->page);
    return ALLOC_MAX(before, request.size);
}

static void replay(struct space *space)
{
    struct bench *bench = space->bench;
    struct space_result *result = space->result;
    const struct plan_header *header = bench->plan.header;
    const uint64_t between = header->nsteps / JOB_SAMPLES + 1;
    for (uint64_t step = 0; step < header->nsteps; step++) {
        bench->job->step = step;
        const uint64_t held = held_now(space, do_op(space, step));
        if (held != UNKNOWN_BYTES)
            result->held_peak = ALLOC_MAX(result->held_peak, held);
        result->granted_peak = ALLOC_MAX(result->granted_peak, space->granted);
        if (step == header->peak_step)
            result->at_peak = sample_at(space, step, held, true, true);
        if ((step + 1) % between == 0)
            result->samples[result->nsamples++] =
                sample_at(space, step, held, bench_may_walk(bench, step), !in_arena(space));
        if (step + 1 == header->nsteps)
            result->at_end = sample_at(space, step, held, false, true);
    }
    if (result->touched_missing[0] != '\0')
        result->touched_peak = UNKNOWN_BYTES;
    /* What was taken and given back within one op is seen by the page source alone. */
    if (result->held_missing[0] != '\0')
        result->held_peak = UNKNOWN_BYTES;
    else if (!space->libc)
        result->held_peak = ALLOC_MAX(result->held_peak, bench->watch.held_peak);
}

void pass_space(struct bench *bench)
{
    struct space space = {.bench = bench, .result = &bench->job->space};
    space.requested_of = bench_table(bench, (size_t)bench->plan.header->nslots, sizeof *space.requested_of);
    held_open(&space);
    touched_open(&space);
    bench_open(bench, true);
    if (bench->allocator.allocator->walk == NULL)
        strcpy(space.result->free_missing, "the allocator has no walk()");
    replay(&space);
    bench_close(bench);
}
