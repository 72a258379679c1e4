/*
 * pass.c - the instruction pass: every call into the allocator in an interval of its own, for whoever counts.
 *
 * The call alone is in the interval; choosing the function, touching the block and the loop are not. What the contract
 * leaves to the caller where an allocator has no function of its own (copying at a realloc, clearing at a calloc)
 * counts as the allocator's. One replay from an empty heap, without warm-up: nothing here depends on caches.
 */
#include <sys/mman.h>

#include "driver/icount/icount.h"

#include "driver/icount/call.h"
#include "driver/icount/marks.h"
#include "driver/op.h"

#ifdef ICOUNT_SET

#ifdef __clang__
#define ICOUNT_COMPILER "clang " __clang_version__
#else
#define ICOUNT_COMPILER "gcc " __VERSION__
#endif

void icount_count_pages(struct bench *bench)
{
    bench->counted = bench->source;
    bench->source.alloc_page = icount_alloc_page;
    bench->source.free_page = icount_free_page;
    if (bench->source.alloc_far != NULL)
        bench->source.alloc_far = icount_alloc_far;
    bench->source.ctx = &bench->counted;
}

static void *clear_after_alloc(const struct allocator *a, struct heap *heap, size_t size)
{
    return op_zalloc(a, heap, size);
}

/* A number where icount_call() takes any argument. */
static const void *number(size_t value)
{
    return (const void *)(uintptr_t)value;
}

/* One op; NULL: refused. What a free returns means nothing. */
static void *counted_op(const struct bench *bench, const struct request *request, void *block)
{
    const struct allocator *const a = bench->allocator.allocator;
    struct heap *const heap = bench->heap;
    const size_t size = request->size;
    if (request->too_large)
        return NULL;
    switch (request->kind) {
    case OP_FREE:
        return icount_call(heap, block, NULL, NULL, a->release);
    case OP_CALLOC:
        return a->zalloc ? icount_call(heap, number(size), NULL, NULL, a->zalloc)
                         : icount_call(a, heap, number(size), NULL, clear_after_alloc);
    case OP_ALIGNED:
        if (request->align <= HEAP_ALIGN)
            return icount_call(heap, number(ALLOC_MAX(size, request->align)), NULL, NULL, a->alloc);
        return a->aligned ? icount_call(heap, number(request->align), number(size), NULL, a->aligned) : NULL;
    case OP_REALLOC:
        return a->resize ? icount_call(heap, block, number(size), NULL, a->resize)
                         : icount_call(a, heap, block, number(size), alloc_resize_by_copy);
    case OP_MALLOC:
        return icount_call(heap, number(size), NULL, NULL, a->alloc);
    default: /* nothing to do: the table has a place for it all the same */
        return icount_call(NULL, NULL, NULL, NULL, icount_nothing);
    }
}

static uint64_t replay(struct bench *bench)
{
    const struct plan *plan = &bench->plan;
    for (uint64_t i = 0; i < plan->header->nsteps; i++) {
        const struct request request = request_of(plan, plan->steps[i]);
        void **slot = &bench->slots[request.slot];
        bench->job->step = i;
        void *block = counted_op(bench, &request, *slot);
        if (request.kind == OP_FREE || request.kind == OP_THREAD_END)
            continue;
        if (block == NULL)
            return i;
        *slot = block;
        touch_block(block, request.size, (enum touch)bench->job->touch, bench->page);
    }
    return plan->header->nsteps;
}

/* The intervals whose counts are known; see marks.h. */
static void calibrate(struct bench *bench)
{
    struct page_source idle = {.alloc_page = (void *(*)(void *, size_t))icount_nothing};
    icount_call(NULL, NULL, NULL, NULL, icount_nothing);
    icount_call(&idle, NULL, NULL, NULL, icount_alloc_page);
    const size_t bytes = CALIBRATIONS * sizeof(struct icount);
    const volatile struct icount *seen = mmap(NULL, bytes, PROT_READ, MAP_SHARED, bench->job->counts_fd, 0);
    if (seen == MAP_FAILED)
        bench_lacks(bench, "the table of counts cannot be mapped");
    if (seen[0].own != 1 || seen[0].pages != 0 || seen[1].own != 0 || seen[1].pages != 1)
        bench_lacks(bench, "nobody counts: the emulator has not loaded " ICOUNT_PLUGIN_BUILT);
}

void pass_instructions(struct bench *bench)
{
    static const char compiler[] = ICOUNT_COMPILER;
    strcpy(bench->job->instructions.set, ICOUNT_SET);
    memcpy(bench->job->instructions.compiler, compiler,
           ALLOC_MIN(sizeof compiler, sizeof bench->job->instructions.compiler - 1));
    calibrate(bench);
    bench_replay(bench, replay);
}

#else

void icount_count_pages(struct bench *bench)
{
    (void)bench;
}

void pass_instructions(struct bench *bench)
{
    bench_lacks(bench, "instructions are counted on x86-64 and AArch64 only");
}

#endif
