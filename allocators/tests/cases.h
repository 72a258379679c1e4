/*
 * cases.h - what the tests of allocators share: which allocators there are, and their options.
 */
#ifndef HEAPBENCH_TESTS_CASES_H
#define HEAPBENCH_TESTS_CASES_H

#include "allocators/options.h"
#include "allocators/tests/model.h"

/* The i-th allocator under test: those of the table but the yardstick that overlaps, the skeleton, and the page source
 * alone; NULL: no more. */
const struct allocator *tested_allocator(size_t i);

/*
 * The k-th way to set the options of an allocator, as on a command line: 0 the defaults, then each choice and each
 * smallest and largest value in turn. False: no more.
 */
bool option_variant(const struct allocator *allocator, size_t k, char *spec, size_t spec_size);

/* The values of a spec that option_variant() made. */
void read_variant(const struct allocator *allocator, const char *spec, struct option_values *values);

/* A number from the environment, or the default. */
uint64_t number_from(const char *variable, uint64_t otherwise);

#endif
