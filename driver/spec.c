/* spec.c - finds what a specification names, loads it if it is a plug-in, and reads its options; see spec.h. */
#include "driver/spec.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

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

/* The dynamic linker's words, without the path that our own message names already. */
static const struct allocator *plugin_load(const char *path, struct error *error)
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

bool allocator_spec_read(struct allocator_spec *spec, const char *text, struct error *error)
{
    char name[512], words[400];
    if (!name_of(name, sizeof name, text))
        return error_set(error, EXIT_USAGE, "--alloc: a name of more than %zu bytes", sizeof name - 1);
    spec->inlined = strcmp(name, NULL_INLINE_NAME) == 0;
    if (strchr(name, '/') != NULL)
        spec->allocator = plugin_load(name, error);
    else
        spec->allocator = allocator_by_name(spec->inlined ? "null" : name);
    if (spec->allocator == NULL)
        return error_set(error, EXIT_USAGE, "--alloc=%s: no such allocator; --list names them, a plug-in needs a '/'",
                         name);
    if (!options_parse(&spec->values, spec->allocator->options, text, words, sizeof words))
        return error_set(error, EXIT_USAGE, "--alloc=%s", words);
    return true;
}

bool pages_spec_read(struct pages_spec *spec, const char *text, struct error *error)
{
    char name[64], words[400];
    spec->kind = name_of(name, sizeof name, text) ? page_kind_by_name(name) : NULL;
    if (spec->kind == NULL)
        return error_set(error, EXIT_USAGE, "--pages=%.100s: no such page source; --list names them", text);
    if (!options_parse(&spec->values, spec->kind->options, text, words, sizeof words))
        return error_set(error, EXIT_USAGE, "--pages=%s", words);
    return true;
}
