/*
 * main.c - replay: recorded heap work against memory allocators.
 *
 * Results go to stdout or --json, words to stderr. This file only joins the parts: the command line (cli.c), for each
 * trace its study (study_open.c), the runs (sweep.c), and the table (table.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/clock.h"
#include "driver/last_cache.h"
#include "driver/list.h"
#include "driver/sweep.h"
#include "driver/table.h"
#include "driver/worker.h"

/* The worst that has happened decides; an allocator's failure is no reason to stop. */
struct verdict {
    bool allocator_failed, lacks;
};

static void judge(struct verdict *verdict, const struct study *study)
{
    for (size_t i = 0; i < study->ncells; i++) {
        verdict->allocator_failed |= study->cells[i].failed && !study->cells[i].lacks;
        verdict->lacks |= study->cells[i].failed && study->cells[i].lacks;
    }
}

static int complain(const struct error *error)
{
    fprintf(stderr, "replay: %s\n", error->text);
    return (int)error->code;
}

static void warn_of_noise(const struct host *host)
{
    if (host->noise_share > 0.05)
        fprintf(stderr,
                "replay: this machine is noisy: %.1f %% of a test loop's time went elsewhere, up to %.0f µs at once; "
                "the longest latencies will show it; stop what else runs, or be allowed real-time priority (root, or "
                "ulimit -r 1)\n",
                host->noise_share * 100, (double)host->noise_worst_ns / 1e3);
}

/* One trace from file to table. A trace that is too large for this machine is said, and is no reason to stop. False:
 * *error, or the user interrupted it. */
static bool do_trace(struct sweep *sweep, const char *path, struct verdict *verdict, struct error *error)
{
    struct study study;
    if (!study_open(&study, sweep->cli, path, error)) {
        if (error->code != EXIT_LACKS)
            return false;
        fprintf(stderr, "replay: %s is left out: %s\n", path, error->text);
        verdict->lacks = true;
        *error = (struct error){.code = EXIT_DONE};
        return true;
    }
    const bool fine = sweep_trace(sweep, &study, error);
    progress_clear(sweep->progress);
    if (sweep->rows->fd != 1)
        table_print(stdout, &study, sweep->cli, sweep->host);
    fflush(stdout);
    judge(verdict, &study);
    study_close(&study);
    return fine;
}

static int replay(struct cli *cli, struct error *error)
{
    struct launcher launcher;
    struct row_file rows;
    struct progress progress;
    struct host host;
    struct verdict verdict = {.lacks = false};
    if (!clock_choose(cli, error) || !row_file_open(&rows, cli->json, error) ||
        !launch_open(&launcher, cli->timeout_s, error))
        return complain(error);
    host_probe(&host, cli->cpu, cli->emulated);
    warn_of_noise(&host);
    if (host.emulated[0] != '\0')
        fprintf(stderr, "replay: emulated by %s: times mean nothing, and are marked\n", host.emulated);
    progress_begin(&progress, sweep_runs(cli) * cli->ntraces);
    struct sweep sweep = {
        .cli = cli, .host = &host, .launcher = &launcher, .rows = &rows, .progress = &progress, .random = cli->seed};
    sweep.watch_core = host.emulated[0] == '\0' && getenv("HEAPBENCH_RUNNER") == NULL;
    sweep.cache = last_cache_of_cpu("", cli->cpu);
    board_open(&sweep.board, "", cli->cpu);
    sweep.cooldown.most_s = cli->cooldown_s;
    bool fine = true;
    if (rows.fd != 1)
        table_begin(stdout, cli);
    for (size_t i = 0; fine && i < cli->ntraces; i++)
        fine = do_trace(&sweep, cli->traces[i], &verdict, error);
    if (rows.fd != 1 && (fine || launch_interrupted))
        table_legend(stdout, cli, &host);
    row_file_close(&rows);
    launch_close(&launcher);
    if (launch_interrupted) {
        fprintf(stderr, "replay: interrupted; what was done is kept\n");
        fflush(stdout);
        signal(launch_interrupted, SIG_DFL);
        raise(launch_interrupted); /* the shell sees what it was */
    }
    if (!fine)
        return complain(error);
    return verdict.allocator_failed ? EXIT_ALLOCATOR : verdict.lacks ? EXIT_LACKS : EXIT_DONE;
}

/* Results that did not arrive are an error, whatever else went well. */
static int flush_results(int code)
{
    struct error error = {.code = EXIT_DONE};
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    error_set(&error, EXIT_LACKS, "standard output cannot be written in full; give it room");
    return complain(&error);
}

int main(int argc, char **argv)
{
    struct cli cli;
    struct error error = {.code = EXIT_DONE};
    int code = EXIT_DONE;
    if (argc == 3 && strcmp(argv[1], WORKER_ARGUMENT) == 0)
        return worker_main(argv[2]);
    error_keep_streams();
    if (!cli_read(&cli, argc, argv, &error)) {
        code = complain(&error);
        fprintf(stderr, "replay: --help lists the options\n");
    } else if (cli.request == REQUEST_LIST) {
        list_all();
    } else if (cli.request == REQUEST_HELP) {
        code = list_options(cli.help_name, &error) ? EXIT_DONE : complain(&error);
    } else {
        code = replay(&cli, &error);
    }
    cli_free(&cli);
    return flush_results(code);
}
