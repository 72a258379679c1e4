/*
 * contract.c - every allocator on every page source keeps what alloc.h promises.
 *
 * For each pair: the model checker, on small heaps inspected at every operation and on large ones; every k-th request
 * for pages failing; sizes that no address space holds; all pages given back. HEAPBENCH_MODEL_OPS sets the model
 * checker's operations in all, as `make stress` does, HEAPBENCH_MODEL_SEED its seed, and one operation in
 * HEAPBENCH_MODEL_SMALL is on a small heap (an emulator, and a sanitizer, takes long to inspect one).
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "allocators/tests/cases.h"
#include "driver/sanitized.h"

#define REGION      (UINT64_C(24) << 20)
#define DEFAULT_OPS 200000 /* of a pair */
#define MAX_PAIRS   400
#define SMALL_SHARE (SANITIZED ? 40 : 10) /* one operation in so many is on a small heap */

struct pair {
    const struct allocator *allocator;
    const struct page_kind *kind;
    uint64_t ops;      /* of the model checker */
    char names[4][80]; /* of its tests */
};

/* One run of the model checker on fresh pages; fails the test with the model's words. Returns the operations made: none
 * where this machine's own pages are larger. */
static uint64_t run_model(const struct pair *pair, const char *spec, size_t page_size, const struct model_mix *mix,
                          struct model shape)
{
    struct option_values values;
    struct counted pages;
    if (!counted_open(&pages, pair->kind, REGION, page_size))
        return 0;
    read_variant(pair->allocator, spec, &values);
    struct model model = shape;
    model.allocator = pair->allocator;
    model.opt = values.opt;
    model.option_sizes = values.nsizes > 0 ? values.sizes : NULL;
    model.noption_sizes = values.nsizes;
    model.pages = &pages;
    model.mix = mix;
    model.seed = number_from("HEAPBENCH_MODEL_SEED", 1);
    if (!model_run(&model))
        fail_msg("%s on %s, pages of %zu: %s", spec, pair->kind->name, page_size, model.error);
    counted_close(&pages);
    return model.done;
}

/* A share of the operations on a small heap, inspected after each; the rest on large ones. Returns how many were made. */
static uint64_t run_mixes(const struct pair *pair, const char *spec, size_t page_size, uint64_t ops)
{
    uint64_t done = 0;
    for (const struct model_mix *mix = model_mixes; mix->name != NULL; mix++) {
        const uint64_t share = (ops * mix->percent + 99) / 100, few = share / number_from("HEAPBENCH_MODEL_SMALL", SMALL_SHARE);
        const size_t many = mix->high > 100000 ? 40 : mix->high > 10000 ? 400 : 1500;
        done += run_model(pair, spec, page_size, mix, (struct model){.ops = few, .max_live = 24, .inspect = 1});
        done += run_model(pair, spec, page_size, mix,
                          (struct model){.ops = share - few, .max_live = many, .inspect = 1024});
    }
    return done;
}

static void test_model(void **state)
{
    const struct pair *pair = *state;
    uint64_t done = run_mixes(pair, pair->allocator->name, 4096, pair->ops - pair->ops / 5);
    done += run_mixes(pair, pair->allocator->name, 16384, pair->ops - done);
    printf("# %s on %s: %" PRIu64 " operations\n", pair->allocator->name, pair->kind->name, done);
    assert_true(done >= pair->ops);
}

static void test_variants(void **state)
{
    const struct pair *pair = *state;
    char spec[200];
    for (size_t k = 1; option_variant(pair->allocator, k, spec, sizeof spec); k++)
        run_mixes(pair, spec, 4096, ALLOC_MIN(pair->ops, DEFAULT_OPS) / 10);
}

/* ---- Requests for pages that fail
 * ------------------------------------------------------------------------------------ */

/* The same short history on a heap whose request number `from`, and `fails` in all, is refused. Returns the requests
 * made. */
static size_t run_failing(const struct pair *pair, const char *spec, size_t from, size_t fails)
{
    static const struct model_mix mix = {"failing pages", 100, 1, 20000, NULL, 0};
    struct option_values values;
    struct counted pages;
    assert_true(counted_open(&pages, pair->kind, REGION, 16384));
    read_variant(pair->allocator, spec, &values);
    pages.fail_from = from;
    pages.fails = fails;
    struct model model = {.allocator = pair->allocator,
                          .opt = values.opt,
                          .pages = &pages,
                          .mix = &mix,
                          .seed = number_from("HEAPBENCH_MODEL_SEED", 7),
                          .ops = 200,
                          .max_live = 40,
                          .inspect = 8};
    if (!model_run(&model))
        fail_msg("%s on %s, %zu requests for pages refused from number %zu: %s", spec, pair->kind->name, fails, from,
                 model.error);
    const size_t requests = pages.requests;
    if (requests >= from && from > 0)
        assert_true(pages.refused > 0);
    counted_close(&pages);
    return requests;
}

static void test_failing_pages(void **state)
{
    const struct pair *pair = *state;
    const char *spec = pair->allocator->name;
    const size_t requests = run_failing(pair, spec, 0, 0);
    assert_true(requests > 0);
    size_t k = 1;
    for (; k <= run_failing(pair, spec, k, 1); k++)
        run_failing(pair, spec, k, SIZE_MAX);
    printf("# %s on %s: each of %zu requests for pages\n", spec, pair->kind->name, k - 1);
    for (k = 1; k <= requests; k++)
        run_failing(pair, spec, k, 3);
}

/* ---- Sizes at the edge
 * ----------------------------------------------------------------------------------------------- */

static void test_extremes(void **state)
{
    const struct pair *pair = *state;
    const struct allocator *allocator = pair->allocator;
    const struct size_use use = {100, 1};
    struct option_values values;
    struct counted pages;
    assert_true(counted_open(&pages, pair->kind, REGION, 16384));
    read_variant(allocator, allocator->name, &values);
    const struct heap_config config = {.opt = values.opt, .sizes = &use, .nsizes = 1, .max_request = 100};
    struct heap *heap = allocator->create(&pages.source, &config);
    assert_non_null(heap);
    unsigned char *block = allocator->alloc(heap, 100), *empty = allocator->alloc(heap, 0);
    assert_non_null(block);
    assert_non_null(empty);
    assert_ptr_not_equal(block, empty);
    block[0] = 17, block[99] = 18;
    for (unsigned i = 0; i < 3 * 100; i++) {
        const size_t edge = i < 100 ? SIZE_MAX : i < 200 ? SIZE_MAX / 2 : SIZE_MAX / 4;
        const size_t size = edge - i % 100 * (i % 2 == 0 ? 1 : 511);
        assert_null(allocator->alloc(heap, size));
        if (allocator->zalloc != NULL)
            assert_null(allocator->zalloc(heap, size));
        if (allocator->aligned != NULL)
            assert_null(allocator->aligned(heap, 256, size));
        if (allocator->resize != NULL)
            assert_null(allocator->resize(heap, block, size));
        if (allocator->check != NULL)
            assert_null(allocator->check(heap));
    }
    assert_int_equal(block[0], 17);
    assert_int_equal(block[99], 18);
    allocator->destroy(heap);
    assert_int_equal(pages.out, 0);
    assert_string_equal(pages.error, "");
    counted_close(&pages);
}

/* ---- The whole
 * ------------------------------------------------------------------------------------------------------- */

static void add(struct CMUnitTest *tests, size_t *n, struct pair *pair, const char *what, CMUnitTestFunction function)
{
    char *name = pair->names[*n % 4];
    snprintf(name, sizeof pair->names[0], "%s on %s: %s", pair->allocator->name, pair->kind->name, what);
    tests[(*n)++] = (struct CMUnitTest){name, function, NULL, NULL, pair};
}

/* Every allocator on every page source; a hosted allocator asks none, so that one will do. Returns how many. */
static size_t make_pairs(struct pair *pairs)
{
    size_t n = 0;
    for (size_t i = 0; tested_allocator(i) != NULL; i++)
        for (size_t j = 0; page_kinds[j] != NULL && (j == 0 || !(tested_allocator(i)->caps & CAP_HOSTED)); j++)
            pairs[n++] = (struct pair){.allocator = tested_allocator(i), .kind = page_kinds[j]};
    const uint64_t total = number_from("HEAPBENCH_MODEL_OPS", DEFAULT_OPS * n);
    for (size_t i = 0; i < n; i++)
        pairs[i].ops = total / n;
    return n;
}

int main(void)
{
    static struct pair pairs[MAX_PAIRS];
    static struct CMUnitTest tests[4 * MAX_PAIRS];
    const size_t npairs = make_pairs(pairs);
    size_t n = 0;
    for (struct pair *pair = pairs; pair < pairs + npairs; pair++) {
        add(tests, &n, pair, "random operations", test_model);
        if (pair->allocator->options != NULL)
            add(tests, &n, pair, "random operations with other options", test_variants);
        if (pair->allocator->caps & CAP_HOSTED)
            continue; /* sizes at the edge are the library's own affair, and under a sanitizer they end the process */
        add(tests, &n, pair, "every k-th request for pages fails", test_failing_pages);
        add(tests, &n, pair, "sizes at the edge", test_extremes);
    }
    return _cmocka_run_group_tests("contract", tests, n, NULL, NULL);
}
