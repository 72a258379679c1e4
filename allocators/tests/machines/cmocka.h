/*
 * cmocka.h - in the place of cmocka for machines that it is not installed for: what the tests of allocators use of it,
 * under its names, with TAP as the only output. See machines/machine.sh.
 *
 * To be included once in a program, after the same headers as cmocka's own.
 */
#ifndef HEAPBENCH_TESTS_CMOCKA_H
#define HEAPBENCH_TESTS_CMOCKA_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef void (*CMUnitTestFunction)(void **state);

struct CMUnitTest {
    const char *name;
    CMUnitTestFunction test_func;
    int (*setup_func)(void **state), (*teardown_func)(void **state);
    void *initial_state;
};

static jmp_buf cmocka_test_ends;

/* Says why, and ends the test. */
#define fail_msg(...)                                                                                                  \
    do {                                                                                                               \
        printf("# %s:%d: ", __FILE__, __LINE__);                                                                       \
        printf(__VA_ARGS__);                                                                                           \
        putchar('\n');                                                                                                 \
        longjmp(cmocka_test_ends, 1);                                                                                  \
    } while (0)

#define assert_true(condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fail_msg("%s", #condition);                                                                                \
    } while (0)
#define assert_non_null(pointer)   assert_true((pointer) != NULL)
#define assert_null(pointer)       assert_true((pointer) == NULL)
#define assert_int_equal(a, b)     assert_true((a) == (b))
#define assert_ptr_equal(a, b) assert_true((a) == (b))
#define assert_ptr_not_equal(a, b) assert_true((a) != (b))
#define assert_string_equal(a, b)                                                                                      \
    do {                                                                                                               \
        const char *const a_ = (a), *const b_ = (b);                                                                   \
        if (strcmp(a_, b_) != 0)                                                                                       \
            fail_msg("\"%s\" is not \"%s\"", a_, b_);                                                                  \
    } while (0)

/* The number of tests that failed. */
static inline int _cmocka_run_group_tests(const char *group, const struct CMUnitTest *tests, size_t n, void *setup,
                                          void *teardown)
{
    volatile int failed = 0;
    (void)group, (void)setup, (void)teardown;
    printf("1..%zu\n", n);
    for (volatile size_t i = 0; i < n; i++) {
        void *state = tests[i].initial_state;
        fflush(stdout);
        const int fails = setjmp(cmocka_test_ends);
        if (fails == 0)
            tests[i].test_func(&state);
        failed += fails;
        printf("%s %zu - %s\n", fails ? "not ok" : "ok", i + 1, tests[i].name);
    }
    return failed;
}

#endif
