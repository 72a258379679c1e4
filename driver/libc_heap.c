/* libc_heap.c - the C library's account of itself, mallinfo2(3); see libc_heap.h. */
#include "driver/libc_heap.h"

#include <malloc.h>
#include <stddef.h>

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)

struct libc_heap libc_heap_read(void)
{
    const struct mallinfo2 info = mallinfo2();
    return (struct libc_heap){.held = info.arena + info.hblkhd, .used = info.uordblks + info.hblkhd};
}

/* What stands in for malloc, such as a sanitizer, need not count: then nothing is held when a block is live. */
const char *libc_heap_missing(void)
{
    if (libc_heap_read().held == 0 && malloc_usable_size(malloc(1)) > 0 && libc_heap_read().held == 0)
        return "this C library does not say what it holds (mallinfo2 is all zero)";
    return NULL;
}

#else

struct libc_heap libc_heap_read(void)
{
    return (struct libc_heap){.held = 0};
}

const char *libc_heap_missing(void)
{
    return "this C library does not say what it holds (no mallinfo2)";
}

#endif
