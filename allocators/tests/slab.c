/*
 * slab.c - what slab's options promise beyond the contract: constructed objects stay so, magazines and the depot hand
 * out what was released last, classes follow the sizes of the work, descriptors are where they are wanted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "allocators/options.h"
#include "allocators/tests/counted.h"

#define OBJECTS     500
#define SIZE        200
#define CONSTRUCTED 0xc5 /* what slab's constructor writes */
#define USED        0x11 /* what the test leaves there, as a user that restores a state of its own */

extern const struct allocator allocator_slab;

static struct counted pages;

/* A slab with these options for work of these sizes. */
static struct heap *open_slab(const char *spec, const struct size_use *sizes, size_t nsizes)
{
    struct option_values values;
    char text[200];
    assert_true(counted_open(&pages, page_kind_by_name("arena"), 16 << 20, 16384));
    assert_true(options_parse(&values, allocator_slab.options, spec, text, sizeof text));
    struct heap *heap = allocator_slab.create(
        &pages.source, &(struct heap_config){.opt = values.opt,
                                             .sizes = values.nsizes > 0 ? values.sizes : sizes,
                                             .nsizes = values.nsizes > 0 ? values.nsizes : nsizes});
    assert_non_null(heap);
    return heap;
}

static void close_slab(struct heap *heap)
{
    assert_null(allocator_slab.check(heap));
    allocator_slab.destroy(heap);
    assert_int_equal(pages.out, 0);
    assert_string_equal(pages.error, "");
    counted_close(&pages);
}

static size_t count_bytes(const unsigned char *object, size_t n, unsigned char byte)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        found += object[i] == byte;
    return found;
}

/* Objects come constructed the first time, and afterwards as they were released, whatever is done to the rest of them:
 * never constructed again, never changed by a list that they are on. */
static void keep_state(const char *spec)
{
    struct heap *heap = open_slab(spec, NULL, 0);
    unsigned char *objects[OBJECTS];
    size_t used = 0;
    for (size_t i = 0; i < OBJECTS; i++) {
        objects[i] = allocator_slab.alloc(heap, SIZE);
        assert_int_equal(count_bytes(objects[i], 100, CONSTRUCTED), 100);
        memset(objects[i], USED, 100);
        memset(objects[i] + 100, 0, SIZE - 100);
    }
    for (size_t round = 0; round < 4; round++) {
        for (size_t i = 0; i < OBJECTS; i++)
            allocator_slab.release(heap, objects[(i * 7 + round) % OBJECTS]); /* 7 and OBJECTS: no common divisor */
        assert_null(allocator_slab.check(heap));
        for (size_t i = 0; i < OBJECTS; i++) {
            objects[i] = allocator_slab.alloc(heap, SIZE);
            const size_t kept = count_bytes(objects[i], 100, USED);
            used += kept == 100;
            if (kept < 100) /* a fresh one took its place */
                assert_int_equal(count_bytes(objects[i], 100, CONSTRUCTED), 100);
            memset(objects[i], USED, 100);
            memset(objects[i] + 100, 0, SIZE - 100);
        }
    }
    assert_true(used > 3 * OBJECTS);
    close_slab(heap);
}

static void test_constructed(void **state)
{
    (void)state;
    keep_state("slab:construct=100:reserve=1000");
    keep_state("slab:construct=100:reserve=1000:magazines=0");
    keep_state("slab:construct=100:reserve=1000:magazines=7:depot=3");
}

/* The last n released objects, as many as the magazines hold, come back in the reverse order. */
static void reverse_order(const char *spec, size_t n)
{
    struct heap *heap = open_slab(spec, NULL, 0);
    void *objects[OBJECTS];
    for (size_t i = 0; i < OBJECTS; i++)
        objects[i] = allocator_slab.alloc(heap, SIZE);
    for (size_t round = 0; round < 4; round++) {
        for (size_t i = 0; i < n; i++)
            allocator_slab.release(heap, objects[i * 37 % OBJECTS]);
        assert_null(allocator_slab.check(heap));
        for (size_t i = n; i-- > 0;) {
            void *object = allocator_slab.alloc(heap, SIZE);
            if (round > 0) /* in the first one the magazine has fresh objects too; then it is empty */
                assert_ptr_equal(object, objects[i * 37 % OBJECTS]);
            objects[i * 37 % OBJECTS] = object;
        }
    }
    close_slab(heap);
}

static void test_last_in_first_out(void **state)
{
    (void)state;
    reverse_order("slab:magazines=8", 8);
    reverse_order("slab:magazines=5:depot=3", 5 * 5); /* loaded, previous and three more */
}

static size_t granted(struct heap *heap, size_t size)
{
    void *object = allocator_slab.alloc(heap, size);
    assert_non_null(object);
    const size_t usable = allocator_slab.usable(heap, object);
    allocator_slab.release(heap, object);
    return usable;
}

static void test_classes(void **state)
{
    static const struct size_use sizes[] = {{40, 500}, {328, 500}, {1992, 500}, {1 << 20, 3}};
    (void)state;
    struct heap *heap = open_slab("slab", sizes, 4);
    assert_int_equal(granted(heap, 328), 352);
    assert_int_equal(granted(heap, 1992), 2048);
    close_slab(heap);

    heap = open_slab("slab:classes=trace", sizes, 4);
    assert_int_equal(granted(heap, 328), ALLOC_ROUND_UP(328, HEAP_ALIGN));
    assert_int_equal(granted(heap, 40), ALLOC_ROUND_UP(40, HEAP_ALIGN));
    assert_int_equal(granted(heap, 1), ALLOC_ROUND_UP(40, HEAP_ALIGN));
    assert_int_equal(granted(heap, 1992), ALLOC_ROUND_UP(1992, HEAP_ALIGN));
    assert_int_equal(granted(heap, 2100), 2304); /* above the last, geometric steps */
    close_slab(heap);

    heap = open_slab("slab:sizes=700+3000", sizes, 4);
    assert_int_equal(granted(heap, 328), ALLOC_ROUND_UP(700, HEAP_ALIGN));
    assert_int_equal(granted(heap, 1992), ALLOC_ROUND_UP(3000, HEAP_ALIGN));
    close_slab(heap);
}

/* Of OBJECTS objects of a size, the most in one page; *held: what they, and all else, took in pages. */
static size_t most_in_page(const char *spec, size_t size, size_t *held)
{
    struct heap *heap = open_slab(spec, NULL, 0);
    const uintptr_t page_mask = ~(uintptr_t)(pages.source.page_size - 1);
    size_t most = 0, in_page = 0;
    uintptr_t page = 0;
    for (size_t i = 0; i < OBJECTS; i++) {
        unsigned char *object = allocator_slab.alloc(heap, size);
        memset(object, USED, size); /* a descriptor would not survive it */
        in_page = ((uintptr_t)object & page_mask) == page ? in_page + 1 : 1;
        page = (uintptr_t)object & page_mask;
        most = in_page > most ? in_page : most;
    }
    *held = pages.out;
    close_slab(heap);
    return most;
}

/* A descriptor on the slab takes an object's place where the page has no room for it, and otherwise none; with all of
 * them there, no page of descriptors is ever taken. Large objects' slabs have theirs elsewhere. */
static void test_management(void **state)
{
    const size_t page = 16384, full = page / 64, loose = page / 96;
    size_t off, on, automatic;
    (void)state;
    assert_int_equal(most_in_page("slab:magazines=0:management=off", 64, &off), full);
    assert_int_equal(most_in_page("slab:magazines=0:management=on", 64, &on), full - 1);
    assert_int_equal(most_in_page("slab:magazines=0", 64, &automatic), full);
    assert_int_equal(on, off - 1);
    assert_int_equal(automatic, off);
    assert_int_equal(most_in_page("slab:magazines=0:management=off", 96, &off), loose);
    assert_int_equal(most_in_page("slab:magazines=0:management=on", 96, &on), loose);
    assert_int_equal(most_in_page("slab:magazines=0", 96, &automatic), loose);
    assert_int_equal(on, off - 1);
    assert_int_equal(automatic, on);
    assert_int_equal(most_in_page("slab:magazines=0:management=on", 4096, &on),
                     most_in_page("slab:magazines=0:management=off", 4096, &off));
    assert_int_equal(on, off);
}

/* A request that the page source refuses is served from what the caches keep for themselves. */
static void test_reaped(void **state)
{
    (void)state;
    struct heap *heap = open_slab("slab:reserve=1000", NULL, 0);
    void *objects[OBJECTS], *large;
    for (size_t i = 0; i < OBJECTS; i++)
        objects[i] = allocator_slab.alloc(heap, 16384);
    for (size_t i = 0; i < OBJECTS; i++)
        allocator_slab.release(heap, objects[i]);
    const size_t kept = pages.out;
    assert_true(kept * 16384 >= OBJECTS * (size_t)16384);
    pages.fail_from = pages.requests + 1;
    pages.fails = 1;
    large = allocator_slab.alloc(heap, 1 << 20);
    assert_non_null(large);
    assert_null(allocator_slab.check(heap));
    allocator_slab.release(heap, large);
    assert_true(pages.out < kept / 8);
    close_slab(heap);
}

/* A large block grows where it is while the pages behind it are free, and moves with what is in it when not. */
static void test_grown(void **state)
{
    enum { FIRST = 400000, ROOM = 1000000 };
    (void)state;
    struct heap *heap = open_slab("slab", NULL, 0);
    unsigned char *room = allocator_slab.alloc(heap, ROOM), *other;
    allocator_slab.release(heap, room); /* the map has its page now, so that none will lie behind the block */
    unsigned char *block = allocator_slab.alloc(heap, FIRST);
    assert_ptr_equal(block, room);
    memset(block, USED, FIRST);
    assert_ptr_equal(allocator_slab.resize(heap, block, ROOM), block);
    assert_true(allocator_slab.usable(heap, block) >= ROOM);
    other = allocator_slab.alloc(heap, FIRST);
    const size_t held = pages.out;
    block = allocator_slab.resize(heap, block, 2 * ROOM);
    assert_ptr_not_equal(block, room);
    assert_int_equal(count_bytes(block, FIRST, USED), FIRST);
    assert_null(allocator_slab.resize(heap, block, SIZE_MAX - 100));
    assert_true(pages.out <= held + ROOM / pages.source.page_size + 2);
    allocator_slab.release(heap, other);
    allocator_slab.release(heap, block);
    close_slab(heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constructed), cmocka_unit_test(test_last_in_first_out),
        cmocka_unit_test(test_classes),     cmocka_unit_test(test_management),
        cmocka_unit_test(test_reaped),      cmocka_unit_test(test_grown),
    };
    return cmocka_run_group_tests_name("slab", tests, NULL, NULL);
}
