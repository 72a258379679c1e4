/* unpack_archive.c - compressed streams (gzip, bzip2, xz, zstd, lz4) and zips with one file in them, by libarchive. */
#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>

#include "traces/unpack.h"

#define READ_BYTES (64u << 10)

struct unpacker {
    struct archive *archive;
    const char *name;
    bool ended;
};

/* Each by name, not "all": the others would start programs or take odd text for an archive. */
static bool choose_formats(struct archive *archive)
{
    return archive_read_support_filter_gzip(archive) >= ARCHIVE_WARN &&
           archive_read_support_filter_bzip2(archive) >= ARCHIVE_WARN &&
           archive_read_support_filter_xz(archive) >= ARCHIVE_WARN &&
           archive_read_support_filter_lz4(archive) >= ARCHIVE_WARN &&
           archive_read_support_filter_zstd(archive) >= ARCHIVE_WARN &&
           archive_read_support_format_zip(archive) >= ARCHIVE_WARN &&
           archive_read_support_format_empty(archive) >= ARCHIVE_WARN &&
           archive_read_support_format_raw(archive) >= ARCHIVE_WARN;
}

static bool fail(struct unpacker *unpacker, uint64_t offset, const char *what, struct error *error)
{
    const char *why = archive_error_string(unpacker->archive);
    return error_set(error, EXIT_INPUT, "%s: byte %llu: %s (%s); get a whole copy of the file", unpacker->name,
                     (unsigned long long)offset, what, why ? why : "no reason given");
}

/* Steps to the next regular file inside; ended when there is none. False: *error. */
static bool next_file(struct unpacker *unpacker, uint64_t offset, struct error *error)
{
    for (;;) {
        struct archive_entry *entry;
        int status = archive_read_next_header(unpacker->archive, &entry);
        if (status == ARCHIVE_EOF) {
            unpacker->ended = true;
            return true;
        }
        if (status < ARCHIVE_WARN)
            return fail(unpacker, offset, "cannot be unpacked", error);
        if (archive_format(unpacker->archive) != ARCHIVE_FORMAT_ZIP || archive_entry_filetype(entry) == AE_IFREG)
            return true;
    }
}

struct unpacker *unpack_open(int fd, const char *name, struct error *error)
{
    struct unpacker *unpacker = calloc(1, sizeof *unpacker);
    if (unpacker == NULL || !(unpacker->archive = archive_read_new()) || !choose_formats(unpacker->archive)) {
        error_set(error, EXIT_LACKS, "%s: no memory to open it", name);
        unpack_close(unpacker);
        return NULL;
    }
    unpacker->name = name;
    const bool opened = archive_read_open_fd(unpacker->archive, fd, READ_BYTES) == ARCHIVE_OK
                            ? next_file(unpacker, 0, error)
                            : fail(unpacker, 0, "cannot be read", error);
    if (opened)
        return unpacker;
    unpack_close(unpacker);
    return NULL;
}

void unpack_close(struct unpacker *unpacker)
{
    if (unpacker != NULL)
        archive_read_free(unpacker->archive);
    free(unpacker);
}

/* At the end of a file in a zip: it has to be the only one. */
static void last_file(struct unpacker *unpacker, uint64_t offset, struct error *error)
{
    if (archive_format(unpacker->archive) != ARCHIVE_FORMAT_ZIP) {
        unpacker->ended = true;
        return;
    }
    if (next_file(unpacker, offset, error) && !unpacker->ended)
        error_set(error, EXIT_INPUT, "%s: holds more than one file; extract the trace you mean", unpacker->name);
}

size_t unpack_read(struct unpacker *unpacker, uint64_t offset, void *to, size_t n, struct error *error)
{
    if (unpacker->ended)
        return 0;
    const la_ssize_t got = archive_read_data(unpacker->archive, to, n);
    if (got > 0)
        return (size_t)got;
    if (got < 0)
        fail(unpacker, offset, "cannot be unpacked", error);
    else
        last_file(unpacker, offset, error);
    return 0;
}
