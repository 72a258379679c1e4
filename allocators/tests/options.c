/*
 * options.c - the option parser: what it accepts, what it refuses, and in which words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "allocators/options.h"

static const char *const fits[] = {"first", "next", "best", NULL};
static const struct alloc_option table[] = {
    {"order", "a number", OPTION_NUMBER, 3, 1, 9, NULL},
    {"chunk", "a size", OPTION_SIZE, 65536, 4096, UINT64_MAX, NULL},
    {"fit", "a choice", OPTION_CHOICE, 1, 0, 0, fits},
    {"sizes", "a list", OPTION_SIZES, 0, 1, 1 << 20, NULL},
    {.name = NULL},
};

static struct option_values values;
static char text[300];

static void accepts(const char *spec)
{
    if (!options_parse(&values, table, spec, text, sizeof text))
        fail_msg("%s was refused: %s", spec, text);
}

static void refuses(const char *spec, const char *message)
{
    assert_false(options_parse(&values, table, spec, text, sizeof text));
    assert_string_equal(text, message);
}

static void test_defaults(void **state)
{
    (void)state;
    accepts("slab");
    assert_true(values.opt[0] == 3 && values.opt[1] == 65536 && values.opt[2] == 1 && values.opt[3] == 0);
    assert_int_equal(values.nsizes, 0);
    assert_true(options_parse(&values, NULL, "null", text, sizeof text));
}

static void test_values(void **state)
{
    (void)state;
    accepts("slab:order=9:chunk=64k:fit=best");
    assert_true(values.opt[0] == 9 && values.opt[1] == 65536 && values.opt[2] == 2);
    accepts("slab:chunk=18446744073709551615:order=1");
    assert_true(values.opt[0] == 1 && values.opt[1] == UINT64_MAX);
    accepts("slab:chunk=3G:fit=first");
    assert_true(values.opt[1] == UINT64_C(3) << 30 && values.opt[2] == 0);
}

static void test_sizes(void **state)
{
    (void)state;
    accepts("pool:sizes=256+1K+32+64+32");
    static const size_t expected[] = {32, 64, 256, 1024};
    assert_int_equal(values.opt[3], 4);
    assert_int_equal(values.nsizes, 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(values.sizes[i].size == expected[i] && values.sizes[i].peak == 0);
}

static void test_most_sizes(void **state)
{
    char spec[1000] = "pool:sizes=1";
    size_t n = 12;
    (void)state;
    for (unsigned i = 1; i < OPTIONS_MAX_SIZES; i++) {
        spec[n++] = '+';
        spec[n++] = (char)('1' + i / 10);
        spec[n++] = (char)('0' + i % 10);
    }
    accepts(spec);
    assert_int_equal(values.nsizes, OPTIONS_MAX_SIZES);
    spec[n++] = '+';
    spec[n++] = '9';
    assert_false(options_parse(&values, table, spec, text, sizeof text));
    assert_non_null(text);
}

static void test_unknown(void **state)
{
    (void)state;
    refuses("slab:depth=2", "slab: no option 'depth'; it has: order, chunk, fit, sizes");
    refuses("slab:orde=2", "slab: no option 'orde'; it has: order, chunk, fit, sizes");
    refuses("slab:orders=2", "slab: no option 'orders'; it has: order, chunk, fit, sizes");
    refuses("slab:", "slab: no option ''; it has: order, chunk, fit, sizes");
    refuses("slab::order=2", "slab: no option ''; it has: order, chunk, fit, sizes");
    assert_false(options_parse(&values, NULL, "null:x=1", text, sizeof text));
    assert_string_equal(text, "null: no option 'x'; it has none");
}

static void test_bad_numbers(void **state)
{
    static const char *const bad[] = {"slab:order=0",  "slab:order=10",  "slab:order=-1",
                                      "slab:order=",   "slab:order=0x2", "slab:order=2.0",
                                      "slab:order=2K", "slab:order=2 ",  "slab:order=18446744073709551617"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(options_parse(&values, table, bad[i], text, sizeof text));
    refuses("slab:order=10", "slab: order=10 is not accepted; write order= and a whole number from 1 to 9");
    refuses("slab:order", "slab: order has no value; write order= and a whole number from 1 to 9");
    refuses("slab:order=1:order=2", "slab: option 'order' is given twice; give it once");
}

static void test_bad_sizes(void **state)
{
    (void)state;
    refuses("slab:chunk=4095",
            "slab: chunk=4095 is not accepted; write chunk= and bytes (K, M or G may follow) from 4K up");
    static const char *const bad[] = {"slab:chunk=1T", "slab:chunk=K",   "slab:chunk=4KB", "slab:chunk=99999999999999G",
                                      "pool:sizes=",   "pool:sizes=16+", "pool:sizes=+16", "pool:sizes=0+16",
                                      "pool:sizes=2M"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(options_parse(&values, table, bad[i], text, sizeof text));
}

static void test_bad_choices(void **state)
{
    (void)state;
    refuses("slab:fit=worst", "slab: fit=worst is not accepted; write fit= and first, next or best");
    refuses("slab:fit=", "slab: fit= is not accepted; write fit= and first, next or best");
    refuses("slab:fit=bes", "slab: fit=bes is not accepted; write fit= and first, next or best");
}

static void test_words(void **state)
{
    (void)state;
    assert_string_equal(options_accepted(&table[0], text, sizeof text), "a whole number from 1 to 9");
    assert_string_equal(options_accepted(&table[3], text, sizeof text),
                        "up to 64 sizes joined by '+', each in bytes (K, M or G may follow) from 1 to 1M");
    assert_string_equal(options_default(&table[0], text, sizeof text), "3");
    assert_string_equal(options_default(&table[1], text, sizeof text), "64K");
    assert_string_equal(options_default(&table[2], text, sizeof text), "next");
    assert_string_equal(options_default(&table[3], text, sizeof text), "");
}

static void test_short_buffer(void **state)
{
    char small[8] = "1234567";
    (void)state;
    assert_false(options_parse(&values, table, "slab:order=0", small, 6));
    assert_string_equal(small, "slab:");
    assert_int_equal(small[7], '\0');
    assert_false(options_parse(&values, table, "slab:order=0", small, 0));
    assert_string_equal(small, "slab:");
}

static void test_names(void **state)
{
    (void)state;
    assert_int_equal(options_name_length("slab"), 4);
    assert_int_equal(options_name_length("slab:order=2"), 4);
    assert_int_equal(options_name_length(""), 0);
    for (size_t i = 0; allocators[i] != NULL; i++)
        assert_ptr_equal(allocator_by_name(allocators[i]->name), allocators[i]);
    for (size_t i = 0; page_kinds[i] != NULL; i++)
        assert_ptr_equal(page_kind_by_name(page_kinds[i]->name), page_kinds[i]);
    assert_null(allocator_by_name("nul"));
    assert_null(allocator_by_name("nulls"));
    assert_null(page_kind_by_name(""));
}

/* Every table in the build is one that the parser, the help and ALLOC_MAX_OPTIONS can live with. */
static void check_table(const struct alloc_option *options)
{
    for (size_t i = 0; options != NULL && options[i].name != NULL; i++) {
        const struct alloc_option *option = &options[i];
        size_t nchoices = 0;
        assert_true(i < ALLOC_MAX_OPTIONS);
        assert_non_null(option->help);
        while (option->type == OPTION_CHOICE && option->choices[nchoices] != NULL)
            nchoices++;
        if (option->type == OPTION_CHOICE)
            assert_true(option->def < nchoices);
        else if (option->type != OPTION_SIZES)
            assert_true(option->min <= option->def && option->def <= option->max);
        else
            assert_true(option->min <= option->max);
    }
}

static void test_tables(void **state)
{
    (void)state;
    for (size_t i = 0; allocators[i] != NULL; i++) {
        assert_int_equal(allocators[i]->abi, ALLOC_ABI);
        check_table(allocators[i]->options);
    }
    for (size_t i = 0; page_kinds[i] != NULL; i++)
        check_table(page_kinds[i]->options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),     cmocka_unit_test(test_values),      cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_most_sizes),   cmocka_unit_test(test_unknown),     cmocka_unit_test(test_bad_numbers),
        cmocka_unit_test(test_bad_sizes),    cmocka_unit_test(test_bad_choices), cmocka_unit_test(test_words),
        cmocka_unit_test(test_short_buffer), cmocka_unit_test(test_names),       cmocka_unit_test(test_tables),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
