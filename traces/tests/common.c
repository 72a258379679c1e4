/* common.c - see common.h. */
#include "traces/tests/common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "traces/format.h"
#include "traces/reader.h"

/* ---- Files in memory ---- */

static void need(bool fine, const char *what)
{
    if (!fine) {
        perror(what);
        exit(99); /* to the harness: the test could not be set up */
    }
}

struct file file_new(void)
{
    struct file file = {.fd = memfd_create("heapbench test", MFD_CLOEXEC)};
    need(file.fd >= 0, "memfd_create");
    snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.fd);
    return file;
}

void file_set(struct file *file, const void *bytes, size_t n)
{
    need(ftruncate(file->fd, 0) == 0 && pwrite(file->fd, bytes, n, 0) == (ssize_t)n, "pwrite");
}

struct file file_of(const void *bytes, size_t n)
{
    struct file file = file_new();
    file_set(&file, bytes, n);
    return file;
}

size_t file_get(const struct file *file, void *bytes, size_t room)
{
    ssize_t n = pread(file->fd, bytes, room, 0);
    need(n >= 0, "pread");
    return (size_t)n;
}

void file_close(struct file *file)
{
    close(file->fd);
}

/* ---- Random streams ---- */

uint64_t test_random(uint64_t *state)
{
    *state ^= *state << 13; /* xorshift: Marsaglia 2003 */
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

uint64_t test_below(uint64_t *state, uint64_t n)
{
    return test_random(state) % n;
}

/* Mostly small, at times of any magnitude. */
static uint64_t random_size(uint64_t *state)
{
    uint64_t bits = test_below(state, 8) ? 10 : test_below(state, 49);
    return test_random(state) & ((UINT64_C(1) << bits) - 1);
}

void random_ops(struct op *ops, size_t n, uint32_t flags, uint64_t seed)
{
    uint64_t *live = malloc((n + 1) * sizeof *live), nlive = 0, born = 0, state = seed * 2 + 1, time = 0;
    uint32_t thread = 1;
    need(live != NULL, "malloc");
    for (size_t i = 0; i < n; i++) {
        struct op *op = &ops[i];
        if (test_below(&state, 20) == 0)
            thread = (uint32_t)test_random(&state) >> test_below(&state, 32);
        *op = (struct op){.kind = (enum op_kind)test_below(&state, OP_KINDS), .thread = thread, .block = TRACE_NULL};
        if (op->kind == OP_THREAD_END && test_below(&state, 10))
            op->kind = OP_FREE;
        if (op->kind == OP_REALLOC && nlive == 0)
            op->kind = OP_MALLOC;
        uint64_t which = nlive ? test_below(&state, nlive) : 0;
        if (op->kind <= OP_ALIGNED)
            op->block = live[nlive++] = born++;
        else if (op->kind == OP_REALLOC)
            op->block = live[which];
        else if (op->kind == OP_FREE && nlive && test_below(&state, 20)) {
            op->block = live[which];
            live[which] = live[--nlive];
        }
        if (op->kind <= OP_REALLOC)
            op->size = random_size(&state);
        if (op->kind == OP_ALIGNED)
            op->align = UINT64_C(1) << test_below(&state, 48);
        if (flags & TRACE_TIME && i > 0) /* a trace begins at its first op */
            op->time = time = test_below(&state, 50) ? time + test_below(&state, 1000) : test_random(&state) >> 8;
        if (flags & TRACE_SITE)
            op->site = test_random(&state) >> test_below(&state, 64);
    }
    free(live);
}

bool same_op(const struct op *a, const struct op *b)
{
    return a->kind == b->kind && a->thread == b->thread && a->block == b->block && a->size == b->size &&
           a->align == b->align && a->time == b->time && a->site == b->site;
}

/* ---- Traces ---- */

bool write_ops(const char *path, const struct op *ops, size_t n, uint32_t flags, const char *meta, int level,
               struct error *error)
{
    struct trace_writer *writer = trace_create(path, flags, meta, level, error);
    if (!writer)
        return false;
    bool written = trace_write(writer, ops, n, error);
    return trace_finish(writer, error) && written;
}

size_t read_ops(const char *path, struct op *ops, size_t room, struct trace_info *info, struct error *error)
{
    struct trace_reader *reader = trace_open(path, error);
    size_t n = 0, got, step = 1; /* by pieces of many lengths */
    while (reader && n < room && (got = trace_read(reader, ops + n, step < room - n ? step : room - n, error)) > 0) {
        n += got;
        step = step * 3 % 4099;
    }
    if (reader && info) {
        *info = *trace_info(reader);
        info->meta = info->note = NULL; /* they end with the reader */
    }
    trace_close(reader);
    return n;
}

static void seal(uint8_t *at, size_t n, size_t begin, size_t length, size_t sum)
{
    if (sum + 8 <= n && begin <= n && length <= n - begin)
        put_u64(at + sum, XXH64(at + begin, length, 0));
}

void fix_checksums(uint8_t *file, size_t n)
{
    if (n < FORMAT_HEADER_BYTES)
        return;
    size_t meta = get_u32(file + FORMAT_AT_META_BYTES);
    seal(file, n, FORMAT_HEADER_BYTES, meta, FORMAT_AT_META_SUM);
    seal(file, n, 0, FORMAT_AT_HEADER_SUM, FORMAT_AT_HEADER_SUM);
    for (size_t at = FORMAT_HEADER_BYTES + meta; at < n && n - at >= FORMAT_BLOCK_BYTES;) {
        size_t payload = get_u32(file + at + FORMAT_AT_PAYLOAD_BYTES);
        seal(file + at, n - at, FORMAT_BLOCK_BYTES, payload, FORMAT_AT_PAYLOAD_SUM);
        seal(file + at, n - at, 0, FORMAT_AT_BLOCK_SUM, FORMAT_AT_BLOCK_SUM);
        at += FORMAT_BLOCK_BYTES + payload;
    }
}
