/*
 * preload.c - the library that the recorder preloads: each function of the malloc family calls the program's own one
 * and writes an event. Results, errno and failures are the program's own; a call that failed makes no event.
 */
#include "traces/record/ring_writer.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define SITE   __builtin_return_address(0)

static void *first_malloc(size_t size);
static void *first_calloc(size_t count, size_t size);
static void *first_realloc(void *block, size_t size);
static void first_free(void *block);
static int first_posix_memalign(void **block, size_t align, size_t size);
static void *first_aligned_alloc(size_t align, size_t size);
static void *first_memalign(size_t align, size_t size);
static void *first_valloc(size_t size);
static void *first_pvalloc(size_t size);

/* The program's own functions; until they are known, those that look for them. */
static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void (*free)(void *);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    void *(*memalign)(size_t, size_t);
    void *(*valloc)(size_t);
    void *(*pvalloc)(size_t);
} real = {first_malloc,        first_calloc,   first_realloc, first_free,   first_posix_memalign,
          first_aligned_alloc, first_memalign, first_valloc,  first_pvalloc};

/* ---- Finding the program's own functions --------------------------------------------------------------------------
 */

/* dlsym() may allocate: it is served from here, and what it frees stays. */
static _Alignas(16) char early[65536];
static size_t early_used;
static bool resolving;
static void *(*late_realloc)(void *, size_t);
static void (*late_free)(void *);

static bool is_early(const void *block)
{
    return (const char *)block >= early && (const char *)block < early + sizeof early;
}

static void *early_alloc(size_t size)
{
    const size_t at = early_used + 16; /* the size lies before the block */
    if (size > sizeof early - at) {
        errno = ENOMEM;
        return NULL;
    }
    memcpy(early + at - sizeof size, &size, sizeof size);
    early_used = (at + size + 15) & ~(size_t)15;
    return early + at;
}

static void free_checked(void *block)
{
    if (!is_early(block))
        late_free(block);
}

static void *realloc_checked(void *block, size_t size)
{
    if (!is_early(block))
        return late_realloc(block, size);
    size_t old;
    memcpy(&old, (char *)block - sizeof old, sizeof old);
    void *moved = real.malloc(size);
    if (moved)
        memcpy(moved, block, old < size ? old : size);
    return moved;
}

static void *resolve_one(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        abort(); /* there is no libc without it */
    return found;
}

/* Runs before the program has a second thread: the loader itself allocates before it starts the program. */
static __attribute__((constructor)) void resolve(void)
{
    if (resolving || real.malloc != first_malloc)
        return;
    resolving = true;
    void *(*own_malloc)(size_t), *(*own_calloc)(size_t, size_t);
    *(void **)&own_malloc = resolve_one("malloc");
    *(void **)&own_calloc = resolve_one("calloc");
    *(void **)&late_realloc = resolve_one("realloc");
    *(void **)&late_free = resolve_one("free");
    *(void **)&real.posix_memalign = resolve_one("posix_memalign");
    *(void **)&real.aligned_alloc = resolve_one("aligned_alloc");
    *(void **)&real.memalign = resolve_one("memalign");
    *(void **)&real.valloc = resolve_one("valloc");
    *(void **)&real.pvalloc = resolve_one("pvalloc");
    real.realloc = early_used ? realloc_checked : late_realloc;
    real.free = early_used ? free_checked : late_free;
    real.calloc = own_calloc;
    real.malloc = own_malloc;
    resolving = false;
}

static void *first_malloc(size_t size)
{
    resolve();
    return resolving ? early_alloc(size) : real.malloc(size);
}

static void *first_calloc(size_t count, size_t size)
{
    resolve();
    size_t bytes;
    if (!resolving || __builtin_mul_overflow(count, size, &bytes))
        return real.calloc(count, size);
    return early_alloc(bytes); /* never used before: zero */
}

static void *first_realloc(void *block, size_t size)
{
    resolve();
    if (!resolving)
        return real.realloc(block, size);
    void *moved = early_alloc(size);
    if (moved && block)
        memmove(moved, block, size); /* perhaps more than the block, but inside early[] */
    return moved;
}

static void first_free(void *block)
{
    resolve();
    if (!resolving)
        real.free(block);
}

static int first_posix_memalign(void **block, size_t align, size_t size)
{
    resolve();
    return real.posix_memalign(block, align, size);
}

static void *first_aligned_alloc(size_t align, size_t size)
{
    resolve();
    return real.aligned_alloc(align, size);
}

static void *first_memalign(size_t align, size_t size)
{
    resolve();
    return real.memalign(align, size);
}

static void *first_valloc(size_t size)
{
    resolve();
    return real.valloc(size);
}

static void *first_pvalloc(size_t size)
{
    resolve();
    return real.pvalloc(size);
}

/* ---- The functions that the program calls --------------------------------------------------------------------------
 */

EXPORT void *malloc(size_t size)
{
    void *block = real.malloc(size);
    write_short(EVENT_MALLOC, block, size, SITE);
    return block;
}

EXPORT void *calloc(size_t count, size_t size)
{
    void *block = real.calloc(count, size);
    write_short(EVENT_CALLOC, block, count * size, SITE);
    return block;
}

EXPORT void free(void *block)
{
    write_short(EVENT_FREE, block, 0, SITE);
    real.free(block);
}

static inline void *resize(void *block, size_t size, const void *site)
{
    if (block)
        write_short(EVENT_RESIZE_BEGIN, block, 0, site);
    void *moved = real.realloc(block, size);
    write_short(block ? EVENT_RESIZE_END : EVENT_MALLOC, moved, size, site);
    return moved;
}

EXPORT void *realloc(void *block, size_t size)
{
    return resize(block, size, SITE);
}

/* glibc's calls realloc() through its symbol: to pass on to it would make two events. */
EXPORT void *reallocarray(void *block, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return resize(block, bytes, SITE);
}

static void *made_aligned(void *block, size_t align, size_t size, const void *site)
{
    write_event(EVENT_ALIGNED, block, size, align, site);
    return block;
}

EXPORT int posix_memalign(void **block, size_t align, size_t size)
{
    const int status = real.posix_memalign(block, align, size);
    if (status == 0)
        made_aligned(*block, align, size, SITE);
    return status;
}

EXPORT void *aligned_alloc(size_t align, size_t size)
{
    return made_aligned(real.aligned_alloc(align, size), align, size, SITE);
}

EXPORT void *memalign(size_t align, size_t size)
{
    return made_aligned(real.memalign(align, size), align, size, SITE);
}

EXPORT void *valloc(size_t size)
{
    return made_aligned(real.valloc(size), (size_t)sysconf(_SC_PAGESIZE), size, SITE);
}

/* The program may use what its size is rounded up to: that is what it asks for. */
EXPORT void *pvalloc(size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return made_aligned(real.pvalloc(size), page, (size + page - 1) / page * page, SITE);
}
