/* column.c - see column.h. */
#include "traces/column.h"

#include <string.h>

static unsigned planes_of(const uint64_t *values, uint32_t n)
{
    uint64_t all = 0;
    for (uint32_t i = 0; i < n; i++)
        all |= values[i];
    unsigned planes = 1;
    while (all >>= 8)
        planes++;
    return planes;
}

static bool constant(const uint8_t *plane, uint32_t n)
{
    return memcmp(plane, plane + 1, n - 1) == 0;
}

/* The bytes that the plane takes at `to`, fewer than n unless raw. */
static size_t store_plane(uint8_t *to, const uint8_t *plane, uint32_t n, ZSTD_CCtx *context)
{
    if (constant(plane, n)) {
        *to = *plane;
        return 1;
    }
    size_t got = ZSTD_compress2(context, to, n - 1, plane, n);
    if (!ZSTD_isError(got)) /* one of n - 1 bytes or less */
        return got;
    memcpy(to, plane, n);
    return n;
}

size_t column_encode(uint8_t *to, enum format_column column, const uint64_t *values, uint32_t n, ZSTD_CCtx *context,
                     uint32_t *raw)
{
    uint8_t plane[FORMAT_BLOCK_OPS];
    unsigned planes = planes_of(values, n);
    uint8_t *stored = to + FORMAT_COLUMN_BYTES, *data = stored + 4 * planes;
    to[FORMAT_AT_COLUMN] = (uint8_t)column;
    to[FORMAT_AT_PLANES] = (uint8_t)planes;
    to[FORMAT_AT_UNUSED] = to[FORMAT_AT_UNUSED + 1] = 0;
    put_u32(to + FORMAT_AT_VALUES, n);
    for (unsigned p = 0; p < planes; p++) {
        for (uint32_t i = 0; i < n; i++)
            plane[i] = (uint8_t)(values[i] >> 8 * p);
        size_t bytes = store_plane(data, plane, n, context);
        put_u32(stored + 4 * p, (uint32_t)bytes);
        data += bytes;
    }
    *raw += n * planes;
    return (size_t)(data - to);
}

const char *column_find(struct column *column, const uint8_t *from, size_t left)
{
    if (left < FORMAT_COLUMN_BYTES)
        return "a column is cut off";
    column->id = from[FORMAT_AT_COLUMN];
    column->planes = from[FORMAT_AT_PLANES];
    column->values = get_u32(from + FORMAT_AT_VALUES);
    column->stored = from + FORMAT_COLUMN_BYTES;
    if (column->id >= COLUMNS || from[FORMAT_AT_UNUSED] || from[FORMAT_AT_UNUSED + 1])
        return "a column of an unknown kind";
    if (column->planes < 1 || column->planes > FORMAT_MAX_PLANES)
        return "a column of no known width";
    if (column->values < 1 || column->values > FORMAT_BLOCK_OPS)
        return "a column of more values than a block has ops";
    column->bytes = FORMAT_COLUMN_BYTES + 4 * column->planes;
    if (left < column->bytes)
        return "a column is cut off";
    column->data = from + column->bytes;
    for (unsigned p = 0; p < column->planes; p++) {
        uint32_t stored = get_u32(column->stored + 4 * p);
        if (stored < 1 || stored > column->values)
            return "a plane larger than its values";
        if (left - column->bytes < stored)
            return "a column is cut off";
        column->bytes += stored;
    }
    return NULL;
}

const char *column_plane(const struct column *column, unsigned plane, uint8_t *to, ZSTD_DCtx *context)
{
    const uint8_t *data = column->data;
    for (unsigned p = 0; p < plane; p++)
        data += get_u32(column->stored + 4 * p);
    uint32_t stored = get_u32(column->stored + 4 * plane), n = column->values;
    if (stored == 1)
        memset(to, *data, n);
    else if (stored == n)
        memcpy(to, data, n);
    else if (ZSTD_decompressDCtx(context, to, n, data, stored) != n) /* an error code is larger than any n */
        return "a plane that does not decompress to its size";
    return NULL;
}

const char *column_decode(const struct column *column, uint64_t *to, uint8_t *scratch, ZSTD_DCtx *context)
{
    uint32_t n = column->values;
    for (unsigned p = 0; p < column->planes; p++) {
        const char *wrong = column_plane(column, p, scratch, context);
        if (wrong)
            return wrong;
        if (p == 0)
            for (uint32_t i = 0; i < n; i++)
                to[i] = scratch[i];
        else
            for (uint32_t i = 0; i < n; i++)
                to[i] |= (uint64_t)scratch[i] << 8 * p;
    }
    return NULL;
}
