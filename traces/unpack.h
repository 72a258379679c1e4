/*
 * unpack.h - what is in a file: its bytes as they are, or what they unpack to.
 *
 * unpack_archive.c does it with libarchive; unpack_plain.c, of a build without, refuses what is compressed.
 */
#ifndef HEAPBENCH_UNPACK_H
#define HEAPBENCH_UNPACK_H

#include <stddef.h>
#include <stdint.h>

#include "traces/error.h"

struct unpacker;

/* Reads from fd, which stays the caller's, as does `name`, for messages; both have to last. NULL: *error. */
struct unpacker *unpack_open(int fd, const char *name, struct error *error);
void unpack_close(struct unpacker *unpacker);

/* At least one and at most n bytes to `to`, which are at `offset` in what is unpacked; their number. 0: the end, or
 * *error. */
size_t unpack_read(struct unpacker *unpacker, uint64_t offset, void *to, size_t n, struct error *error);

#endif
