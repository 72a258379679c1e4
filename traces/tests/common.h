/* common.h - what the tests of traces share: files in memory, random streams of ops, and checksums made to fit. */
#ifndef HEAPBENCH_TRACES_TESTS_COMMON_H
#define HEAPBENCH_TRACES_TESTS_COMMON_H

#include "traces/trace.h"

/* A file in memory that is opened by a path of its own. */
struct file {
    int fd;
    char path[40];
};

struct file file_new(void);
struct file file_of(const void *bytes, size_t n);
void file_set(struct file *file, const void *bytes, size_t n); /* replaces what is in it */
size_t file_get(const struct file *file, void *bytes, size_t room);
void file_close(struct file *file);

/* A generator of the tests' own: 64 random bits, and a number below n. */
uint64_t test_random(uint64_t *state);
uint64_t test_below(uint64_t *state, uint64_t n);

/* n ops of all kinds that a program could have made: blocks born and not yet freed, sizes from 0 to 2^48 - 1, thread
 * ids of 32 bits in runs, times that go back now and then. */
void random_ops(struct op *ops, size_t n, uint32_t flags, uint64_t seed);

bool same_op(const struct op *a, const struct op *b);

/* Writes a trace; false: *error. */
bool write_ops(const char *path, const struct op *ops, size_t n, uint32_t flags, const char *meta, int level,
               struct error *error);

/* Reads up to `room` ops; the number. *info, if not NULL, gets what the reader said at its end, but no texts. */
size_t read_ops(const char *path, struct op *ops, size_t room, struct trace_info *info, struct error *error);

/* Makes every checksum of a file in our format fit its bytes, as far as its blocks can be followed. */
void fix_checksums(uint8_t *file, size_t n);

#endif
