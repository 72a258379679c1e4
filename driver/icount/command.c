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

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#else
#define SANITIZED 0
#endif

#ifndef ICOUNT_SET
#define ICOUNT_SET ""
#endif

static size_t lacks(struct job *job, const char *what, const char *hint)
{
    snprintf(job->reason, sizeof job->reason, "%.250s%.200s", what, hint);
    job->outcome = OUTCOME_LACKS;
    return 0;
}

/* Whether a command is found where execvp() looks. */
static bool in_path(const char *command)
{
    const char *path = getenv("PATH");
    char *copy = strdup(path ? path : "/bin:/usr/bin"), *rest = copy, *folder;
    bool found = false;
    while (copy != NULL && !found && (folder = strsep(&rest, ":")) != NULL) {
        char file[4096];
        snprintf(file, sizeof file, "%s/%s", folder[0] ? folder : ".", command);
        found = access(file, X_OK) == 0;
    }
    free(copy);
    return found;
}

/* The plugin beside the program or where it is installed, each ',' of its path doubled; allocated. NULL: not there. */
static char *plugin_path(const char *program)
{
    char path[4096];
    const char *slash = strrchr(program, '/');
    snprintf(path, sizeof path, "%.*s/%s", slash ? (int)(slash - program) : 1, slash ? program : ".",
             ICOUNT_PLUGIN_BUILT);
    const char *from = access(path, R_OK) == 0 ? path : ICOUNT_PLUGIN_INSTALLED;
    char *doubled = access(from, R_OK) == 0 ? malloc(2 * strlen(from) + 1) : NULL, *to = doubled;
    for (; doubled != NULL; from++) {
        *to++ = *from;
        if (*from == '\0')
            break;
        if (*from == ',')
            *to++ = ',';
    }
    return doubled;
}

size_t icount_command(struct job *job, const char *program, char *words[ICOUNT_WORDS])
{
    static const char emulator[] = "qemu-" ICOUNT_SET;
    size_t n = 0;
    if (SANITIZED)
        return lacks(job, "this build has sanitizers, which would be counted", "; configure one without");
    if (ICOUNT_SET[0] == '\0')
        return lacks(job, "only x86-64 and AArch64 have marks", "");
    if (!in_path(emulator))
        return lacks(job, emulator, " is not in PATH; install qemu-user");
    if (strchr(job->preload, ',') != NULL)
        return lacks(job, job->preload, ": QEMU takes no ',' in it; link to it under another name");
    char *path = plugin_path(program), *plugin = NULL, *preload = NULL;
    if (path == NULL)
        return lacks(job, ICOUNT_PLUGIN_INSTALLED, " is missing; build or install heapbench as a whole");
    if (asprintf(&plugin, "file=%s," COUNTS_ARGUMENT "=%d", path, job->counts_fd) < 0 ||
        asprintf(&preload, "LD_PRELOAD=%s", job->preload) < 0)
        return lacks(job, "no memory", "");
    words[n++] = (char *)emulator;
    words[n++] = (char *)"-seed";
    words[n++] = (char *)"1";
    words[n++] = (char *)"-plugin";
    words[n++] = plugin;
    if (job->preload[0] != '\0') {
        words[n++] = (char *)"-E";
        words[n++] = preload;
    }
    setenv("LD_BIND_NOW", "1", true);
    return n;
}
