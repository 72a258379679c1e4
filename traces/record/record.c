/*
 * record.c - the tool: options, starting the program with the library preloaded, passing on signals and the exit
 * status.
 */
#include "traces/record/recording.h"
#include "traces/trace.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIBRARY_BUILT "/traces/record/preload.so" /* beside the tool in the build tree */
/* LIBRARY_INSTALLED, its path once installed, comes from the build. */

/* What env(1), nice(1) and others exit with when the command cannot be run. */
enum { EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };

struct options {
    const char *output;
    bool time, site;
    int level;
    char **command; /* ends with NULL */
};

/* ---- Options -------------------------------------------------------------------------------------------------------
 */

static const struct argp_option option_table[] = {
    {"output", 'o', "FILE", 0, "write the trace to FILE (default: the command's name with .trace)", 0},
    {"time", 't', NULL, 0, "record when each operation happened", 0},
    {"site", 's', NULL, 0, "record the address that each operation was called from", 0},
    {"level", 'l', "N", 0, "zstd's compression level, 1 to 19 (default 1, to keep up with the program)", 0},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    char *end;
    long level;
    switch (key) {
    case 'o':
        if (strcmp(arg, "-") == 0)
            argp_error(state, "-o -: a recording needs a file, as the program has standard output");
        options->output = arg;
        return 0;
    case 't':
        options->time = true;
        return 0;
    case 's':
        options->site = true;
        return 0;
    case 'l':
        level = strtol(arg, &end, 10);
        if (end == arg || *end || level < 1 || level > 19)
            argp_error(state, "--level=%s: a number from 1 to 19 is needed", arg);
        options->level = (int)level;
        return 0;
    case ARGP_KEY_ARGS:
        options->command = state->argv + state->next;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "a command to record is needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = option_table,
    .parser = parse_option,
    .args_doc = "[--] COMMAND [ARG...]",
    .doc =
        "Records what COMMAND, and each process it starts, asks of its heap."
        "\v"
        "The first process writes FILE; each other one, and each program that a process becomes by exec, a file of its "
        "own "
        "that is named after FILE with the process id: prog.trace, prog.1234.trace, prog.1234.2.trace. Recording ends "
        "when the last of these processes has ended.\n"
        "\n"
        "The exit status is the command's; if a signal ended it, the recorder ends by the same one. 126 and 127: the "
        "command cannot be run, is not found. 2: the command line makes no sense. 4: the trace cannot be written, or "
        "nothing could be recorded, as is so with programs that are statically linked or set-uid.",
};

/* False: *error; better before the program runs than after it. */
static bool can_write(const char *output, struct error *error)
{
    char *folder = strdup(output), *slash = folder ? strrchr(folder, '/') : NULL;
    if (slash)
        slash[slash == folder] = '\0';
    struct stat status;
    const bool exists = stat(output, &status) == 0;
    bool can = exists ? access(output, W_OK) == 0 : access(slash ? folder : ".", W_OK | X_OK) == 0;
    int reason = errno;
    if (!*output || (exists && S_ISDIR(status.st_mode))) {
        can = false;
        reason = exists ? EISDIR : ENOENT;
    }
    free(folder);
    return can || error_set(error, EXIT_LACKS, "%s: cannot be written: %s; name another file with -o", output,
                            strerror(reason));
}

/* ---- The command ----------------------------------------------------------------------------------------------------
 */

/* The command as one could type it again. */
static char *quote_command(char *const *command)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    for (char *const *word = command; out && *word; word++) {
        const bool plain = **word && !strpbrk(*word, " \t\n\r\"'\\$`;&|<>()*?[]#~!{}");
        fprintf(out, "%s%s", word == command ? "" : " ", plain ? "" : "'");
        for (const char *c = *word; *c; c++)
            if (!plain && *c == '\'')
                fputs("'\\''", out);
            else
                fputc(*c == '\n' ? ' ' : *c, out);
        fputs(plain ? "" : "'", out);
    }
    if (out)
        fclose(out);
    return text;
}

/* The value for LD_PRELOAD, before what it has: the library beside the tool in the build tree, or the installed one.
 * NULL: there is none. Blanks and colons part names there, so that a path with one of them goes by a descriptor that
 * stays open. */
static char *preload_value(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof LIBRARY_BUILT);
    path[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(path, '/');
    if (slash)
        strcpy(slash, LIBRARY_BUILT);
    const char *library = slash && access(path, R_OK) == 0 ? path : LIBRARY_INSTALLED;
    if (access(library, R_OK) != 0)
        return NULL;
    char by_descriptor[64];
    if (strpbrk(library, " :$")) {
        snprintf(by_descriptor, sizeof by_descriptor, "/proc/%ld/fd/%d", (long)getpid(),
                 open(library, O_RDONLY | O_CLOEXEC));
        library = by_descriptor;
    }
    const char *before = getenv("LD_PRELOAD");
    char *value;
    return asprintf(&value, "%s%s%s", library, before ? ":" : "", before ? before : "") < 0 ? NULL : value;
}

static struct recording *current;   /* for the handlers */
static volatile sig_atomic_t child; /* pid; 0: it has ended */
static volatile sig_atomic_t stop;

static void on_child(int signal)
{
    (void)signal;
    recording_wake(current);
}

/* What was sent to the recorder is passed on to the program; what a terminal or the program itself sends to the whole
 * group has reached it by itself. When the
 * program has ended and only others that it left behind are recorded, the signal ends the recording. */
static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)context;
    if (child == 0)
        stop = 1;
    else if (info->si_code <= 0 && info->si_pid != child)
        kill(child, signal);
    recording_wake(current);
}

static const int passed_on[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};

static void catch_signals(struct recording *recording)
{
    current = recording;
    struct sigaction action = {.sa_handler = on_child, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
    sigaction(SIGCHLD, &action, NULL);
    action = (struct sigaction){.sa_sigaction = on_signal, .sa_flags = SA_RESTART | SA_SIGINFO};
    for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++) {
        struct sigaction before;
        sigaction(passed_on[i], NULL, &before);
        if (before.sa_handler != SIG_IGN) /* nohup */
            sigaction(passed_on[i], &action, NULL);
    }
}

/* Starts the command with that signal mask; its pid, or -1 with *reason when it could not be run. */
static pid_t start(char **command, const char *preload, const char *address, const sigset_t *mask, int *reason)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
        *reason = errno;
        return -1;
    }
    const pid_t pid = fork();
    if (pid == 0) {
        sigprocmask(SIG_SETMASK, mask, NULL);
        setenv("LD_PRELOAD", preload, 1);
        setenv(SESSION_VARIABLE, address, 1);
        execvp(command[0], command);
        const int failed = errno;
        if (write(pipe_fds[1], &failed, sizeof failed) < 0)
            _exit(EXIT_CANNOT_RUN);
        _exit(failed == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN);
    }
    *reason = errno;
    close(pipe_fds[1]);
    const bool failed = pid < 0 || read(pipe_fds[0], reason, sizeof *reason) > 0; /* nothing: exec closed it */
    close(pipe_fds[0]);
    if (pid > 0 && failed)
        waitpid(pid, NULL, 0);
    return failed ? -1 : pid;
}

/* ---- The end --------------------------------------------------------------------------------------------------------
 */

static void say_totals(const struct recording_totals *totals, const char *output)
{
    const struct image_counts *counts = &totals->counts;
    fprintf(stderr, "record: %llu ops in %s", (unsigned long long)counts->ops, output);
    if (totals->files > 1)
        fprintf(stderr, " and %u files of other processes beside it, together", totals->files - 1);
    fputc('\n', stderr);
    const struct {
        uint64_t n;
        const char *text;
    } notes[] = {
        {counts->unknown, "frees or reallocs skipped: of blocks that were made before the recording, or before a fork"},
        {counts->unfreed, "blocks seen to be gone without a free: it went past the functions that are recorded"},
        {counts->gaps, "events lost: their threads were killed in the middle of a call"},
        {counts->broken, "threads lost from some point on: a signal handler allocated while an event was written"},
        {totals->dropped, "events not recorded: of signal handlers that ran while an event was written"},
        {totals->lost_threads,
         "threads not recorded: there were too many at once, or they had lost access to the recorder"},
    };
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
        if (notes[i].n > 0)
            fprintf(stderr, "record: %llu %s\n", (unsigned long long)notes[i].n, notes[i].text);
}

/* Ends as the command did. */
static int end_as(int status)
{
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    const int signal_number = WTERMSIG(status);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* the program's core is the one that matters */
    signal(signal_number, SIG_DFL);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, signal_number);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    raise(signal_number);
    return 128 + signal_number;
}

/* Prints an error when it is new. */
static void say_error(const struct error *error)
{
    static bool said;
    if (error->code != EXIT_DONE && !said)
        fprintf(stderr, "record: %s\n", error->text);
    said = error->code != EXIT_DONE;
}

/* So many that find nobody, one after the other, some 1 ms apart: in exec a process has no environment for an instant,
 * which takes longer when another has its core. */
enum { LOOKS = 10 };

/* Records until the program and all processes it left behind have ended; the program's wait status. */
static int record(struct recording *recording, struct error *error)
{
    int status = 0;
    for (unsigned looks = 0; !stop && looks < LOOKS;) {
        recording_step(recording, error);
        say_error(error);
        if (child && waitpid(child, &status, WNOHANG) != 0) /* -1: it is gone, and nobody knows how it ended */
            child = 0;
        looks = child || recording_is_live(recording) ? 0 : looks + 1;
    }
    return status;
}

/* The session to record into, when all that is needed is there. NULL: *error. */
static struct recording *prepare(const struct options *options, const char *command, const char *preload,
                                 struct error *error)
{
    const struct recording_config config = {
        .image = {.flags = (options->time ? TRACE_TIME : 0) | (options->site ? TRACE_SITE : 0),
                  .level = options->level},
        .output = options->output,
        .command = command,
    };
    if (!can_write(options->output, error))
        return NULL;
    if (!preload) {
        error_set(error, EXIT_LACKS, "the library to preload is missing: %s; build or install heapbench as a whole",
                  LIBRARY_INSTALLED);
        return NULL;
    }
    return recording_open(&config, error);
}

/* Runs the command and records it; what to exit with. Closes the recording. */
static int run(const struct options *options, struct recording *recording, const char *preload, struct error *error)
{
    sigset_t all, old;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old);
    int reason, status = 0;
    child = start(options->command, preload, recording_address(recording), &old, &reason);
    const bool started = child > 0;
    if (started) {
        catch_signals(recording);
        signal(SIGXFSZ, SIG_IGN); /* a trace that grows beyond a limit is an error to be told */
        signal(SIGPIPE, SIG_IGN); /* and so is a pipe that nobody reads */
        sigprocmask(SIG_SETMASK, &old, NULL);
        status = record(recording, error);
    }
    const struct recording_totals totals = recording_close(recording, error);
    if (!started) {
        fprintf(stderr, "record: %s: %s\n", options->command[0], strerror(reason));
        return reason == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
    }
    say_error(error);
    if (error->code)
        return error->code;
    if (totals.files == 0) {
        fprintf(stderr,
                "record: nothing was recorded: %s never called malloc, or is statically linked, set-uid, for "
                "another architecture, or clears its environment\n",
                options->command[0]);
        return EXIT_LACKS;
    }
    say_totals(&totals, options->output);
    return end_as(status);
}

int main(int argc, char **argv)
{
    struct options options = {.level = 1};
    error_keep_streams();
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&parser, argc, argv, ARGP_IN_ORDER, NULL, &options);
    const char *slash = strrchr(options.command[0], '/');
    char *output = NULL;
    if (!options.output && asprintf(&output, "%s.trace", slash ? slash + 1 : options.command[0]) >= 0)
        options.output = output;

    struct error error = {0};
    char *command = quote_command(options.command), *preload = preload_value();
    struct recording *recording = prepare(&options, command, preload, &error);
    if (!recording)
        say_error(&error);
    const int code = recording ? run(&options, recording, preload, &error) : (int)error.code;
    free(command);
    free(preload);
    free(output);
    return code;
}
