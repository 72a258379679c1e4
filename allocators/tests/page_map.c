/*
 * page_map.c - the page map against a plain list of what was written, at addresses near and far; every request for
 * pages failing in turn. The map never looks into the pages it speaks of, so that any addresses will do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "allocators/page_map.h"
#include "allocators/tests/counted.h"

#define PAGE ((uintptr_t)16384)
#define LEAF ((uintptr_t)4 << 20)

/* Leaf boundaries, neighbours, and places a terabyte apart, in an order that makes the directory grow both ways. */
static const struct written {
    uintptr_t at;
    size_t npages;
} written[] = {
    {100 * LEAF, 3},
    {101 * LEAF - 2 * PAGE, 2},
    {101 * LEAF - 2 * PAGE + 2 * PAGE, 1},
    {103 * LEAF - PAGE, 5},
    {99 * LEAF, 1},
    {110 * LEAF, 40000},
    {1 * LEAF, 1},
    {PAGE, 2},
    {((uintptr_t)1 << 40) / LEAF * LEAF + 7 * PAGE, 4},
};
enum { WRITTEN = sizeof written / sizeof *written };

/* The neighbours at 1 and 2 have the same owner. */
static uint16_t owner_of(size_t i)
{
    return (uint16_t)(i == 2 ? 60001 : 60000 + i);
}

static uint16_t expected(uintptr_t at, size_t upto)
{
    for (size_t i = 0; i < upto; i++)
        if (at >= written[i].at && at - written[i].at < written[i].npages * PAGE)
            return owner_of(i);
    return 0;
}

static void check_owners(const struct page_map *map, size_t upto)
{
    for (size_t i = 0; i < WRITTEN; i++) {
        const uintptr_t end = written[i].at + written[i].npages * PAGE;
        const uintptr_t at[] = {
            written[i].at - 1, written[i].at, written[i].at + PAGE - 1, written[i].at + PAGE, end - 1, end, end + LEAF};
        for (size_t j = 0; j < sizeof at / sizeof *at; j++)
            assert_int_equal(page_map_find(map, (void *)at[j]), expected(at[j], upto));
        if (i < upto) {
            assert_int_equal(page_map_get(map, (void *)written[i].at), owner_of(i));
            assert_int_equal(page_map_run_end(map, written[i].at), end);
        }
    }
}

static size_t count_pages(const struct page_map *map)
{
    size_t n = 0;
    uintptr_t page;
    for (uintptr_t at = 0; page_map_next(map, at, &page); at = page + PAGE) {
        assert_true(page >= at && page % PAGE == 0);
        n++;
    }
    return n;
}

/* Writes all of it; a request that is refused is tried once more. */
static size_t write_all(size_t fail_from)
{
    struct counted pages;
    struct page_map map;
    void *room[4];
    size_t total = 0;
    assert_true(counted_open(&pages, page_kind_by_name("arena"), 64 << 20, PAGE));
    pages.fail_from = fail_from;
    pages.fails = 1;
    page_map_open(&map, &pages.source, room, sizeof room);
    assert_int_equal(count_pages(&map), 0);
    check_owners(&map, 0);
    for (size_t i = 0; i < WRITTEN; i++) {
        if (!page_map_cover(&map, (void *)written[i].at, written[i].npages)) {
            check_owners(&map, i);
            assert_true(page_map_cover(&map, (void *)written[i].at, written[i].npages));
        }
        page_map_set(&map, (void *)written[i].at, written[i].npages, owner_of(i), true);
        total += written[i].npages;
        check_owners(&map, i + 1);
        assert_int_equal(count_pages(&map), total);
    }
    page_map_set(&map, (void *)written[2].at, written[2].npages, owner_of(2), false); /* joins it to the one before */
    assert_int_equal(page_map_run_end(&map, written[1].at), written[2].at + written[2].npages * PAGE);
    for (size_t i = 0; i < WRITTEN; i++)
        page_map_set(&map, (void *)written[i].at, written[i].npages, 0, false);
    assert_int_equal(count_pages(&map), 0);
    page_map_close(&map);
    assert_int_equal(pages.out, 0);
    assert_string_equal(pages.error, "");
    const size_t requests = pages.requests;
    counted_close(&pages);
    return requests;
}

static void test_owners(void **state)
{
    (void)state;
    write_all(0);
}

static void test_failing_pages(void **state)
{
    (void)state;
    const size_t requests = write_all(0);
    assert_true(requests > WRITTEN);
    for (size_t k = 1; k <= requests; k++)
        write_all(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_owners),
        cmocka_unit_test(test_failing_pages),
    };
    if (sizeof(uintptr_t) < 8) {
        printf("1..0 # SKIP the addresses that are tried take more than 32 bits\n");
        return 0;
    }
    return cmocka_run_group_tests_name("page map", tests, NULL, NULL);
}
