/*
 * page_sources.c - every page source keeps what alloc.h promises: pages that are aligned and nobody else's, parts and
 * neighbours taken back, the whole region usable again in the end. Where a source promises a placement (arena: first
 * fit, avl: best fit), each is compared with a search of a plain map.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "allocators/tests/cases.h"

#define PAGES 300 /* of the region */
#define OPS   200000

struct random {
    uint64_t state;
};

static size_t below(struct random *random, size_t n)
{
    random->state = random->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)((random->state >> 33) % n);
}

static uint64_t *word_in(uintptr_t page)
{
    return (uint64_t *)(page + 1024);
}

/* Writes its own address into each page, so that a source that scribbles on pages that are out is found. */
static void sign(const struct counted *pages, void *run, size_t npages)
{
    for (size_t i = 0; i < npages; i++) {
        const uintptr_t page = (uintptr_t)run + i * pages->source.page_size;
        *(uint64_t *)page = page;
        *word_in(page) = page;
    }
}

static void check_signed(const struct counted *pages, uintptr_t start, size_t npages)
{
    for (size_t i = 0; i < npages; i++) {
        const uintptr_t page = start + i * pages->source.page_size;
        assert_true(*(uint64_t *)page == page && *word_in(page) == page);
    }
}

enum fit { ANY_FIT, FIRST_FIT, BEST_FIT };

/* Where n pages should come from, as a page's index from the region's start: the lowest of the gaps, or of the smallest
 * gaps, that hold them. PAGES: there is none. */
static size_t expected_page(const struct counted *pages, uintptr_t base, size_t n, enum fit fit)
{
    const size_t page = pages->source.page_size;
    size_t at = 0, found = PAGES, found_gap = SIZE_MAX;
    for (size_t i = 0; i <= pages->nruns; i++) {
        const size_t end = i < pages->nruns ? (pages->runs[i].start - base) / page : PAGES, gap = end - at;
        if (gap >= n && (found == PAGES || (fit == BEST_FIT && gap < found_gap))) {
            found = at;
            found_gap = gap;
        }
        at = i < pages->nruns ? (pages->runs[i].end - base) / page : PAGES;
    }
    return found;
}

static enum fit fit_of(const struct page_kind *kind)
{
    if (kind == page_kind_by_name("arena"))
        return FIRST_FIT;
    return kind == page_kind_by_name("avl") ? BEST_FIT : ANY_FIT;
}

static void take(struct counted *pages, struct random *random, uintptr_t base, enum fit fit)
{
    const size_t n = below(random, 4) != 0 ? 1 : 1 + below(random, 40);
    const size_t expected = fit != ANY_FIT ? expected_page(pages, base, n, fit) : PAGES;
    void *run = pages->source.alloc_page(pages->source.ctx, n);
    if (expected < PAGES)
        assert_int_equal(((uintptr_t)run - base) / pages->source.page_size, expected);
    else if (fit != ANY_FIT)
        assert_null(run);
    if (run == NULL)
        assert_true(pages->out + n > PAGES || n > 1);
    else
        sign(pages, run, n);
}

/* Some pages of what is out, in a row: part of a run, or across what were two. */
static void give_back(struct counted *pages, struct random *random)
{
    const struct page_run run = pages->runs[below(random, pages->nruns)];
    const size_t page = pages->source.page_size, whole = (run.end - run.start) / page;
    size_t from = below(random, whole), n = 1 + below(random, whole - from);
    if (below(random, 3) == 0)
        from = 0, n = whole;
    check_signed(pages, run.start + from * page, n);
    pages->source.free_page(pages->source.ctx, (void *)(run.start + from * page), n);
}

static void run_source(const struct page_kind *kind, size_t page_size, size_t ops)
{
    struct counted pages;
    struct random random = {page_size};
    if (!counted_open(&pages, kind, PAGES * page_size, page_size))
        return; /* this machine's own pages are larger */
    void *first = pages.source.alloc_page(pages.source.ctx, 1);
    assert_non_null(first);
    pages.source.free_page(pages.source.ctx, first, 1);
    for (size_t i = 0, goal = 0; i < ops && pages.error[0] == '\0'; i++) {
        if (i % 512 == 0)
            goal = below(&random, PAGES + 50);
        if (pages.nruns == 0 || (pages.out < goal && below(&random, 4) != 0))
            take(&pages, &random, (uintptr_t)first, fit_of(kind));
        else
            give_back(&pages, &random);
    }
    while (pages.nruns > 0)
        give_back(&pages, &random);
    assert_string_equal(pages.error, "");
    void *all = pages.source.alloc_page(pages.source.ctx, PAGES);
    assert_non_null(all);
    assert_null(pages.source.alloc_page(pages.source.ctx, 1));
    pages.source.free_page(pages.source.ctx, all, PAGES);
    assert_null(pages.source.alloc_page(pages.source.ctx, PAGES + 1));
    assert_null(pages.source.alloc_page(pages.source.ctx, SIZE_MAX / page_size + 1));
    assert_string_equal(pages.error, "");
    counted_close(&pages);
}

static void test_source(void **state)
{
    run_source(*state, 4096, OPS);
    run_source(*state, 16384, OPS / 4);
}

int main(void)
{
    struct CMUnitTest tests[32];
    size_t n = 0;
    for (; page_kinds[n] != NULL; n++)
        tests[n] = (struct CMUnitTest){page_kinds[n]->name, test_source, NULL, NULL, (void *)page_kinds[n]};
    return _cmocka_run_group_tests("page sources", tests, n, NULL, NULL);
}
