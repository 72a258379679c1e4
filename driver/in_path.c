/* in_path.c - looks for a command; see in_path.h. */
#include "driver/in_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool in_path(const char *command)
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
