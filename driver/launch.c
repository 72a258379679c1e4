/*
 * launch.c - a fresh process for every run: exec'd, not only forked, so that the C library's heap is not inherited.
 *
 * The end of a worker is seen as the end of a pipe that only it holds. Ctrl-C is the driver's business: workers ignore
 * it and are killed. HEAPBENCH_RUNNER may hold a command with words split at spaces, such as an emulator, put before
 * the program.
 */
#include "driver/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver/icount/icount.h"
#include "driver/shared_file.h"
#include "driver/timer.h"

#define RUNNER_WORDS 32

volatile sig_atomic_t launch_interrupted;

static void interrupt(int number)
{
    launch_interrupted = number;
}

bool launch_open(struct launcher *launcher, double timeout_s, struct error *error)
{
    const ssize_t length = readlink("/proc/self/exe", launcher->program, sizeof launcher->program - 1);
    launcher->timeout_s = timeout_s;
    if (length < 0)
        return error_set(error, EXIT_LACKS, "/proc/self/exe: %s; mount /proc", strerror(errno));
    launcher->program[length] = '\0';
    launcher->job_fd = shared_file("heapbench-job", sizeof *launcher->job, error);
    if (launcher->job_fd < 0)
        return false;
    launcher->job = mmap(NULL, sizeof *launcher->job, PROT_READ | PROT_WRITE, MAP_SHARED, launcher->job_fd, 0);
    if (launcher->job == MAP_FAILED)
        return error_set(error, EXIT_LACKS, "no memory for a job: %s", strerror(errno));
    const struct sigaction action = {.sa_handler = interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return true;
}

void launch_close(struct launcher *launcher)
{
    munmap(launcher->job, sizeof *launcher->job);
    close(launcher->job_fd);
}

static void inherit(int fd)
{
    if (fd >= 0)
        fcntl(fd, F_SETFD, 0);
}

/* The answer of a run that never was; errno says why. */
static void cannot_start(const struct launcher *launcher, const char *what)
{
    struct job *job = launcher->job;
    snprintf(job->reason, sizeof job->reason, "a run cannot be started: %.300s: %s", what, strerror(errno));
    job->outcome = OUTCOME_LACKS;
}

/* In the child: what the worker is to find, then the worker. */
static void become_worker(const struct launcher *launcher, pid_t parent)
{
    char runner[4096], number[16], *words[RUNNER_WORDS + ICOUNT_WORDS + 4];
    const char *prefix = getenv("HEAPBENCH_RUNNER");
    size_t n = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_LACKS); /* the driver died before it could be said to take us along */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    dup2(STDERR_FILENO, STDOUT_FILENO); /* results are the driver's to print */
    inherit(launcher->job_fd);
    inherit(launcher->job->plan_fd);
    inherit(launcher->job->packing_fd);
    inherit(launcher->job->ticks_fd);
    inherit(launcher->job->counts_fd);
    if (!launcher->job->keep_random)
        personality(ADDR_NO_RANDOMIZE); /* the worker sees for itself whether it worked */

    snprintf(runner, sizeof runner, "%s", prefix ? prefix : "");
    for (char *word = strtok(runner, " "); word && n < RUNNER_WORDS; word = strtok(NULL, " "))
        words[n++] = word;
    if (launcher->job->pass == PASS_INSTRUCTIONS) {
        const size_t counted = icount_command(launcher->job, launcher->program, words + n);
        if (counted == 0)
            _exit(EXIT_LACKS);
        n += counted;
    } else {
        if (launcher->job->preload[0] != '\0')
            setenv("LD_PRELOAD", launcher->job->preload, true);
        words[n++] = (char *)launcher->program;
    }
    snprintf(number, sizeof number, "%d", launcher->job_fd);
    words[n++] = (char *)WORKER_ARGUMENT;
    words[n++] = number;
    words[n] = NULL;
    execvp(words[0], words);
    cannot_start(launcher, words[0]);
    _exit(EXIT_LACKS);
}

/* Until the pipe ends; what ended the wait. */
static enum run_end wait_for_end(int pipe_end, double timeout_s)
{
    const uint64_t deadline = clock_ns() + (uint64_t)(timeout_s * 1e9);
    for (;;) {
        const uint64_t now = clock_ns();
        if (launch_interrupted)
            return RUN_INTERRUPTED;
        if (now >= deadline)
            return RUN_TIMED_OUT;
        const uint64_t left_ms = (deadline - now) / 1000000 + 1;
        struct pollfd pollfd = {.fd = pipe_end, .events = POLLIN};
        if (poll(&pollfd, 1, left_ms > 1000 ? 1000 : (int)left_ms) > 0)
            return RUN_ANSWERED;
    }
}

enum run_end launch_run(struct launcher *launcher, int *detail)
{
    struct job *job = launcher->job;
    int ends[2], status = 0;
    *detail = 0;
    memset((char *)job + JOB_ANSWER, 0, sizeof *job - JOB_ANSWER); /* of a run before, with the same questions */
    job->step = job->failed_step = NO_STEP;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        cannot_start(launcher, "pipe");
        return RUN_ANSWERED;
    }
    const pid_t parent = getpid(), child = fork();
    if (child == 0) {
        inherit(ends[1]);
        become_worker(launcher, parent);
    }
    if (child < 0)
        cannot_start(launcher, "fork");
    close(ends[1]);
    const uint64_t waits_ns =
        job->watch_core ? (CORE_TURNS + 1) * job->timed_ns + job->settle_ns + job->cache_settle_ns : 0;
    const double most_s = launcher->timeout_s + (double)waits_ns / 1e9;
    const enum run_end end = child < 0 ? RUN_ANSWERED : wait_for_end(ends[0], most_s);
    close(ends[0]);
    if (child < 0)
        return end;
    if (end == RUN_TIMED_OUT || end == RUN_INTERRUPTED)
        kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (end != RUN_ANSWERED || job->outcome != OUTCOME_UNKNOWN)
        return end;
    if (launch_interrupted) /* whoever stopped us, as timeout(1) does, may have stopped the worker first */
        return RUN_INTERRUPTED;
    *detail = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    return WIFSIGNALED(status) ? RUN_SIGNALLED : RUN_EXITED;
}
