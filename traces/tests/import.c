/*
 * import.c - foreign formats: what their lines mean, odd lines, errors with their line, and that what is exported
 * comes back as it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "traces/import/import.h"
#include "traces/tests/common.h"

#define MANY 100000
static struct op ops[MANY], back[MANY];

/* Reads a text of n bytes; the note goes to `note` (240 bytes). */
static size_t read_text(const char *text, size_t n, struct trace_info *info, char *note, struct error *error)
{
    struct file file = file_of(text, n);
    struct trace_reader *reader = trace_open(file.path, error);
    size_t got = 0, part;
    while (reader && (part = trace_read(reader, ops + got, MANY - got, error)) > 0)
        got += part;
    if (reader) {
        *info = *trace_info(reader);
        snprintf(note, 240, "%s", info->note);
    }
    trace_close(reader);
    file_close(&file);
    return got;
}

static struct trace_info info;
static char note[240];

/* The text gives these ops, and nothing is wrong but `skipped` events, the first of which is told so. */
static void gives(const char *text, const struct op *expected, size_t n, uint64_t skipped, const char *first)
{
    struct error error = {0};
    size_t got = read_text(text, strlen(text), &info, note, &error);
    if (error.code)
        fail_msg("%s", error.text);
    assert_int_equal(got, n);
    for (size_t i = 0; i < n; i++)
        if (!same_op(&ops[i], &expected[i]))
            fail_msg("op %zu of \"%s\" is another", i, text);
    assert_int_equal(info.skipped, skipped);
    assert_string_equal(note, first);
}

static void refused(const char *text, size_t n, const char *message)
{
    struct error error = {0};
    read_text(text, n, &info, note, &error);
    if (error.code != EXIT_INPUT || !strstr(error.text, message))
        fail_msg("\"%s\" instead of \"%s\"", error.text, message);
}
#define REFUSED(text, message) refused(text, sizeof text - 1, message)

static void test_android(void **state)
{
    static const struct op expected[] = {
        {.kind = OP_MALLOC, .thread = 7, .block = 0, .size = 24},
        {.kind = OP_CALLOC, .thread = 7, .block = 1, .size = 60},
        {.kind = OP_ALIGNED, .thread = 8, .block = 2, .size = 100, .align = 64},
        {.kind = OP_REALLOC, .thread = 8, .block = 0, .size = 48},
        {.kind = OP_MALLOC, .thread = 8, .block = 3, .size = 5},
        {.kind = OP_FREE, .thread = 7, .block = TRACE_NULL},
        {.kind = OP_FREE, .thread = 7, .block = 0},
        {.kind = OP_FREE, .thread = 7, .block = 3},
        {.kind = OP_MALLOC, .thread = 7, .block = 4, .size = 0},
        {.kind = OP_THREAD_END, .thread = 7, .block = TRACE_NULL},
    };
    (void)state;
    gives("7: malloc 0xb4827400 24\n7: calloc 0xffffffffffff0000 5 12\n8: memalign 0x30 64 100\n"
          "8: realloc 0x40 0xb4827400 48\n8: realloc 0xB4827400 0x0 5\n7: free 0x0\n7: free 0x40\n"
          "7: realloc 0x0 0xb4827400 0\n7: malloc 0x40 0\n7: thread_done 0x0\n",
          expected, 10, 0, "");
    assert_string_equal(info.format, "android");
    assert_int_equal(info.flags, 0);
}

static void test_android_times(void **state)
{
    static const struct op expected[] = {
        {.kind = OP_MALLOC, .thread = 1, .block = 0, .size = 8},
        {.kind = OP_FREE, .thread = 1, .block = 0, .time = 250},
        {.kind = OP_THREAD_END, .thread = 1, .block = TRACE_NULL, .time = 300},
        {.kind = OP_THREAD_END, .thread = 3, .block = TRACE_NULL, .time = 300},
        {.kind = OP_FREE, .thread = 2, .block = TRACE_NULL},
    };
    (void)state;
    gives("1: malloc 0x10 8 1000 1010\n1: free 0x10 1250 1260\n1: thread_done 0x0 1300\n3: thread_done 0x0\n"
          "2: free 0x0 900 910\n",
          expected, 5, 0, "");
    assert_int_equal(info.flags, TRACE_TIME);
}

static void test_odd_lines(void **state)
{
    static const struct op expected[] = {
        {.kind = OP_MALLOC, .thread = 1, .block = 0, .size = 8},
        {.kind = OP_FREE, .thread = 1, .block = 0},
    };
    (void)state;
    gives("1: malloc 0x10 8\r\n1: free 0x10\r\n", expected, 2, 0, "");
    gives("1: malloc 0x10 8\n\n\n1: free 0x10", expected, 2, 0, "");
    gives("1:\tmalloc  0x10\t 8 \n1: free 0x10 \n", expected, 2, 0, "");
    gives("Alloc(8),\r\nFree(0),\r\n", (struct op[]){{.kind = OP_MALLOC, .size = 8}, {.kind = OP_FREE}}, 2, 0, "");
    gives("Alloc(8)\nFree(0)", (struct op[]){{.kind = OP_MALLOC, .size = 8}, {.kind = OP_FREE}}, 2, 0, "");
}

/* Events that a real recording has because it began late, or lost a line: counted and told, not refused. */
static void test_tolerated(void **state)
{
    static const struct op one = {.kind = OP_MALLOC, .thread = 1, .size = 8};
    (void)state;
    gives("1: malloc 0x10 8\n1: free 0x20\n1: free 0x30\n", &one, 1, 2, "line 2: a free of 0x20, which is not live");
    gives("1: malloc 0x10 8\n1: malloc 0x0 99999\n", &one, 1, 1, "line 2: an allocation that failed");
    gives("1: malloc 0x10 8\n1: realloc 0x0 0x10 99999\n", &one, 1, 1, "line 2: a realloc that failed");
    gives("1: realloc 0x10 0x20 8\n", &one, 1, 1, "line 1: a realloc of 0x20, which is not live, is taken as a malloc");
    gives("1: malloc 0x10 8\n1: malloc 0x10 9\n1: free 0x10\n",
          (struct op[]){
              one, {.kind = OP_MALLOC, .thread = 1, .block = 1, .size = 9}, {.kind = OP_FREE, .thread = 1, .block = 1}},
          3, 1, "line 2: 0x10 is allocated while it is live; the block before is never freed");
    gives("1: memalign 0x10 24 8\n", (struct op[]){{.kind = OP_ALIGNED, .thread = 1, .size = 8, .align = 32}}, 1, 0,
          "");
    gives("Alloc(8),\nFree(1),\n", (struct op[]){{.kind = OP_MALLOC, .size = 8}}, 1, 1,
          "line 2: a free of block 1, which was not allocated");
}

static void test_refused(void **state)
{
    (void)state;
    REFUSED("", "is empty");
    REFUSED("\n", "line 1 is of no known trace format; known are heapbench, android, wee_alloc");
    REFUSED("hello\n", "line 1 is of no known trace format");
    REFUSED("1: malloc 0x10 8\n1: malloc 0x10\n", "line 2: operands that do not fit the operation: \"1: malloc 0x10\"");
    REFUSED("1: malloc 0x10 8\n\n1: mall 0x10 8\n", "line 3: not `<thread>: <operation> <pointer> …`");
    REFUSED("1: malloc 0x10 8\n1: free 16\n", "line 2: operands");
    REFUSED("1: malloc 0x10 8 5\n", "line 1: operands"); /* a start without an end */
    REFUSED("1: malloc 0x10 8 5 6 7\n", "line 1: operands");
    REFUSED("1: malloc 0x10 8x\n", "line 1: operands");
    REFUSED("1: malloc 0x10 -8\n", "line 1: operands");
    REFUSED("1: malloc 0x 8\n", "line 1: operands");
    REFUSED("1: malloc 0x10 18446744073709551616\n", "line 1: operands"); /* 2^64 */
    REFUSED("1: malloc 0x10000000000000000 8\n", "line 1: operands");
    REFUSED("1: malloc 0x10 281474976710656\n", "line 1: a size of 2^48 bytes or more");
    REFUSED("1: calloc 0x10 4294967296 4294967296\n", "line 1: count × size overflows");
    REFUSED("1: memalign 0x10 281474976710656 8\n", "line 1: an alignment of 2^48 bytes or more");
    REFUSED("4294967296: malloc 0x10 8\n", "line 1: a thread id of 2^32 or more");
    REFUSED("1: malloc 0x10 8\n1: free\0 0x10\n", "line 2: not");
    REFUSED("\0\0\0\0", "line 1 is of no known trace format");
    REFUSED("Alloc(8),\nAlloc(),\n", "line 2: neither `Alloc(size),` nor `Free(ordinal),`: \"Alloc(),\"");
    REFUSED("Alloc(8),\nAlloc(8),,\n", "line 2: neither");
    REFUSED("Alloc(8),\nFree(99999999999999999999),\n", "line 2: neither");
    REFUSED("Alloc(281474976710656),\n", "line 1: a size of 2^48 bytes or more");
}

static void test_long_line(void **state)
{
    static char text[20000];
    (void)state;
    memset(text, ' ', sizeof text);
    memcpy(text, "1: malloc 0x10 8\n1: free 0x10", 29);
    refused(text, sizeof text, "byte 17: a line of more than 4096 bytes; is it a trace?");
    memset(text, 'x', sizeof text);
    refused(text, sizeof text, "line 1 is of no known trace format");
}

/* ---- Export ---- */

static void check_export(const struct importer *format, size_t n, uint32_t flags)
{
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    for (size_t i = 0; i < n; i++)
        assert_null(format->print(out, &back[i], flags));
    fclose(out);
    struct error error = {0};
    assert_int_equal(read_text(text, length, &info, note, &error), n);
    assert_string_equal(error.text, "");
    assert_string_equal(info.format, format->name);
    assert_int_equal(info.skipped, 0);
    for (size_t i = 0; i < n; i++) {
        back[i].site = 0; /* no foreign format has it */
        if (!same_op(&ops[i], &back[i]))
            fail_msg("op %zu came back changed through %s", i, format->name);
    }
    free(text);
}

static void test_export_comes_back(void **state)
{
    (void)state;
    random_ops(back, MANY, 0, 7);
    check_export(&import_android, MANY, 0);
    random_ops(back, MANY, TRACE_TIME | TRACE_SITE, 8);
    check_export(&import_android, MANY, TRACE_TIME | TRACE_SITE);
    for (size_t i = 0; i < MANY; i++)
        back[i] = (struct op){.kind = i % 3 == 2 ? OP_FREE : OP_MALLOC,
                              .size = i % 3 == 2 ? 0 : i,
                              .block = i % 3 == 2 ? i / 3 * 2 : i / 3 * 2 + i % 3};
    check_export(&import_wee_alloc, MANY, 0);
}

static void test_export_refuses(void **state)
{
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    (void)state;
    assert_non_null(import_wee_alloc.print(out, &(struct op){.kind = OP_REALLOC}, 0));
    assert_non_null(import_wee_alloc.print(out, &(struct op){.kind = OP_FREE, .block = TRACE_NULL}, 0));
    assert_non_null(import_wee_alloc.print(out, &(struct op){.kind = OP_MALLOC, .thread = 1}, 0));
    fclose(out);
    assert_int_equal(length, 0);
    free(text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_android),           cmocka_unit_test(test_android_times),
        cmocka_unit_test(test_odd_lines),         cmocka_unit_test(test_tolerated),
        cmocka_unit_test(test_refused),           cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_export_comes_back), cmocka_unit_test(test_export_refuses),
    };
    return cmocka_run_group_tests_name("import", tests, NULL, NULL);
}
