/*
 * plugin.c - counts the instructions of every interval between marks, as a plugin of QEMU's user-mode emulators.
 *
 * Every block of code that is translated adds its number of instructions, less one, to a counter when it is entered,
 * inline, and its last instruction adds itself: QEMU 7.2 tells of an instruction that crosses the end of a page, then
 * leaves it to the next block, which counts it. Only marks call back, and know their place in the block; and x86-64's
 * repeated instructions, which QEMU executes once more than they repeat. So the count is exact, the same in every run,
 * and nearly free. Version 1 of the interface as QEMU's docs/devel/tcg-plugins describes it; its prototypes stand here
 * because Debian 12 ships no header for it. The plugin is for the machine that runs QEMU, whatever it emulates.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "driver/icount/marks.h"

struct qemu_plugin_tb;
struct qemu_plugin_insn;

struct qemu_info {
    const char *target_name;
    struct {
        int min, cur;
    } version;
    bool system_emulation;
    int vcpus[2]; /* of a whole system */
};

enum { QEMU_INLINE_ADD_U64 = 0, QEMU_NO_REGISTERS = 0 };

/* QEMU's. */
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*translated)(uint64_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *counter, uint64_t number);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
                                            void (*executed)(unsigned vcpu, void *userdata), int flags, void *userdata);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op, void *counter, uint64_t number);

/* For QEMU. */
#define EXPORT __attribute__((visibility("default")))
extern EXPORT int qemu_plugin_version;
EXPORT int qemu_plugin_install(uint64_t id, const struct qemu_info *info, int argc, char **argv);
int qemu_plugin_version = 1;

static uint64_t executed; /* instructions, those of the block at work included but for its last */
static struct intervals intervals;
static bool aarch64;

/* What a mark's callback is given: the mark, and the instructions of its block that come after it. */
#define PACK(mark, after) ((void *)(((uintptr_t)(after) << 2) | (uintptr_t)(mark)))

static void at_mark(unsigned vcpu, void *packed)
{
    const uint64_t after = (uintptr_t)packed >> 2;
    (void)vcpu;
    intervals_mark(&intervals, (enum mark)((uintptr_t)packed & 3), executed - after);
    if (after == 0)
        executed++; /* the last adds itself */
}

/* x86-64: movs, cmps, stos, lods or scas that repeats, perhaps with a prefix that widens it. */
static bool is_repeated(const uint8_t *bytes, size_t size)
{
    const uint8_t last = bytes[size - 1];
    return size <= 3 && (bytes[0] == 0xf2 || bytes[0] == 0xf3) &&
           ((last >= 0xa4 && last <= 0xa7) || (last >= 0xaa && last <= 0xaf));
}

/* Once for each repetition, as single steps have it; of no repetition once. QEMU executes it once more, to find the
 * end: the second time is left out. It ends its block, so nothing else was counted in between if it comes from itself.
 */
static void at_repeated(unsigned vcpu, void *address)
{
    static const void *last_address;
    static uint64_t last_executed, times;
    (void)vcpu;
    times = address == last_address && executed == last_executed ? times + 1 : 1;
    if (times != 2)
        executed++;
    last_address = address;
    last_executed = executed;
}

static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
    const size_t n = qemu_plugin_tb_n_insns(tb);
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_INLINE_ADD_U64, &executed, n - 1);
    for (size_t i = 0; i < n; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        const enum mark mark = mark_of(aarch64, qemu_plugin_insn_data(insn), qemu_plugin_insn_size(insn));
        if (mark != MARKS)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, at_mark, QEMU_NO_REGISTERS, PACK(mark, n - 1 - i));
        else if (i == n - 1 && !aarch64 && is_repeated(qemu_plugin_insn_data(insn), qemu_plugin_insn_size(insn)))
            qemu_plugin_register_vcpu_insn_exec_cb(insn, at_repeated, QEMU_NO_REGISTERS,
                                                   (void *)(uintptr_t)qemu_plugin_insn_vaddr(insn));
        else if (i == n - 1)
            qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_INLINE_ADD_U64, &executed, 1);
    }
}

int qemu_plugin_install(uint64_t id, const struct qemu_info *info, int argc, char **argv)
{
    struct stat stat;
    int fd = -1;
    aarch64 = strcmp(info->target_name, "aarch64") == 0;
    if (info->system_emulation || (!aarch64 && strcmp(info->target_name, "x86_64") != 0)) {
        fprintf(stderr, "icount: no marks are known for %s\n", info->target_name);
        return 1;
    }
    if (argc != 1 || sscanf(argv[0], COUNTS_ARGUMENT "=%d", &fd) != 1 || fstat(fd, &stat) != 0) {
        fprintf(stderr, "icount: to be given as -plugin FILE," COUNTS_ARGUMENT "=NUMBER, an open file's\n");
        return 1;
    }
    intervals.table = mmap(NULL, (size_t)stat.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    intervals.room = (size_t)stat.st_size / sizeof *intervals.table;
    if (intervals.table == MAP_FAILED) {
        perror("icount: the table of counts");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
