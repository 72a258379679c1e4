/*
 * verify.c - the verify pass: whether the allocator keeps the contract of alloc.h, op by op.
 *
 * Every block is filled, to the last usable byte, with a pattern of its own, which is compared when the block is
 * resized or freed. A shadow of the address space (shadow.h) finds blocks that overlap and blocks on pages the heap
 * does not hold. At bounded intervals the heap checks itself, and its walk() must agree with what is live.
 */
#include "driver/bench.h"
#include "driver/op.h"
#include "driver/plant.h"
#include "driver/shadow.h"

#define HEAP_CHECKS 256 /* over the replay */

struct block {
    unsigned char *ptr;
    size_t size, usable; /* requested, and what usable() said at birth */
    uint64_t pattern;    /* the seed of its content */
};

struct verify {
    struct bench *bench;
    struct verify_result *result;
    struct block *blocks; /* by slot */
    struct shadow *bytes; /* of live blocks */
    uint64_t live, live_usable;
    uint64_t step;
};

#define BROKE(verify, ...) bench_failed((verify)->bench, (verify)->step, __VA_ARGS__)

/* ---- Patterns ---------------------------------------------------------------------------------------------------- */

/* Seeds of neighbours share no bytes: the finaliser of MurmurHash3 (Appleby) over the step's number. */
static uint64_t pattern_of(uint64_t step)
{
    uint64_t x = step + 1;
    x = (x ^ (x >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    x = (x ^ (x >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ (x >> 33);
}

static uint64_t pattern_word(uint64_t pattern, size_t offset)
{
    return pattern + offset * UINT64_C(0x9e3779b97f4a7c15);
}

static void fill(const struct block *block)
{
    size_t at = 0;
    for (; at + sizeof(uint64_t) <= block->usable; at += sizeof(uint64_t)) {
        const uint64_t word = pattern_word(block->pattern, at);
        memcpy(block->ptr + at, &word, sizeof word);
    }
    const uint64_t word = pattern_word(block->pattern, at);
    memcpy(block->ptr + at, &word, block->usable - at);
}

/* The first of `size` bytes that is not the pattern's; size when all are. */
static size_t first_difference(const unsigned char *ptr, uint64_t pattern, size_t size)
{
    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        const uint64_t word = pattern_word(pattern, at);
        const size_t n = ALLOC_MIN(size - at, sizeof word);
        if (memcmp(ptr + at, &word, n) != 0)
            for (size_t i = 0; i < n; i++)
                if (ptr[at + i] != ((const unsigned char *)&word)[i])
                    return at + i;
    }
    return size;
}

static size_t first_nonzero(const unsigned char *ptr, size_t size)
{
    size_t at = 0;
    while (at < size && ptr[at] == 0)
        at++;
    return at;
}

/* ---- Blocks ------------------------------------------------------------------------------------------------------ */

/* A block of no bytes has an address of its own all the same. */
static uint64_t extent(const struct block *block)
{
    return block->usable > 0 ? block->usable : 1;
}

static size_t alignment_due(const struct request *request)
{
    size_t due = HEAP_ALIGN;
    while (due > 1 && due > request->size)
        due /= 2;
    return ALLOC_MAX(due, request->align);
}

static void check_place(struct verify *verify, const struct request *request, const struct block *block)
{
    const struct bench *bench = verify->bench;
    const uintptr_t first = (uintptr_t)block->ptr;
    const size_t due = alignment_due(request);
    if (first % due != 0)
        BROKE(verify, "misaligned: the block at %p of %zu bytes is not aligned to %zu", (void *)block->ptr, block->size,
              due);
    if (block->usable < block->size)
        BROKE(verify, "too small: usable() of the block at %p says %zu bytes, %zu were requested", (void *)block->ptr,
              block->usable, block->size);
    if (first + extent(block) < first)
        BROKE(verify, "outside memory: the block at %p with %zu usable bytes passes the end of the address space",
              (void *)block->ptr, block->usable);
    if (!(bench->allocator.allocator->caps & CAP_HOSTED)) {
        const uint64_t page = first / bench->page, last = (first + extent(block) - 1) / bench->page;
        if (!shadow_all(bench->pages_out, page, last - page + 1))
            BROKE(verify, "outside its pages: the block at %p of %zu bytes lies on a page that the heap does not hold",
                  (void *)block->ptr, block->usable);
    }
    if (shadow_any(verify->bytes, first, extent(block)))
        BROKE(verify, "overlap: the block at %p of %zu bytes lies on a live block", (void *)block->ptr, block->usable);
    if (!shadow_claim(verify->bytes, first, extent(block)))
        bench_lacks(verify->bench, "no memory for the map of live blocks");
}

static void check_content(struct verify *verify, const struct block *block)
{
    const size_t now = verify->bench->allocator.allocator->usable(verify->bench->heap, block->ptr);
    if (now != block->usable)
        BROKE(verify, "usable() of the block at %p changed from %zu to %zu bytes while it was live", (void *)block->ptr,
              block->usable, now);
    const size_t at = first_difference(block->ptr, block->pattern, block->usable);
    if (at < block->usable)
        BROKE(verify, "corrupted: byte %zu of the live block at %p of %zu bytes is not what was written", at,
              (void *)block->ptr, block->usable);
    verify->result->blocks++;
    verify->result->bytes += block->usable;
}

static void check_made(struct verify *verify, const struct request *request, struct block *block,
                       const struct block *old)
{
    const struct bench *bench = verify->bench;
    *block = (struct block){.ptr = block->ptr, .size = request->size, .pattern = pattern_of(verify->step)};
    block->usable = bench->allocator.allocator->usable(bench->heap, block->ptr);
    check_place(verify, request, block);
    if (request->kind == OP_REALLOC) {
        const size_t kept = ALLOC_MIN(old->size, block->size);
        const size_t at = first_difference(block->ptr, old->pattern, kept);
        if (at < kept)
            BROKE(verify, "lost content: byte %zu of %zu that realloc had to keep differs in the block at %p", at, kept,
                  (void *)block->ptr);
    } else if (request->kind == OP_CALLOC) {
        const size_t at = first_nonzero(block->ptr, block->size);
        if (at < block->size)
            BROKE(verify, "not zero: byte %zu of the calloc'ed block at %p of %zu bytes", at, (void *)block->ptr,
                  block->size);
    }
    fill(block);
    verify->live++;
    verify->live_usable += block->usable;
}

static void forget(struct verify *verify, const struct block *block)
{
    shadow_drop(verify->bytes, (uintptr_t)block->ptr, extent(block));
    verify->live--;
    verify->live_usable -= block->usable;
}

static void do_op(struct verify *verify)
{
    struct bench *bench = verify->bench;
    const struct allocator *a = bench->allocator.allocator;
    const struct request request = request_of(&bench->plan, bench->plan.steps[verify->step]);
    struct block *block = &verify->blocks[request.slot];
    if (request.kind == OP_THREAD_END)
        return;
    if (request.kind == OP_FREE) {
        check_content(verify, block);
        forget(verify, block);
        a->release(bench->heap, block->ptr);
        return;
    }
    const struct block old = *block;
    if (request.kind == OP_REALLOC)
        check_content(verify, &old);
    block->ptr = request_do(a, bench->heap, &request, old.ptr);
    if (block->ptr == NULL)
        bench_refused(bench, verify->step);
    if (request.kind == OP_REALLOC)
        forget(verify, &old);
    check_made(verify, &request, block, &old);
}

/* The op at which a mistake is to be made. */
static void do_planted_op(struct verify *verify)
{
    const struct bench *bench = verify->bench;
    const struct request request = request_of(&bench->plan, bench->plan.steps[verify->step]);
    const struct block *block = &verify->blocks[request.slot];
    plant_before(bench, &request, block->ptr, block->size);
    do_op(verify);
    plant_after(bench, &request, block->ptr, block->size);
}

/* ---- The heap ---------------------------------------------------------------------------------------------------- */

struct walk_count {
    const struct verify *verify;
    bool frees;             /* an allocator without CAP_FREE goes on calling released blocks used */
    uint64_t blocks, bytes; /* used ones */
    uint64_t visited;
    const char *broken;
    const void *at;
};

static bool visit(const struct heap_block *block, void *arg)
{
    struct walk_count *count = arg;
    const struct shadow *bytes = count->verify->bytes;
    count->at = block->ptr;
    count->visited++;
    if (block->used && count->frees) {
        count->blocks++;
        count->bytes += block->size;
        if (!shadow_all(bytes, (uintptr_t)block->ptr, block->size > 0 ? block->size : 1))
            count->broken = "walk() calls a block used that is not live, or larger than usable() says";
    } else if (!block->used && shadow_any(bytes, (uintptr_t)block->ptr, block->size)) {
        count->broken = "walk() calls a block free that lies on a live block";
    }
    return count->broken == NULL;
}

static void check_heap(struct verify *verify)
{
    struct bench *bench = verify->bench;
    const struct allocator *a = bench->allocator.allocator;
    if (a->check != NULL) {
        const char *broken = a->check(bench->heap);
        if (broken != NULL)
            BROKE(verify, "check() of the heap: %s", broken);
        verify->result->heap_checks++;
    }
    if (a->walk == NULL)
        return;
    struct walk_count count = {.verify = verify, .frees = a->caps & CAP_FREE};
    const bool whole = a->walk(bench->heap, visit, &count);
    bench->visited += count.visited;
    if (count.broken != NULL)
        BROKE(verify, "%s: at %p", count.broken, count.at);
    if (!whole)
        BROKE(verify, "walk() stopped by itself, at %p", count.at);
    if (count.frees && (count.blocks != verify->live || count.bytes != verify->live_usable))
        BROKE(verify, "walk() finds %llu used blocks of %llu bytes, %llu of %llu are live",
              (unsigned long long)count.blocks, (unsigned long long)count.bytes, (unsigned long long)verify->live,
              (unsigned long long)verify->live_usable);
    verify->result->heap_walks++;
}

static void check_pages(struct verify *verify)
{
    if (verify->bench->watch.broken != NULL)
        BROKE(verify, "pages: %s", verify->bench->watch.broken);
}

void pass_verify(struct bench *bench)
{
    struct verify verify = {.bench = bench, .result = &bench->job->verify, .bytes = shadow_open()};
    const uint64_t nsteps = bench->plan.header->nsteps, between = nsteps / HEAP_CHECKS + 1;
    verify.blocks = bench_table(bench, (size_t)bench->plan.header->nslots, sizeof *verify.blocks);
    bench->pages_out = shadow_open();
    if (verify.bytes == NULL || bench->pages_out == NULL)
        bench_lacks(bench, "no memory for the map of live blocks");
    bench_open(bench, true);
    for (verify.step = 0; verify.step < nsteps; verify.step++) {
        bench->job->step = verify.step;
        if (verify.step == bench->job->plant_step)
            do_planted_op(&verify);
        else
            do_op(&verify);
        check_pages(&verify);
        if ((verify.step + 1) % between == 0 && bench_may_walk(bench, verify.step))
            check_heap(&verify);
    }
    verify.step = nsteps - 1;
    check_heap(&verify);
    for (size_t i = 0; i < bench->nleft; i++)
        check_content(&verify, &verify.blocks[bench->left[i]]);
    verify.step = STEP_DESTROY;
    bench_close(bench);
    check_pages(&verify);
    if (bench->watch.held > 0)
        BROKE(&verify, "destroy() kept %llu bytes of pages", (unsigned long long)bench->watch.held);
}
