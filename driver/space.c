/*
 * space.c - the space pass: what the heap holds for what was asked of it. No clock, no warm-up: one replay from empty.
 *
 * Held is counted by a watching page source; for the C library it is what mallinfo2() says it took from the system. A
 * malloc of others takes more than it uses, and no two count alike, so that it has no such figure.
 * Touched and the map of the heap are counted in files of their own. Free memory comes from walk(). What cannot be
 * known is left unknown, with the reason; never zero.
 */
#include <math.h>
#include <unistd.h>

#include "driver/bench.h"
#include "driver/heap_map.h"
#include "driver/libc_heap.h"
#include "driver/op.h"
#include "driver/touched.h"

/* The C library serves a block of this size or more by a mapping of its own, or may: mallopt(3), M_MMAP_THRESHOLD. */
#define BIG_BLOCK (64u * 1024)

/* What was used for what was live, of held and of touched: what Johnstone and Wilson's measures are made of. */
struct used {
    double sum;   /* of (used - live)/live over ops */
    uint64_t ops; /* how many: those after which something is live */
    uint64_t peak, live_at_peak;
};

struct space {
    struct bench *bench;
    struct space_result *result;
    size_t *requested_of; /* bytes of the block in each slot */
    size_t *asked_of;     /* with the alignment, which the C library asks itself for on top of an aligned block */
    uint64_t requested, granted;
    bool libc;                       /* held is what mallinfo2() says */
    void *brk;                       /* when it was last asked */
    uint64_t libc_held, libc_before; /* bytes; before: in use when the replay began */
    struct used held_use, touched_use;
    struct touched touched;
    struct heap_map *map;
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

/* ---- Used -------------------------------------------------------------------------------------------------------- */

/* After an op, or whenever it is known: `most` bytes were used during it, `now` are after it. */
static void use(struct used *used, uint64_t now, uint64_t most, uint64_t live)
{
    if (most > used->peak) {
        used->peak = most;
        used->live_at_peak = live;
    }
    if (live > 0) {
        used->sum += (double)now / (double)live - 1;
        used->ops++;
    }
}

static double mean_of(const struct used *used)
{
    return used->ops > 0 ? used->sum / (double)used->ops : NAN;
}

/* Looks at touched; the most of what is seen is the peak. */
static uint64_t look(struct space *space)
{
    const uint64_t touched = touched_now(&space->touched);
    if (touched != UNKNOWN_BYTES)
        use(&space->touched_use, touched, touched, space->requested);
    return touched;
}

/* ---- Free -------------------------------------------------------------------------------------------------------- */

struct free_count {
    uint64_t total, largest; /* bytes */
    uint64_t blocks, visited;
};

static bool count_free(const struct heap_block *block, void *arg)
{
    struct free_count *count = arg;
    count->visited++;
    if (!block->used) {
        count->blocks++;
        count->total += block->size;
        count->largest = ALLOC_MAX(count->largest, block->size);
    }
    return true;
}

/* A sample; of free memory it knows nothing when it is not to walk. */
static struct space_sample sample_at(struct space *space, uint64_t step, uint64_t held, bool walk)
{
    struct bench *bench = space->bench;
    struct space_sample sample = {.step = step,
                                  .requested = space->requested,
                                  .granted = space->granted,
                                  .held = held,
                                  .touched = space->touched.in_arena ? touched_now(&space->touched) : look(space),
                                  .free_total = UNKNOWN_BYTES,
                                  .free_largest = UNKNOWN_BYTES,
                                  .free_blocks = UNKNOWN_BYTES};
    if (walk && bench->allocator.allocator->walk != NULL) {
        struct free_count count = {.total = 0};
        bench->allocator.allocator->walk(bench->heap, count_free, &count);
        sample.free_total = count.total;
        sample.free_largest = count.largest;
        sample.free_blocks = count.blocks;
        bench->visited += count.visited;
    }
    return sample;
}

/* ---- The replay -------------------------------------------------------------------------------------------------- */

/* Does the op at `step`; the largest size that the C library had to do with in it, if it is that. */
static size_t do_op(struct space *space, uint64_t step)
{
    struct bench *bench = space->bench;
    const struct allocator *a = bench->allocator.allocator;
    const struct request request = request_of(&bench->plan, bench->plan.steps[step]);
    void **slot = &bench->slots[request.slot];
    size_t *requested = &space->requested_of[request.slot], *asked = &space->asked_of[request.slot], asked_before = 0;
    if (request.kind == OP_THREAD_END)
        return 0;
    if (request.kind == OP_FREE || request.kind == OP_REALLOC) {
        asked_before = *asked;
        heap_map_drop(space->map, *slot, *requested);
        space->granted -= a->usable(bench->heap, *slot);
        space->requested -= *requested;
    }
    if (request.kind == OP_FREE) {
        a->release(bench->heap, *slot);
        return asked_before;
    }
    void *block = request_do(a, bench->heap, &request, *slot);
    if (block == NULL)
        bench_refused(bench, step);
    *slot = block;
    *requested = request.size;
    *asked = request.size + request.align;
    heap_map_add(space->map, block, request.size);
    space->requested += request.size;
    space->granted += a->usable(bench->heap, block);
    touch_block(block, request.size, (enum touch)bench->job->touch, bench->page);
    return ALLOC_MAX(asked_before, *asked);
}

/* What is known after every op. */
static void after_op(struct space *space, uint64_t held)
{
    struct space_result *result = space->result;
    result->granted_peak = ALLOC_MAX(result->granted_peak, space->granted);
    /* What was taken and given back within one op is seen by the page source alone. */
    if (held != UNKNOWN_BYTES)
        use(&space->held_use, held, space->libc ? held : space->bench->watch.held_peak, space->requested);
    if (space->touched.in_arena)
        look(space);
}

static void replay(struct space *space)
{
    struct bench *bench = space->bench;
    struct space_result *result = space->result;
    const struct plan_header *header = bench->plan.header;
    const uint64_t between = header->nsteps / JOB_SAMPLES + 1, between_maps = header->nsteps / JOB_MAP_OPS + 1;
    for (uint64_t step = 0; step < header->nsteps; step++) {
        bench->job->step = step;
        const uint64_t held = held_now(space, do_op(space, step));
        if (plan_kind(bench->plan.steps[step]) != PLAN_NOTHING)
            after_op(space, held);
        if (step == header->peak_step)
            result->at_peak = sample_at(space, step, held, true);
        if ((step + 1) % between == 0)
            result->samples[result->nsamples++] = sample_at(space, step, held, bench_may_walk(bench, step));
        if ((step + 1) % between_maps == 0)
            heap_map_note(space->map, step);
        if (step + 1 == header->nsteps)
            result->at_end = sample_at(space, step, held, false);
    }
}

/* Why what is in no block is not known; "": it is. */
static const char *metadata_missing(const struct space *space)
{
    const struct space_result *result = space->result;
    const struct space_sample *peak = &result->at_peak;
    if (result->held_missing[0] != '\0')
        return result->held_missing;
    if (result->free_missing[0] != '\0')
        return result->free_missing;
    if (space->bench->allocator.pages != NULL)
        return "the free pages of a page source are not held";
    return peak->granted + peak->free_total > peak->held ? "its blocks, used and free, are more than it holds" : "";
}

static void finish(struct space *space)
{
    struct space_result *result = space->result;
    const bool held = result->held_missing[0] == '\0', touched = space->touched.missing[0] == '\0';
    result->held_peak = !held ? UNKNOWN_BYTES : space->libc ? space->held_use.peak : space->bench->watch.held_peak;
    result->held_mean = held ? mean_of(&space->held_use) : NAN;
    result->live_at_held_peak = space->held_use.live_at_peak;
    result->touched_peak = touched ? space->touched_use.peak : UNKNOWN_BYTES;
    result->touched_mean = touched && space->touched.in_arena ? mean_of(&space->touched_use) : NAN;
    result->live_at_touched_peak = space->touched_use.live_at_peak;
    strcpy(result->touched_missing, space->touched.missing);
    strcpy(result->touched_mean_missing,
           touched ? "without an arena pages come and go, and are counted at samples, not after every op"
                   : space->touched.missing);
    strcpy(result->metadata_missing, metadata_missing(space));
    result->metadata_at_peak = result->metadata_missing[0] != '\0'
                                   ? UNKNOWN_BYTES
                                   : result->at_peak.held - result->at_peak.granted - result->at_peak.free_total;
    heap_map_finish(space->map, &result->map);
}

void pass_space(struct bench *bench)
{
    struct space space = {.bench = bench, .result = &bench->job->space};
    space.requested_of = bench_table(bench, (size_t)bench->plan.header->nslots, sizeof *space.requested_of);
    space.asked_of = bench_table(bench, (size_t)bench->plan.header->nslots, sizeof *space.asked_of);
    space.map = bench_table(bench, 1, sizeof *space.map);
    held_open(&space);
    touched_open(&space.touched, bench);
    bench_open(bench, true);
    if (bench->allocator.allocator->walk == NULL)
        strcpy(space.result->free_missing, "the allocator has no walk()");
    replay(&space);
    finish(&space);
    bench_close(bench);
}
