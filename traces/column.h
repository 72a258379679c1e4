/*
 * column.h - one column of a block of our trace file: values to compressed byte planes and back. Layout: format.h.
 */
#ifndef HEAPBENCH_COLUMN_H
#define HEAPBENCH_COLUMN_H

#include <stddef.h>
#include <stdint.h>
#include <zstd.h>

#include "traces/format.h"

/* Writes n values (1 to FORMAT_BLOCK_OPS) to `to`, which has room for them uncompressed; the bytes written. *raw grows
 * by the bytes of the planes. `context` carries the level. */
size_t column_encode(uint8_t *to, enum format_column column, const uint64_t *values, uint32_t n, ZSTD_CCtx *context,
                     uint32_t *raw);

/* A column as it lies in a payload. */
struct column {
    unsigned id, planes;
    uint32_t values;
    const uint8_t *stored; /* planes × u32 of stored bytes */
    const uint8_t *data;
    size_t bytes; /* header and data: the next column follows */
};

/* Finds the bounds of the column at `from`; NULL, or what is wrong with it. */
const char *column_find(struct column *column, const uint8_t *from, size_t left);

/* One plane, column->values bytes, to `to`. NULL, or what is wrong with it. */
const char *column_plane(const struct column *column, unsigned plane, uint8_t *to, ZSTD_DCtx *context);

/* All values, to `to`; `scratch` has room for one plane. NULL, or what is wrong. */
const char *column_decode(const struct column *column, uint64_t *to, uint8_t *scratch, ZSTD_DCtx *context);

#endif
