/* cycles.c - opens the cycle counter, and says why it cannot be read; see cycles.h. */
#include "driver/cycles.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "driver/sysfs.h"

/* arm64's own, in perf_event_attr.config1: the counter is 64 bits wide, and user space is to read it. */
#define ARM64_LONG_AND_USER 3

static int open_event(bool user_only)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE,
                                   .size = sizeof attr,
                                   .config = PERF_COUNT_HW_CPU_CYCLES,
                                   .read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
                                   .pinned = 1, /* it stays on the processor, or fails and says so */
                                   .exclude_kernel = user_only,
                                   .exclude_hv = user_only};
#if CYCLES_IN_USER_SPACE
    attr.config1 = ARM64_LONG_AND_USER;
#endif
    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static void cannot_open(int error, char why[CYCLES_WHY])
{
    char level[16];
    if (error == ENOENT || error == ENODEV || error == EOPNOTSUPP)
        snprintf(why, CYCLES_WHY, "the machine offers no hardware counters (perf_event_open: %s)", strerror(error));
    else if ((error == EACCES || error == EPERM) &&
             sysfs_line("", "/proc/sys/kernel/perf_event_paranoid", level, sizeof level))
        snprintf(why, CYCLES_WHY,
                 "not allowed (perf_event_open: %s): sysctl kernel.perf_event_paranoid is %s, 2 allows",
                 strerror(error), level);
    else
        snprintf(why, CYCLES_WHY, "perf_event_open: %s", strerror(error));
}

enum counter_access cycles_open(struct cycles *cycles, char why[CYCLES_WHY])
{
    *cycles = (struct cycles){.fd = open_event(false)};
    why[0] = '\0';
    if (cycles->fd < 0 && (errno == EACCES || errno == EPERM)) {
        cycles->user_only = true;
        cycles->fd = open_event(true);
    }
    if (cycles->fd < 0) {
        cannot_open(errno, why);
        return COUNTERS_NONE;
    }
    void *page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ, MAP_SHARED, cycles->fd, 0);
    if (page == MAP_FAILED) {
        snprintf(why, CYCLES_WHY, "perf's page cannot be mapped: %s", strerror(errno));
        return COUNTERS_READ;
    }
    cycles->page = page;
    if (cycles->page->cap_user_rdpmc && cycles->page->index != 0)
        return COUNTERS_USER;
    long long allowed;
    if (sysfs_number("", "/proc/sys/kernel/perf_user_access", 10, &allowed) && allowed == 0)
        snprintf(why, CYCLES_WHY, "sysctl kernel.perf_user_access is 0: set it to 1");
    else
        snprintf(why, CYCLES_WHY, "the kernel does not let user space read the counter itself");
    return COUNTERS_READ;
}

void cycles_close(struct cycles *cycles)
{
    if (cycles->page != NULL)
        munmap((void *)cycles->page, (size_t)sysconf(_SC_PAGESIZE));
    if (cycles->fd >= 0)
        close(cycles->fd);
}

bool cycles_were_counted(const struct cycles *cycles)
{
    struct {
        uint64_t count, enabled_ns, running_ns;
    } now;
    return read(cycles->fd, &now, sizeof now) == (ssize_t)sizeof now && now.running_ns > 0 &&
           now.running_ns == now.enabled_ns;
}
