/*
 * page_sources.c - every page source keeps what alloc.h promises: pages that are aligned and nobody else's, parts and
 * neighbours taken back, the whole region usable again in the end. Where a source promises a placement (arena and
 * bitmap: first fit, or next fit; avl: best fit; buddy: a block of a power of two at a multiple of its length; with
 * alloc_far(): last fit), each is compared with a search of a plain map.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Pages that are said to be zero are, as far as the tests write into pages that are out. */
static void check_zero(const struct counted *pages, uintptr_t start, size_t npages)
{
    const size_t page = pages->source.page_size, bytes = npages * page;
    size_t at = alloc_bytes_to_clear(&pages->source, (void *)start, bytes);
    assert_true(at % page == 0 && at <= bytes);
    for (; at < bytes; at += sizeof(uint64_t))
        assert_true(*(uint64_t *)(start + at) == 0);
}

enum fit { ANY_FIT, FIRST_FIT, NEXT_FIT, BEST_FIT, BUDDY_FIT };

struct expectation {
    uintptr_t base;  /* the region's first page that is handed out */
    size_t capacity; /* pages */
    size_t last;     /* next fit: behind the pages handed out last, or where they began if they came back */
    enum fit fit;
};

/* Where n pages should come from, as a page's index from the first: the lowest of the gaps, or of the smallest gaps,
 * that hold them; of gaps, what lies from page `from` on. The capacity: there is none. */
static size_t expected_from(const struct counted *pages, const struct expectation *expect, size_t n, size_t from)
{
    const size_t page = pages->source.page_size;
    size_t at = from, found = expect->capacity, found_gap = SIZE_MAX;
    for (size_t i = 0; i <= pages->nruns; i++) {
        const bool last = i == pages->nruns;
        const size_t end = last ? expect->capacity : (pages->runs[i].start - expect->base) / page;
        const size_t gap = end > at ? end - at : 0;
        if (gap >= n && (found == expect->capacity || (expect->fit == BEST_FIT && gap < found_gap))) {
            found = at;
            found_gap = gap;
        }
        at = last ? 0 : ALLOC_MAX(from, (pages->runs[i].end - expect->base) / page);
    }
    return found;
}

/* Where n pages from the far end should come from: the end of the last gap that holds them. The capacity: there is
 * none.
 */
static size_t expected_far(const struct counted *pages, const struct expectation *expect, size_t n)
{
    const size_t page = pages->source.page_size;
    size_t end = expect->capacity;
    for (size_t i = pages->nruns; i > 0; i--) {
        const size_t from = (pages->runs[i - 1].end - expect->base) / page;
        if (end - from >= n)
            return end - n;
        end = (pages->runs[i - 1].start - expect->base) / page;
    }
    return end >= n ? end - n : expect->capacity;
}

static size_t expected_page(const struct counted *pages, const struct expectation *expect, size_t n)
{
    const size_t found = expected_from(pages, expect, n, expect->fit == NEXT_FIT ? expect->last : 0);
    return found < expect->capacity ? found : expected_from(pages, expect, n, 0);
}

/* Whether some block of the next power of two, at a multiple of that, has no page out. */
static bool has_buddy_block(const struct counted *pages, const struct expectation *expect, size_t n)
{
    size_t length = 1, free = 0, run = 0;
    while (length < n)
        length *= 2;
    for (size_t i = 0; i < expect->capacity; i++) {
        const uintptr_t page = expect->base + i * pages->source.page_size;
        while (run < pages->nruns && pages->runs[run].end <= page)
            run++;
        free = i % length == 0 ? 0 : free;
        free += run == pages->nruns || pages->runs[run].start > page;
        if (free == length)
            return true;
    }
    return false;
}

static enum fit fit_of(const char *spec)
{
    if (strcmp(spec, "bitmap:fit=next") == 0)
        return NEXT_FIT;
    if (strcmp(spec, "arena") == 0 || strcmp(spec, "bitmap") == 0)
        return FIRST_FIT;
    if (strcmp(spec, "avl") == 0)
        return BEST_FIT;
    return strcmp(spec, "buddy") == 0 ? BUDDY_FIT : ANY_FIT;
}

/* `page`: what came, as a page's index from the first; the capacity: nothing. */
static void check_placement(const struct expectation *expect, size_t n, size_t page, size_t expected,
                            bool buddy_expected)
{
    if (expect->fit == FIRST_FIT || expect->fit == NEXT_FIT || expect->fit == BEST_FIT)
        assert_int_equal(page, expected);
    if (expect->fit == BUDDY_FIT) {
        assert_int_equal(page < expect->capacity, buddy_expected);
        size_t length = 1;
        while (length < n)
            length *= 2;
        assert_true(page == expect->capacity || page % length == 0);
    }
}

static void take(struct counted *pages, struct random *random, struct expectation *expect)
{
    const size_t n = below(random, 4) != 0 ? 1 : 1 + below(random, 40);
    const bool far = pages->source.alloc_far != NULL && below(random, 3) == 0;
    const size_t expected = far ? expected_far(pages, expect, n) : expected_page(pages, expect, n);
    const bool buddy_expected = has_buddy_block(pages, expect, n);
    void *run = (far ? pages->source.alloc_far : pages->source.alloc_page)(pages->source.ctx, n);
    const size_t page = run != NULL ? ((uintptr_t)run - expect->base) / pages->source.page_size : expect->capacity;
    check_placement(expect, n, page, expected, buddy_expected);
    if (run == NULL)
        assert_true(pages->out + n > expect->capacity || n > 1);
    else {
        check_zero(pages, (uintptr_t)run, n);
        sign(pages, run, n);
    }
    expect->last = run != NULL ? page + n : expect->last;
}

/* Some pages of what is out, in a row: part of a run, or across what were two. */
static void give_back(struct counted *pages, struct random *random, struct expectation *expect)
{
    const struct page_run run = pages->runs[below(random, pages->nruns)];
    const size_t page = pages->source.page_size, whole = (run.end - run.start) / page;
    size_t from = below(random, whole), n = 1 + below(random, whole - from);
    if (below(random, 3) == 0)
        from = 0, n = whole;
    check_signed(pages, run.start + from * page, n);
    const size_t first = (run.start - expect->base) / page + from;
    expect->last = first + n == expect->last ? first : expect->last;
    pages->source.free_page(pages->source.ctx, (void *)(run.start + from * page), n);
}

/* Takes single pages to the last one, and gives them back. Returns how many; *lowest is the first of them by address.
 */
static size_t count_pages(const struct page_source *source, uintptr_t *lowest)
{
    char *taken[PAGES + 1];
    size_t n = 0;
    while (n <= PAGES && (taken[n] = source->alloc_page(source->ctx, 1)) != NULL)
        n++;
    *lowest = UINTPTR_MAX;
    for (size_t i = 0; i < n; i++) {
        *lowest = ALLOC_MIN(*lowest, (uintptr_t)taken[i]);
        source->free_page(source->ctx, taken[i], 1);
    }
    return n;
}

/* Pages of the longest run that a source with no page out can give. */
static size_t longest_run(const struct page_source *source)
{
    for (size_t n = PAGES + 1; n > 0; n--) {
        void *run = source->alloc_page(source->ctx, n);
        if (run != NULL) {
            source->free_page(source->ctx, run, n);
            return n;
        }
    }
    return 0;
}

/* All of the region, but for tables of at most 2 %, is there, and in one piece; a buddy system's are powers of two. */
static struct expectation check_whole(const struct page_source *source, enum fit fit)
{
    struct expectation whole = {.fit = fit};
    whole.capacity = count_pages(source, &whole.base);
    assert_true(whole.capacity <= PAGES && whole.capacity >= PAGES - PAGES / 50);
    const size_t longest = longest_run(source);
    if (fit == BUDDY_FIT)
        assert_true((longest & (longest - 1)) == 0 && 2 * longest > whole.capacity);
    else
        assert_int_equal(longest, whole.capacity);
    assert_null(source->alloc_page(source->ctx, SIZE_MAX / source->page_size + 1));
    whole.last = longest;
    return whole;
}

static const struct page_kind *kind_of(const char *spec)
{
    char name[32];
    snprintf(name, sizeof name, "%.*s", (int)options_name_length(spec), spec);
    return page_kind_by_name(name);
}

static void run_source(const char *spec, size_t page_size, size_t ops)
{
    struct counted pages;
    struct random random = {page_size};
    if (!counted_open_as(&pages, kind_of(spec), spec, PAGES * page_size, page_size))
        return; /* this machine's own pages are larger */
    struct expectation expect = check_whole(&pages.source, fit_of(spec));
    for (size_t i = 0, goal = 0; i < ops && pages.error[0] == '\0'; i++) {
        if (i % 512 == 0)
            goal = below(&random, PAGES + 50);
        if (pages.nruns == 0 || (pages.out < goal && below(&random, 4) != 0))
            take(&pages, &random, &expect);
        else
            give_back(&pages, &random, &expect);
    }
    while (pages.nruns > 0)
        give_back(&pages, &random, &expect);
    assert_int_equal(check_whole(&pages.source, expect.fit).capacity, expect.capacity);
    assert_string_equal(pages.error, "");
    counted_close(&pages);
}

static void test_source(void **state)
{
    run_source(*state, 4096, OPS);
    run_source(*state, 16384, OPS / 4);
}

/* A run that lies half on pages that were out before: these are to be cleared, the others are not. */
static void zero_pages_are_known(void **state)
{
    static const char *const known[] = {"arena", "stack"};
    static char region[64 * 4096] __attribute__((aligned(4096)));
    _Alignas(16) char own[1024];
    struct page_source source;
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const struct page_kind *kind = page_kind_by_name(known[i]);
        assert_true(kind->state_size <= sizeof own);
        memset(own, 0, sizeof own);
        assert_true(kind->open(&source, own, region, sizeof region, 4096, NULL));
        char *first = source.alloc_page(source.ctx, 4);
        assert_int_equal(alloc_bytes_to_clear(&source, first, 4 * 4096), 0);
        source.free_page(source.ctx, first, 4);
        char *second = source.alloc_page(source.ctx, 6);
        assert_ptr_equal(second, first);
        assert_int_equal(alloc_bytes_to_clear(&source, second, 5 * 4096), 4 * 4096);
        assert_int_equal(alloc_bytes_to_clear(&source, second, 100), 100);
        if (source.alloc_far != NULL) {
            char *far = source.alloc_far(source.ctx, 4);
            assert_int_equal(alloc_bytes_to_clear(&source, far, 4 * 4096), 0);
            source.free_page(source.ctx, far, 4);
            far = source.alloc_far(source.ctx, 6);
            assert_int_equal(alloc_bytes_to_clear(&source, far, 6 * 4096), 6 * 4096); /* the last four were out */
        }
        source.zero_from = NULL;
        assert_int_equal(alloc_bytes_to_clear(&source, second, 6 * 4096), 6 * 4096);
    }
}

/* Where the state begins right behind the region, its parts are not taken for free pages that touch. */
static void state_behind_region(void **state)
{
    static struct {
        char region[16 * 4096], own[1024];
    } memory __attribute__((aligned(4096)));
    const struct page_kind *arena = page_kind_by_name("arena");
    struct page_source source;
    (void)state;
    assert_true(arena->state_size <= sizeof memory.own);
    assert_true(arena->open(&source, memory.own, memory.region, sizeof memory.region, 4096, NULL));
    char *last = source.alloc_far(source.ctx, 1), *before = source.alloc_far(source.ctx, 1);
    assert_ptr_equal(last, memory.region + 15 * 4096);
    source.free_page(source.ctx, last, 1);
    assert_ptr_equal(source.alloc_far(source.ctx, 1), last);
    source.free_page(source.ctx, before, 1);
    source.free_page(source.ctx, last, 1);
    assert_ptr_equal(source.alloc_page(source.ctx, 16), memory.region);
}

static void add(struct CMUnitTest *tests, size_t *n, const char *spec)
{
    tests[(*n)++] = (struct CMUnitTest){spec, test_source, NULL, NULL, (void *)(uintptr_t)spec};
}

int main(void)
{
    static struct CMUnitTest tests[32];
    size_t n = 0;
    for (size_t i = 0; page_kinds[i] != NULL; i++)
        add(tests, &n, page_kinds[i]->name);
    add(tests, &n, "bitmap:fit=next");
    tests[n++] = (struct CMUnitTest){"zero pages are known", zero_pages_are_known, NULL, NULL, NULL};
    tests[n++] = (struct CMUnitTest){"the state lies behind the region", state_behind_region, NULL, NULL, NULL};
    return _cmocka_run_group_tests("page sources", tests, n, NULL, NULL);
}
