/*
 * options.h - "name:opt=value:opt=value": reads the tail of such a text against an option table.
 *
 * Allocators and page sources alike are written so, on a command line or in the configuration of a build without one;
 * hence nothing here needs a libc.
 */
#ifndef HEAPBENCH_OPTIONS_H
#define HEAPBENCH_OPTIONS_H

#include "allocators/alloc.h"

#define OPTIONS_MAX_SIZES 64 /* sizes that one OPTION_SIZES may list */

struct option_values {
    uint64_t opt[ALLOC_MAX_OPTIONS];          /* in the table's order: what heap_config.opt and page_kind.open() want */
    struct size_use sizes[OPTIONS_MAX_SIZES]; /* of the OPTION_SIZES, ascending, each once, peak 0 */
    size_t nsizes;                            /* 0: none given, heap_config.sizes stays what the work says */
};

/* Bytes of `spec` before its first ':', that is, of the name; all of it when there are no options. */
size_t options_name_length(const char *spec);

/*
 * Fills *values from `spec` ("slab", "slab:order=2:colour=no"), options not named with their defaults. `table` may be
 * NULL: there are no options. An option may be given once. False: `text` (of text_size bytes, cut to fit) says what is
 * wrong and what is accepted, and *values is undefined.
 */
bool options_parse(struct option_values *values, const struct alloc_option *table, const char *spec, char *text,
                   size_t text_size);

/* What an option accepts, in words, as messages and the help print it: "a whole number from 1 to 64". Returns text. */
const char *options_accepted(const struct alloc_option *option, char *text, size_t text_size);

/* The text that gives an option its default value; "" for an OPTION_SIZES. Returns text. */
const char *options_default(const struct alloc_option *option, char *text, size_t text_size);

#endif
