/*
 * simple.c - what null, libc, watermark, pool and slab promise beyond the contract: their bounds on memory, what they
 * leave untouched, which sizes and alignments they choose and refuse, what they say is free.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <malloc.h>

#include "allocators/tests/cases.h"
#include "driver/sanitized.h"

#define PAGE ((size_t)16384)

static struct counted pages;
static struct heap *heap;

static const struct allocator *open_heap(const char *spec, const struct size_use *sizes, size_t nsizes,
                                         size_t max_request)
{
    struct option_values values;
    char name[32] = "";
    memcpy(name, spec, options_name_length(spec));
    const struct allocator *allocator = allocator_by_name(name);
    assert_true(counted_open(&pages, page_kind_by_name("arena"), 64 << 20, PAGE));
    read_variant(allocator, spec, &values);
    const struct heap_config config = {.opt = values.opt,
                                       .sizes = values.nsizes > 0 ? values.sizes : sizes,
                                       .nsizes = values.nsizes > 0 ? values.nsizes : nsizes,
                                       .max_request = max_request};
    heap = allocator->create(&pages.source, &config);
    assert_non_null(heap);
    return allocator;
}

static void close_heap(const struct allocator *allocator)
{
    allocator->destroy(heap);
    assert_int_equal(pages.out, 0);
    assert_string_equal(pages.error, "");
    counted_close(&pages);
}

static void test_null(void **state)
{
    (void)state;
    const struct allocator *null = open_heap("null", NULL, 0, 100000);
    void *block = null->alloc(heap, 1);
    assert_ptr_equal(null->alloc(heap, 100000), block);
    assert_ptr_equal(null->aligned(heap, PAGE, 10), block);
    assert_ptr_equal(null->resize(heap, block, 20), block);
    assert_int_equal((uintptr_t)block % PAGE, 0);
    assert_true(null->usable(heap, block) >= 100000);
    assert_true(counted_holds(&pages, block, 100000));
    memset(block, 1, 100000);
    null->release(heap, block);
    close_heap(null);
}

/* A word and the rounding a block, one growth step: no more is held, since runs join. */
static void test_watermark_memory(void **state)
{
    (void)state;
    const struct allocator *watermark = open_heap("watermark:grow=64K", NULL, 0, 0);
    size_t strides = 0;
    for (size_t i = 0; i < 20000; i++) {
        const size_t size = i * 7 % 1000;
        assert_non_null(watermark->alloc(heap, size));
        strides += ALLOC_ROUND_UP(size + sizeof(size_t), HEAP_ALIGN);
    }
    assert_true(pages.out * PAGE >= strides);
    assert_true(pages.out * PAGE <= strides + 64 * 1024 + PAGE);
    assert_int_equal(pages.nruns, 1);
    close_heap(watermark);
}

static void test_watermark_last_block(void **state)
{
    (void)state;
    const struct allocator *watermark = open_heap("watermark", NULL, 0, 0);
    char *first = watermark->alloc(heap, 100), *last = watermark->alloc(heap, 100);
    assert_ptr_equal(watermark->resize(heap, last, 5000), last);
    assert_ptr_equal(watermark->resize(heap, last, 10), last);
    assert_true(watermark->usable(heap, last) < 32);
    assert_ptr_equal(watermark->resize(heap, first, 50), first);
    assert_ptr_not_equal(watermark->resize(heap, first, 200), first);
    close_heap(watermark);
}

/* On work of one size at most 1.01 of what is asked for is held. */
static void test_pool_memory(void **state)
{
    static const size_t sizes[] = {16, 48, 272, 1040, 4096, 4112, 20000};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const size_t n = 32000000 / sizes[i];
        const struct size_use use = {sizes[i], n};
        const struct allocator *pool = open_heap("pool", &use, 1, sizes[i]);
        for (size_t j = 0; j < n; j++)
            assert_non_null(pool->alloc(heap, sizes[i]));
        if (pages.out * PAGE > (uint64_t)n * sizes[i] * 101 / 100)
            fail_msg("%zu pages are held for %zu blocks of %zu bytes", pages.out, n, sizes[i]);
        close_heap(pool);
    }
}

/* The page source fills pages with one byte; what is neither handed out nor among the next 16 blocks must still have
 * it. */
static void test_pool_touches_little(void **state)
{
    const struct size_use use = {64, 1000};
    (void)state;
    const struct allocator *pool = open_heap("pool", &use, 1, 64);
    unsigned char *first = pool->alloc(heap, 64), *second = pool->alloc(heap, 64);
    assert_ptr_equal(second, first + 64);
    for (size_t i = (size_t)64 * 16; i < PAGE; i++)
        assert_int_equal(first[i], first[63]);
    pool->release(heap, first);
    pool->release(heap, second);
    assert_ptr_equal(pool->alloc(heap, 1), second);
    assert_ptr_equal(pool->alloc(heap, 1), first);
    close_heap(pool);
}

static void test_pool_classes(void **state)
{
    (void)state;
    const struct allocator *pool = open_heap("pool:sizes=32+201+20000", NULL, 0, 0);
    static const struct {
        size_t request, usable; /* usable 0: refused */
    } rows[] = {{0, 32}, {32, 32}, {33, 208}, {208, 208}, {209, 20000}, {8193, 20000}, {20000, 20000}, {20001, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        void *block = pool->alloc(heap, rows[i].request);
        assert_int_equal(block != NULL ? pool->usable(heap, block) : 0, rows[i].usable);
    }
    char *block = pool->alloc(heap, 100);
    assert_ptr_equal(pool->resize(heap, block, 208), block);
    assert_ptr_not_equal(pool->resize(heap, block, 20), block);
    assert_null(pool->aligned(heap, 64, 210)); /* 20000 is no multiple of 64 */
    block = pool->aligned(heap, 32, 20);
    assert_int_equal((uintptr_t)block % 32, 0);
    assert_int_equal(pool->usable(heap, block), 32);
    close_heap(pool);
}

static void test_pool_few_classes(void **state)
{
    const struct size_use uses[] = {{16, 100000}, {32, 10}, {48, 100000}, {64, 10}, {80, 100000}};
    (void)state;
    const struct allocator *pool = open_heap("pool:classes=3", uses, 5, 80);
    static const size_t usable[] = {16, 48, 48, 80, 80};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(pool->usable(heap, pool->alloc(heap, uses[i].size)), usable[i]);
    close_heap(pool);
}

static void test_pool_unknown_work(void **state)
{
    (void)state;
    const struct allocator *pool = open_heap("pool", NULL, 0, 100000);
    assert_int_equal(pool->usable(heap, pool->alloc(heap, 100)), 128);
    assert_int_equal(pool->usable(heap, pool->alloc(heap, 100000)), 131072);
    assert_null(pool->alloc(heap, 131073));
    close_heap(pool);
}

static bool keep_largest_free(const struct heap_block *block, void *largest)
{
    if (!block->used && block->size > *(size_t *)largest)
        *(size_t *)largest = block->size;
    return true;
}

/* The pages of a chunk that are in no slab are one free block, since one slab may have them. */
static void test_slab_free_pages(void **state)
{
    (void)state;
    size_t largest = 0;
    const struct allocator *slab = open_heap("slab", NULL, 0, 0);
    assert_non_null(slab->alloc(heap, 100));
    assert_true(slab->walk(heap, keep_largest_free, &largest));
    assert_true(largest >= 8 * PAGE);
    close_heap(slab);
}

/* Beyond a page as well, up to a chunk of 16 pages, of any size. */
static void test_slab_alignment(void **state)
{
    (void)state;
    const struct allocator *slab = open_heap("slab", NULL, 0, 0);
    for (size_t align = 2 * HEAP_ALIGN; align <= 16 * PAGE; align *= 2)
        for (size_t size = 1; size <= 20 * PAGE; size *= 20) {
            void *block = slab->aligned(heap, align, size);
            assert_non_null(block);
            assert_int_equal((uintptr_t)block % align, 0);
            assert_true(slab->usable(heap, block) >= size);
            assert_true(counted_holds(&pages, block, size));
            if (size == 1)
                slab->release(heap, block);
        }
    assert_null(slab->aligned(heap, 32 * PAGE, 1));
    assert_null(slab->check(heap));
    close_heap(slab);
}

#if defined(__GLIBC__) && !SANITIZED
#if __GLIBC_PREREQ(2, 33)
#define LIBC_TELLS /* what it holds unmerged; a sanitizer puts another malloc in its place */
#endif
#endif

#ifdef LIBC_TELLS
/* What one heap left unmerged is not for the first request of the next to merge. */
static void test_libc_leaves_nothing(void **state)
{
    (void)state;
    void *blocks[200];
    const struct allocator *libc = open_heap("libc", NULL, 0, 0);
    for (size_t i = 0; i < 200; i++)
        blocks[i] = libc->alloc(heap, 24);
    for (size_t i = 0; i < 200; i++)
        libc->release(heap, blocks[i]);
    const size_t before = mallinfo2().fsmblks;
    libc->destroy(heap);
    const size_t after = mallinfo2().fsmblks;
    counted_close(&pages); /* which releases blocks, too */
    assert_true(before > 0);
    assert_int_equal(after, 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_null),
        cmocka_unit_test(test_watermark_memory),
        cmocka_unit_test(test_watermark_last_block),
        cmocka_unit_test(test_pool_memory),
        cmocka_unit_test(test_pool_touches_little),
        cmocka_unit_test(test_pool_classes),
        cmocka_unit_test(test_pool_few_classes),
        cmocka_unit_test(test_pool_unknown_work),
#ifdef LIBC_TELLS
        cmocka_unit_test(test_libc_leaves_nothing),
#endif
        cmocka_unit_test(test_slab_free_pages),
        cmocka_unit_test(test_slab_alignment),
    };
    return cmocka_run_group_tests_name("null, watermark and pool", tests, NULL, NULL);
}
