/*
 * command.c - how the worker is started where its instructions are counted; see icount.h.
 *
 * A comma separates QEMU's arguments: in the path of the plugin it is doubled, in a variable's value it cannot be
 * written. The guest's dynamic linker binds all functions at once, so that no op pays for its first call, and gets the
 * same random bytes each time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/icount/call.h"
#include "driver/icount/icount.h"
#include "driver/icount/marks.h"
#include "driver/in_path.h"
#include "driver/sanitized.h"

#ifndef ICOUNT_SET
#define ICOUNT_SET ""
#endif

#define OTHER_SET "aarch64" /* the one that a worker can be cross-built for */

bool icount_knows(const char *isa)
{
    return strcmp(isa, "native") == 0 || strcmp(isa, OTHER_SET) == 0 || strcmp(isa, ICOUNT_SET) == 0;
}

static size_t lacks(struct job *job, const char *what, const char *hint)
{
    snprintf(job->reason, sizeof job->reason, "%.250s%.200s", what, hint);
    job->outcome = OUTCOME_LACKS;
    return 0;
}

/* A file of the build tree beside the program, or as it is installed; allocated. NULL: in neither place. */
static char *find_part(const char *program, const char *built, const char *installed)
{
    const char *slash = strrchr(program, '/');
    char *path = NULL;
    if (asprintf(&path, "%.*s/%s", slash ? (int)(slash - program) : 1, slash ? program : ".", built) >= 0 &&
        access(path, R_OK) == 0)
        return path;
    return access(installed, R_OK) == 0 ? strdup(installed) : NULL;
}

/* QEMU's argument that loads the plugin, each ',' of its path doubled; allocated. NULL: no memory. */
static char *plugin_argument(const char *path, int counts_fd)
{
    char *argument = malloc(2 * strlen(path) + 64), *to = argument;
    if (argument == NULL)
        return NULL;
    to = stpcpy(to, "file=");
    for (; *path != '\0'; path++) {
        *to++ = *path;
        if (*path == ',')
            *to++ = ',';
    }
    sprintf(to, "," COUNTS_ARGUMENT "=%d", counts_fd);
    return argument;
}

/* What is lacking to count in this machine's own instruction set; 0: something is. */
static size_t check_native(struct job *job)
{
    if (SANITIZED)
        return lacks(job, "this build has sanitizers, which would be counted", "; configure one without");
    if (ICOUNT_SET[0] == '\0')
        return lacks(job, "only x86-64 and AArch64 have marks", "");
    if (strchr(job->preload, ',') != NULL)
        return lacks(job, job->preload, ": QEMU takes no ',' in it; link to it under another name");
    return 1;
}

/* The same for the other: a worker was built for it, and what is to be counted is in it. */
static size_t check_other(struct job *job, const char *worker)
{
    if (job->preload[0] != '\0' || strchr(job->allocator, '/') != NULL)
        return lacks(job, job->allocator, ": a library for this machine cannot be counted in " OTHER_SET);
    if (worker == NULL)
        return lacks(job, "no worker was built for " OTHER_SET,
                     "; install gcc-aarch64-linux-gnu and libc6-dev-arm64-cross, configure and make");
    return 1;
}

size_t icount_command(struct job *job, const char *program, char *words[ICOUNT_WORDS])
{
    const bool native = strcmp(job->isa, "native") == 0 || strcmp(job->isa, ICOUNT_SET) == 0;
    const char *emulator = native ? "qemu-" ICOUNT_SET : "qemu-" OTHER_SET;
    char *worker = native ? strdup(program) : find_part(program, ICOUNT_WORKER_BUILT, ICOUNT_WORKER_INSTALLED);
    size_t n = 0;
    if ((native ? check_native(job) : check_other(job, worker)) == 0)
        return 0;
    if (!in_path(emulator))
        return lacks(job, emulator, " is not in PATH; install qemu-user");
    char *path = find_part(program, ICOUNT_PLUGIN_BUILT, ICOUNT_PLUGIN_INSTALLED), *preload = NULL;
    if (path == NULL)
        return lacks(job, ICOUNT_PLUGIN_INSTALLED, " is missing; build or install heapbench as a whole");
    char *plugin = plugin_argument(path, job->counts_fd);
    if (plugin == NULL || worker == NULL || asprintf(&preload, "LD_PRELOAD=%s", job->preload) < 0)
        return lacks(job, "no memory", "");
    words[n++] = (char *)emulator;
    words[n++] = (char *)"-seed";
    words[n++] = (char *)"1";
    words[n++] = (char *)"-plugin";
    words[n++] = plugin;
    if (!native) {
        words[n++] = (char *)"-L"; /* where its C library is */
        words[n++] = (char *)ICOUNT_WORKER_ROOT;
    }
    if (job->preload[0] != '\0') {
        words[n++] = (char *)"-E";
        words[n++] = preload;
    }
    words[n++] = worker;
    setenv("LD_BIND_NOW", "1", true);
    return n;
}
