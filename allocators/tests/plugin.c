/*
 * plugin.c - the skeleton as a shared object: found by its symbol, of this ABI, and as correct as when it is built in.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <dlfcn.h>

#include "allocators/options.h"
#include "allocators/tests/model.h"

static const struct allocator *load(void)
{
    char path[4096];
    const char *top = getenv("top_builddir");
    snprintf(path, sizeof path, "%s/allocators/skeleton.so", top != NULL ? top : ".");
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (object == NULL)
        fail_msg("%s", dlerror());
    const struct allocator *allocator = dlsym(object, "heapbench_allocator");
    assert_non_null(allocator);
    assert_int_equal(allocator->abi, ALLOC_ABI);
    return allocator;
}

static void test_plugin(void **state)
{
    struct option_values values;
    struct counted pages;
    char text[200];
    (void)state;
    const struct allocator *allocator = load();
    assert_true(options_parse(&values, allocator->options, "skeleton:grow=2", text, sizeof text));
    assert_true(counted_open(&pages, page_kind_by_name("arena"), 8 << 20, 16384));
    struct model model = {.allocator = allocator,
                          .opt = values.opt,
                          .pages = &pages,
                          .mix = &model_mixes[1],
                          .seed = 5,
                          .ops = 20000,
                          .max_live = 200,
                          .inspect = 64};
    if (!model_run(&model))
        fail_msg("%s", model.error);
    counted_close(&pages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_plugin)};
    return cmocka_run_group_tests_name("plug-in", tests, NULL, NULL);
}
