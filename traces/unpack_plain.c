/* unpack_plain.c - for a program that is to depend on little: nothing is unpacked, and what would have to be is told.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "traces/unpack.h"

#define MAGIC_BYTES 6

struct unpacker {
    int fd;
    const char *name;
    size_t at, have; /* of the file's first bytes, which were looked at */
    char first[MAGIC_BYTES];
};

/* How a file that begins like this is compressed; NULL: it is not. */
static const char *compression(const char *bytes, size_t n)
{
    static const struct {
        const char *name, *magic;
        size_t bytes;
    } known[] = {{"gzip", "\x1f\x8b", 2},        {"bzip2", "BZh", 3},
                 {"xz", "\xfd\x37zXZ\0", 6},     {"zstd", "\x28\xb5\x2f\xfd", 4},
                 {"lz4", "\x04\x22\x4d\x18", 4}, {"zip", "PK\3\4", 4}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (n >= known[i].bytes && memcmp(bytes, known[i].magic, known[i].bytes) == 0)
            return known[i].name;
    return NULL;
}

/* The number of bytes; 0: the end, or *error. */
static size_t read_some(struct unpacker *unpacker, uint64_t offset, void *to, size_t n, struct error *error)
{
    ssize_t got;
    while ((got = read(unpacker->fd, to, n)) < 0)
        if (errno != EINTR) {
            error_set(error, EXIT_INPUT, "%s: byte %llu: cannot be read: %s", unpacker->name,
                      (unsigned long long)offset, strerror(errno));
            return 0;
        }
    return (size_t)got;
}

struct unpacker *unpack_open(int fd, const char *name, struct error *error)
{
    struct unpacker *unpacker = calloc(1, sizeof *unpacker);
    if (unpacker == NULL) {
        error_set(error, EXIT_LACKS, "%s: no memory to open it", name);
        return NULL;
    }
    unpacker->fd = fd;
    unpacker->name = name;
    size_t got;
    while (unpacker->have < MAGIC_BYTES && (got = read_some(unpacker, unpacker->have, unpacker->first + unpacker->have,
                                                            MAGIC_BYTES - unpacker->have, error)) > 0)
        unpacker->have += got;
    const char *compressed = compression(unpacker->first, unpacker->have);
    if (compressed != NULL)
        error_set(error, EXIT_LACKS,
                  "%s: is compressed (%s), and this program was built without libarchive; unpack it first", name,
                  compressed);
    if (error->code == EXIT_DONE)
        return unpacker;
    unpack_close(unpacker);
    return NULL;
}

void unpack_close(struct unpacker *unpacker)
{
    free(unpacker);
}

size_t unpack_read(struct unpacker *unpacker, uint64_t offset, void *to, size_t n, struct error *error)
{
    const size_t left = unpacker->have - unpacker->at, part = left < n ? left : n;
    if (part == 0)
        return read_some(unpacker, offset, to, n, error);
    memcpy(to, unpacker->first + unpacker->at, part);
    unpacker->at += part;
    return part;
}
