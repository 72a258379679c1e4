/*
 * segfit.c - what segfit's links of 32 bits bring, and where they end: blocks of 16 bytes, and a heap within their
 * reach.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "allocators/tests/cases.h"

#define PAGE  ((size_t)65536) /* of any machine, a multiple of its own */
#define PAGES ((size_t)64)    /* in each place */
#define SIZE  (20 * PAGE + 100)
#define GIB   (INT64_C(1) << 30)

/* The heap begins in the first; of the others, what is 8 GiB from there is not reached. */
static const struct place {
    int64_t at;
    bool reached;
} places[] = {
    {16 * GIB, true},
    {0, false},
    {32 * GIB, false},
    {8 * GIB, false},
    {24 * GIB, false},
    {8 * GIB + (int64_t)PAGE, true},
    {24 * GIB - (int64_t)(PAGES * PAGE), true},
};
enum { NPLACES = sizeof places / sizeof *places };

/* A page source of places that lie far apart. */
struct spread {
    char *base;
    size_t place;          /* where pages come from now */
    size_t taken[NPLACES]; /* pages */
    size_t out;            /* pages */
};

static void *take_pages(void *ctx, size_t npages)
{
    struct spread *s = ctx;
    if (s->taken[s->place] + npages > PAGES)
        return NULL;
    char *pages = s->base + places[s->place].at + s->taken[s->place] * PAGE;
    s->taken[s->place] += npages;
    s->out += npages;
    return pages;
}

/* What was taken last may be taken again. */
static void give_pages(void *ctx, void *pages, size_t npages)
{
    struct spread *s = ctx;
    const char *end = s->base + places[s->place].at + s->taken[s->place] * PAGE;
    s->out -= npages;
    if ((char *)pages + npages * PAGE == end)
        s->taken[s->place] -= npages;
}

/* False: so many addresses do not exist here. */
static bool open_spread(struct spread *s)
{
    *s = (struct spread){0};
    if (sizeof(size_t) < 8)
        return false;
    void *base = mmap(NULL, (size_t)(33 * GIB), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return false;
    s->base = base;
    for (size_t i = 0; i < NPLACES; i++)
        assert_int_equal(mprotect(s->base + places[i].at, PAGES * PAGE, PROT_READ | PROT_WRITE), 0);
    return true;
}

static void close_spread(const struct spread *s)
{
    assert_int_equal(munmap(s->base, (size_t)(33 * GIB)), 0);
}

static struct heap *create(const struct allocator *a, const struct page_source *source)
{
    struct option_values values;
    read_variant(a, a->name, &values);
    const struct heap_config config = {.opt = values.opt};
    struct heap *heap = a->create(source, &config);
    assert_non_null(heap);
    return heap;
}

static void check_heap(const struct allocator *a, const struct heap *heap)
{
    const char *broken = a->check(heap);
    assert_string_equal(broken ? broken : "", "");
}

/* Pages out of reach go back, and the heap is as it was; *far: those of the far end too. */
static void test_reach(void **far)
{
    const struct allocator *a = allocator_by_name("segfit");
    struct spread spread;
    if (!open_spread(&spread))
        skip();
    const struct page_source source = {.alloc_page = take_pages,
                                       .free_page = give_pages,
                                       .ctx = &spread,
                                       .page_size = PAGE,
                                       .alloc_far = *far ? take_pages : NULL};
    struct heap *heap = create(a, &source);
    char *blocks[NPLACES][3];
    for (size_t i = 0; i < NPLACES; i++) {
        spread.place = i;
        const size_t out = spread.out;
        for (size_t j = 0; j < 3; j++) {
            blocks[i][j] = a->alloc(heap, SIZE - j * PAGE);
            assert_int_equal(blocks[i][j] != NULL, places[i].reached);
            check_heap(a, heap);
            if (blocks[i][j])
                memset(blocks[i][j], 0xa5, SIZE - j * PAGE);
        }
        assert_int_equal(spread.out > out, places[i].reached);
    }
    for (size_t j = 0; j < 3; j++) /* those between neighbours first: they share a list, whose links go all the way */
        for (size_t i = 0; i < NPLACES; i++)
            if (blocks[i][(j + 1) % 3]) {
                a->release(heap, blocks[i][(j + 1) % 3]);
                check_heap(a, heap);
            }
    a->destroy(heap);
    assert_int_equal(spread.out, 0);
    close_spread(&spread);
}

/* A block of 12 bytes takes 16, and serves again. */
static void test_small(void **unused)
{
    (void)unused;
    const struct allocator *a = allocator_by_name("segfit");
    struct counted pages;
    assert_true(counted_open(&pages, page_kind_by_name("arena"), 64 * PAGE, PAGE));
    struct heap *heap = create(a, &pages.source);
    char *p[5];
    for (size_t i = 0; i < 5; i++) {
        p[i] = a->alloc(heap, 12);
        assert_int_equal(a->usable(heap, p[i]), 12);
        assert_int_equal(p[i] - p[0], 16 * i);
    }
    for (size_t i = 1; i < 4; i += 2) {
        a->release(heap, p[i]);
        check_heap(a, heap);
    }
    assert_ptr_equal(a->alloc(heap, 1), p[3]);
    assert_ptr_equal(a->alloc(heap, 12), p[1]);
    check_heap(a, heap);
    a->destroy(heap);
    assert_int_equal(pages.out, 0);
    counted_close(&pages);
}

int main(void)
{
    static int far;
    const struct CMUnitTest tests[] = {
        {"test_reach", test_reach, NULL, NULL, NULL},
        {"test_reach, far", test_reach, NULL, NULL, &far},
        cmocka_unit_test(test_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
