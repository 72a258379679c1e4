/* proc.c - reads a line of a file of /proc/self; see proc.h. */
#include "driver/proc.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/job.h"

uint64_t proc_bytes(const char *file, const char *name)
{
    char text[4096], path[64], start[64];
    snprintf(path, sizeof path, "/proc/self/%s", file);
    snprintf(start, sizeof start, "\n%s:", name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    const char *line = strstr(text, start);
    return line != NULL ? strtoull(line + strlen(start), NULL, 10) * 1024 : UNKNOWN_BYTES;
}
