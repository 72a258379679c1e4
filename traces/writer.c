/* writer.c - ops to a file in our format; see format.h for the layout. */
#include "traces/format.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "traces/column.h"
#include "traces/reader.h"
#include "traces/write_all.h"

struct trace_writer {
    int fd;
    char *path;
    uint32_t flags;
    ZSTD_CCtx *context;
    uint64_t next_op, next_block; /* of the trace, with what is gathered */
    uint64_t first_op, first_block, base_time;
    uint64_t time; /* of the latest op */
    uint32_t thread, run;
    uint32_t n[COLUMNS]; /* values gathered; n[COLUMN_KIND] is the ops */
    uint64_t *values[COLUMNS];
    uint8_t *out; /* a block being put together */
    bool cut_off; /* there will be no end mark */
    bool failed;  /* nor anything else */
};

static bool put(struct trace_writer *writer, const void *bytes, size_t n, struct error *error)
{
    if (writer->failed)
        return false;
    writer->failed = !write_all(writer->fd, bytes, n);
    return !writer->failed ||
           error_set(error, EXIT_LACKS, "%s: cannot be written at op %llu: %s; what is there so far is readable",
                     writer->path, (unsigned long long)writer->first_op, strerror(errno));
}

static void writer_free(struct trace_writer *writer)
{
    if (writer->fd > STDOUT_FILENO)
        close(writer->fd);
    ZSTD_freeCCtx(writer->context);
    for (int c = 0; c < COLUMNS; c++)
        free(writer->values[c]);
    free(writer->out);
    free(writer->path);
    free(writer);
}

static bool write_header(struct trace_writer *writer, const char *meta, struct error *error)
{
    size_t meta_bytes = strlen(meta);
    if (meta_bytes > FORMAT_MAX_META)
        return error_set(error, EXIT_USAGE, "%s: %zu bytes of meta text; at most %u fit", writer->path, meta_bytes,
                         FORMAT_MAX_META);
    uint8_t *header = writer->out;
    memset(header, 0, FORMAT_HEADER_BYTES);
    memcpy(header, FORMAT_MAGIC, FORMAT_MAGIC_BYTES);
    put_u32(header + FORMAT_AT_VERSION, FORMAT_VERSION);
    put_u32(header + FORMAT_AT_FLAGS, writer->flags);
    put_u32(header + FORMAT_AT_META_BYTES, (uint32_t)meta_bytes);
    put_u64(header + FORMAT_AT_META_SUM, XXH64(meta, meta_bytes, 0));
    put_u64(header + FORMAT_AT_HEADER_SUM, XXH64(header, FORMAT_AT_HEADER_SUM, 0));
    memcpy(header + FORMAT_HEADER_BYTES, meta, meta_bytes);
    return put(writer, header, FORMAT_HEADER_BYTES + meta_bytes, error);
}

static bool writer_memory(struct trace_writer *writer, int level)
{
    for (int c = 0; c < COLUMNS; c++)
        if ((c != COLUMN_TIME || writer->flags & TRACE_TIME) && (c != COLUMN_SITE || writer->flags & TRACE_SITE) &&
            !(writer->values[c] = malloc(FORMAT_BLOCK_OPS * sizeof(uint64_t))))
            return false;
    return (writer->out = malloc(FORMAT_BLOCK_BYTES + FORMAT_MAX_PAYLOAD)) && (writer->context = ZSTD_createCCtx()) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(writer->context, ZSTD_c_compressionLevel, level));
}

struct trace_writer *trace_create(const char *path, uint32_t flags, const char *meta, int level, struct error *error)
{
    struct trace_writer *writer = calloc(1, sizeof *writer);
    if (writer) {
        writer->fd = -1;
        writer->flags = flags & (TRACE_TIME | TRACE_SITE);
        writer->path = strdup(strcmp(path, "-") ? path : "standard output");
    }
    if (!writer || !writer->path || !writer_memory(writer, level))
        error_set(error, EXIT_LACKS, "%s: no memory to write it", path);
    else if ((writer->fd =
                  strcmp(path, "-") ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : STDOUT_FILENO) < 0)
        error_set(error, EXIT_LACKS, "%s: cannot be created: %s", path, strerror(errno));
    else if (write_header(writer, meta, error))
        return writer;
    if (writer)
        writer_free(writer);
    return NULL;
}

static void put_block_header(struct trace_writer *writer, uint32_t magic, uint32_t payload, uint32_t raw)
{
    uint8_t *h = writer->out;
    put_u32(h + FORMAT_AT_MAGIC, magic);
    put_u32(h + FORMAT_AT_OPS, writer->n[COLUMN_KIND]);
    put_u64(h + FORMAT_AT_FIRST_OP, writer->first_op);
    put_u64(h + FORMAT_AT_FIRST_BLOCK, writer->first_block);
    put_u64(h + FORMAT_AT_TIME, writer->base_time);
    put_u32(h + FORMAT_AT_PAYLOAD_BYTES, payload);
    put_u32(h + FORMAT_AT_RAW_BYTES, raw);
    put_u64(h + FORMAT_AT_PAYLOAD_SUM, XXH64(h + FORMAT_BLOCK_BYTES, payload, 0));
    put_u64(h + FORMAT_AT_BLOCK_SUM, XXH64(h, FORMAT_AT_BLOCK_SUM, 0));
}

static void end_run(struct trace_writer *writer)
{
    if (writer->run) {
        writer->values[COLUMN_RUN][writer->n[COLUMN_RUN]++] = writer->run;
        writer->values[COLUMN_THREAD][writer->n[COLUMN_THREAD]++] = writer->thread;
    }
    writer->run = 0;
}

static bool write_block(struct trace_writer *writer, struct error *error)
{
    uint32_t raw = 0;
    uint8_t *end = writer->out + FORMAT_BLOCK_BYTES;
    end_run(writer);
    for (int c = 0; c < COLUMNS; c++)
        if (writer->n[c])
            end += column_encode(end, (enum format_column)c, writer->values[c], writer->n[c], writer->context, &raw);
    put_block_header(writer, FORMAT_BLOCK_MAGIC, (uint32_t)(end - writer->out - FORMAT_BLOCK_BYTES), raw);
    bool done = put(writer, writer->out, (size_t)(end - writer->out), error);
    memset(writer->n, 0, sizeof writer->n);
    writer->first_op = writer->next_op;
    writer->first_block = writer->next_block;
    writer->base_time = writer->time;
    return done;
}

static const char *wrong_with(const struct trace_writer *writer, const struct op *op)
{
    if ((unsigned)op->kind >= OP_KINDS)
        return "is of no known kind";
    if (op->kind <= OP_ALIGNED && op->block != writer->next_block)
        return "makes a block that is not numbered next";
    if (op_has_age(op->kind) && op->block >= writer->next_block && !(op->kind == OP_FREE && op->block == TRACE_NULL))
        return "names a block that was not born";
    if (op_has_size(op->kind) && op->size >= TRACE_MAX_SIZE)
        return "asks for 2^48 bytes or more";
    if (op->kind == OP_ALIGNED && (op->align == 0 || op->align & (op->align - 1) || op->align >= TRACE_MAX_SIZE))
        return "has an alignment that is not a power of two under 2^48";
    return NULL;
}

static inline void gather(struct trace_writer *writer, enum format_column column, uint64_t value)
{
    writer->values[column][writer->n[column]++] = value;
}

static inline uint64_t zigzag(uint64_t difference)
{
    return difference << 1 ^ -(difference >> 63);
}

static inline void gather_op(struct trace_writer *writer, const struct op *op)
{
    gather(writer, COLUMN_KIND, op->kind);
    if (op->thread != writer->thread || !writer->run) {
        end_run(writer);
        writer->thread = op->thread;
    }
    writer->run++;
    if (op_has_size(op->kind))
        gather(writer, COLUMN_SIZE, op->size);
    if (op_has_age(op->kind))
        gather(writer, COLUMN_AGE, op->block == TRACE_NULL ? 0 : writer->next_block - op->block);
    if (op->kind == OP_ALIGNED)
        gather(writer, COLUMN_ALIGN, (uint64_t)__builtin_ctzll(op->align));
    if (writer->flags & TRACE_TIME)
        gather(writer, COLUMN_TIME, zigzag(op->time - writer->time));
    if (writer->flags & TRACE_SITE)
        gather(writer, COLUMN_SITE, op->site);
    writer->time = op->time;
    writer->next_block += op->kind <= OP_ALIGNED;
    writer->next_op++;
}

bool trace_write(struct trace_writer *writer, const struct op *ops, size_t n, struct error *error)
{
    for (size_t i = 0; i < n; i++) {
        const char *wrong = wrong_with(writer, &ops[i]);
        if (wrong)
            return error_set(error, EXIT_INPUT, "%s: op %llu %s; it cannot be written", writer->path,
                             (unsigned long long)writer->next_op, wrong);
        gather_op(writer, &ops[i]);
        if (writer->n[COLUMN_KIND] == FORMAT_BLOCK_OPS && !write_block(writer, error))
            return false;
    }
    return true;
}

bool trace_flush(struct trace_writer *writer, struct error *error)
{
    return !writer->n[COLUMN_KIND] || write_block(writer, error);
}

void trace_cut_off(struct trace_writer *writer)
{
    writer->cut_off = true;
}

bool trace_finish(struct trace_writer *writer, struct error *error)
{
    bool done = trace_flush(writer, error) && !writer->failed;
    if (done && !writer->cut_off) {
        put_block_header(writer, FORMAT_END_MAGIC, 0, 0);
        done = put(writer, writer->out, FORMAT_BLOCK_BYTES, error);
    }
    if (writer->fd > STDOUT_FILENO && close(writer->fd) < 0 && done)
        done = error_set(error, EXIT_LACKS, "%s: cannot be written: %s", writer->path, strerror(errno));
    writer->fd = -1;
    writer_free(writer);
    return done;
}
