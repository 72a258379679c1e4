/* spec.c - finds what a specification names, loads it if it is a plug-in, and reads its options; see spec.h. */
#include "driver/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/alone.h"
#include "driver/dynamic.h"
#include "driver/oracle.h"

const struct foreign_malloc foreign_mallocs[] = {
    {"jemalloc", "libjemalloc.so.2", "libjemalloc2"},
    {"tcmalloc", "libtcmalloc_minimal.so.4", "libtcmalloc-minimal4"},
    {"mimalloc", "libmimalloc.so.2", "libmimalloc2.0"},
    {.name = NULL},
};

/* The part before the first ':', in `name`. False: it does not fit. */
static bool name_of(char *name, size_t size, const char *text)
{
    const size_t length = options_name_length(text);
    if (length >= size)
        return false;
    memcpy(name, text, length);
    name[length] = '\0';
    return true;
}

/* What is to be preloaded for a name or a path; false: *error. */
static bool foreign_read(struct allocator_spec *spec, const char *name, struct error *error)
{
    spec->preload[0] = '\0';
    if (strncmp(name, FOREIGN_PREFIX, strlen(FOREIGN_PREFIX)) == 0) {
        const char *path = name + strlen(FOREIGN_PREFIX);
        if (strchr(path, '/') == NULL || access(path, R_OK) != 0)
            return error_set(error, EXIT_USAGE, "--alloc=%s: no such file; give a library's path, with a '/'", name);
        snprintf(spec->preload, sizeof spec->preload, "%s", path);
    }
    for (const struct foreign_malloc *foreign = foreign_mallocs; foreign->name; foreign++)
        if (strcmp(name, foreign->name) == 0)
            snprintf(spec->preload, sizeof spec->preload, "%s", foreign->library);
    if (spec->preload[0] != '\0' && dynamic_missing != NULL)
        return error_set(error, EXIT_LACKS, "--alloc=%s: %s", name, dynamic_missing);
    return true;
}

/* `option` is what messages begin with, up to the name of the page source. */
static bool pages_read(struct pages_spec *spec, const char *option, const char *text, struct error *error)
{
    char name[64], words[400];
    spec->kind = name_of(name, sizeof name, text) ? page_kind_by_name(name) : NULL;
    if (spec->kind == NULL)
        return error_set(error, EXIT_USAGE, "%s%.100s: no such page source; --list names them", option, text);
    if (!options_parse(&spec->values, spec->kind->options, text, words, sizeof words))
        return error_set(error, EXIT_USAGE, "%s%s", option, words);
    return true;
}

bool pages_spec_read(struct pages_spec *spec, const char *text, struct error *error)
{
    return pages_read(spec, "--pages=", text, error);
}

/* `text` is the page source to be replayed alone; it is read to refuse it early, and the worker reads it again. */
static bool alone_read(struct allocator_spec *spec, const char *text, struct error *error)
{
    struct pages_spec pages;
    if (!pages_read(&pages, "--alloc=" ALONE_PREFIX, text, error))
        return false;
    *spec = (struct allocator_spec){.pages = text};
    spec->allocator = pages.kind->caps & CAP_HOSTED ? &allocator_pages : &allocator_pages_of_region;
    spec->name = spec->allocator->name;
    return true;
}

bool allocator_spec_read(struct allocator_spec *spec, const char *text, struct error *error)
{
    char name[400], words[400];
    if (strncmp(text, ALONE_PREFIX, strlen(ALONE_PREFIX)) == 0)
        return alone_read(spec, text + strlen(ALONE_PREFIX), error);
    const bool by_path = strncmp(text, FOREIGN_PREFIX, strlen(FOREIGN_PREFIX)) == 0;
    if (by_path ? (size_t)snprintf(name, sizeof name, "%s", text) >= sizeof name : !name_of(name, sizeof name, text))
        return error_set(error, EXIT_USAGE, "--alloc: a name of more than %zu bytes", sizeof name - 1);
    if (!foreign_read(spec, name, error))
        return false;
    spec->pages = NULL;
    spec->inlined = strcmp(name, NULL_INLINE_NAME) == 0;
    if (spec->preload[0] != '\0')
        spec->allocator = allocator_by_name("libc");
    else if (strchr(name, '/') != NULL)
        spec->allocator = plugin_load(name, error);
    else if (strcmp(name, allocator_oracle.name) == 0)
        spec->allocator = &allocator_oracle;
    else
        spec->allocator = allocator_by_name(spec->inlined ? "null" : name);
    if (strcmp(name, "pages") == 0)
        return error_set(error, EXIT_USAGE, "--alloc=pages: name a page source, as pages:avl; --list names them");
    if (spec->allocator == NULL)
        return error_set(error, EXIT_USAGE, "--alloc=%s: no such allocator; --list names them, a plug-in needs a '/'",
                         name);
    spec->name = spec->inlined ? NULL_INLINE_NAME : spec->preload[0] != '\0' ? text : spec->allocator->name;
    if (!options_parse(&spec->values, spec->allocator->options, by_path ? "lib" : text, words, sizeof words))
        return error_set(error, EXIT_USAGE, "--alloc=%s", words);
    return true;
}

bool spec_is_libc(const struct allocator_spec *spec)
{
    return spec->allocator == allocator_by_name("libc") && spec->preload[0] == '\0';
}

bool spec_can_guard(const struct allocator_spec *spec)
{
    return !(spec->allocator->caps & CAP_YARDSTICK) && spec->allocator != &allocator_oracle;
}

bool guard_spec_read(struct option_values *settings, const char *text, struct error *error)
{
    char words[400];
    return options_parse(settings, guard_options, text, words, sizeof words) ||
           error_set(error, EXIT_USAGE, "--guard: %s", words);
}
