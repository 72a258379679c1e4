/*
 * two_ends.c - tlsf and segfit keep large blocks at the far end of a page source that has one, apart from small ones;
 * freelist does not. What lies where is told by addresses, through the contract alone; the heap's own check() follows
 * each step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "allocators/tests/cases.h"

#define PAGE   ((size_t)4096)
#define REGION (256 * PAGE)
#define LARGE  (10 * PAGE + 100) /* no whole pages */

struct bench {
    const struct allocator *allocator;
    struct counted pages;
    struct heap *heap;
    uintptr_t base; /* of the page source: the heap begins there */
};

/* False: pages of this size do not exist here. */
static bool open_bench(struct bench *bench, const char *spec, const char *source)
{
    struct option_values values;
    char name[32] = "";
    memcpy(name, spec, options_name_length(spec));
    *bench = (struct bench){.allocator = allocator_by_name(name)};
    if (!counted_open(&bench->pages, page_kind_by_name(source), REGION, PAGE))
        return false;
    read_variant(bench->allocator, spec, &values);
    const struct heap_config config = {.opt = values.opt};
    bench->heap = bench->allocator->create(&bench->pages.source, &config);
    assert_non_null(bench->heap);
    bench->base = bench->pages.runs[0].start;
    return true;
}

static void check_heap(const struct bench *bench)
{
    const char *broken = bench->allocator->check(bench->heap);
    assert_string_equal(broken ? broken : "", "");
}

static char *take(const struct bench *bench, size_t size)
{
    char *p = bench->allocator->alloc(bench->heap, size);
    check_heap(bench);
    if (p)
        memset(p, 0xa5, size);
    return p;
}

static void give(const struct bench *bench, void *p)
{
    bench->allocator->release(bench->heap, p);
    check_heap(bench);
}

static void close_bench(struct bench *bench)
{
    bench->allocator->destroy(bench->heap);
    assert_int_equal(bench->pages.out, 0);
    assert_string_equal(bench->pages.error, "");
    counted_close(&bench->pages);
}

static bool is_far(const struct bench *bench, const void *p)
{
    assert_non_null(p);
    return (uintptr_t)p - bench->base >= REGION / 2;
}

/* Large blocks, but none that a realloc moved, none cleared, none of whole pages. */
static void test_what_lies_apart(void **state)
{
    struct bench bench;
    if (!open_bench(&bench, *state, "arena"))
        skip();
    const bool two_ends = strcmp(*state, "freelist") != 0;
    char *small = take(&bench, 100), *large = take(&bench, LARGE);
    assert_false(is_far(&bench, small));
    assert_int_equal(is_far(&bench, large), two_ends);
    assert_false(is_far(&bench, take(&bench, 4 * PAGE)));
    assert_false(is_far(&bench, take(&bench, PAGE)));
    assert_int_equal(is_far(&bench, take(&bench, PAGE + 100)), two_ends);
    assert_false(is_far(&bench, bench.allocator->zalloc(bench.heap, LARGE)));
    assert_false(is_far(&bench, bench.allocator->aligned(bench.heap, PAGE, LARGE)));
    take(&bench, 100);
    assert_false(is_far(&bench, bench.allocator->resize(bench.heap, small, LARGE)));
    check_heap(&bench);
    close_bench(&bench);
}

/* A page source without a far end gives all of it from its own. */
static void test_one_end(void **state)
{
    struct bench bench;
    if (!open_bench(&bench, *state, "stack"))
        skip();
    assert_false(is_far(&bench, take(&bench, LARGE)));
    close_bench(&bench);
}

/* The far region grows downwards by what is missing, and a block that comes back at its lower end is used again. */
static void test_bottom(void **state)
{
    struct bench bench;
    if (!open_bench(&bench, *state, "arena"))
        skip();
    char *first = take(&bench, LARGE), *second = take(&bench, LARGE);
    assert_true(second < first && (size_t)(first - second) <= LARGE + 2 * HEAP_ALIGN);
    size_t out = bench.pages.out;
    give(&bench, second);
    assert_ptr_equal(take(&bench, LARGE), second);
    assert_int_equal(bench.pages.out, out);
    give(&bench, second);
    char *longer = take(&bench, 2 * LARGE);
    assert_true(longer + 2 * LARGE <= first && first - (longer + 2 * LARGE) <= (ptrdiff_t)(2 * HEAP_ALIGN));
    give(&bench, first);
    assert_ptr_equal(take(&bench, LARGE), first);
    close_bench(&bench);
}

/* One of these lengths fills the far region's pages to the last byte, and leaves no bottom. */
static void test_no_bottom(void **state)
{
    struct bench bench;
    for (size_t less = 16; less <= 64; less += 4) {
        if (!open_bench(&bench, *state, "arena"))
            skip();
        char *first = take(&bench, 8 * PAGE - less), *second = take(&bench, LARGE);
        assert_true(is_far(&bench, first) && is_far(&bench, second));
        give(&bench, second);
        give(&bench, first);
        first = take(&bench, 17 * PAGE - less);
        assert_null(take(&bench, REGION));
        assert_non_null(take(&bench, (REGION / PAGE - bench.pages.out - 1) * PAGE));
        give(&bench, first);
        close_bench(&bench);
    }
}

/* What is free at the far end serves small requests too when nothing else is left, and the ends cannot join. */
static void test_bottom_serves_last(void **state)
{
    struct bench bench;
    if (!open_bench(&bench, *state, "arena"))
        skip();
    const struct page_source *source = &bench.pages.source;
    char *far = take(&bench, LARGE), *low = take(&bench, LARGE);
    const size_t others = REGION / PAGE - bench.pages.out;
    void *pages = source->alloc_page(source->ctx, others);
    assert_non_null(pages);
    give(&bench, low);
    char *p;
    size_t served = 0;
    while ((p = take(&bench, 1000)) != NULL)
        served += is_far(&bench, p);
    assert_in_range(served, LARGE / 1100, LARGE / 1000 + 4);
    give(&bench, far);
    assert_non_null(take(&bench, LARGE - 100));
    source->free_page(source->ctx, pages, others);
    close_bench(&bench);
}

/* Of what is free at either end much goes back, and the heap is used on as before. */
static void test_trim(void **state)
{
    struct bench bench;
    char spec[64];
    (void)snprintf(spec, sizeof spec, "%s:trim=64K", (const char *)*state);
    if (!open_bench(&bench, spec, "arena"))
        skip();
    char *kept = take(&bench, LARGE), *long_one = take(&bench, 40 * PAGE + 100);
    size_t out = bench.pages.out;
    give(&bench, long_one);
    assert_in_range(out - bench.pages.out, 40 - 9, 40);
    assert_true(is_far(&bench, take(&bench, 30 * PAGE + 100)));
    give(&bench, kept);
    assert_true(is_far(&bench, take(&bench, LARGE)));
    close_bench(&bench);
}

/* When nothing is left between the ends, a block may be cut across them; no other request could have it. */
static void test_join(void **state)
{
    struct bench bench;
    for (size_t with_bottom = 0; with_bottom < 2; with_bottom++)
        for (size_t with_top = 0; with_top < 2; with_top++)
            for (size_t with_rest = 0; with_rest < 2; with_rest++) {
                if (!open_bench(&bench, *state, "arena"))
                    skip();
                char *last = take(&bench, LARGE), *far = take(&bench, 60 * PAGE + 100),
                     *edge = take(&bench, 30 * PAGE + 100);
                char *near = take(&bench, 60 * PAGE), *top = take(&bench, 30 * PAGE);
                char *middle = take(&bench, (REGION / PAGE - bench.pages.out - 4 * with_rest) * PAGE - 100);
                assert_non_null(middle);
                if (with_rest)
                    give(&bench, last);
                if (with_top)
                    give(&bench, top);
                if (with_bottom) {
                    give(&bench, middle);
                    give(&bench, edge);
                }
                const size_t n = (with_bottom ? 90 : 0) + (with_top ? 30 : 0);
                char *p = take(&bench, n * PAGE + PAGE / 2);
                if (with_bottom) {
                    assert_true(p > near && p < far);
                    memset(p, 1, n * PAGE);
                    give(&bench, p);
                }
                give(&bench, far);
                give(&bench, near);
                assert_non_null(take(&bench, 59 * PAGE));
                assert_non_null(take(&bench, 59 * PAGE));
                close_bench(&bench);
            }
}

/* The same where pages that somebody else has made the near end begin anew, and the far one has no bottom. */
static void test_join_without_bottom(void **state)
{
    struct bench bench;
    for (size_t less = 16; less <= 64; less += 4) {
        if (!open_bench(&bench, *state, "arena"))
            skip();
        const struct page_source *source = &bench.pages.source;
        void *page = source->alloc_page(source->ctx, 1);
        char *near = take(&bench, 3 * PAGE), *far = take(&bench, 8 * PAGE - less);
        char *p = take(&bench, (REGION / PAGE - bench.pages.out) * PAGE);
        assert_true(near < p && p < far);
        give(&bench, less % 8 == 0 ? near : far);
        give(&bench, p);
        source->free_page(source->ctx, page, 1);
        close_bench(&bench);
    }
}

/* Behind what joined the heap grows on when pages come back there, where a free block may be the last. */
static void test_grow_behind_joined(void **state)
{
    struct bench bench;
    if (!open_bench(&bench, *state, "arena"))
        skip();
    const struct page_source *source = &bench.pages.source;
    void *others = source->alloc_far(source->ctx, 4);
    char *last = take(&bench, LARGE), *low = take(&bench, LARGE);
    give(&bench, last);
    const size_t left = REGION / PAGE - bench.pages.out;
    assert_non_null(take(&bench, (left + 1) * PAGE - 200));
    source->free_page(source->ctx, others, 4);
    for (size_t i = 0; i < 3; i++)
        (void)take(&bench, 4 * PAGE);
    give(&bench, low);
    close_bench(&bench);
}

/* Somebody else's pages stop the near end: what lies below bottom serves all the same. */
static void test_far_serves_near(void **state)
{
    struct bench bench;
    if (!open_bench(&bench, *state, "arena"))
        skip();
    const struct page_source *source = &bench.pages.source;
    void *others = source->alloc_page(source->ctx, 10);
    char *low = take(&bench, 50 * PAGE + 100);
    char *next = take(&bench, 50 * PAGE + 100);
    give(&bench, next);
    const size_t left = REGION / PAGE - bench.pages.out, size = (left + 20) * PAGE;
    char *p = bench.allocator->zalloc(bench.heap, size);
    check_heap(&bench);
    assert_true(p && p < low);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(p[i], 0);
    source->free_page(source->ctx, others, 10);
    close_bench(&bench);
}

/* What is asked for cleared is so, where it lies across the ends too: what was at the far one is dirty. */
static void test_join_cleared(void **state)
{
    struct bench bench;
    if (!open_bench(&bench, *state, "arena"))
        skip();
    char *far = take(&bench, 200 * PAGE + 100);
    give(&bench, far);
    const size_t size = 220 * PAGE;
    char *p = bench.allocator->zalloc(bench.heap, size);
    check_heap(&bench);
    assert_non_null(p);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(p[i], 0);
    close_bench(&bench);
}

/* Pages given back from inside the far region cut it in two; its lower part goes on as the far region, until the page
 * source hands these out again. */
static void test_give(void **state)
{
    struct bench bench;
    char spec[64];
    (void)snprintf(spec, sizeof spec, "%s:give=64K", (const char *)*state);
    if (!open_bench(&bench, spec, "arena"))
        skip();
    char *high = take(&bench, LARGE), *inside = take(&bench, 40 * PAGE + 100), *low = take(&bench, LARGE);
    size_t out = bench.pages.out;
    give(&bench, inside);
    assert_in_range(out - bench.pages.out, 37, 40);
    char *between = take(&bench, LARGE), *lower = take(&bench, 40 * PAGE + 100);
    assert_true(lower < low && low < between && between < high);
    give(&bench, between);
    give(&bench, lower);
    give(&bench, low);
    give(&bench, high);
    assert_non_null(take(&bench, 100 * PAGE + 100));
    close_bench(&bench);
}

/* A refusal leaves the heap as it was, whichever of its requests for pages was refused. */
static void test_refusals(void **state)
{
    struct bench bench;
    for (size_t from = 0; from < 4; from++)
        for (size_t fails = 1; fails < 10; fails++) {
            if (!open_bench(&bench, *state, "arena"))
                skip();
            char *far = take(&bench, LARGE), *near = take(&bench, 100);
            bench.pages.fail_from = bench.pages.requests + 1 + from;
            bench.pages.fails = fails;
            for (size_t i = 0; i < 4; i++)
                (void)take(&bench, LARGE + i * PAGE);
            assert_true(bench.pages.out < REGION / PAGE / 2); /* the ends do not join for it */
            give(&bench, far);
            give(&bench, near);
            assert_non_null(take(&bench, LARGE));
            close_bench(&bench);
        }
}

int main(void)
{
#define OF(TEST, NAME)                                                                                                 \
    {                                                                                                                  \
#TEST ", " NAME, TEST, NULL, NULL, (void *)(uintptr_t)NAME                                                     \
    }
#define OF_BOTH(TEST) OF(TEST, "tlsf"), OF(TEST, "segfit")
    const struct CMUnitTest tests[] = {
        OF_BOTH(test_what_lies_apart),
        OF(test_what_lies_apart, "freelist"),
        OF_BOTH(test_one_end),
        OF_BOTH(test_bottom),
        OF_BOTH(test_no_bottom),
        OF_BOTH(test_bottom_serves_last),
        OF_BOTH(test_trim),
        OF_BOTH(test_join),
        OF_BOTH(test_join_cleared),
        OF_BOTH(test_join_without_bottom),
        OF_BOTH(test_give),
        OF_BOTH(test_grow_behind_joined),
        OF_BOTH(test_far_serves_near),
        OF_BOTH(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
