/*
 * emulated.c - the tell-tales of emulators; see emulated.h.
 *
 * QEMU's user-mode emulator shows its guest a /proc/self/maps of the guest's own, but not the thread's, where the
 * emulator itself is mapped, and before QEMU 8 the host's /proc/cpuinfo. QEMU as a whole machine says so on x86 in
 * cpuid's leaf of hypervisors (with KVM it says KVM there, and that is no emulation). On Arm the rate of the generic
 * timer tells: 62.5 MHz on every emulated processor up to QEMU 8 and on the older ones since, which is no rate of the
 * usual boards (19.2, 24, 25 or 54 MHz), while KVM shows the host's own.
 */
#include "driver/emulated.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/sysfs.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#define EMULATOR  "qemu-"
#define QEMU_HZ   62500000u
#define QEMU9_HZ  1000000000u /* of the emulated processors of Armv8.6 and later; also of real ones */
#define QEMU_VIRT "linux,dummy-virt"

/* Whether a path's last part begins as an emulator's name does; the name, without what follows. */
static bool is_emulator(const char *path, char name[64])
{
    const char *slash = strrchr(path, '/');
    snprintf(name, 64, "%s", slash != NULL ? slash + 1 : path);
    name[strcspn(name, " \n")] = '\0';
    return strncmp(name, EMULATOR, strlen(EMULATOR)) == 0;
}

static bool by_runner(char what[EMULATED_TEXT])
{
    char copy[4096], name[64];
    const char *runner = getenv("HEAPBENCH_RUNNER");
    snprintf(copy, sizeof copy, "%s", runner ? runner : "");
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
        if (is_emulator(word, name)) {
            snprintf(what, EMULATED_TEXT, "%s, by HEAPBENCH_RUNNER", name);
            return true;
        }
    return false;
}

static bool by_mapping(const char *root, char what[EMULATED_TEXT])
{
    char path[512], line[512], name[64];
    bool found = false;
    snprintf(path, sizeof path, "%s/proc/thread-self/maps", root);
    FILE *maps = fopen(path, "re");
    while (maps != NULL && !found && fgets(line, sizeof line, maps) != NULL) {
        const char *access = strchr(line, ' '), *file = strchr(line, '/');
        found = access != NULL && file != NULL && access[3] == 'x' && is_emulator(file, name);
    }
    if (maps != NULL)
        fclose(maps);
    if (found)
        snprintf(what, EMULATED_TEXT, "%s, which is mapped into the process", name);
    return found;
}

enum processor { UNKNOWN, X86, ARM, S390 };

#if defined(__x86_64__) || defined(__i386__)
static const enum processor own = X86;
#elif defined(__aarch64__) || defined(__arm__)
static const enum processor own = ARM;
#elif defined(__s390__)
static const enum processor own = S390;
#else
static const enum processor own = UNKNOWN;
#endif

/* What has such a line in /proc/cpuinfo. */
static enum processor processor_of(const char *line)
{
    if (strncmp(line, "CPU implementer", 15) == 0)
        return ARM;
    if (strncmp(line, "vendor_id", 9) == 0)
        return strstr(line, "IBM/S390") != NULL ? S390 : X86;
    return UNKNOWN;
}

/* Whether /proc/cpuinfo is of a machine that this program could not run on. */
static bool by_cpuinfo(const char *root, char what[EMULATED_TEXT])
{
    char path[512], line[512];
    enum processor seen = UNKNOWN;
    snprintf(path, sizeof path, "%s/proc/cpuinfo", root);
    FILE *file = fopen(path, "re");
    while (file != NULL && seen == UNKNOWN && fgets(line, sizeof line, file) != NULL)
        seen = processor_of(line);
    if (file != NULL)
        fclose(file);
    if (seen == UNKNOWN || seen == own)
        return false;
    snprintf(what, EMULATED_TEXT, "an emulator: /proc/cpuinfo is of another kind of processor");
    return true;
}

/* The ticks a second of Arm's generic timer; 0: not known here. */
static unsigned long generic_timer_hz(void)
{
#if defined(__aarch64__)
    unsigned long hz;
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hz));
    return hz;
#else
    return 0;
#endif
}

static bool by_processor(char what[EMULATED_TEXT])
{
#if defined(__x86_64__) || defined(__i386__)
    unsigned eax, ebx, ecx, edx, name[4] = {0};
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx >> 31))
        return false;
    __cpuid(0x40000000, eax, name[0], name[1], name[2]);
    if (strcmp((const char *)name, "TCGTCGTCGTCG") != 0)
        return false;
    snprintf(what, EMULATED_TEXT, "QEMU's TCG, as cpuid says");
    return true;
#else
    if (generic_timer_hz() != QEMU_HZ)
        return false;
    snprintf(what, EMULATED_TEXT, "QEMU, whose processors have a generic timer of 62.5 MHz");
    return true;
#endif
}

/* QEMU's machine "virt", where the timer does not say that the processor is real. */
static bool by_device_tree(const char *root, char what[EMULATED_TEXT])
{
    char compatible[64];
    const unsigned long hz = root[0] == '\0' ? generic_timer_hz() : 0;
    if (!sysfs_line(root, "/proc/device-tree/compatible", compatible, sizeof compatible) ||
        strcmp(compatible, QEMU_VIRT) != 0 || (hz != 0 && hz != QEMU_HZ && hz != QEMU9_HZ))
        return false;
    snprintf(what, EMULATED_TEXT, "QEMU, as the device tree says (" QEMU_VIRT ")");
    return true;
}

bool emulated_by(const char *root, char what[EMULATED_TEXT])
{
    what[0] = '\0';
    return by_runner(what) || by_mapping(root, what) || by_cpuinfo(root, what) ||
           (root[0] == '\0' && by_processor(what)) || by_device_tree(root, what);
}
