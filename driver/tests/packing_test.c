/*
 * packing_test.c - the line places as a search of all its units would; a packing has no two blocks in one place at one
 * time, keeps alignments, and is as low as the load where that is known to be possible; the oracle hands it out.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "allocators/options.h"
#include "driver/line.h"
#include "driver/op.h"
#include "driver/oracle.h"

static uint64_t random_state = 1;

static uint32_t below(uint32_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((random_state >> 33) % n);
}

/* ---- The line ---------------------------------------------------------------------------------------------------- */

#define UNITS  4096
#define BLOCKS 100

/* The start of the smallest free stretch of at least `units`, of those the lowest; what is behind `end` is free too. */
static uint32_t naive_fit(const uint8_t *taken, uint32_t end, uint32_t units)
{
    uint32_t best = end, best_units = UINT32_MAX;
    for (uint32_t at = 0, start = 0; at <= end; at++) {
        if (at < end && !taken[at])
            continue;
        if (at < end && at - start >= units && at - start < best_units) {
            best = start;
            best_units = at - start;
        }
        start = at + 1;
    }
    return best;
}

static void the_line_fits_best(void **state)
{
    static uint8_t taken[UNITS];
    uint32_t units[BLOCKS] = {0}, places[BLOCKS], end = 0;
    uint64_t highest = 0;
    struct line line;
    (void)state;
    assert_true(line_open(&line, BLOCKS, BLOCKS));
    for (unsigned i = 0; i < 100000; i++) {
        const uint32_t block = below(BLOCKS);
        if (units[block] > 0) {
            line_take(&line, block);
            memset(taken + places[block], 0, units[block]);
            units[block] = 0;
            while (end > 0 && !taken[end - 1])
                end--;
            continue;
        }
        const uint32_t align = 1u << below(4), size = 1 + below(30);
        uint32_t place = naive_fit(taken, end, size + align - 1);
        place = (place + align - 1) & ~(align - 1);
        assert_true(line_put(&line, block, size, align));
        assert_int_equal(line_place(&line, block), place);
        assert_true(place + size <= UNITS);
        units[block] = size;
        places[block] = place;
        memset(taken + place, 1, size);
        end = ALLOC_MAX(end, place + size);
        highest = ALLOC_MAX(highest, end);
        assert_int_equal(line.highest, highest);
    }
    line_clear(&line);
    assert_false(line_put(&line, 0, LINE_ROOM, 2) && line_put(&line, 1, 1, 1));
    line_close(&line);
}

/* ---- Packings ---------------------------------------------------------------------------------------------------- */

static void build(struct plan *plan, struct packing *packing, const char *work)
{
    struct error error = {.code = EXIT_DONE};
    struct trace_reader *reader = trace_open(work, &error);
    assert_non_null(reader);
    const bool built = plan_build(plan, reader, &error) && packing_build(packing, plan, &error);
    assert_string_equal(error.text, "");
    assert_true(built);
    trace_close(reader);
}

/* Replays the plan on a map of all units. */
static void check_packing(const struct plan *plan, const struct packing *packing)
{
    const struct packing_header *header = packing->header;
    uint32_t *owner = calloc(header->height, sizeof *owner), *now = calloc(plan->header->nslots, sizeof *now);
    uint64_t n = 0, live = 0, load = 0;
    assert_true(owner != NULL && now != NULL);
    for (uint64_t i = 0; i < plan->header->nsteps; i++) {
        const struct request request = request_of(plan, plan->steps[i]);
        uint32_t old = 0;
        if (request.kind == OP_FREE || request.kind == OP_REALLOC) {
            old = packing->units[now[request.slot]];
            memset(owner + packing->blocks[now[request.slot]].place, 0, old * sizeof *owner);
            live -= old;
        }
        if (request.kind == OP_FREE || request.kind == OP_THREAD_END)
            continue;
        const struct packed block = packing->blocks[n];
        const uint32_t units = packing->units[n];
        assert_int_equal(units, ALLOC_MAX((request.bytes + PACKING_UNIT - 1) / PACKING_UNIT, 1));
        assert_int_equal(block.kept, ALLOC_MIN(old, units));
        assert_true(request.align == 0 || (uint64_t)block.place * PACKING_UNIT % request.align == 0);
        assert_true((uint64_t)block.place + units <= header->height);
        for (uint32_t at = block.place; at < block.place + units; at++) {
            assert_int_equal(owner[at], 0);
            owner[at] = 1;
        }
        live += units;
        load = ALLOC_MAX(load, live);
        now[request.slot] = (uint32_t)n++;
    }
    assert_int_equal(n, header->nblocks);
    assert_int_equal(load, header->load);
    assert_true(header->height >= header->load);
    free(owner);
    free(now);
}

static void packings_do_not_overlap(void **state)
{
    static const char *const works[] = {"model:churn:ops=20000:live=300", "model:churn:ops=3000:live=20:min=1:max=1M",
                                        "model:kernel:ops=20000:live=500", "model:kernel:ops=1:live=1"};
    (void)state;
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        struct plan plan;
        struct packing packing;
        build(&plan, &packing, works[i]);
        check_packing(&plan, &packing);
        packing_close(&packing);
        plan_close(&plan);
    }
}

/* Steps of all kinds at random, among them resized and aligned blocks, which no model makes. */
enum { STEPS = 5000, SLOTS = 60 };

static uint64_t step_of(enum plan_kind kind, uint32_t slot, uint32_t size)
{
    return (uint64_t)kind << 61 | (uint64_t)slot << 32 | size;
}

struct random_plan {
    uint64_t steps[STEPS];
    struct plan_extra extras[STEPS];
    struct plan_header header;
    struct plan plan;
};

static void make_plan(struct random_plan *made)
{
    static const enum op_kind kinds[] = {
        [PLAN_MALLOC] = OP_MALLOC,   [PLAN_FREE] = OP_FREE,     [PLAN_CALLOC] = OP_CALLOC,
        [PLAN_REALLOC] = OP_REALLOC, [PLAN_EXTRA] = OP_ALIGNED, [PLAN_NOTHING] = OP_THREAD_END};
    bool live[SLOTS] = {false};
    uint32_t nextras = 0;
    *made = (struct random_plan){.header = {.nsteps = STEPS, .nslots = SLOTS}};
    for (uint32_t i = 0; i < STEPS; i++) {
        const uint32_t slot = below(SLOTS);
        const enum plan_kind kind = live[slot]       ? (below(3) == 0 ? PLAN_REALLOC : PLAN_FREE)
                                    : below(20) == 0 ? PLAN_NOTHING
                                    : below(4) == 0  ? PLAN_EXTRA
                                    : below(2) == 0  ? PLAN_CALLOC
                                                     : PLAN_MALLOC;
        made->header.counts[kinds[kind]]++;
        made->steps[i] = step_of(kind, slot, kind == PLAN_EXTRA ? nextras : below(3) == 0 ? below(20000) : below(200));
        if (kind == PLAN_EXTRA)
            made->extras[nextras++] =
                (struct plan_extra){.size = below(5000), .align = UINT64_C(32) << below(10), .kind = OP_ALIGNED};
        if (kind != PLAN_NOTHING)
            live[slot] = kind != PLAN_FREE;
    }
    made->plan = (struct plan){.fd = -1, .header = &made->header, .steps = made->steps, .extras = made->extras};
}

static void resized_and_aligned_blocks_do_not_overlap(void **state)
{
    static struct random_plan made;
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        struct error error = {.code = EXIT_DONE};
        struct packing packing;
        make_plan(&made);
        assert_true(packing_build(&packing, &made.plan, &error));
        check_packing(&made.plan, &packing);
        packing_close(&packing);
    }
}

/* Blocks of one size are intervals to be coloured, which needs no more colours than are live at once; and a stack is
 * packed without a gap; powers of two are, with the largest first. */
static void packings_reach_the_load(void **state)
{
    static const char *const works[] = {"model:churn:ops=20000:live=300:min=48:max=48",
                                        "model:kernel:live=1:ops=9000:lifo=100", "model:kernel:ops=20000:live=300"};
    (void)state;
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        struct plan plan;
        struct packing packing;
        build(&plan, &packing, works[i]);
        assert_int_equal(packing.header->height, packing.header->load);
        packing_close(&packing);
        plan_close(&plan);
    }
}

/* ---- The oracle -------------------------------------------------------------------------------------------------- */

/* Every block keeps its content, and usable() knows its size, while it lives. */
static void the_oracle_hands_out_a_packing(void **state)
{
    static struct random_plan made;
    static struct live {
        unsigned char *ptr;
        size_t size;
    } blocks[SLOTS];
    struct error error = {.code = EXIT_DONE};
    struct packing packing;
    struct page_source source;
    const struct page_kind *kind = page_kind_by_name("mmap");
    _Alignas(16) char own[256] = {0};
    const struct allocator *a = &allocator_oracle;
    (void)state;
    make_plan(&made);
    assert_true(packing_build(&packing, &made.plan, &error));
    assert_true(kind->state_size <= sizeof own);
    assert_true(kind->open(&source, own, NULL, (size_t)1 << 28, 4096, NULL));
    assert_null(a->create(&source, &(struct heap_config){.opt = NULL}));
    oracle_use(&packing);
    struct heap *heap = a->create(&source, &(struct heap_config){.opt = NULL});
    assert_non_null(heap);
    for (uint32_t i = 0; i < STEPS; i++) {
        const struct request request = request_of(&made.plan, made.steps[i]);
        struct live *block = &blocks[request.slot];
        if (request.kind == OP_THREAD_END)
            continue;
        if (request.kind == OP_FREE || request.kind == OP_REALLOC) {
            assert_int_equal(a->usable(heap, block->ptr),
                             ALLOC_MAX(ALLOC_ROUND_UP(block->size, HEAP_ALIGN), HEAP_ALIGN));
            for (size_t at = 0; at < block->size; at++)
                assert_int_equal(block->ptr[at], (unsigned char)request.slot);
        }
        if (request.kind == OP_FREE) {
            a->release(heap, block->ptr);
            continue;
        }
        const size_t kept = request.kind == OP_REALLOC ? ALLOC_MIN(block->size, request.size) : 0;
        *block = (struct live){request_do(a, heap, &request, block->ptr), request.size};
        assert_int_equal((uintptr_t)block->ptr % ALLOC_MAX(request.align, HEAP_ALIGN), 0);
        for (size_t at = 0; at < kept; at++)
            assert_int_equal(block->ptr[at], (unsigned char)request.slot);
        memset(block->ptr, (int)request.slot, block->size);
    }
    a->destroy(heap);
    oracle_use(NULL);
    packing_close(&packing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_fits_best),
        cmocka_unit_test(packings_do_not_overlap),
        cmocka_unit_test(resized_and_aligned_blocks_do_not_overlap),
        cmocka_unit_test(packings_reach_the_load),
        cmocka_unit_test(the_oracle_hands_out_a_packing),
    };
    return cmocka_run_group_tests_name("packing", tests, NULL, NULL);
}
