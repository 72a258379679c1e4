/*
 * tlsf.c - tlsf maps sizes to lists as the paper has it, takes the block that its two ways of searching lead to, and
 * looks at no other. The allocator is included, since no interface shows its lists.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "allocators/tlsf.c"

enum { FLI = 24 };

/* An index of its own, without a heap; free() it. */
static struct index *new_index(unsigned sli, enum search search)
{
    const uint64_t opt[] = {[OPT_FLI] = FLI, [OPT_SLI] = sli, [OPT_SEARCH] = search};
    struct index *x = calloc(1, index_bytes(opt));
    assert_non_null(x);
    index_init(x, opt);
    return x;
}

/* The paper's pair of a size that is divided: lists are numbered through, and the first are of undivided sizes. */
static void assert_mapped(const struct index *x, size_t size, unsigned f, unsigned sl)
{
    const unsigned list = (unsigned)index_list(x, size) - EXACT;
    assert_int_equal(list / x->split + EXACT_LOG2 + UNIT_LOG2, f);
    assert_int_equal(list % x->split, sl);
}

static void test_mapping(void **unused)
{
    (void)unused;
    struct index *x = new_index(4, TIGHT);
    /* The paper's example, section 3: 460 is of the pair (8, 12), whose sizes are 448 to 463, and so are its list's. */
    assert_in_range(index_exact(460) * UNIT, 256 + 12 * 16, 460);
    assert_in_range((index_exact(460) + 1) * UNIT - 1, 460, 256 + 13 * 16 - 1);
    assert_mapped(x, 460 * 16, 12, 12); /* divided in the same way, 16 times as large */
    assert_mapped(x, 256 * 16, 12, 0);
    assert_mapped(x, 512 * 16 - 1, 12, 15);
    assert_mapped(x, 512 * 16, 13, 0);
    assert_mapped(x, ((size_t)1 << FLI) + 1, FLI, 0);
    assert_int_equal(index_list(x, ((size_t)2 << FLI) - 1), x->last);
    assert_int_equal(index_list(x, REQUEST_MAX), x->last);
    free(x);
    x = new_index(5, TIGHT);
    assert_mapped(x, 5761, 12, 13);
    assert_mapped(x, 5887, 12, 13);
    assert_mapped(x, 5888, 12, 14);
    free(x);
}

/* Against the definition: f is the logarithm rounded down, sl = (s - 2^f) 2^SLI / 2^f. */
static void test_mapping_is_the_definition(void **unused)
{
    (void)unused;
    for (unsigned sli = 1; sli <= 6; sli++) {
        struct index *x = new_index(sli, TIGHT);
        for (size_t size = INDEX_NEAR; size < (size_t)1 << 20; size += size < 16384 ? UNIT : 1021) {
            unsigned f = 0;
            while (size >> (f + 1))
                f++;
            assert_mapped(x, size, f, (unsigned)(((size - ((size_t)1 << f)) << sli) >> f));
        }
        free(x);
    }
}

/* alloc() counts on it that no other size is on the list of one below INDEX_QUICK, whichever search there is, and that
 * the lists of larger blocks lie above. */
static void test_exact(void **unused)
{
    (void)unused;
    for (unsigned sli = 1; sli <= 6; sli++) {
        struct index *x = new_index(sli, sli % 2 ? TIGHT : ROUND);
        size_t lists = 0;
        for (size_t size = 0; size < INDEX_QUICK; size += UNIT, lists++) {
            assert_int_equal(index_exact(size), lists);
            assert_int_equal(index_near(x, NULL, size), lists);
        }
        assert_int_equal(index_list(x, INDEX_QUICK), lists);
        assert_int_equal(index_search(x, INDEX_QUICK), index_list(x, INDEX_QUICK));
        free(x);
    }
    for (size_t size = 0; size < 2 * INDEX_QUICK; size++)
        assert_int_equal(size < requests_below(INDEX_QUICK), block_size(size) < INDEX_QUICK);
}

/* The bounds of the options: the bitmap has a bit for every list, and the last is that of the least size said. */
static void test_bounds(void **unused)
{
    (void)unused;
    for (unsigned fli = 12; fli <= 31; fli++)
        for (unsigned sli = 1; sli <= 6; sli++) {
            const uint64_t opt[] = {[OPT_FLI] = fli, [OPT_SLI] = sli, [OPT_SEARCH] = TIGHT};
            struct index *x = calloc(1, index_bytes(opt));
            assert_non_null(x);
            index_init(x, opt);
            assert_true(x->last < MARK_WORDS * 64);
            assert_true(x->limit > INDEX_NEAR);
            assert_int_equal(index_list(x, x->limit - UNIT), x->last - 1);
            assert_int_equal(index_list(x, x->limit), x->last);
            free(x);
        }
}

/* A rest that stays where it is must belong there. The last list, of no one power of two, need not be told. */
static void test_same_list(void **unused)
{
    (void)unused;
    for (unsigned sli = 1; sli <= 6; sli++) {
        struct index *x = new_index(sli, TIGHT);
        for (size_t size = INDEX_NEAR + UNIT; size < 3 * x->limit; size += size < 65536 ? UNIT : 65521 * UNIT)
            for (size_t rest = size - UNIT; rest >= INDEX_NEAR; rest -= ALLOC_MIN(size - rest, rest) & -UNIT) {
                const bool same = index_list(x, size) == index_list(x, rest);
                if (size < x->limit)
                    assert_int_equal(index_same_list(x, size, rest), same);
                else if (index_same_list(x, size, rest))
                    assert_true(same);
                if (rest < INDEX_NEAR + UNIT)
                    break;
            }
        free(x);
    }
}

/* Memory for one free block of `units`, at an address that leaves its payload aligned. */
static struct block *new_block(void *memory, size_t units)
{
    struct block *b = from_payload((char *)memory + UNIT);
    set_free(b, units * UNIT, 0);
    return b;
}

static struct block *search(struct index *x, size_t n)
{
    size_t list = index_search(x, n);
    struct block *b = index_own(x, list, n);
    if (b)
        index_remove(x, b);
    else if ((b = index_above(x, &list)))
        index_take_first(x, list, b);
    return b;
}

/* Sizes in units, as blocks are whole ones: 5887 and 5761 share a list, and the next begins at 5888. */
static void test_waste(void **unused)
{
    (void)unused;
    void *memory = aligned_alloc(UNIT, 5889 * UNIT);
    assert_non_null(memory);
    struct block *b = new_block(memory, 5887);
    struct index *x = new_index(5, ROUND);
    index_insert(x, index_list(x, 5887 * UNIT), b);
    assert_null(search(x, 5761 * UNIT));         /* rounded up to 5888 */
    assert_ptr_equal(search(x, 5760 * UNIT), b); /* the least size of the list needs no rounding */
    assert_null(index_check(x, 0));
    free(x);
    x = new_index(5, TIGHT);
    index_insert(x, index_list(x, 5887 * UNIT), b);
    assert_null(search(x, 5888 * UNIT));
    assert_ptr_equal(search(x, 5761 * UNIT), b);
    assert_int_equal(size_of(b) / UNIT - 5761, 126);
    assert_null(index_check(x, 0));
    free(x);
    free(memory);
}

/* Tight looks at one block: behind a smaller one of the same list it finds none, and goes to the next list. */
static void test_no_walk(void **unused)
{
    (void)unused;
    void *small = aligned_alloc(UNIT, 132 * UNIT), *large = aligned_alloc(UNIT, 134 * UNIT),
         *next = aligned_alloc(UNIT, 138 * UNIT);
    assert_true(small && large && next);
    struct index *x = new_index(5, TIGHT);
    struct block *first = new_block(small, 129), *second = new_block(large, 131), *other = new_block(next, 136);
    const size_t list = index_list(x, 130 * UNIT); /* 128 to 131 units */
    index_insert(x, list, second);
    index_insert(x, list, first);
    assert_null(search(x, 130 * UNIT));
    index_insert(x, index_list(x, 136 * UNIT), other);
    assert_ptr_equal(search(x, 130 * UNIT), other);
    assert_ptr_equal(search(x, 129 * UNIT), first);
    assert_ptr_equal(search(x, 130 * UNIT), second);
    assert_null(index_check(x, 0));
    free(x);
    free(small);
    free(large);
    free(next);
}

/* Of the last list too, which has blocks of all larger sizes, just one block is looked at. */
static void test_last_list(void **unused)
{
    (void)unused;
    const uint64_t opt[] = {[OPT_FLI] = 12, [OPT_SLI] = 1, [OPT_SEARCH] = TIGHT};
    struct index *x = calloc(1, index_bytes(opt));
    void *low = aligned_alloc(UNIT, 20000), *high = aligned_alloc(UNIT, 40000);
    assert_true(x && low && high);
    index_init(x, opt);
    struct block *less = new_block(low, 16000 / UNIT), *more = new_block(high, 32000 / UNIT);
    assert_int_equal(index_list(x, size_of(less)), x->last);
    index_insert(x, x->last, more);
    index_insert(x, x->last, less);
    assert_null(search(x, 32000));
    assert_ptr_equal(search(x, 8000), less);
    assert_ptr_equal(search(x, 32000), more);
    assert_null(index_check(x, 0));
    free(x);
    free(low);
    free(high);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mapping),   cmocka_unit_test(test_mapping_is_the_definition),
        cmocka_unit_test(test_exact),     cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_same_list), cmocka_unit_test(test_waste),
        cmocka_unit_test(test_no_walk),   cmocka_unit_test(test_last_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
