/* compressed.c - traces that come compressed or zipped: what is in them, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>

#include "traces/tests/common.h"

#define MANY 1000
static struct op ops[MANY];

#define TEXT "1: malloc 0x10 8\n1: free 0x10\n"

/* `n` bytes packed by libarchive, once for each of `files`; the number of bytes. */
static size_t pack(void *to, size_t room, int format, int filter, const void *bytes, size_t n, int files)
{
    struct archive *archive = archive_write_new();
    size_t used = 0;
    assert_int_equal(archive_write_set_format(archive, format), ARCHIVE_OK);
    assert_true(archive_write_add_filter(archive, filter) >= ARCHIVE_WARN);
    archive_write_set_bytes_per_block(archive, 0);
    assert_int_equal(archive_write_open_memory(archive, to, room, &used), ARCHIVE_OK);
    for (int i = 0; i < files; i++) {
        struct archive_entry *entry = archive_entry_new();
        archive_entry_set_pathname(entry, i ? "b.txt" : "a.txt");
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_size(entry, (la_int64_t)n);
        assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
        assert_int_equal(archive_write_data(archive, bytes, n), n);
        archive_entry_free(entry);
    }
    assert_int_equal(archive_write_close(archive), ARCHIVE_OK);
    archive_write_free(archive);
    return used;
}

/* A file of these bytes holds that many ops of a trace, and nothing is wrong. */
static void holds(const void *bytes, size_t n, size_t expected, const char *format)
{
    struct file file = file_of(bytes, n);
    struct trace_info info;
    struct error error = {0};
    const size_t got = read_ops(file.path, ops, MANY, &info, &error);
    file_close(&file);
    assert_string_equal(error.text, "");
    assert_int_equal(got, expected);
    assert_string_equal(info.format, format);
}

static void refused(const void *bytes, size_t n, const char *message)
{
    struct file file = file_of(bytes, n);
    struct error error = {0};
    read_ops(file.path, ops, MANY, NULL, &error);
    file_close(&file);
    if (error.code != EXIT_INPUT || !strstr(error.text, message))
        fail_msg("\"%s\" instead of \"%s\"", error.text, message);
}

static void test_filters(void **state)
{
    static const int filters[] = {ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_BZIP2, ARCHIVE_FILTER_XZ, ARCHIVE_FILTER_ZSTD,
                                  ARCHIVE_FILTER_LZ4};
    char packed[10000];
    (void)state;
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        print_message("# filter %d\n", filters[i]);
        holds(packed, pack(packed, sizeof packed, ARCHIVE_FORMAT_RAW, filters[i], TEXT, sizeof TEXT - 1, 1), 2,
              "android");
    }
}

static void test_zip(void **state)
{
    char packed[10000];
    (void)state;
    const int zip = ARCHIVE_FORMAT_ZIP, none = ARCHIVE_FILTER_NONE;
    holds(packed, pack(packed, sizeof packed, zip, none, TEXT, sizeof TEXT - 1, 1), 2, "android");
    refused(packed, pack(packed, sizeof packed, zip, none, TEXT, sizeof TEXT - 1, 2),
            "holds more than one file; extract the trace you mean");
}

/* Our own format, too, may come compressed; and a compressed file that is cut off is not taken for a whole one. */
static void test_native(void **state)
{
    static char bytes[100000], squeezed[100000];
    struct error error = {0};
    (void)state;
    random_ops(ops, MANY, 0, 3);
    struct file file = file_new();
    assert_true(write_ops(file.path, ops, MANY, 0, "", 1, &error));
    const size_t n = file_get(&file, bytes, sizeof bytes);
    file_close(&file);
    const size_t used = pack(squeezed, sizeof squeezed, ARCHIVE_FORMAT_RAW, ARCHIVE_FILTER_GZIP, bytes, n, 1);
    holds(squeezed, used, MANY, "heapbench");
    refused(squeezed, used / 2, "get a whole copy of the file");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_zip),
        cmocka_unit_test(test_native),
    };
    return cmocka_run_group_tests_name("compressed", tests, NULL, NULL);
}
