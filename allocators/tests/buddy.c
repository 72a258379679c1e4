/*
 * buddy.c - how much a single operation of the buddy system does, and which block it takes.
 *
 * Seen from outside, through walk(): a halving makes one block more, a merge one block less, so the number of blocks
 * tells how many of them an operation made. Growing and shrinking by a chunk change it by what a chunk is cut into.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "allocators/tests/cases.h"
#include "allocators/tests/counted.h"

#define BUDDY  allocator_buddy
#define CHUNK  (64 * (size_t)4096)
#define REGION (256 * CHUNK) /* never used up but on purpose */
#define LIVE   600
#define OPS    40000

extern const struct allocator allocator_buddy;
extern const struct page_kind page_kind_arena;

static struct counted pages;
static struct heap *heap;

static void open_heap(const char *spec)
{
    struct option_values values;
    read_variant(&BUDDY, spec, &values);
    assert_true(counted_open(&pages, &page_kind_arena, REGION, 4096));
    heap = BUDDY.create(&pages.source, &(struct heap_config){.opt = values.opt});
    assert_non_null(heap);
}

static void close_heap(void)
{
    BUDDY.destroy(heap);
    assert_int_equal(pages.out, 0);
    assert_string_equal(pages.error, "");
    counted_close(&pages);
}

static uint32_t random_below(uint32_t n)
{
    static uint32_t state = 1;
    state = state * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(state >> 8) * n >> 24);
}

/* Sizes up to `largest`, each doubling as likely as any other. */
static size_t random_size(size_t largest)
{
    size_t top = (size_t)1 << (4 + random_below(20));
    return 1 + random_below((uint32_t)(top < largest ? top : largest));
}

static bool count_block(const struct heap_block *block, void *arg)
{
    (void)block;
    ++*(size_t *)arg;
    return true;
}

static size_t count_blocks(void)
{
    size_t n = 0;
    assert_true(BUDDY.walk(heap, count_block, &n));
    return n;
}

/* ---- The bound ----------------------------------------------------------------------------------------------------
 */

/* Of `min` bytes up to half a chunk. */
static size_t orders(size_t min)
{
    size_t n = 0;
    for (size_t bytes = min; bytes <= CHUNK / 2; bytes *= 2)
        n++;
    return n;
}

/* Random work; no operation halves or merges more blocks than there are orders, but for a chunk that comes or goes. */
static void check_bound(const char *spec, size_t min)
{
    static void *live[LIVE];
    const size_t most = orders(min);
    size_t nlive = 0, before, worst = 0;
    open_heap(spec);
    before = count_blocks();
    for (size_t i = 0; i < OPS; i++) {
        const size_t held = pages.out;
        const bool fill = i / 5000 % 2 == 0;
        if (nlive < LIVE && random_below(4) < (fill ? 3u : 1u)) {
            live[nlive] = BUDDY.alloc(heap, random_size(CHUNK / 2));
            assert_non_null(live[nlive++]);
        } else if (nlive > 0) {
            const size_t at = random_below((uint32_t)nlive);
            BUDDY.release(heap, live[at]);
            live[at] = live[--nlive];
        }
        const size_t after = count_blocks(), changed = after > before ? after - before : before - after;
        const size_t bound = pages.out == held ? most : 2 * most;
        if (changed > bound)
            fail_msg("%s: operation %zu made %zu blocks %zu; there are %zu orders", spec, i, before, after, most);
        worst = changed > worst ? changed : worst;
        before = after;
    }
    assert_true(worst >= most / 2); /* it was put to the test */
    close_heap();
}

static void test_bound(void **unused)
{
    (void)unused;
    check_bound("buddy", 32);
    check_bound("buddy:min=16:pick=lowest", 16);
    check_bound("buddy:delay=0", 32);
    check_bound("buddy:min=512:delay=5", 512);
}

/* With nothing live and nothing waiting, all is merged again. */
static void test_merges_all(void **unused)
{
    static void *live[LIVE];
    (void)unused;
    open_heap("buddy:delay=0");
    const size_t at_first = count_blocks();
    for (size_t i = 0; i < LIVE; i++)
        live[i] = BUDDY.alloc(heap, random_size(4096));
    assert_true(count_blocks() > at_first + LIVE / 2);
    for (size_t i = 0; i < LIVE; i++)
        BUDDY.release(heap, live[i * 7 % LIVE]); /* 7 and LIVE have no common factor */
    assert_int_equal(count_blocks(), at_first + (pages.out == CHUNK / 4096 ? 0 : orders(32)));
    close_heap();
}

/* Blocks that wait are no reason to refuse: a page source that gives nothing more makes them merge. */
static void test_waiting_blocks_serve(void **unused)
{
    void *small[64];
    (void)unused;
    open_heap("buddy");
    pages.fail_from = pages.requests + 1;
    pages.fails = SIZE_MAX;
    while (BUDDY.alloc(heap, 1024) != NULL)
        ;
    close_heap();
    open_heap("buddy");
    pages.fail_from = pages.requests + 1;
    pages.fails = SIZE_MAX;
    for (size_t i = 0; i < 64; i++)
        assert_non_null(small[i] = BUDDY.alloc(heap, 256));
    while (BUDDY.alloc(heap, 2048) != NULL)
        ;
    while (BUDDY.alloc(heap, 256) != NULL)
        ;
    for (size_t i = 0; i < 64; i++)
        BUDDY.release(heap, small[i]);
    for (size_t i = 0; i < 7; i++)
        assert_non_null(BUDDY.alloc(heap, 2048));
    assert_null(BUDDY.check(heap));
    close_heap();
}

/* ---- The choice ---------------------------------------------------------------------------------------------------
 */

/* The free block that pick=lowest has to take. */
struct wanted {
    size_t size;
    const void *block;
    size_t found; /* its bytes */
};

static bool compare_block(const struct heap_block *block, void *arg)
{
    struct wanted *wanted = arg;
    if (block->used || block->size < wanted->size)
        return true;
    if (wanted->block == NULL || block->size < wanted->found ||
        (block->size == wanted->found && block->ptr < wanted->block)) {
        wanted->block = block->ptr;
        wanted->found = block->size;
    }
    return true;
}

static void test_lowest(void **unused)
{
    static void *live[LIVE];
    size_t nlive = 0, compared = 0;
    (void)unused;
    open_heap("buddy:pick=lowest:delay=0");
    for (size_t i = 0; i < OPS / 4; i++) {
        if (nlive > 0 && (nlive == LIVE || random_below(2))) {
            const size_t at = random_below((uint32_t)nlive);
            BUDDY.release(heap, live[at]);
            live[at] = live[--nlive];
            continue;
        }
        struct wanted wanted = {.size = random_size(2048)};
        assert_true(BUDDY.walk(heap, compare_block, &wanted));
        live[nlive] = BUDDY.alloc(heap, wanted.size);
        if (wanted.block != NULL)
            assert_ptr_equal(live[nlive], wanted.block);
        compared += wanted.block != NULL;
        nlive++;
    }
    assert_true(compared > OPS / 16);
    assert_null(BUDDY.check(heap));
    close_heap();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_merges_all),
        cmocka_unit_test(test_waiting_blocks_serve),
        cmocka_unit_test(test_lowest),
    };
    return _cmocka_run_group_tests("buddy", tests, sizeof tests / sizeof *tests, NULL, NULL);
}
