/* native.c - reads our own format; every field is checked before it is used. See format.h for the layout. */
#include "traces/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "traces/column.h"
#include "traces/reader.h"

struct native {
    struct trace_reader base;
    struct source *source;
    ZSTD_DCtx *context;
    char *meta;
    bool ended;
    uint64_t next_op, next_block, time; /* of the op to hand out next */
    uint64_t number, offset;            /* of the block being read, and of its header in the file */
    uint32_t ops, at;                   /* of the block in memory, and handed out */
    uint32_t n[COLUMNS], used[COLUMNS];
    uint64_t *values[COLUMNS]; /* one more than a block's ops, since the loop reads ahead; none for the kinds */
    uint8_t *kinds, *scratch, *payload;
    size_t payload_room;
};

static void native_close(struct trace_reader *reader)
{
    struct native *native = (struct native *)reader;
    source_close(native->source);
    ZSTD_freeDCtx(native->context);
    for (int c = 0; c < COLUMNS; c++)
        free(native->values[c]);
    free(native->kinds);
    free(native->scratch);
    free(native->payload);
    free(native->meta);
    free(native);
}

/* ---- The file's header ------------------------------------------------------------------------------------------- */

static bool bad_header(struct native *native, const char *what, struct error *error)
{
    return error_set(error, EXIT_INPUT, "%s: header: %s; record or convert it again", source_name(native->source),
                     what);
}

static bool read_meta(struct native *native, const uint8_t *header, struct error *error)
{
    uint32_t bytes = get_u32(header + FORMAT_AT_META_BYTES);
    if (bytes > FORMAT_MAX_META)
        return bad_header(native, "more meta text than is allowed", error);
    if (!(native->meta = calloc(1, bytes + 1)))
        return error_set(error, EXIT_LACKS, "%s: no memory to read it", source_name(native->source));
    if (source_read(native->source, native->meta, bytes, error) < bytes)
        return bad_header(native, "the file is cut off before its first op", error);
    if (XXH64(native->meta, bytes, 0) != get_u64(header + FORMAT_AT_META_SUM) || memchr(native->meta, 0, bytes))
        return bad_header(native, "the meta text is damaged", error);
    native->base.info.meta = native->meta;
    return true;
}

static bool read_header(struct native *native, struct error *error)
{
    uint8_t header[FORMAT_HEADER_BYTES];
    if (source_read(native->source, header, sizeof header, error) < sizeof header)
        return bad_header(native, "the file is cut off before its first op", error);
    uint32_t version = get_u32(header + FORMAT_AT_VERSION);
    if (version != FORMAT_VERSION)
        return error_set(error, EXIT_INPUT, "%s: header: version %u of the format; this program reads version %u",
                         source_name(native->source), version, FORMAT_VERSION);
    if (XXH64(header, FORMAT_AT_HEADER_SUM, 0) != get_u64(header + FORMAT_AT_HEADER_SUM))
        return bad_header(native, "damaged", error);
    native->base.info.flags = get_u32(header + FORMAT_AT_FLAGS);
    if (native->base.info.flags & ~(uint32_t)(TRACE_TIME | TRACE_SITE) || get_u32(header + FORMAT_AT_ZERO))
        return bad_header(native, "flags of a later version", error);
    return read_meta(native, header, error);
}

/* ---- A block ------------------------------------------------------------------------------------------------------
 */

static bool bad_block(struct native *native, const char *what, struct error *error)
{
    unsigned long long offset = native->offset;
    return error_set(error, EXIT_INPUT, "%s: block %llu at byte %llu: %s; `head -c %llu` keeps what is whole before it",
                     source_name(native->source), (unsigned long long)native->number, offset, what, offset);
}

static void cut_off(struct native *native)
{
    native->ended = native->base.info.truncated = true;
    snprintf(native->base.note, sizeof native->base.note,
             "cut off in block %llu at byte %llu; the %llu ops before it are whole", (unsigned long long)native->number,
             (unsigned long long)source_offset(native->source), (unsigned long long)native->next_op);
}

static bool check_end(struct native *native, const uint8_t *header, struct error *error)
{
    uint8_t more;
    if (get_u32(header + FORMAT_AT_OPS) || get_u32(header + FORMAT_AT_PAYLOAD_BYTES))
        return bad_block(native, "an end mark with ops", error);
    if (source_read(native->source, &more, 1, error) == 1)
        return bad_block(native, "there is data after the end mark", error);
    native->ended = true;
    return !error->code;
}

static bool check_block_header(struct native *native, const uint8_t *header, struct error *error)
{
    if (XXH64(header, FORMAT_AT_BLOCK_SUM, 0) != get_u64(header + FORMAT_AT_BLOCK_SUM))
        return bad_block(native, "its header is damaged", error);
    if (get_u64(header + FORMAT_AT_FIRST_OP) != native->next_op ||
        get_u64(header + FORMAT_AT_FIRST_BLOCK) != native->next_block)
        return bad_block(native, "does not follow the block before", error);
    uint32_t magic = get_u32(header + FORMAT_AT_MAGIC);
    if (magic == FORMAT_END_MAGIC)
        return check_end(native, header, error);
    if (magic != FORMAT_BLOCK_MAGIC)
        return bad_block(native, "is neither a block nor an end mark", error);
    native->ops = get_u32(header + FORMAT_AT_OPS);
    if (native->ops < 1 || native->ops > FORMAT_BLOCK_OPS)
        return bad_block(native, "a count of ops out of bounds", error);
    if (get_u32(header + FORMAT_AT_PAYLOAD_BYTES) > FORMAT_MAX_PAYLOAD)
        return bad_block(native, "larger than a block can be", error);
    native->time = get_u64(header + FORMAT_AT_TIME);
    return true;
}

static bool read_payload(struct native *native, const uint8_t *header, struct error *error)
{
    uint32_t bytes = get_u32(header + FORMAT_AT_PAYLOAD_BYTES);
    if (bytes > native->payload_room) {
        free(native->payload);
        native->payload_room = bytes;
        if (!(native->payload = malloc(bytes))) {
            native->payload_room = 0;
            return error_set(error, EXIT_LACKS, "%s: no memory to read it", source_name(native->source));
        }
    }
    if (source_read(native->source, native->payload, bytes, error) < bytes) {
        if (!error->code)
            cut_off(native);
        return false;
    }
    if (XXH64(native->payload, bytes, 0) != get_u64(header + FORMAT_AT_PAYLOAD_SUM))
        return bad_block(native, "damaged", error);
    return true;
}

static const char *decode_columns(struct native *native, uint32_t bytes, uint32_t raw)
{
    uint64_t sum = 0;
    unsigned next = 0;
    memset(native->n, 0, sizeof native->n);
    memset(native->used, 0, sizeof native->used);
    for (uint32_t at = 0; at < bytes;) {
        struct column column;
        const char *wrong = column_find(&column, native->payload + at, bytes - at);
        if (wrong)
            return wrong;
        if (column.id < next || (column.id != COLUMN_KIND && !native->values[column.id]) || column.values > native->ops)
            return "a column that does not belong";
        if (column.id == COLUMN_KIND)
            wrong = column.planes == 1 ? column_plane(&column, 0, native->kinds, native->context) : "an unknown op";
        else
            wrong = column_decode(&column, native->values[column.id], native->scratch, native->context);
        if (wrong)
            return wrong;
        native->n[column.id] = column.values;
        next = column.id + 1;
        at += (uint32_t)column.bytes;
        sum += (uint64_t)column.values * column.planes;
    }
    return sum == raw ? NULL : "a raw size that is not its own";
}

static uint64_t largest(const uint64_t *values, uint32_t n)
{
    uint64_t max = 0;
    for (uint32_t i = 0; i < n; i++)
        max = values[i] > max ? values[i] : max;
    return max;
}

/* How many ops of each kind; false: there are others. Eight counters of a byte share a word, emptied before one can
 * overflow: counters in memory would wait for their own last store. */
static bool count_kinds(const uint8_t *kinds, uint32_t n, uint32_t of[8])
{
    static const uint64_t one[8] = {UINT64_C(1) << 0,  UINT64_C(1) << 8,  UINT64_C(1) << 16, UINT64_C(1) << 24,
                                    UINT64_C(1) << 32, UINT64_C(1) << 40, UINT64_C(1) << 48, UINT64_C(1) << 56};
    unsigned all = 0;
    memset(of, 0, 8 * sizeof *of);
    for (uint32_t i = 0; i < n;) {
        uint64_t counters = 0;
        for (uint32_t end = n - i > 255 ? i + 255 : n; i < end; i++) {
            counters += one[kinds[i] & 7];
            all |= kinds[i];
        }
        for (int k = 0; k < 8; k++)
            of[k] += counters >> 8 * k & 255;
    }
    _Static_assert(OP_KINDS == 6, "the kinds fill six of the eight counters");
    return all < 8 && of[6] == 0 && of[7] == 0;
}

/* As many values in each column as the kinds say, all within bounds. Ages are checked as ops are handed out. */
static const char *check_columns(const struct native *native)
{
    uint32_t of[8], ops = native->ops;
    if (native->n[COLUMN_KIND] != ops)
        return "not as many kinds as ops";
    if (!count_kinds(native->kinds, ops, of))
        return "an unknown op";
    if (native->n[COLUMN_SIZE] != of[OP_MALLOC] + of[OP_CALLOC] + of[OP_ALIGNED] + of[OP_REALLOC] ||
        native->n[COLUMN_AGE] != of[OP_REALLOC] + of[OP_FREE] || native->n[COLUMN_ALIGN] != of[OP_ALIGNED] ||
        native->n[COLUMN_TIME] != (native->base.info.flags & TRACE_TIME ? ops : 0) ||
        native->n[COLUMN_SITE] != (native->base.info.flags & TRACE_SITE ? ops : 0) ||
        native->n[COLUMN_RUN] != native->n[COLUMN_THREAD])
        return "a column that does not match the kinds";
    uint64_t in_runs = 0; /* at most 2^16 lengths below 2^32: no overflow */
    for (uint32_t i = 0; i < native->n[COLUMN_RUN]; i++) {
        if (native->values[COLUMN_RUN][i] < 1 || native->values[COLUMN_RUN][i] > ops)
            return "a run of ops out of bounds";
        in_runs += native->values[COLUMN_RUN][i];
    }
    if (in_runs != ops)
        return "runs that do not add up";
    if (largest(native->values[COLUMN_THREAD], native->n[COLUMN_THREAD]) > UINT32_MAX)
        return "a thread id out of bounds";
    if (largest(native->values[COLUMN_SIZE], native->n[COLUMN_SIZE]) >= TRACE_MAX_SIZE)
        return "a size of 2^48 bytes or more";
    if (largest(native->values[COLUMN_ALIGN], native->n[COLUMN_ALIGN]) >= 48)
        return "an alignment of 2^48 bytes or more";
    return NULL;
}

static bool load_block(struct native *native, struct error *error)
{
    uint8_t header[FORMAT_BLOCK_BYTES];
    native->number += native->offset != 0;
    native->offset = source_offset(native->source);
    if (source_read(native->source, header, sizeof header, error) < sizeof header) {
        if (!error->code)
            cut_off(native);
        return false;
    }
    if (!check_block_header(native, header, error) || native->ended || !read_payload(native, header, error))
        return false;
    const char *wrong =
        decode_columns(native, get_u32(header + FORMAT_AT_PAYLOAD_BYTES), get_u32(header + FORMAT_AT_RAW_BYTES));
    if (!wrong)
        wrong = check_columns(native);
    return !wrong || bad_block(native, wrong, error);
}

/* False: the end, or *error; then there is no block. */
static bool next_block(struct native *native, struct error *error)
{
    bool loaded = load_block(native, error);
    native->at = 0;
    if (!loaded)
        native->ops = 0;
    return loaded;
}

/* ---- Ops ------------------------------------------------------------------------------------------------------------
 */

static inline uint64_t unzigzag(uint64_t v)
{
    return v >> 1 ^ -(v & 1);
}

static void fill_times_and_sites(struct native *native, struct op *ops, uint32_t n)
{
    const uint64_t *times = native->values[COLUMN_TIME], *sites = native->values[COLUMN_SITE];
    for (uint32_t i = 0; i < n; i++) {
        if (times)
            ops[i].time = native->time += unzigzag(times[native->at + i]);
        if (sites)
            ops[i].site = sites[native->at + i];
    }
}

/* Ops of one run, without a branch that depends on the kind but for the seldom one; how many until a bad age. */
static uint32_t fill_ops(struct native *native, struct op *ops, uint32_t n, uint32_t thread)
{
    const uint8_t *kinds = native->kinds + native->at;
    const uint64_t *size = native->values[COLUMN_SIZE] + native->used[COLUMN_SIZE];
    const uint64_t *age = native->values[COLUMN_AGE] + native->used[COLUMN_AGE];
    const uint64_t *align = native->values[COLUMN_ALIGN] + native->used[COLUMN_ALIGN];
    uint64_t next = native->next_block;
    uint32_t i;
    for (i = 0; i < n; i++) {
        unsigned kind = kinds[i];
        uint64_t sized = op_has_size(kind), aged = op_has_age(kind), born = kind <= OP_ALIGNED;
        uint64_t back = *age & -aged; /* 0 when born: the block is `next` itself */
        if (__builtin_expect((back > next) | ((uint64_t)(kind == OP_REALLOC) > back), 0))
            break;
        uint64_t none = (uint64_t)((born | back) == 0);
        ops[i] = (struct op){.kind = kind, .thread = thread, .block = (next - back) | -none, .size = *size & -sized};
        if (__builtin_expect(kind == OP_ALIGNED, 0))
            ops[i].align = UINT64_C(1) << *align++;
        size += sized;
        age += aged;
        next += born;
    }
    native->used[COLUMN_SIZE] = (uint32_t)(size - native->values[COLUMN_SIZE]);
    native->used[COLUMN_AGE] = (uint32_t)(age - native->values[COLUMN_AGE]);
    native->used[COLUMN_ALIGN] = (uint32_t)(align - native->values[COLUMN_ALIGN]);
    native->next_block = next;
    return i;
}

static size_t native_read(struct trace_reader *reader, struct op *ops, size_t n, struct error *error)
{
    struct native *native = (struct native *)reader;
    size_t done = 0;
    while (done < n) {
        if (native->at == native->ops && (native->ended || !next_block(native, error)))
            break;
        uint64_t *run = &native->values[COLUMN_RUN][native->used[COLUMN_RUN]];
        uint32_t part = *run < n - done ? (uint32_t)*run : (uint32_t)(n - done);
        uint32_t thread = (uint32_t)native->values[COLUMN_THREAD][native->used[COLUMN_RUN]];
        uint32_t good = fill_ops(native, ops + done, part, thread);
        if (native->base.info.flags)
            fill_times_and_sites(native, ops + done, good);
        done += good;
        native->at += good;
        native->next_op += good;
        if (good < part) {
            bad_block(native, "an op on a block that was not born", error);
            native->ended = true;
            break;
        }
        if ((*run -= part) == 0)
            native->used[COLUMN_RUN]++;
    }
    return done;
}

static bool native_memory(struct native *native)
{
    for (int c = COLUMN_RUN; c < COLUMNS; c++)
        if ((c != COLUMN_TIME || native->base.info.flags & TRACE_TIME) &&
            (c != COLUMN_SITE || native->base.info.flags & TRACE_SITE) &&
            !(native->values[c] = calloc(FORMAT_BLOCK_OPS + 1, sizeof(uint64_t))))
            return false;
    return (native->kinds = malloc(FORMAT_BLOCK_OPS)) && (native->scratch = malloc(FORMAT_BLOCK_OPS)) &&
           (native->context = ZSTD_createDCtx());
}

struct trace_reader *native_open(struct source *source, struct error *error)
{
    struct native *native = calloc(1, sizeof *native);
    if (!native) {
        source_close(source);
        error_set(error, EXIT_LACKS, "no memory to read a trace");
        return NULL;
    }
    native->source = source;
    native->base =
        (struct trace_reader){.info.format = "heapbench", .info.meta = "", .read = native_read, .close = native_close};
    if (read_header(native, error) && !native_memory(native))
        error_set(error, EXIT_LACKS, "%s: no memory to read it", source_name(source));
    if (!error->code)
        return &native->base;
    native_close(&native->base);
    return NULL;
}
