/* rewind_test.c - a heap goes back to what it was: the pages that were written, the live blocks, the page source. Who
 * has memory elsewhere does not, nor who writes too much. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "driver/oracle.h"
#include "driver/rewind.h"

enum { PAGES = 64, BEFORE = 5, SLOTS = 3 };

static const struct plan_header header = {.nslots = SLOTS};
/* Slot 1 twice, then slot 2; slot 0 is of a step before. */
static const uint64_t steps[] = {0, UINT64_C(1) << 32 | 16, UINT64_C(1) << 32 | 16, UINT64_C(2) << 32 | 16};
static const struct page_kind kind = {.state_size = 16};
static struct job job;
static struct allocator allocator;
static void *slots[SLOTS];
static char pages_state[16];
static struct bench bench;

static int set_up(void **state)
{
    (void)state;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    bench = (struct bench){.job = &job,
                           .plan = {.fd = -1, .header = &header, .steps = steps},
                           .pages = {.kind = &kind},
                           .region_bytes = PAGES * page,
                           .pages_state = pages_state,
                           .slots = slots,
                           .page = page};
    job = (struct job){.diagnose = false};
    allocator = (struct allocator){.caps = CAP_FREE};
    bench.allocator.allocator = &allocator;
    bench.region =
        mmap(NULL, bench.region_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(bench.region != MAP_FAILED);
    for (size_t i = 0; i < BEFORE; i++)
        memset((char *)bench.region + 3 * i * page, (int)i + 1, page);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return munmap(bench.region, bench.region_bytes);
}

static bool runs_elsewhere(void)
{
    return getenv("HEAPBENCH_RUNNER") != NULL;
}

static void assert_as_before(void)
{
    const size_t page = bench.page;
    const char *region = bench.region;
    for (size_t i = 0; i < PAGES; i++)
        for (size_t byte = 0; byte < page; byte++)
            assert_int_equal(region[i * page + byte], i % 3 == 0 && i / 3 < BEFORE ? i / 3 + 1 : 0);
    assert_true(slots[1] == &slots[2] && slots[2] == &slots[2]);
    assert_null(slots[0]); /* not of these steps */
    assert_string_equal(pages_state, "before");
}

static void do_steps(void)
{
    char *region = bench.region;
    const size_t page = bench.page;
    region[0] = region[3 * page]; /* read only */
    region[12 * page + page - 1] = 99;
    region[20 * page] = 99; /* not in memory before */
    slots[0] = slots[1] = slots[2] = NULL;
    strcpy(pages_state, "after");
}

static void back_it_is_as_it_was(void **state)
{
    struct rewind rewind = {.bytes = NULL};
    (void)state;
    if (runs_elsewhere())
        skip();
    slots[0] = slots[1] = slots[2] = &slots[2];
    strcpy(pages_state, "before");
    for (int round = 0; round < 3; round++) {
        assert_true(rewind_keep(&rewind, &bench, 1, 4));
        do_steps();
        assert_true(rewind_kept());
        assert_int_equal(rewind.npages, 3);
        for (int again = 0; again < 2; again++) {
            do_steps();
            rewind_back(&rewind, &bench);
            assert_as_before();
        }
    }
}

static void not_who_has_memory_elsewhere(void **state)
{
    struct rewind rewind = {.bytes = NULL};
    void *const region = bench.region;
    (void)state;
    if (runs_elsewhere())
        skip();
    allocator.caps |= CAP_HOSTED;
    assert_false(rewind_keep(&rewind, &bench, 1, 4));
    allocator.caps = CAP_FREE;
    bench.region = NULL;
    assert_false(rewind_keep(&rewind, &bench, 1, 4));
    bench.region = region;
    bench.allocator.pages = "avl";
    assert_false(rewind_keep(&rewind, &bench, 1, 4));
    bench.allocator.pages = NULL;
    bench.allocator.allocator = &allocator_oracle;
    assert_false(rewind_keep(&rewind, &bench, 1, 4));
    bench.allocator.allocator = &allocator;
    strcpy(job.guard, "guard");
    assert_false(rewind_keep(&rewind, &bench, 1, 4));
    job.guard[0] = '\0';
    job.diagnose = true;
    assert_false(rewind_keep(&rewind, &bench, 1, 4));
    assert_null(rewind.bytes);
}

static void not_who_writes_too_much(void **state)
{
    struct rewind rewind = {.bytes = NULL};
    (void)state;
    if (runs_elsewhere())
        skip();
    munmap(bench.region, bench.region_bytes);
    bench.region_bytes = REWIND_MOST + bench.page;
    bench.region =
        mmap(NULL, bench.region_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(bench.region != MAP_FAILED);
    assert_true(rewind_keep(&rewind, &bench, 1, 4));
    memset(bench.region, 1, REWIND_MOST);
    assert_true(rewind_kept());
    assert_true(rewind_keep(&rewind, &bench, 1, 4));
    memset(bench.region, 2, bench.region_bytes);
    assert_false(rewind_kept());
    for (size_t at = 0; at < bench.region_bytes; at += bench.page)
        assert_int_equal(((const char *)bench.region)[at], 2); /* the steps were done all the same */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(back_it_is_as_it_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(not_who_has_memory_elsewhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(not_who_writes_too_much, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
