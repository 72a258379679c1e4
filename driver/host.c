/* host.c - reads what Linux says about the machine; see host.h. */
#include "driver/host.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "driver/build.h"
#include "driver/sysfs.h"
#include "driver/timer.h"

#define NOISE_PROBE_NS 50000000u
#define NOISE_GAP_NS   1000u

/* x86 calls it "model name"; some arm64 kernels name a board in "Model", others nothing but numbers. */
static void cpu_model(char *text, size_t size)
{
    static const char *const keys[] = {"model name", "Model", "Hardware", "CPU part"};
    char line[512];
    FILE *file = fopen("/proc/cpuinfo", "re");
    size_t best = sizeof keys / sizeof *keys;
    text[0] = '\0';
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        for (size_t i = 0; i < best; i++) {
            const char *colon = strchr(line, ':');
            if (colon == NULL || strncmp(line, keys[i], strlen(keys[i])) != 0)
                continue;
            snprintf(text, size, "%s", colon[1] == ' ' ? colon + 2 : colon + 1);
            text[strcspn(text, "\n")] = '\0';
            best = i;
        }
    if (file != NULL)
        fclose(file);
}

int host_default_cpu(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return -1;
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--)
        if (CPU_ISSET(cpu, &set))
            return cpu;
    return -1;
}

static void probe_noise(struct host *host)
{
    const uint64_t begin = clock_ns();
    uint64_t before = begin, lost = 0, now;
    do {
        now = clock_ns();
        const uint64_t gap = now - before;
        if (gap > NOISE_GAP_NS)
            lost += gap;
        if (gap > host->noise_worst_ns)
            host->noise_worst_ns = gap;
        before = now;
    } while (now - begin < NOISE_PROBE_NS);
    host->noise_probe_ns = now - begin;
    host->noise_share = (double)lost / (double)host->noise_probe_ns;
}

/* A device tree has it in one file, a PC in two. */
static void board_model(char *text, size_t size)
{
    char vendor[64], product[64];
    if (sysfs_line("", "/proc/device-tree/model", text, size))
        return;
    const bool has_vendor = sysfs_line("", "/sys/class/dmi/id/sys_vendor", vendor, sizeof vendor);
    const bool has_product = sysfs_line("", "/sys/class/dmi/id/product_name", product, sizeof product);
    snprintf(text, size, "%s%s%s", vendor, has_vendor && has_product ? " " : "", product);
}

static void probe_counters(struct host *host)
{
    struct cycles cycles;
    host->counters = cycles_open(&cycles, host->counters_missing);
    cycles_close(&cycles);
}

static void probe_emulation(struct host *host, const char *said)
{
    if (said == NULL)
        emulated_by("", host->emulated);
    else if (strcmp(said, "no") != 0)
        snprintf(host->emulated, sizeof host->emulated, "%s", said);
}

void host_probe(struct host *host, int cpu, const char *emulated)
{
    struct utsname names;
    char path[128];
    *host = (struct host){
        .pinned_cpu = cpu,
        .cpus = (int)sysconf(_SC_NPROCESSORS_ONLN),
        .page_bytes = sysconf(_SC_PAGESIZE),
        .word_bits = (int)sizeof(void *) * 8,
        .version = BUILD_VERSION,
        .revision = BUILD_REVISION,
        .flags = BUILD_FLAGS,
#ifdef __clang__
        .compiler = "clang " __clang_version__,
#else
        .compiler = "gcc " __VERSION__,
#endif
    };
    if (uname(&names) == 0) {
        snprintf(host->name, sizeof host->name, "%s", names.nodename);
        snprintf(host->architecture, sizeof host->architecture, "%s", names.machine);
        snprintf(host->kernel, sizeof host->kernel, "%s %s", names.sysname, names.release);
    }
    cpu_model(host->cpu, sizeof host->cpu);
    board_model(host->board, sizeof host->board);
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", cpu < 0 ? 0 : cpu);
    if (!sysfs_line("", path, host->governor, sizeof host->governor))
        snprintf(host->governor_missing, sizeof host->governor_missing, "no cpufreq of CPU %d in /sys",
                 cpu < 0 ? 0 : cpu);
    sysfs_line("", "/sys/devices/system/clocksource/clocksource0/current_clocksource", host->clock_source,
               sizeof host->clock_source);
    probe_counters(host);
    probe_emulation(host, emulated);
    probe_noise(host);
}
