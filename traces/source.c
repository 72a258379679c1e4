/* source.c - see source.h. */
#include "traces/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "traces/unpack.h"

#define BUFFER_BYTES (64u << 10)

struct source {
    struct unpacker *unpacker;
    int fd;
    bool ended;           /* nothing is left but what the buffer holds */
    struct error failure; /* what ended it, if not its end */
    char *name;
    uint64_t offset; /* of buffer[at] in the stream */
    size_t at, have;
    char buffer[BUFFER_BYTES];
};

const char *source_name(const struct source *source)
{
    return source->name;
}

uint64_t source_offset(const struct source *source)
{
    return source->offset;
}

void source_close(struct source *source)
{
    if (!source)
        return;
    unpack_close(source->unpacker);
    if (source->fd > STDIN_FILENO)
        close(source->fd);
    free(source->name);
    free(source);
}

struct source *source_open(const char *path, struct error *error)
{
    struct source *source = calloc(1, sizeof *source);
    bool standard = strcmp(path, "-") == 0;
    if (!source || !(source->name = strdup(standard ? "standard input" : path))) {
        error_set(error, EXIT_LACKS, "%s: no memory to open it", path);
        free(source);
        return NULL;
    }
    source->fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (source->fd < 0)
        error_set(error, EXIT_INPUT, "%s: cannot be opened: %s", path, strerror(errno));
    else
        source->unpacker = unpack_open(source->fd, source->name, error);
    if (source->unpacker)
        return source;
    source_close(source);
    return NULL;
}

/* Reads until at least n bytes are buffered, or the end. n is at most half the buffer. */
static bool fill(struct source *source, size_t n)
{
    while (source->have - source->at < n && !source->ended) {
        if (source->at) {
            source->have -= source->at;
            memmove(source->buffer, source->buffer + source->at, source->have);
            source->at = 0;
        }
        size_t got = unpack_read(source->unpacker, source->offset + source->have, source->buffer + source->have,
                                 BUFFER_BYTES - source->have, &source->failure);
        source->have += got;
        source->ended = got == 0;
    }
    return source->have - source->at >= n;
}

static size_t handed(struct source *source, size_t n)
{
    source->at += n;
    source->offset += n;
    return n;
}

static bool end_of(const struct source *source, struct error *error)
{
    if (source->failure.code)
        error_set(error, source->failure.code, "%s", source->failure.text);
    return false;
}

size_t source_peek(struct source *source, size_t n, const char **bytes, struct error *error)
{
    if (!fill(source, n) && source->have == source->at)
        end_of(source, error);
    *bytes = source->buffer + source->at;
    return source->have - source->at < n ? source->have - source->at : n;
}

size_t source_read(struct source *source, void *to, size_t n, struct error *error)
{
    size_t done = 0;
    while (done < n) {
        if (!fill(source, 1)) {
            end_of(source, error);
            break;
        }
        size_t part = source->have - source->at < n - done ? source->have - source->at : n - done;
        memcpy((char *)to + done, source->buffer + source->at, part);
        done += handed(source, part);
    }
    return done;
}

bool source_line(struct source *source, const char **line, size_t *length, struct error *error)
{
    const char *begin = source->buffer + source->at;
    const char *end = memchr(begin, '\n', source->have - source->at);
    if (!end) { /* seldom: once a buffer, and at the end */
        if (!fill(source, SOURCE_MAX_LINE + 2) && source->have == source->at)
            return end_of(source, error);
        begin = source->buffer + source->at;
        end = memchr(begin, '\n', source->have - source->at);
        if (!end && source->failure.code)
            return end_of(source, error);
    }
    size_t n = end ? (size_t)(end - begin) : source->have - source->at;
    if (n > SOURCE_MAX_LINE)
        return error_set(error, EXIT_INPUT, "%s: byte %llu: a line of more than %d bytes; is it a trace?", source->name,
                         (unsigned long long)source->offset, SOURCE_MAX_LINE);
    handed(source, end ? n + 1 : n);
    if (n && begin[n - 1] == '\r')
        n--;
    *line = begin;
    *length = n;
    return true;
}
