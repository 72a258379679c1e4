/*
 * format.h - our trace file, byte by byte, in C; traces/README tells the same in words.
 *
 * A file is a header, blocks of up to FORMAT_BLOCK_OPS ops, and an end mark. Integers are little-endian. A block is
 * readable without any other: its header says which op and which allocation are its first. Its ops are stored as
 * columns; a column is stored as byte planes (the lowest byte of every value, then the next byte of every value, …),
 * each compressed by itself. Planes beat variable-length integers in both size and speed: sizes and ages repeat byte
 * for byte, and the decoder has no branch to mispredict.
 */
#ifndef HEAPBENCH_FORMAT_H
#define HEAPBENCH_FORMAT_H

#include <stdint.h>

#include "traces/trace.h"

#define FORMAT_VERSION 1

/* The file header, then meta_bytes of text. The first byte has its top bit set and the line ends are there so that a
 * transfer that is not clean for binary files is noticed (as PNG does it). */
#define FORMAT_MAGIC       "\x89HBT\r\n\x1a\n"
#define FORMAT_MAGIC_BYTES 8
enum format_header_at {
    FORMAT_AT_VERSION = 8,     /* u32: FORMAT_VERSION */
    FORMAT_AT_FLAGS = 12,      /* u32: enum trace_flags; others are refused */
    FORMAT_AT_META_BYTES = 16, /* u32: at most FORMAT_MAX_META */
    FORMAT_AT_ZERO = 20,       /* u32: 0 */
    FORMAT_AT_META_SUM = 24,   /* u64: XXH64 of the meta text */
    FORMAT_AT_HEADER_SUM = 32, /* u64: XXH64 of the 32 bytes before */
    FORMAT_HEADER_BYTES = 40
};
#define FORMAT_MAX_META (64u << 10)

/* The header of a block, then its payload; and the end mark, which is a block header without ops and payload. */
#define FORMAT_BLOCK_MAGIC UINT32_C(0x4B4C4248) /* "HBLK" */
#define FORMAT_END_MAGIC   UINT32_C(0x444E4548) /* "HEND" */
enum format_block_at {
    FORMAT_AT_MAGIC = 0,          /* u32 */
    FORMAT_AT_OPS = 4,            /* u32: 1 to FORMAT_BLOCK_OPS; 0 in the end mark */
    FORMAT_AT_FIRST_OP = 8,       /* u64: ops before this block */
    FORMAT_AT_FIRST_BLOCK = 16,   /* u64: allocations before this block */
    FORMAT_AT_TIME = 24,          /* u64: what the first time of the block is relative to, ns */
    FORMAT_AT_PAYLOAD_BYTES = 32, /* u32 */
    FORMAT_AT_RAW_BYTES = 36,     /* u32: the planes of the payload when decompressed */
    FORMAT_AT_PAYLOAD_SUM = 40,   /* u64: XXH64 of the payload */
    FORMAT_AT_BLOCK_SUM = 48,     /* u64: XXH64 of the 48 bytes before */
    FORMAT_BLOCK_BYTES = 56
};
#define FORMAT_BLOCK_OPS 65536u

/* The columns of a block, in this order; one without values is left out. */
enum format_column {
    COLUMN_KIND,   /* every op: enum op_kind */
    COLUMN_RUN,    /* every run of ops of one thread: its length */
    COLUMN_THREAD, /* every run: its thread id */
    COLUMN_SIZE,   /* malloc, calloc, aligned, realloc: bytes */
    COLUMN_AGE,    /* realloc, free: allocations since the block's own, which counts (1: the latest); 0: free(NULL) */
    COLUMN_ALIGN,  /* aligned: log2 of the alignment */
    COLUMN_TIME, /* every op, with TRACE_TIME: ns since the op before, zigzag (0, -1, 1, -2, …) since it may go back */
    COLUMN_SITE, /* every op, with TRACE_SITE: the caller's address */
    COLUMNS
};

/* A column in the payload: this header, a u32 of stored bytes for every plane, the planes. A plane stored in 1 byte is
 * that byte repeated; in as many bytes as it has values, is raw; in anything between, is one zstd frame. */
enum format_column_at {
    FORMAT_AT_COLUMN = 0, /* u8: enum format_column */
    FORMAT_AT_PLANES = 1, /* u8: 1 to 8, no more than the largest value needs */
    FORMAT_AT_UNUSED = 2, /* u16: 0 */
    FORMAT_AT_VALUES = 4, /* u32: at most the ops of the block */
    FORMAT_COLUMN_BYTES = 8
};
#define FORMAT_MAX_PLANES  8
#define FORMAT_MAX_PAYLOAD (COLUMNS * (FORMAT_COLUMN_BYTES + FORMAT_MAX_PLANES * (4 + FORMAT_BLOCK_OPS)))

static inline bool op_has_size(unsigned kind)
{
    return kind <= OP_REALLOC;
}
static inline bool op_has_age(unsigned kind)
{
    return kind == OP_REALLOC || kind == OP_FREE;
}

static inline void put_u32(uint8_t *to, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(v >> 8 * i);
}

static inline void put_u64(uint8_t *to, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        to[i] = (uint8_t)(v >> 8 * i);
}

static inline uint32_t get_u32(const uint8_t *from)
{
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static inline uint64_t get_u64(const uint8_t *from)
{
    return get_u32(from) | (uint64_t)get_u32(from + 4) << 32;
}

#endif
