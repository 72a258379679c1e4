/* dynamic_none.c - of a program that is linked statically; see dynamic.h. */
#include "driver/dynamic.h"

const char *const dynamic_missing = "this program is linked statically, and loads no library";

const struct allocator *plugin_load(const char *path, struct error *error)
{
    error_set(error, EXIT_LACKS, "--alloc=%s: %s", path, dynamic_missing);
    return NULL;
}

bool foreign_installed(const struct foreign_malloc *foreign)
{
    (void)foreign;
    return false;
}

bool malloc_is_of(const char *library)
{
    (void)library;
    return false;
}
