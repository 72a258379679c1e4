/* progress.c - the progress line; see progress.h. */
#include "driver/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "driver/timer.h"

void progress_begin(struct progress *progress, size_t runs)
{
    *progress = (struct progress){.shown = isatty(STDERR_FILENO), .all = runs, .began_ns = clock_ns()};
}

void progress_show(const struct progress *progress, const char *trace, const char *allocator, const char *pass)
{
    if (!progress->shown)
        return;
    fprintf(stderr, "\r\033[K[%zu/%zu] %s: %s, %s", progress->done + 1, progress->all, trace, allocator, pass);
    if (progress->done > 0) {
        const double spent_s = (double)(clock_ns() - progress->began_ns) / 1e9;
        const double left_s = spent_s / (double)progress->done * (double)(progress->all - progress->done);
        fprintf(stderr, left_s < 60 ? " (about %.0f s left)" : " (about %.1f min left)",
                left_s < 60 ? left_s : left_s / 60);
    }
    fflush(stderr);
}

void progress_advance(struct progress *progress, size_t runs)
{
    progress->done += runs;
}

void progress_clear(const struct progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
}
