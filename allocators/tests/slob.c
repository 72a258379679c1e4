/*
 * slob.c - slob searches as Linux's did: the list by the block's size, the first page with room, the lowest free block
 * in it, the list's beginning moved to the page that served, an empty page given back at once. The allocator is
 * included, since no interface shows its lists.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "allocators/slob.c"

#define PAGE ((size_t)4096)

extern const struct page_kind page_kind_arena;

static struct page_source source;
static struct heap *heap;
static void *region, *arena;

static int open_heap(void **unused)
{
    (void)unused;
    region = aligned_alloc(PAGE, 64 * PAGE);
    arena = calloc(1, page_kind_arena.state_size);
    assert_non_null(region);
    assert_non_null(arena);
    assert_true(page_kind_arena.open(&source, arena, region, 64 * PAGE, PAGE, NULL));
    heap = allocator_slob.create(&source, &(struct heap_config){.opt = (const uint64_t[]){0}});
    assert_non_null(heap);
    return 0;
}

static int close_heap(void **unused)
{
    (void)unused;
    allocator_slob.destroy(heap);
    page_kind_arena.close(&source);
    free(arena);
    free(region);
    return 0;
}

static void *take(size_t size)
{
    void *block = alloc(heap, size);
    assert_non_null(block);
    assert_null(slob_check(heap));
    return block;
}

static void give(void *block)
{
    release(heap, block);
    assert_null(slob_check(heap));
}

static void assert_first(enum list list, const void *block)
{
    assert_ptr_equal(heap->lists[list].next, page_of(heap, block));
}

static void test_lists(void **unused)
{
    (void)unused;
    assert_first(SMALL, take(254));
    assert_first(MEDIUM, take(256));
    assert_first(MEDIUM, take(1022));
    assert_first(LARGE, take(1024));
    void *odd = take(1023);
    assert_first(LARGE, odd); /* units of two bytes */
    assert_int_equal(usable(heap, odd), 1024);
    assert_non_null(page_of(heap, take(PAGE - 2)));
    assert_null(page_of(heap, take(PAGE)));
}

static void test_rotation(void **unused)
{
    (void)unused;
    void *low = take(1200), *middle = take(1200), *high = take(1200); /* page a has about 400 bytes left */
    void *b1 = take(1500), *b2 = take(1500);                          /* b and c about 1000 each */
    void *c1 = take(1500), *c2 = take(1500);
    struct page *a = page_of(heap, low), *b = page_of(heap, b1), *c = page_of(heap, c1);
    assert_true(page_of(heap, high) == a && page_of(heap, b2) == b && page_of(heap, c2) == c);
    struct page *head = &heap->lists[LARGE];
    assert_true(head->next == c && c->next == b && b->next == a && a->next == head); /* new pages come first */
    give(high);
    give(low);
    assert_ptr_equal(take(1200), low); /* past c and b, the lowest that fits */
    assert_true(head->next == a && a->next == c && c->next == b && b->next == head);
    assert_ptr_equal(take(1200), high);
    const size_t held = heap->chunks.held;
    give(c1);
    assert_int_equal(heap->chunks.held, held);
    give(c2);
    assert_int_equal(heap->chunks.held, held - PAGE);
    assert_true(a->next == b && b->next == head);
    give(middle);
    assert_ptr_equal(take(1100), middle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_lists, open_heap, close_heap),
                                       cmocka_unit_test_setup_teardown(test_rotation, open_heap, close_heap)};
    return cmocka_run_group_tests_name("slob", tests, NULL, NULL);
}
