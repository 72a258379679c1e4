/* shared_file.c - see shared_file.h. */
#include "driver/shared_file.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int shared_file(const char *name, uint64_t bytes, struct error *error)
{
    const int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd >= 0 && ftruncate(fd, (off_t)bytes) == 0)
        return fd;
    error_set(error, EXIT_LACKS, "no memory for a shared file of %llu bytes: %s", (unsigned long long)bytes,
              strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}
