/*
 * bitmap.c - what bitmap promises beyond the contract, and what takes more chunks than the contract's heaps have: it
 * fills its first chunks first, keeps the lowest blocks and takes the shortest run of a row; groups of chunks come and
 * go with them, and a request for pages that fails at any chunk leaves no trace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "allocators/options.h"
#include "allocators/tests/counted.h"

#define PAGE   16384
#define CHUNK  32768
#define BIG    9000 /* bytes, three to a chunk; runs of that length are of one class, wherever they are */
#define BLOCKS 800  /* of that: more than three groups of 64 chunks */

extern const struct allocator allocator_bitmap;

static struct counted pages;
static void *blocks[BLOCKS];

static struct heap *open_bitmap(const char *spec)
{
    struct option_values values;
    char text[200];
    assert_true(counted_open(&pages, page_kind_by_name("arena"), 24 << 20, PAGE));
    assert_true(options_parse(&values, allocator_bitmap.options, spec, text, sizeof text));
    struct heap *heap = allocator_bitmap.create(&pages.source, &(struct heap_config){.opt = values.opt});
    assert_non_null(heap);
    return heap;
}

static void close_bitmap(struct heap *heap)
{
    assert_null(allocator_bitmap.check(heap));
    allocator_bitmap.destroy(heap);
    assert_int_equal(pages.out, 0);
    assert_string_equal(pages.error, "");
    counted_close(&pages);
}

static void fill(struct heap *heap)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = allocator_bitmap.alloc(heap, BIG);
        assert_non_null(blocks[i]);
    }
    assert_null(allocator_bitmap.check(heap));
}

/* Chunks that are empty go back, but one, and so do their groups, whichever goes first. */
static void test_groups(void **state)
{
    (void)state;
    static const size_t steps[] = {1, BLOCKS - 1, 37, 401}; /* have no factor in common with BLOCKS */
    struct heap *heap = open_bitmap("bitmap");
    for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
        fill(heap);
        assert_true(pages.out > BLOCKS / 3 * (CHUNK / PAGE));
        for (size_t i = 0; i < BLOCKS; i++) {
            allocator_bitmap.release(heap, blocks[i * steps[k] % BLOCKS]);
            if (i % 50 == 0)
                assert_null(allocator_bitmap.check(heap));
        }
        assert_true(pages.out <= 2 * (CHUNK / PAGE) + 1); /* the heap's own, an empty one, its group */
    }
    close_bitmap(heap);
}

/* Tries an allocation of which the n-th request for pages fails. True: it failed, and left all as it was. */
static bool fails_at(struct heap *heap, size_t n)
{
    const size_t out = pages.out;
    pages.fail_from = pages.requests + n;
    pages.fails = SIZE_MAX;
    void *block = allocator_bitmap.alloc(heap, BIG);
    pages.fails = 0;
    if (block != NULL) {
        allocator_bitmap.release(heap, block);
        return false;
    }
    assert_int_equal(pages.out, out);
    assert_null(allocator_bitmap.check(heap));
    return true;
}

static void test_failing_chunks(void **state)
{
    (void)state;
    struct heap *heap = open_bitmap("bitmap");
    size_t first = 0, second = 0;
    for (size_t i = 0; i < BLOCKS; i++) {
        if (fails_at(heap, 1)) {
            first++;
            second += fails_at(heap, 2);
        }
        blocks[i] = allocator_bitmap.alloc(heap, BIG);
        assert_non_null(blocks[i]);
    }
    assert_true(first >= BLOCKS / 3 - 1); /* each chunk but the first */
    assert_true(second >= 3);             /* each chunk that comes after a page for its group, at least */
    close_bitmap(heap);
}

/* Of runs that serve as well, the one in the first chunk, whichever became free last. */
static void test_first_chunk(void **state)
{
    (void)state;
    struct heap *heap = open_bitmap("bitmap");
    fill(heap);
    for (unsigned last = 0; last < 2; last++) {
        void *const low = blocks[5], *const high = blocks[100];
        allocator_bitmap.release(heap, last == 0 ? high : low);
        allocator_bitmap.release(heap, last == 0 ? low : high);
        assert_ptr_equal(allocator_bitmap.alloc(heap, BIG), low);
        assert_ptr_equal(allocator_bitmap.alloc(heap, BIG), high);
    }
    close_bitmap(heap);
}

/* Of the runs of a row the shortest that serves, though a longer one comes first. */
static void test_shortest_run(void **state)
{
    (void)state;
    static const size_t granules[] = {4, 1, 3, 1, 2, 1, 3, 1};
    struct heap *heap = open_bitmap("bitmap:keep=0");
    void *runs[sizeof granules / sizeof *granules];
    while (((uintptr_t)allocator_bitmap.alloc(heap, 16) & 1023) != 1024 - 16)
        ; /* the next block begins a row: its 64 granules are 1 KiB at a multiple of that */
    for (size_t i = 0; i < sizeof granules / sizeof *granules; i++)
        runs[i] = allocator_bitmap.alloc(heap, 16 * granules[i]);
    for (size_t i = 0; i < sizeof granules / sizeof *granules; i += 2)
        allocator_bitmap.release(heap, runs[i]);
    assert_ptr_equal(allocator_bitmap.alloc(heap, 32), runs[4]);
    assert_ptr_equal(allocator_bitmap.alloc(heap, 40), runs[2]);
    assert_ptr_equal(allocator_bitmap.alloc(heap, 40), runs[6]);
    assert_ptr_equal(allocator_bitmap.alloc(heap, 64), runs[0]);
    close_bitmap(heap);
}

/* Of a length's blocks, when no more may be kept, those at the lowest addresses are, whichever was released last. */
static void test_lowest_kept(void **state)
{
    (void)state;
    enum { SIZE = 800 }; /* one such block is kept, in a heap this small */
    struct heap *heap = open_bitmap("bitmap");
    void *const low = allocator_bitmap.alloc(heap, SIZE), *const high = allocator_bitmap.alloc(heap, SIZE);
    assert_true((uintptr_t)low < (uintptr_t)high);
    allocator_bitmap.alloc(heap, SIZE); /* so that nothing free touches the high one */
    for (unsigned last = 0; last < 2; last++) {
        allocator_bitmap.release(heap, last == 0 ? high : low);
        allocator_bitmap.release(heap, last == 0 ? low : high);
        assert_null(allocator_bitmap.check(heap));
        assert_ptr_equal(allocator_bitmap.alloc(heap, SIZE), low);
        assert_ptr_equal(allocator_bitmap.alloc(heap, SIZE), high);
    }
    close_bitmap(heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),       cmocka_unit_test(test_failing_chunks), cmocka_unit_test(test_first_chunk),
        cmocka_unit_test(test_shortest_run), cmocka_unit_test(test_lowest_kept),
    };
    return cmocka_run_group_tests_name("bitmap", tests, NULL, NULL);
}
