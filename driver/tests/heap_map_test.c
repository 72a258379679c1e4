/* heap_map_test.c - where the live bytes are, while bins are found, filled, emptied and made larger. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "driver/heap_map.h"

static struct heap_map map;
static struct heap_map_result result;

static int empty(void **state)
{
    (void)state;
    memset(&map, 0, sizeof map);
    return 0;
}

/* Addresses that no memory need be at. */
static const void *at(uint64_t address)
{
    return (const void *)(uintptr_t)address;
}

static void bytes_lie_in_the_bins_of_their_block(void **state)
{
    (void)state;
    heap_map_add(&map, at(0x1000 + 32), 96); /* half of a bin of 64 bytes, and one whole */
    heap_map_note(&map, 7);
    heap_map_add(&map, at(0x1100), 1);
    heap_map_drop(&map, at(0x1000 + 32), 96);
    heap_map_note(&map, 9);
    heap_map_finish(&map, &result);
    assert_int_equal(result.nbins, 3);
    assert_int_equal(result.nops, 2);
    assert_int_equal(result.bin_bytes, 64);
    assert_int_equal(result.lowest_address, 0x1000);
    assert_int_equal(result.bins[0], 0);
    assert_int_equal(result.bins[1], 1);
    assert_int_equal(result.bins[2], 4); /* nothing ever lay between */
    assert_int_equal(result.steps[0], 7);
    assert_int_equal(result.steps[1], 9);
    assert_int_equal(result.live[0][0], 128);
    assert_int_equal(result.live[1][0], 255);
    assert_int_equal(result.live[2][0], 0);
    assert_int_equal(result.live[0][1], 0);
    assert_int_equal(result.live[1][1], 0);
    assert_int_equal(result.live[2][1], 4); /* 1 of 64 bytes, rounded up */
}

static void bins_join_when_there_are_too_many(void **state)
{
    (void)state;
    heap_map_add(&map, at(0x10000), 64 * JOB_MAP_BINS);
    heap_map_note(&map, 0);
    heap_map_add(&map, at(0x10000 + 64 * JOB_MAP_BINS), 32);
    heap_map_note(&map, 1);
    heap_map_finish(&map, &result);
    assert_int_equal(result.bin_bytes, 128);
    assert_int_equal(result.nbins, JOB_MAP_BINS / 2 + 1);
    for (int i = 0; i < JOB_MAP_BINS / 2; i++)
        assert_int_equal(result.live[i][0], 255); /* the past was joined, too */
    assert_int_equal(result.live[JOB_MAP_BINS / 2][0], 0);
    assert_int_equal(result.live[JOB_MAP_BINS / 2][1], 64);
}

static void ranges_far_apart_need_no_bins_between(void **state)
{
    const uint64_t far = UINTPTR_MAX / 4 * 3;
    (void)state;
    heap_map_add(&map, at(0x10000), 4096);
    heap_map_add(&map, at(far / 4096 * 4096), 4096);
    heap_map_note(&map, 0);
    heap_map_finish(&map, &result);
    assert_int_equal(result.bin_bytes, 64);
    assert_int_equal(result.nbins, 128);
    assert_int_equal(result.lowest_address + result.bins[64] * 64, far / 4096 * 4096);
    assert_int_equal(result.live[127][0], 255);
}

/* At random, every byte is counted once, however often the bins were joined. */
static void nothing_is_lost(void **state)
{
    struct {
        uint64_t address;
        size_t size;
    } blocks[200];
    uint64_t live = 0, counted = 0;
    (void)state;
    srand(1);
    for (int i = 0; i < 200; i++) {
        blocks[i].size = (size_t)rand() % (1u << rand() % 20);
        blocks[i].address = 0x100000 + (uint64_t)i * (1u << 20) + (uint64_t)rand() % 1000;
        heap_map_add(&map, at(blocks[i].address), blocks[i].size);
        live += blocks[i].size;
    }
    for (int i = 0; i < 200; i += 3) {
        heap_map_drop(&map, at(blocks[i].address), blocks[i].size);
        live -= blocks[i].size;
    }
    for (uint32_t i = 0; i < map.nbins; i++)
        counted += map.bins[i].live;
    assert_int_equal(counted, live);
    for (int i = 0; i < 200; i++)
        if (i % 3 != 0)
            heap_map_drop(&map, at(blocks[i].address), blocks[i].size);
    for (uint32_t i = 0; i < map.nbins; i++)
        assert_int_equal(map.bins[i].live, 0);
}

/* What hands out one place for all, as null does, fills it once. */
static void blocks_over_one_another_fill_a_bin_once(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        heap_map_add(&map, at(0x1000), 64);
    heap_map_note(&map, 0);
    heap_map_finish(&map, &result);
    assert_int_equal(result.nbins, 1);
    assert_int_equal(result.live[0][0], 255);
}

static void an_empty_map_is_empty(void **state)
{
    (void)state;
    heap_map_add(&map, at(0x1000), 0);
    heap_map_finish(&map, &result);
    assert_int_equal(result.nbins, 0);
    assert_int_equal(result.nops, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(bytes_lie_in_the_bins_of_their_block, empty),
        cmocka_unit_test_setup(bins_join_when_there_are_too_many, empty),
        cmocka_unit_test_setup(ranges_far_apart_need_no_bins_between, empty),
        cmocka_unit_test_setup(nothing_is_lost, empty),
        cmocka_unit_test_setup(blocks_over_one_another_fill_a_bin_once, empty),
        cmocka_unit_test_setup(an_empty_map_is_empty, empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
