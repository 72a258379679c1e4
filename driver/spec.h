/*
 * spec.h - an allocator or page source as the command line names it: "slab:order=2", "./mine.so:depth=3", "mmap".
 *
 * The same text is read by the driver, to refuse it early, and by every worker, to use it.
 */
#ifndef HEAPBENCH_SPEC_H
#define HEAPBENCH_SPEC_H

#include "allocators/alloc.h"
#include "allocators/guard.h"
#include "allocators/options.h"
#include "traces/error.h"

/* The floor: the loop with the null allocator compiled into it. Not an allocator of the table. */
#define NULL_INLINE_NAME    "null-inline"
#define NULL_INLINE_SUMMARY "the replay loop with null compiled in: the floor of the floor (throughput only)"

/* What a plug-in exports: const struct allocator heapbench_allocator. */
#define PLUGIN_SYMBOL "heapbench_allocator"

/* A malloc of others: a library that is preloaded into the worker, so that its malloc is the C library's. */
struct foreign_malloc {
    const char *name, *library, *package; /* on the command line; for the dynamic linker; of Debian */
};
extern const struct foreign_malloc foreign_mallocs[]; /* ends with .name NULL */
#define FOREIGN_PREFIX "lib:"                         /* any other, by its path */

/* A page source replayed alone, with the source's own options behind it: "pages:bitmap:fit=next". */
#define ALONE_PREFIX "pages:"

struct allocator_spec {
    const struct allocator *allocator;
    const char *name; /* the allocator's, or the foreign malloc's; valid as long as the spec's text */
    struct option_values values;
    const char *pages; /* ALONE_PREFIX: the page source, as --pages names it; NULL: the one of --pages */
    bool inlined;      /* NULL_INLINE_NAME; allocator is null's */
    char preload[400]; /* the library of a foreign malloc; allocator is libc's. "": none */
};

/* Whether it is the C library's own malloc, nothing preloaded. */
bool spec_is_libc(const struct allocator_spec *spec);

struct pages_spec {
    const struct page_kind *kind;
    struct option_values values;
};

/* Fill *spec from text; a name with a '/' in it is a plug-in, loaded for the life of the process. False: *error. */
bool allocator_spec_read(struct allocator_spec *spec, const char *text, struct error *error);
bool pages_spec_read(struct pages_spec *spec, const char *text, struct error *error);

/* Whether the debugging layer can be put around it: blocks that overlap, or whose places are computed beforehand, have no
 * room for it. */
bool spec_can_guard(const struct allocator_spec *spec);

/* The options of the debugging layer, from "guard" or "guard:OPT=VALUE:…". False: *error. */
#define GUARD_NAME    "guard"
#define GUARD_SUMMARY "a debugging layer around the allocators, with --guard[=OPT=VALUE:…]"
bool guard_spec_read(struct option_values *settings, const char *text, struct error *error);

#endif
