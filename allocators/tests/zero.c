/*
 * zero.c - a large zalloc() from pages that are known to be zero leaves them as they are, untouched; one from pages
 * that were used before clears them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "allocators/tests/cases.h"

#define REGION ((size_t)64 << 20)
#define LARGE  ((size_t)8 << 20)

struct heap_over_arena {
    const struct allocator *allocator;
    struct heap *heap;
    char *region;
    size_t page;
    _Alignas(16) char state[1024]; /* of the page source */
    struct page_source source;
    struct option_values values;
};

static void open_heap(struct heap_over_arena *over, const struct allocator *allocator)
{
    const struct page_kind *arena = page_kind_by_name("arena");
    *over = (struct heap_over_arena){.allocator = allocator, .page = (size_t)sysconf(_SC_PAGESIZE)};
    over->region = mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(over->region != MAP_FAILED && arena->state_size <= sizeof over->state);
    madvise(over->region, REGION, MADV_NOHUGEPAGE);
    assert_true(arena->open(&over->source, over->state, over->region, REGION, over->page, NULL));
    read_variant(allocator, allocator->name, &over->values);
    const struct heap_config config = {.opt = over->values.opt, .max_request = LARGE};
    over->heap = allocator->create(&over->source, &config);
    assert_non_null(over->heap);
}

static void close_heap(struct heap_over_arena *over)
{
    over->allocator->destroy(over->heap);
    munmap(over->region, REGION);
}

/* Pages of the block that are in memory. */
static size_t touched(const struct heap_over_arena *over, const char *block, size_t bytes)
{
    const size_t first = (size_t)(block - over->region) / over->page,
                 last = (size_t)(block + bytes - over->region - 1) / over->page;
    unsigned char *in_core = malloc(last - first + 1);
    size_t pages = 0;
    assert_non_null(in_core);
    assert_int_equal(mincore(over->region + first * over->page, (last - first + 1) * over->page, in_core), 0);
    for (size_t i = 0; i <= last - first; i++)
        pages += in_core[i] & 1;
    free(in_core);
    return pages;
}

static bool is_zero(const char *block, size_t bytes)
{
    return block[0] == 0 && memcmp(block, block + 1, bytes - 1) == 0;
}

static void fresh_pages_stay_untouched(void **state)
{
    struct heap_over_arena over;
    open_heap(&over, *state);
    char *block = over.allocator->zalloc(over.heap, LARGE);
    assert_non_null(block);
    assert_in_range(touched(&over, block, LARGE), 0, 2); /* the ends, which headers may share */
    assert_true(is_zero(block, LARGE));
    close_heap(&over);
}

/* Blocks of several sizes, some of which lie half on pages that were used. */
static void used_pages_are_cleared(void **state)
{
    struct heap_over_arena over;
    char *blocks[2];
    open_heap(&over, *state);
    for (size_t i = 0, size = LARGE / 4; i < 8; i++, size += LARGE / 16 + 1) {
        for (size_t k = 0; k < 2; k++) {
            blocks[k] = over.allocator->zalloc(over.heap, size);
            assert_non_null(blocks[k]);
            assert_true(is_zero(blocks[k], size));
            memset(blocks[k], 0xa5, over.allocator->usable(over.heap, blocks[k]));
        }
        for (size_t k = 0; k < 2; k++)
            over.allocator->release(over.heap, blocks[k]);
    }
    close_heap(&over);
}

/* What only the caller can know: the region was used before. */
static void a_used_region_is_cleared(void **state)
{
    struct heap_over_arena over;
    open_heap(&over, *state);
    over.allocator->destroy(over.heap);
    memset(over.region, 0xa5, LARGE * 2);
    over.source.zero_from = NULL;
    over.heap =
        over.allocator->create(&over.source, &(struct heap_config){.opt = over.values.opt, .max_request = LARGE});
    assert_non_null(over.heap);
    char *block = over.allocator->zalloc(over.heap, LARGE);
    assert_non_null(block);
    assert_true(is_zero(block, LARGE));
    close_heap(&over);
}

int main(void)
{
    struct CMUnitTest tests[96];
    size_t n = 0;
    const struct allocator *allocator;
    for (size_t i = 0; (allocator = tested_allocator(i)) != NULL; i++) {
        if (allocator->zalloc == NULL || allocator->caps & CAP_HOSTED)
            continue;
        void *which = (void *)allocator;
        assert_true(n + 3 <= sizeof tests / sizeof *tests);
        tests[n++] = (struct CMUnitTest){allocator->name, fresh_pages_stay_untouched, NULL, NULL, which};
        tests[n++] = (struct CMUnitTest){allocator->name, used_pages_are_cleared, NULL, NULL, which};
        tests[n++] = (struct CMUnitTest){allocator->name, a_used_region_is_cleared, NULL, NULL, which};
    }
    return _cmocka_run_group_tests("zero pages", tests, n, NULL, NULL);
}
