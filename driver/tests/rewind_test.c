/* rewind_test.c - a heap goes back to what it was: its pages, the live blocks, the page source. Who has memory
 * elsewhere does not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "driver/oracle.h"
#include "driver/proc.h"
#include "driver/rewind.h"

enum { PAGES = 64, WRITTEN = 5, SLOTS = 3 };

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
                           .end = 4,
                           .pages = {.kind = &kind},
                           .region_bytes = PAGES * page,
                           .pages_state = pages_state,
                           .slots = slots,
                           .page = page};
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); /* as the worker does: a huge page would be in memory as a whole */
    job = (struct job){.diagnose = false};
    allocator = (struct allocator){.caps = CAP_FREE};
    bench.allocator.allocator = &allocator;
    bench.region =
        mmap(NULL, bench.region_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(bench.region != MAP_FAILED);
    for (size_t i = 0; i < WRITTEN; i++)
        memset((char *)bench.region + 3 * i * page, (int)i + 1, page);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return munmap(bench.region, bench.region_bytes);
}

static void back_it_is_as_it_was(void **state)
{
    struct rewind rewind = {.bytes = NULL};
    const size_t page = bench.page;
    char *region = bench.region;
    (void)state;
    if (proc_bytes("smaps_rollup", "Swap") != 0 || getenv("HEAPBENCH_RUNNER") != NULL) {
        print_message("memory is swapped out, or a runner's, or the kernel does not say so\n");
        skip();
    }
    slots[0] = slots[1] = slots[2] = &slots[2];
    strcpy(pages_state, "before");
    for (int round = 0; round < 3; round++) {
        assert_true(rewind_keep(&rewind, &bench, 1));
        assert_int_equal(rewind.npages, WRITTEN);
        for (int again = 0; again < 2; again++) {
            region[0] = 99;
            region[12 * page + page - 1] = 99;
            slots[0] = slots[1] = slots[2] = NULL;
            strcpy(pages_state, "after");
            rewind_back(&rewind, &bench);
            for (size_t i = 0; i < WRITTEN; i++)
                for (size_t byte = 0; byte < page; byte++)
                    assert_int_equal(region[3 * i * page + byte], i + 1);
            assert_true(slots[1] == &slots[2] && slots[2] == &slots[2]);
            assert_null(slots[0]); /* not of these steps */
            assert_string_equal(pages_state, "before");
        }
    }
}

static void not_who_has_memory_elsewhere(void **state)
{
    struct rewind rewind = {.bytes = NULL};
    void *const region = bench.region;
    (void)state;
    allocator.caps |= CAP_HOSTED;
    assert_false(rewind_keep(&rewind, &bench, 1));
    allocator.caps = CAP_FREE;
    bench.region = NULL;
    assert_false(rewind_keep(&rewind, &bench, 1));
    bench.region = region;
    bench.allocator.pages = "avl";
    assert_false(rewind_keep(&rewind, &bench, 1));
    bench.allocator.pages = NULL;
    bench.allocator.allocator = &allocator_oracle;
    assert_false(rewind_keep(&rewind, &bench, 1));
    bench.allocator.allocator = &allocator;
    strcpy(job.guard, "guard");
    assert_false(rewind_keep(&rewind, &bench, 1));
    job.guard[0] = '\0';
    job.diagnose = true;
    assert_false(rewind_keep(&rewind, &bench, 1));
    assert_null(rewind.bytes);
}

static void not_a_heap_that_is_too_large(void **state)
{
    struct rewind rewind = {.bytes = NULL};
    (void)state;
    munmap(bench.region, bench.region_bytes);
    bench.region_bytes = REWIND_MOST + bench.page;
    bench.region =
        mmap(NULL, bench.region_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    assert_true(bench.region != MAP_FAILED);
    assert_false(rewind_keep(&rewind, &bench, 1));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(back_it_is_as_it_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(not_who_has_memory_elsewhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(not_a_heap_that_is_too_large, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
