/* plan_map.c - what a run does with a plan that another process built: all that a worker needs of traces; see plan.h.
 */
#include "traces/plan.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const op_names[OP_KINDS] = {"malloc", "calloc", "aligned", "realloc", "free", "thread_end"};

bool plan_map(struct plan *plan, int fd, struct error *error)
{
    struct stat status;
    struct plan_header h;
    plan->fd = -1;
    plan->header = NULL;
    bool whole =
        fstat(fd, &status) == 0 && pread(fd, &h, sizeof h, 0) == sizeof h && h.bytes == (uint64_t)status.st_size;
    void *at = whole && h.bytes <= SIZE_MAX ? mmap(NULL, (size_t)h.bytes, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (at == MAP_FAILED) {
        close(fd);
        return error_set(error, EXIT_LACKS, "a plan of %llu bytes cannot be mapped; use a shorter trace",
                         whole ? (unsigned long long)h.bytes : 0);
    }
    plan->fd = fd;
    plan->header = at;
    plan->steps = (const uint64_t *)((const char *)at + h.steps_offset);
    plan->extras = (const struct plan_extra *)((const char *)at + h.extras_offset);
    plan->sizes = (const struct plan_size *)((const char *)at + h.sizes_offset);
    return true;
}

void plan_close(struct plan *plan)
{
    if (plan->header)
        munmap((void *)(uintptr_t)plan->header, (size_t)plan->header->bytes);
    if (plan->fd >= 0)
        close(plan->fd);
    *plan = (struct plan){.fd = -1};
}
