/*
 * table.c - every allocator and page source of this build, in --list order. A new one is a line here and its own file.
 *
 * A build without a libc leaves out the hosted ones.
 */
#include "allocators/alloc.h"

#if __STDC_HOSTED__
#define HOSTED_ALLOCATORS(X) X(libc)
#define HOSTED_PAGE_KINDS(X) X(mmap)
#else
#define HOSTED_ALLOCATORS(X)
#define HOSTED_PAGE_KINDS(X)
#endif

/* Yardsticks first, then from the simplest to the most elaborate. */
#define ALLOCATORS(X)                                                                                                  \
    X(null)                                                                                                            \
    HOSTED_ALLOCATORS(X)                                                                                               \
    X(watermark)                                                                                                       \
    X(pool)                                                                                                            \
    X(freelist)                                                                                                        \
    X(bitmap)                                                                                                          \
    X(slob)                                                                                                            \
    X(buddy)                                                                                                           \
    X(slab)                                                                                                            \
    X(segfit)                                                                                                          \
    X(tlsf)

#define PAGE_KINDS(X)                                                                                                  \
    X(arena)                                                                                                           \
    X(stack)                                                                                                           \
    X(bitmap)                                                                                                          \
    X(buddy)                                                                                                           \
    X(avl)                                                                                                             \
    HOSTED_PAGE_KINDS(X)

#define DECLARE_ALLOCATOR(NAME) extern const struct allocator allocator_##NAME;
#define DECLARE_PAGE_KIND(NAME) extern const struct page_kind page_kind_##NAME;
ALLOCATORS(DECLARE_ALLOCATOR)
PAGE_KINDS(DECLARE_PAGE_KIND)

#define LIST_ALLOCATOR(NAME) &allocator_##NAME,
#define LIST_PAGE_KIND(NAME) &page_kind_##NAME,
const struct allocator *const allocators[] = {ALLOCATORS(LIST_ALLOCATOR) NULL};
const struct page_kind *const page_kinds[] = {PAGE_KINDS(LIST_PAGE_KIND) NULL};

static bool same_text(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b)
        a++, b++;
    return *a == *b;
}

const struct allocator *allocator_by_name(const char *name)
{
    for (size_t i = 0; allocators[i] != NULL; i++)
        if (same_text(allocators[i]->name, name))
            return allocators[i];
    return NULL;
}

const struct page_kind *page_kind_by_name(const char *name)
{
    for (size_t i = 0; page_kinds[i] != NULL; i++)
        if (same_text(page_kinds[i]->name, name))
            return page_kinds[i];
    return NULL;
}
