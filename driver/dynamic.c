/* dynamic.c - see dynamic.h. */
#include "driver/dynamic.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver/job.h"

const char *const dynamic_missing = NULL;

/* The dynamic linker's words, without the path that our own message names already. */
const struct allocator *plugin_load(const char *path, struct error *error)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        error_set(error, EXIT_USAGE, "--alloc=%s: cannot be loaded: %.300s", path, dlerror());
        return NULL;
    }
    const struct allocator *allocator = dlsym(library, PLUGIN_SYMBOL);
    if (allocator == NULL) {
        error_set(error, EXIT_USAGE, "--alloc=%s: exports no 'const struct allocator %s'; see allocators/alloc.h", path,
                  PLUGIN_SYMBOL);
        return NULL;
    }
    if (allocator->abi != ALLOC_ABI) {
        error_set(error, EXIT_USAGE, "--alloc=%s: built for ABI %u of allocators/alloc.h, this is ABI %u; rebuild it",
                  path, (unsigned)allocator->abi, (unsigned)ALLOC_ABI);
        return NULL;
    }
    if (!allocator->name || !allocator->create || !allocator->destroy || !allocator->alloc || !allocator->release ||
        !allocator->usable) {
        error_set(error, EXIT_USAGE,
                  "--alloc=%s: its struct allocator lacks one of name, create, destroy, alloc, release, usable", path);
        return NULL;
    }
    return allocator;
}

/* As a worker will find it: this program, which alone is of the library's machine for sure, is started with the library
 * preloaded, and no complaint is heard. As a worker without a job it ends at once. */
bool foreign_installed(const struct foreign_malloc *foreign)
{
    int ends[2];
    char complaint, program[4096];
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length < 0 || pipe(ends) != 0)
        return false;
    program[length] = '\0';
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        setenv("LD_PRELOAD", foreign->library, true);
        execl(program, program, WORKER_ARGUMENT, "-1", (char *)NULL);
        _exit(dprintf(STDERR_FILENO, "cannot be tried"));
    }
    close(ends[1]);
    const bool silent = child > 0 && read(ends[0], &complaint, 1) == 0;
    close(ends[0]);
    if (child > 0)
        waitpid(child, NULL, 0);
    return silent;
}

bool malloc_is_of(const char *library)
{
    const char *slash = strrchr(library, '/');
    Dl_info info;
    return dladdr((void *)malloc, &info) != 0 && strstr(info.dli_fname, slash != NULL ? slash + 1 : library) != NULL;
}
