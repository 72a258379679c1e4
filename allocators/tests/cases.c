/*
 * cases.c - the allocators under test and their options; see cases.h.
 */
#include "allocators/tests/cases.h"

#include <stdio.h>
#include <stdlib.h>

#include "driver/alone.h"

const struct allocator *tested_allocator(size_t i)
{
    for (size_t at = 0; allocators[at] != NULL; at++)
        if (!(allocators[at]->caps & CAP_YARDSTICK) && i-- == 0)
            return allocators[at];
    return i == 0 ? &heapbench_allocator : i == 1 ? &allocator_pages : NULL;
}

/* The j-th value of an option that is worth a test of its own. False: no more. */
static bool worthy_value(const struct alloc_option *option, size_t j, char *text, size_t text_size)
{
    const uint64_t bounds[] = {option->min, option->max};
    switch (option->type) {
    case OPTION_CHOICE:
        if (option->choices[j] == NULL)
            return false;
        snprintf(text, text_size, "%s", option->choices[j]);
        return true;
    case OPTION_NUMBER:
    case OPTION_SIZE:
        if (j >= 2)
            return false;
        snprintf(text, text_size, "%llu", (unsigned long long)bounds[j]);
        return true;
    case OPTION_SIZES:
        snprintf(text, text_size, "%s", j == 0 ? "100" : "16+48+1000+5000");
        return j < 2;
    }
    return false;
}

bool option_variant(const struct allocator *allocator, size_t k, char *spec, size_t spec_size)
{
    char value[64];
    snprintf(spec, spec_size, "%s", allocator->name);
    if (k-- == 0)
        return true;
    for (const struct alloc_option *option = allocator->options; option != NULL && option->name != NULL; option++)
        for (size_t j = 0; worthy_value(option, j, value, sizeof value); j++)
            if (k-- == 0) {
                snprintf(spec, spec_size, "%s:%s=%s", allocator->name, option->name, value);
                return true;
            }
    return false;
}

void read_variant(const struct allocator *allocator, const char *spec, struct option_values *values)
{
    char text[200];
    if (!options_parse(values, allocator->options, spec, text, sizeof text)) {
        fprintf(stderr, "%s\n", text);
        abort();
    }
}

uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text != NULL && text[0] != '\0' ? strtoull(text, NULL, 10) : otherwise;
}
