/* list.c - prints the tables that the parser reads, so that help and parser cannot disagree; see list.h. */
#include "driver/list.h"

#include <stdio.h>
#include <string.h>

#include "driver/dynamic.h"
#include "driver/oracle.h"
#include "driver/spec.h"

void list_all(void)
{
    printf("Allocators (--alloc):\n");
    for (size_t i = 0; allocators[i] != NULL; i++)
        printf("  %-12s  %s\n", allocators[i]->name, allocators[i]->summary);
    printf("  %-12s  %s\n", allocator_oracle.name, allocator_oracle.summary);
    printf("  %-12s  %s\n", NULL_INLINE_NAME, NULL_INLINE_SUMMARY);
    for (const struct foreign_malloc *foreign = foreign_mallocs; foreign->name != NULL; foreign++) {
        printf("  %-12s  %s in place of the C library's malloc", foreign->name, foreign->library);
        if (dynamic_missing == NULL && !foreign_installed(foreign))
            printf(" (not installed; Debian: %s)", foreign->package);
        printf("\n");
    }
    printf("  %-12s  any library that replaces malloc\n", FOREIGN_PREFIX "/PATH.so");
    printf("  %-12s  a plug-in: a shared object that exports %s\n", "./FILE.so", PLUGIN_SYMBOL);
    if (dynamic_missing != NULL)
        printf("None of those that are libraries can be had: %s.\n", dynamic_missing);
    printf("\nPage sources (--pages; --alloc=" ALONE_PREFIX "NAME replays one alone):\n");
    for (size_t i = 0; page_kinds[i] != NULL; i++)
        printf("  %-12s  %s\n", page_kinds[i]->name, page_kinds[i]->summary);
    printf("\n--alloc-help=NAME lists the options of one; --alloc-help=" GUARD_NAME " those of --guard.\n");
}

static void print_options(const char *name, const char *summary, const struct alloc_option *option)
{
    char accepted[300], standard[64];
    printf("%s: %s\n", name, summary);
    if (option == NULL || option->name == NULL)
        printf("\nIt has no options.\n");
    else
        printf("\nOptions (%s:OPTION=VALUE:…):\n", name);
    for (; option != NULL && option->name != NULL; option++) {
        printf("  %-12s  %s\n", option->name, option->help);
        printf("  %-12s  %s", "", options_accepted(option, accepted, sizeof accepted));
        if (options_default(option, standard, sizeof standard)[0] != '\0')
            printf("; default %s", standard);
        printf("\n");
    }
}

bool list_options(const char *name, struct error *error)
{
    struct allocator_spec spec;
    const bool alone = strncmp(name, ALONE_PREFIX, strlen(ALONE_PREFIX)) == 0;
    const struct page_kind *kind = page_kind_by_name(alone ? name + strlen(ALONE_PREFIX) : name);
    if (strcmp(name, GUARD_NAME) == 0) {
        print_options(GUARD_NAME, GUARD_SUMMARY, guard_options);
        return true;
    }
    if (kind != NULL) {
        print_options(kind->name, kind->summary, kind->options);
        return true;
    }
    if (!allocator_spec_read(&spec, name, error))
        return false;
    if (spec.inlined)
        print_options(NULL_INLINE_NAME, NULL_INLINE_SUMMARY, NULL);
    else if (spec.preload[0] != '\0')
        print_options(name, "a library preloaded in place of the C library's malloc", NULL);
    else
        print_options(spec.allocator->name, spec.allocator->summary, spec.allocator->options);
    return true;
}
