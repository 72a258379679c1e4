/*
 * avl.c - both trees of the page source avl are AVL trees in order after every step, and no higher than the bound that
 * its opening comment gives. The source is included, since no interface shows a page source's inside.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "allocators/pages/avl.c"

#define PAGE    ((size_t)4096)
#define PAGES   2000
#define STEPS   30000
#define LONGEST 5

struct seen {
    enum tree tree;
    const struct run *last; /* the one before, in the tree's order */
    size_t runs, npages;
};

/* Visits a subtree in order; returns its height as counted. */
static unsigned verify(const struct state *state, const struct run *run, struct seen *seen)
{
    if (run == NULL)
        return 0;
    const unsigned before = verify(state, run->link[seen->tree].child[0], seen);
    if (seen->last != NULL)
        assert_true(precedes(seen->last, run, seen->tree));
    if (seen->last != NULL && seen->tree == BY_ADDRESS)
        assert_true(end_of(state, seen->last) < (const char *)run); /* else they would have been merged */
    seen->last = run;
    seen->runs++;
    seen->npages += run->npages;
    const unsigned behind = verify(state, run->link[seen->tree].child[1], seen);
    assert_true(before <= behind + 1 && behind <= before + 1);
    assert_int_equal(run->link[seen->tree].height, 1 + ALLOC_MAX(before, behind));
    return 1 + ALLOC_MAX(before, behind);
}

/* 1.45 log2(runs + 2) in whole numbers: 2^(20 height) <= (runs + 2)^29. */
static bool within_bound(unsigned height, size_t runs)
{
    long double power = 1;
    for (unsigned i = 0; i < 29; i++)
        power *= (long double)(runs + 2) / 1024; /* keeps it in range */
    for (unsigned i = 0; i < 20 * height; i++)
        power /= 2;
    for (unsigned i = 0; i < 290; i++)
        power *= 2;
    return power >= 1;
}

static void verify_trees(const struct state *state, size_t npages, size_t *most)
{
    size_t runs[TREES];
    for (enum tree tree = BY_ADDRESS; tree < TREES; tree++) {
        struct seen seen = {.tree = tree};
        const unsigned height = verify(state, state->root[tree], &seen);
        assert_int_equal(seen.npages, npages);
        assert_true(within_bound(height, seen.runs));
        runs[tree] = seen.runs;
    }
    assert_int_equal(runs[BY_ADDRESS], runs[BY_SIZE]);
    *most = ALLOC_MAX(*most, runs[BY_SIZE]);
}

static void test_trees(void **unused)
{
    (void)unused;
    static struct {
        char *pages;
        size_t npages;
    } out[PAGES];
    struct state state;
    struct page_source source;
    size_t nout = 0, free_pages = PAGES, most = 0;
    uint64_t random = 1;
    char *region = aligned_alloc(PAGE, PAGES * PAGE);
    assert_non_null(region);
    assert_true(page_kind_avl.open(&source, &state, region, PAGES * PAGE, PAGE, NULL));
    for (size_t step = 0; step < STEPS; step++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        const size_t chance = (size_t)(random >> 40), n = 1 + chance % LONGEST;
        char *pages = (step / 3000 % 2 == 0) == (chance % 8 != 7) ? source.alloc_page(source.ctx, n) : NULL;
        if (pages != NULL) {
            out[nout].pages = pages;
            out[nout++].npages = n;
            free_pages -= n;
        } else if (nout > 0) {
            const size_t which = (chance >> 3) % nout;
            source.free_page(source.ctx, out[which].pages, out[which].npages);
            free_pages += out[which].npages;
            out[which] = out[--nout];
        }
        verify_trees(&state, free_pages, &most);
    }
    assert_true(most > 100); /* trees worth the name were seen */
    page_kind_avl.close(&source);
    free(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_trees)};
    return cmocka_run_group_tests_name("avl", tests, NULL, NULL);
}
