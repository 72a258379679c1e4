/* vcgencmd.c - runs vcgencmd for one answer, and lets it not hang; see vcgencmd.h. */
#include "driver/vcgencmd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver/in_path.h"
#include "driver/timer.h"

#define PROGRAM     "vcgencmd"
#define PATIENCE_NS UINT64_C(2000000000)
#define WORDS       4

extern char **environ;

bool vcgencmd_exists(void)
{
    return in_path(PROGRAM);
}

/* Starts it with both of its streams in the pipe: its complaints are the reason. 0, or the error's number. */
static int start(const char *command, const int ends[2], pid_t *child)
{
    char copy[64], *words[WORDS + 2] = {(char *)PROGRAM}, *rest = copy;
    snprintf(copy, sizeof copy, "%s", command);
    for (size_t n = 1; n <= WORDS && (words[n] = strsep(&rest, " ")) != NULL; n++)
        ;
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0)
        return error;
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    error = posix_spawnp(child, PROGRAM, &actions, NULL, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* Reads until the pipe ends; the first line is kept. False: it took too long. */
static bool read_answer(int pipe_end, char answer[VCGENCMD_TEXT])
{
    const uint64_t deadline = clock_ns() + PATIENCE_NS;
    size_t length = 0;
    for (uint64_t now = clock_ns(); now < deadline; now = clock_ns()) {
        char part[256];
        struct pollfd pollfd = {.fd = pipe_end, .events = POLLIN};
        if (poll(&pollfd, 1, (int)((deadline - now) / 1000000) + 1) <= 0)
            continue;
        const ssize_t got = read(pipe_end, part, sizeof part);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            answer[length] = '\0';
            answer[strcspn(answer, "\n")] = '\0';
            return true;
        }
        for (ssize_t i = 0; i < got && length + 1 < VCGENCMD_TEXT; i++)
            answer[length++] = part[i];
    }
    return false;
}

bool vcgencmd_ask(const char *command, char answer[VCGENCMD_TEXT])
{
    int ends[2], status = 0;
    pid_t child;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        snprintf(answer, VCGENCMD_TEXT, "cannot be run: %s", strerror(errno));
        return false;
    }
    const int error = start(command, ends, &child);
    close(ends[1]);
    const bool answered = error == 0 && read_answer(ends[0], answer);
    close(ends[0]);
    if (error != 0) {
        snprintf(answer, VCGENCMD_TEXT, "cannot be run: %s", strerror(error));
        return false;
    }
    if (!answered)
        kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (!answered)
        snprintf(answer, VCGENCMD_TEXT, "gives no answer within %d s", (int)(PATIENCE_NS / 1000000000));
    else if (status != 0 && answer[0] == '\0')
        snprintf(answer, VCGENCMD_TEXT, "fails and does not say why");
    return answered && status == 0;
}
