/*
 * bench.c - how fast a trace is compiled into a plan, and written at each level, and how small it is.
 *
 * One line a trace: ops, bytes per op in the file, million ops per second from file to plan (the best of several runs,
 * in this process's CPU time), then for some zstd levels bytes per op and million ops per second of the writer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "traces/plan.h"

#define RUNS 21
static const int levels[] = {1, 3, 9, 19};
#define LEVELS (sizeof levels / sizeof *levels)

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double file_bytes(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (double)status.st_size : 0;
}

/* Seconds; *ops of the trace. */
static bool time_plan(const char *path, double *seconds, double *ops, struct error *error)
{
    struct plan plan;
    double begin = cpu_seconds();
    struct trace_reader *reader = trace_open(path, error);
    if (!reader || !plan_build(&plan, reader, error)) {
        trace_close(reader);
        return false;
    }
    trace_close(reader);
    *seconds = cpu_seconds() - begin;
    *ops = (double)plan.header->nsteps;
    plan_close(&plan);
    return true;
}

/* Reads the trace into memory as far as `room` ops, so that writing is timed alone. */
static size_t load(const char *path, struct op *ops, size_t room, uint32_t *flags, struct error *error)
{
    struct trace_reader *reader = trace_open(path, error);
    size_t n = 0, got;
    while (reader && n < room && (got = trace_read(reader, ops + n, room - n, error)) > 0)
        n += got;
    *flags = reader ? trace_info(reader)->flags : 0;
    trace_close(reader);
    return n;
}

static bool time_write(const char *path, const struct op *ops, size_t n, uint32_t flags, int level, double *seconds,
                       struct error *error)
{
    double begin = cpu_seconds();
    struct trace_writer *writer = trace_create(path, flags, "", level, error);
    if (!writer)
        return false;
    bool written = trace_write(writer, ops, n, error);
    if (!trace_finish(writer, error) || !written)
        return false;
    *seconds = cpu_seconds() - begin;
    return true;
}

static bool bench(const char *path, const char *scratch, struct op *room, size_t n, struct error *error)
{
    double best = 1e9, seconds, ops;
    uint32_t flags;
    for (int i = 0; i < RUNS; i++) {
        if (!time_plan(path, &seconds, &ops, error))
            return false;
        best = seconds < best ? seconds : best;
    }
    printf("%-28.28s %10.0f ops %6.3f B/op %7.1f M ops/s to plan", path, ops, file_bytes(path) / ops, ops / best / 1e6);
    n = load(path, room, n, &flags, error);
    for (size_t l = 0; l < LEVELS; l++) {
        best = 1e9;
        for (int i = 0; i < (levels[l] < 9 ? RUNS : 1); i++) {
            if (!time_write(scratch, room, n, flags, levels[l], &seconds, error))
                return false;
            best = seconds < best ? seconds : best;
        }
        printf(" | level %d: %.3f B/op %.1f M ops/s", levels[l], file_bytes(scratch) / (double)n,
               (double)n / best / 1e6);
    }
    putchar('\n');
    return true;
}

int main(int argc, char **argv)
{
    const size_t most = (size_t)1 << 20;
    struct op *ops = calloc(most, sizeof *ops);
    char scratch[] = "bench-XXXXXX";
    int fd = mkstemp(scratch);
    struct error error = {0};
    if (!ops || fd < 0)
        error_set(&error, EXIT_LACKS, "no memory, or no file can be made here");
    for (int i = 1; i < argc && !error.code; i++)
        bench(argv[i], scratch, ops, most, &error);
    if (error.code)
        fprintf(stderr, "bench-trace: %s\n", error.text);
    if (fd >= 0) {
        close(fd);
        unlink(scratch);
    }
    free(ops);
    return error.code;
}
