/*
 * step.c - counts the instructions of every interval by stepping through the program with ptrace: the check on
 * plugin.c.
 *
 * It takes the place of QEMU's emulator, with the same arguments: a test puts it into PATH under that name. Between
 * intervals the program runs freely. It says
 * "cannot trace" where no process may be traced. x86-64 only.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver/icount/marks.h"

#if defined(__x86_64__) && defined(__LP64__)

static void fail(const char *what) __attribute__((noreturn));
static void fail(const char *what)
{
    fprintf(stderr, "step: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Waits until the process stops for a trap; ends with it when it ends. */
static void wait_for_trap(pid_t pid)
{
    int status;
    if (waitpid(pid, &status, 0) != pid)
        fail("waitpid");
    if (WIFEXITED(status))
        exit(WEXITSTATUS(status));
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
        fail("the program met a signal");
}

static void resume(pid_t pid, int request)
{
    if (ptrace(request, pid, NULL, NULL) != 0)
        fail("ptrace");
    wait_for_trap(pid);
}

/* Where the marks are in the program: there is one call.c, and no compiler makes them. */
struct site {
    uint64_t address;
    enum mark mark;
};
enum { MOST_SITES = 16 };

static size_t find_in(int memory, uint64_t from, uint64_t to, struct site *sites, size_t n)
{
    const size_t bytes = (size_t)(to - from);
    uint8_t *code = malloc(bytes);
    if (code == NULL || pread(memory, code, bytes, (off_t)from) != (ssize_t)bytes)
        fail("the program's code");
    for (size_t i = 0; i < bytes && n < MOST_SITES; i++) {
        const enum mark mark = mark_of(false, code + i, bytes - i);
        if (mark != MARKS)
            sites[n++] = (struct site){from + i, mark};
    }
    free(code);
    return n;
}

/* All marks in the program's code, which the kernel has mapped and nothing of which has run; the number of them. */
static size_t find_marks(pid_t pid, const char *program, struct site sites[MOST_SITES])
{
    char path[64], line[4400], real[4096], access[5];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "r");
    snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    const int memory = open(path, O_RDONLY | O_CLOEXEC);
    unsigned long long from, to;
    size_t n = 0;
    if (maps == NULL || memory < 0 || realpath(program, real) == NULL)
        fail(program);
    while (fgets(line, sizeof line, maps) != NULL) {
        const char *name = strchr(line, '/');
        if (name != NULL && sscanf(line, "%llx-%llx %4s", &from, &to, access) == 3 && access[2] == 'x' &&
            strncmp(name, real, strlen(real)) == 0)
            n = find_in(memory, from, to, sites, n);
    }
    fclose(maps);
    close(memory);
    errno = ENOENT;
    if (n == 0)
        fail("marks in the program");
    return n;
}

static uint64_t address_of(enum mark mark, const struct site *sites, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (sites[i].mark == mark)
            return sites[i].address;
    errno = ENOENT;
    fail("a mark in the program");
}

/* Runs freely to an address, by a breakpoint. */
static void run_to(pid_t pid, uint64_t address)
{
    struct user_regs_struct regs;
    const long word = ptrace(PTRACE_PEEKTEXT, pid, address, NULL);
    if (ptrace(PTRACE_POKETEXT, pid, address, (word & ~0xffL) | 0xcc) != 0)
        fail("a breakpoint");
    resume(pid, PTRACE_CONT);
    if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) != 0)
        fail("registers");
    regs.rip = address;
    if (ptrace(PTRACE_POKETEXT, pid, address, word) != 0 || ptrace(PTRACE_SETREGS, pid, NULL, &regs) != 0)
        fail("a breakpoint");
}

/* From a begin to its end, an instruction at a time. */
static void step_interval(pid_t pid, const struct site *sites, size_t n, struct intervals *intervals)
{
    const size_t before = intervals->done;
    for (uint64_t executed = 0; intervals->done == before; executed++) {
        const uint64_t rip = (uint64_t)ptrace(PTRACE_PEEKUSER, pid,
                                              offsetof(struct user, regs) + offsetof(struct user_regs_struct, rip), 0);
        for (size_t i = 0; i < n; i++)
            if (sites[i].address == rip)
                intervals_mark(intervals, sites[i].mark, executed);
        resume(pid, PTRACE_SINGLESTEP);
    }
}

static void step_through(pid_t pid, const char *program, struct intervals *intervals)
{
    struct site sites[MOST_SITES];
    const size_t n = find_marks(pid, program, sites);
    const uint64_t begin = address_of(MARK_BEGIN, sites, n);
    while (intervals->done < intervals->room) {
        run_to(pid, begin);
        step_interval(pid, sites, n, intervals);
    }
    ptrace(PTRACE_DETACH, pid, NULL, NULL);
}

/* Which argument is the program: the one after the plugin's, all before being options with a value. */
static char **program_of(char **argv, int *counts_fd)
{
    char **at = argv + 1;
    *counts_fd = -1;
    for (; at[0] != NULL && at[0][0] == '-' && at[1] != NULL; at += 2) {
        const char *counts = strstr(at[1], "," COUNTS_ARGUMENT "=");
        if (strcmp(at[0], "-plugin") == 0 && counts != NULL)
            *counts_fd = atoi(strchr(counts, '=') + 1);
    }
    return at;
}

int main(int argc, char **argv)
{
    (void)argc;
    struct intervals intervals = {.done = 0};
    struct stat stat;
    int fd, status;
    char **program = program_of(argv, &fd);
    if (program[0] == NULL || fstat(fd, &stat) != 0)
        fail("to be called as QEMU's emulator with the plugin");
    intervals.room = (size_t)stat.st_size / sizeof *intervals.table;
    intervals.table = mmap(NULL, (size_t)stat.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (intervals.table == MAP_FAILED)
        fail("the table of counts");
    const pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            fprintf(stderr, "step: cannot trace: %s\n", strerror(errno)), _exit(1);
        execv(program[0], program);
        _exit(1);
    }
    if (pid < 0)
        fail("fork");
    wait_for_trap(pid);
    step_through(pid, program[0], &intervals);
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        fail("the program's end");
    return WEXITSTATUS(status);
}

#else

int main(void)
{
    return 1;
}

#endif
