/*
 * format.c - our file format: what is written is read back, a file that is cut off gives its whole blocks, and one that
 * is damaged, or made to do harm, is refused with the place.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>
#include <zstd.h>

#include "traces/format.h"
#include "traces/tests/common.h"

#define MANY 200000 /* ops: several blocks */
static struct op ops[MANY], back[MANY + 1];

static void check_round_trip(size_t n, uint32_t flags, int level)
{
    struct file file = file_new();
    struct error error = {0};
    struct trace_info info;
    if (!write_ops(file.path, ops, n, flags, "a: b\n", level, &error))
        fail_msg("%s", error.text);
    assert_int_equal(read_ops(file.path, back, MANY + 1, &info, &error), n);
    assert_string_equal(error.text, "");
    assert_int_equal(info.flags, flags);
    assert_false(info.truncated);
    for (size_t i = 0; i < n; i++)
        if (!same_op(&ops[i], &back[i]))
            fail_msg("op %zu of %zu, flags %u, level %d, came back changed", i, n, flags, level);
    file_close(&file);
}

static void test_round_trips(void **state)
{
    static const size_t lengths[] = {0, 1, 2, FORMAT_BLOCK_OPS - 1, FORMAT_BLOCK_OPS, FORMAT_BLOCK_OPS + 1, MANY};
    (void)state;
    for (uint32_t flags = 0; flags < 4; flags++)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            random_ops(ops, lengths[i], flags, 10 * i + flags);
            check_round_trip(lengths[i], flags, 1);
        }
    random_ops(ops, MANY, TRACE_TIME | TRACE_SITE, 99);
    check_round_trip(MANY, TRACE_TIME | TRACE_SITE, 19);
}

static void test_meta(void **state)
{
    (void)state;
    struct file file = file_new();
    struct error error = {0};
    assert_true(write_ops(file.path, NULL, 0, 0, "command: cc1 -O2\nmachine: x\n", 3, &error));
    struct trace_reader *reader = trace_open(file.path, &error);
    assert_non_null(reader);
    assert_string_equal(trace_info(reader)->meta, "command: cc1 -O2\nmachine: x\n");
    assert_string_equal(trace_info(reader)->format, "heapbench");
    assert_string_equal(trace_info(reader)->note, "");
    trace_close(reader);
    char *large = calloc(1, FORMAT_MAX_META + 2);
    memset(large, 'x', FORMAT_MAX_META);
    assert_true(write_ops(file.path, NULL, 0, 0, large, 3, &error));
    assert_int_equal(read_ops(file.path, back, 1, NULL, &error), 0);
    assert_int_equal(error.code, EXIT_DONE);
    large[FORMAT_MAX_META] = 'x';
    assert_false(write_ops(file.path, NULL, 0, 0, large, 3, &error));
    assert_int_equal(error.code, EXIT_USAGE);
    free(large);
    file_close(&file);
}

/* The file of four ops in every byte, as a machine of either byte order has to write it. Its planes are too short to
 * be compressed. The checksums are what fix_checksums() makes of the rest, and XXH64's own vectors are not ours to
 * test. */
static const uint8_t golden[] = {
    0x89, 'H',  'B',  'T', '\r', '\n', 0x1a, '\n',             /* magic */
    1,    0,    0,    0,   0,    0,    0,    0,                /* version, flags */
    5,    0,    0,    0,   0,    0,    0,    0,                /* bytes of meta, zero */
    0,    0,    0,    0,   0,    0,    0,    0,                /* its checksum */
    0,    0,    0,    0,   0,    0,    0,    0,                /* the header's */
    'k',  ':',  ' ',  'v', '\n',                               /* meta */
    'H',  'B',  'L',  'K', 4,    0,    0,    0,                /* a block of 4 ops */
    0,    0,    0,    0,   0,    0,    0,    0,                /* the first is op 0 */
    0,    0,    0,    0,   0,    0,    0,    0,                /* the first allocation is block 0 */
    0,    0,    0,    0,   0,    0,    0,    0,                /* time */
    97,   0,    0,    0,   19,   0,    0,    0,                /* bytes of the payload, of its planes */
    0,    0,    0,    0,   0,    0,    0,    0,                /* the payload's checksum */
    0,    0,    0,    0,   0,    0,    0,    0,                /* the header's */
    0,    1,    0,    0,   4,    0,    0,    0,    4, 0, 0, 0, /* kinds: 1 plane, 4 values, stored in 4 bytes: */
    0,    2,    3,    4,                                       /* malloc, aligned, realloc, free */
    1,    1,    0,    0,   2,    0,    0,    0,    2, 0, 0, 0, /* runs: */
    3,    1,                                                   /* of 3 ops, of 1 */
    2,    2,    0,    0,   2,    0,    0,    0,    2, 0, 0, 0,
    1,    0,    0,    0, /* threads: 2 planes, the second one byte repeated: */
    0x02, 0x03, 0x01,    /* 0x102, 0x103 */
    3,    2,    0,    0,   3,    0,    0,    0,    3, 0, 0, 0,
    3,    0,    0,    0,                                       /* sizes: */
    24,   0,    5,    0,   16,   0,                            /* 24, 4096, 5 */
    4,    1,    0,    0,   2,    0,    0,    0,    1, 0, 0, 0, /* ages, one byte repeated: */
    2,                                                         /* both two allocations ago */
    5,    1,    0,    0,   1,    0,    0,    0,    1, 0, 0, 0, /* alignments: */
    12,                                                        /* 2^12 */
    'H',  'E',  'N',  'D', 0,    0,    0,    0,                /* the end mark */
    4,    0,    0,    0,   0,    0,    0,    0,                /* ops in all */
    2,    0,    0,    0,   0,    0,    0,    0,                /* allocations in all */
    0,    0,    0,    0,   0,    0,    0,    0,    0, 0, 0, 0,
    0,    0,    0,    0,                        /* time, no payload */
    0,    0,    0,    0,   0,    0,    0,    0, /* its checksum */
    0,    0,    0,    0,   0,    0,    0,    0, /* the header's */
};
static const struct op golden_ops[] = {
    {.kind = OP_MALLOC, .thread = 0x102, .block = 0, .size = 24},
    {.kind = OP_ALIGNED, .thread = 0x102, .block = 1, .size = 4096, .align = 4096},
    {.kind = OP_REALLOC, .thread = 0x102, .block = 0, .size = 5},
    {.kind = OP_FREE, .thread = 0x103, .block = 0},
};

static void test_every_byte(void **state)
{
    uint8_t expected[sizeof golden], written[sizeof golden + 1];
    struct file file = file_new();
    struct error error = {0};
    (void)state;
    memcpy(expected, golden, sizeof golden);
    fix_checksums(expected, sizeof expected);
    assert_true(write_ops(file.path, golden_ops, 4, 0, "k: v\n", 19, &error));
    assert_int_equal(file_get(&file, written, sizeof written), sizeof golden);
    assert_memory_equal(written, expected, sizeof golden);
    file_set(&file, expected, sizeof expected);
    assert_int_equal(read_ops(file.path, back, MANY, NULL, &error), 4);
    for (int i = 0; i < 4; i++)
        assert_true(same_op(&back[i], &golden_ops[i]));
    file_close(&file);
}

/* A small file of three blocks; its bytes, and where its blocks begin. */
static size_t three_blocks(uint8_t *bytes, size_t room, size_t begin[4])
{
    struct file file = file_new();
    struct error error = {0};
    size_t n, at = FORMAT_HEADER_BYTES;
    memset(ops, 0, sizeof ops);
    for (size_t i = 0; i < 2 * FORMAT_BLOCK_OPS + 100; i++)
        ops[i] = (struct op){.kind = i % 2 ? OP_FREE : OP_MALLOC, .block = i / 2, .size = i % 2 ? 0 : i % 77};
    assert_true(write_ops(file.path, ops, 2 * FORMAT_BLOCK_OPS + 100, 0, "", 19, &error));
    n = file_get(&file, bytes, room);
    for (int i = 0; i < 4; i++) {
        begin[i] = at;
        at += FORMAT_BLOCK_BYTES + get_u32(bytes + at + FORMAT_AT_PAYLOAD_BYTES);
    }
    assert_int_equal(at, n);
    file_close(&file);
    return n;
}

static void test_cut_off_everywhere(void **state)
{
    static uint8_t bytes[1 << 16];
    size_t begin[4], n = three_blocks(bytes, sizeof bytes, begin);
    struct file file = file_new();
    (void)state;
    for (size_t cut = 0; cut < n; cut++) {
        struct error error = {0};
        struct trace_info info = {0};
        size_t whole = 0;
        file_set(&file, bytes, cut);
        size_t got = read_ops(file.path, back, MANY, &info, &error);
        if (cut < FORMAT_HEADER_BYTES) {
            assert_int_equal(error.code, EXIT_INPUT);
            assert_int_equal(got, 0);
            continue;
        }
        for (int i = 0; i < 3; i++)
            whole += begin[i + 1] <= cut ? (i < 2 ? FORMAT_BLOCK_OPS : 100) : 0;
        if (error.code || !info.truncated || got != whole)
            fail_msg("cut at %zu of %zu: %zu ops instead of %zu, %s", cut, n, got, whole, error.text);
        for (size_t i = 0; i < got; i += 501)
            assert_true(same_op(&ops[i], &back[i]));
    }
    file_close(&file);
}

static void test_the_cut_is_told(void **state)
{
    static uint8_t bytes[1 << 16];
    size_t begin[4];
    struct error error = {0};
    (void)state;
    three_blocks(bytes, sizeof bytes, begin);
    struct file file = file_of(bytes, begin[1] + 10);
    struct trace_reader *reader = trace_open(file.path, &error);
    assert_non_null(reader);
    while (trace_read(reader, back, MANY, &error))
        ;
    char expected[200];
    snprintf(expected, sizeof expected, "cut off in block 1 at byte %zu; the 65536 ops before it are whole",
             begin[1] + 10);
    assert_string_equal(trace_info(reader)->note, expected);
    trace_close(reader);
    file_close(&file);
}

/* Any one byte changed is noticed: every byte is under a checksum or is one. */
static void test_damage_everywhere(void **state)
{
    uint8_t bytes[sizeof golden];
    struct file file = file_new();
    (void)state;
    for (size_t at = 0; at < sizeof golden; at++) {
        struct error error = {0};
        memcpy(bytes, golden, sizeof bytes);
        fix_checksums(bytes, sizeof bytes);
        bytes[at] ^= 0x41;
        file_set(&file, bytes, sizeof bytes);
        read_ops(file.path, back, MANY, NULL, &error);
        if (error.code != EXIT_INPUT || !strstr(error.text, file.path))
            fail_msg("byte %zu changed: \"%s\"", at, error.text);
    }
    file_close(&file);
}

/* Offsets into golden[], for what a hostile file would say with checksums that fit. */
enum {
    FLAGS = FORMAT_AT_FLAGS,
    BLOCK = FORMAT_HEADER_BYTES + 5,
    KINDS = BLOCK + FORMAT_BLOCK_BYTES,
    RUNS = KINDS + 16,
    THREADS = RUNS + 14,
    SIZES = THREADS + 19,
    AGES = SIZES + 22,
    ALIGNS = AGES + 13,
    END = ALIGNS + 13
};

static void test_hostile_fields(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        const char *message;
    } changes[] = {
        {FORMAT_AT_VERSION, 2, "version 2 of the format; this program reads version 1"},
        {FLAGS, 4, "flags of a later version"},
        {FORMAT_AT_META_BYTES + 2, 2, "more meta text than is allowed"},
        {FORMAT_HEADER_BYTES + 1, 0, "the meta text is damaged"},
        {BLOCK, 'X', "is neither a block nor an end mark"},
        {BLOCK + FORMAT_AT_OPS, 0, "a count of ops out of bounds"},
        {BLOCK + FORMAT_AT_OPS, 5, "not as many kinds as ops"},
        {BLOCK + FORMAT_AT_OPS + 2, 2, "a count of ops out of bounds"},
        {BLOCK + FORMAT_AT_FIRST_OP, 1, "does not follow the block before"},
        {BLOCK + FORMAT_AT_FIRST_BLOCK, 1, "does not follow the block before"},
        {BLOCK + FORMAT_AT_PAYLOAD_BYTES + 3, 1, "larger than a block can be"},
        {BLOCK + FORMAT_AT_RAW_BYTES, 20, "a raw size that is not its own"},
        {KINDS, 8, "a column of an unknown kind"},
        {KINDS + 1, 0, "a column of no known width"},
        {KINDS + 1, 9, "a column of no known width"},
        {KINDS + 2, 1, "a column of an unknown kind"},
        {KINDS + 4, 0, "a column of more values than a block has ops"},
        {KINDS + 6, 2, "a column of more values than a block has ops"},
        {KINDS + 8, 5, "a plane larger than its values"},
        {KINDS + 8, 0, "a plane larger than its values"},
        {KINDS + 8, 3, "a plane that does not decompress to its size"},
        {KINDS + 12, 6, "an unknown op"},
        {KINDS + 12, 255, "an unknown op"},
        {KINDS + 13, 1, "a column that does not match the kinds"},
        {RUNS, 0, "a column that does not belong"},
        {RUNS + 12, 4, "runs that do not add up"},
        {RUNS + 12, 0, "a run of ops out of bounds"},
        {RUNS + 13, 200, "a run of ops out of bounds"},
        {THREADS, 6, "a column that does not belong"},
        {AGES + 12, 3, "an op on a block that was not born"},
        {AGES + 12, 0, "an op on a block that was not born"},
        {ALIGNS + 12, 48, "an alignment of 2^48 bytes or more"},
        {END + FORMAT_AT_OPS, 1, "an end mark with ops"},
        {END + FORMAT_AT_FIRST_OP, 5, "does not follow the block before"},
        {END + FORMAT_AT_FIRST_BLOCK, 3, "does not follow the block before"},
    };
    struct file file = file_new();
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        uint8_t bytes[sizeof golden];
        struct error error = {0};
        memcpy(bytes, golden, sizeof bytes);
        bytes[changes[i].at] = changes[i].value;
        fix_checksums(bytes, sizeof bytes);
        file_set(&file, bytes, sizeof bytes);
        read_ops(file.path, back, MANY, NULL, &error);
        if (error.code != EXIT_INPUT || !strstr(error.text, changes[i].message))
            fail_msg("byte %zu = %u: \"%s\" instead of \"%s\"", changes[i].at, changes[i].value, error.text,
                     changes[i].message);
    }
    file_close(&file);
}

/* A plane that would decompress to more than its values: zstd has to stop at the room it is given. */
static void test_bomb(void **state)
{
    static uint8_t bytes[1 << 16], zeros[1 << 20];
    size_t begin[4], n = three_blocks(bytes, sizeof bytes, begin);
    size_t column = begin[0] + FORMAT_BLOCK_BYTES, data = column + FORMAT_COLUMN_BYTES + 4;
    size_t stored = get_u32(bytes + column + FORMAT_COLUMN_BYTES);
    uint8_t bomb[200];
    struct error error = {0};
    (void)state;
    size_t length = ZSTD_compress(bomb, sizeof bomb, zeros, sizeof zeros, 19);
    assert_false(ZSTD_isError(length));
    assert_true(length < FORMAT_BLOCK_OPS);
    memmove(bytes + data + length, bytes + data + stored, n - data - stored); /* the plane of kinds becomes the bomb */
    memcpy(bytes + data, bomb, length);
    put_u32(bytes + column + FORMAT_COLUMN_BYTES, (uint32_t)length);
    put_u32(bytes + begin[0] + FORMAT_AT_PAYLOAD_BYTES,
            get_u32(bytes + begin[0] + FORMAT_AT_PAYLOAD_BYTES) + (uint32_t)(length - stored));
    n += length - stored;
    fix_checksums(bytes, n);
    struct file file = file_of(bytes, n);
    assert_int_equal(read_ops(file.path, back, MANY, NULL, &error), 0);
    assert_non_null(strstr(error.text, "a plane that does not decompress to its size"));
    file_close(&file);
}

static void test_data_after_the_end(void **state)
{
    uint8_t bytes[sizeof golden + 1] = {0};
    struct error error = {0};
    (void)state;
    memcpy(bytes, golden, sizeof golden);
    fix_checksums(bytes, sizeof golden);
    struct file file = file_of(bytes, sizeof bytes);
    assert_int_equal(read_ops(file.path, back, MANY, NULL, &error), 4); /* handed out before the end is looked at */
    assert_non_null(strstr(error.text, "there is data after the end mark"));
    file_close(&file);
}

static void refused_op(const struct op *op, const char *message)
{
    struct file file = file_new();
    struct error error = {0};
    struct op two[2] = {{.kind = OP_MALLOC}, *op};
    assert_false(write_ops(file.path, two, 2, 0, "", 1, &error));
    if (!strstr(error.text, message))
        fail_msg("\"%s\" instead of \"%s\"", error.text, message);
    file_close(&file);
}

static void test_writer_refuses(void **state)
{
    (void)state;
    refused_op(&(struct op){.kind = OP_KINDS}, "op 1 is of no known kind");
    refused_op(&(struct op){.kind = OP_MALLOC, .block = 2}, "op 1 makes a block that is not numbered next");
    refused_op(&(struct op){.kind = OP_FREE, .block = 1}, "op 1 names a block that was not born");
    refused_op(&(struct op){.kind = OP_REALLOC, .block = TRACE_NULL}, "op 1 names a block that was not born");
    refused_op(&(struct op){.kind = OP_CALLOC, .block = 1, .size = UINT64_C(1) << 48}, "2^48");
    refused_op(&(struct op){.kind = OP_ALIGNED, .block = 1, .align = 24}, "not a power of two");
    refused_op(&(struct op){.kind = OP_ALIGNED, .block = 1, .align = 0}, "not a power of two");
    struct error error = {0};
    assert_null(trace_create("/no/such/folder/x.trace", 0, "", 1, &error));
    assert_int_equal(error.code, EXIT_LACKS);
    assert_non_null(strstr(error.text, "/no/such/folder/x.trace"));
    error = (struct error){0};
    random_ops(ops, MANY, 0, 5);
    assert_false(write_ops("/dev/full", ops, MANY, 0, "", 1, &error));
    assert_int_equal(error.code, EXIT_LACKS);
}

/* A file that lacks something says so, also when the disk has room again at the end. */
static void test_what_lacks_ops_has_no_end_mark(void **state)
{
    struct error error = {0};
    struct trace_info info;
    struct file file = file_new();
    (void)state;
    random_ops(ops, MANY, 0, 5);
    struct trace_writer *writer = trace_create(file.path, 0, "", 1, &error);
    assert_true(trace_write(writer, ops, 100, &error));
    trace_cut_off(writer);
    assert_true(trace_finish(writer, &error));
    assert_int_equal(read_ops(file.path, back, MANY, &info, &error), 100);
    assert_true(info.truncated);
    assert_int_equal(error.code, EXIT_DONE);

    struct rlimit limit, little = {.rlim_cur = 1000};
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    little.rlim_max = limit.rlim_max;
    writer = trace_create(file.path, 0, "", 1, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    const bool written = trace_write(writer, ops, MANY, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, before);
    assert_false(written);
    assert_int_equal(error.code, EXIT_LACKS);
    assert_false(trace_finish(writer, &error));
    error = (struct error){0};
    read_ops(file.path, back, MANY, &info, &error);
    assert_true(info.truncated);
    assert_int_equal(error.code, EXIT_DONE);
    file_close(&file);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_meta),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_cut_off_everywhere),
        cmocka_unit_test(test_the_cut_is_told),
        cmocka_unit_test(test_damage_everywhere),
        cmocka_unit_test(test_hostile_fields),
        cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_data_after_the_end),
        cmocka_unit_test(test_writer_refuses),
        cmocka_unit_test(test_what_lacks_ops_has_no_end_mark),
    };
    return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
