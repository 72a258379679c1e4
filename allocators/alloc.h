/*
 * alloc.h - the contract between the workbench, an allocator and its page source.
 *
 * An allocator is one file that defines one `struct allocator`; a page source is one file that defines one
 * `struct page_kind`. Both are listed in table.c. Nothing here needs a libc: every allocator but the hosted ones compiles
 * with -ffreestanding, keeps all its state in pages from its page source and has no globals that two heaps would share,
 * so that the same file serves in a kernel.
 *
 * Words: requested = bytes asked for; granted = bytes usable in the blocks handed out; held = bytes taken from the page
 * source; touched = bytes in pages really written.
 */
#ifndef HEAPBENCH_ALLOC_H
#define HEAPBENCH_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Raised when a struct of this file changes; a plug-in built for another value is refused. */
#define ALLOC_ABI 3u

/* Every block is aligned to this; a block smaller than it, at least to the largest power of two that is no larger. */
#define HEAP_ALIGN (2 * sizeof(void *))

#define ALLOC_MIN(a, b) ((a) < (b) ? (a) : (b))
#define ALLOC_MAX(a, b) ((a) > (b) ? (a) : (b))
#define ALLOC_ROUND_UP(n, to) (((n) + ((to) - 1)) & ~((to) - 1)) /* `to`: a power of two */
#define ALLOC_LIKELY(x) __builtin_expect(!!(x), 1)
#define ALLOC_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* ---- Page source: all that an operating system must provide ------------------------------------------------------ */

struct page_source {
    void *(*alloc_page)(void *ctx, size_t npages);         /* contiguous, page-aligned, content undefined; NULL: exhausted */
    void (*free_page)(void *ctx, void *pages, size_t npages); /* any run of pages that are out: part of one, or neighbours joined */
    void (*lock)(void *ctx);                               /* held around each call into a heap that threads share; an */
    void (*unlock)(void *ctx);                             /* allocator never takes it itself. Both NULL: one thread */
    void *ctx;                                             /* given back to each of the above */
    size_t page_size;                                      /* bytes; a power of two, at least 4096 */
    const uintptr_t *zero_from;                            /* of the pages that were handed out last, those at this */
                                                           /* address or above are all zero; NULL: not known */
    void *(*alloc_far)(void *ctx, size_t npages);          /* as alloc_page, but the highest pages where that takes the */
                                                           /* lowest, for what should lie apart; NULL: not offered */
};

/* ---- Options: one table feeds the parser, the help and a build without a command line ------------------------------ */

enum option_type {
    OPTION_NUMBER, /* a whole number */
    OPTION_SIZE,   /* bytes; K, M, G are accepted */
    OPTION_CHOICE, /* one of .choices; the value is its index */
    OPTION_SIZES   /* sizes joined by '+'; they replace heap_config.sizes, the value is their count */
};

struct alloc_option {
    const char *name, *help;
    enum option_type type;
    uint64_t def, min, max;      /* default and inclusive bounds; of no meaning to OPTION_CHOICE but .def */
    const char *const *choices;  /* OPTION_CHOICE: ends with NULL */
};

#define ALLOC_MAX_OPTIONS 16     /* options a table may have, its closing entry (name NULL) not counted */

/* ---- Allocator --------------------------------------------------------------------------------------------------- */

struct size_use {
    size_t size;                 /* a size that the work will request, bytes */
    size_t peak;                 /* the most blocks of that size that are live at once; 0: not known */
};

/* What a heap is created with. All pointers stay the caller's and are not used after create() returns. */
struct heap_config {
    const uint64_t *opt;            /* the values of the allocator's option table, in its order */
    const struct size_use *sizes;   /* the sizes of the work, ascending, each once; NULL when nothing is known */
    size_t nsizes;
    size_t max_request;             /* the largest single request of the work, bytes; 0: not known */
};

enum alloc_caps {
    CAP_FREE = 1 << 0,      /* a released block can be handed out again */
    CAP_ANY_SIZE = 1 << 1,  /* serves every size that fits the page source (not only sizes chosen at creation) */
    CAP_HOSTED = 1 << 2,    /* needs a libc: not built freestanding, may ignore its page source */
    CAP_YARDSTICK = 1 << 3, /* blocks may overlap (null): for measuring the floor, never for memory or correctness */
};

struct heap_block {
    const void *ptr;     /* what alloc() returned, or would return, for this block */
    size_t size;         /* usable bytes */
    bool used;
};
typedef bool heap_visit(const struct heap_block *block, void *arg); /* false: stop the walk */

struct heap; /* each allocator's own */

struct allocator {
    uint32_t abi;       /* ALLOC_ABI */
    uint32_t caps;      /* enum alloc_caps */
    const char *name, *summary;
    const struct alloc_option *options; /* ends with .name NULL; NULL: no options */

    /* A heap over *source, which outlives it. NULL: the page source is exhausted or the options contradict each other;
     * then no page is kept. */
    struct heap *(*create)(const struct page_source *source, const struct heap_config *config);

    /* Gives every page back. The heap and all its blocks are gone. */
    void (*destroy)(struct heap *heap);

    /* A block of at least `size` bytes, aligned as HEAP_ALIGN says; size 0 gives a block too, distinct from all others.
     * NULL: the page source is exhausted, or the allocator cannot serve that size; the heap is as it was. */
    void *(*alloc)(struct heap *heap, size_t size);

    /* Takes back a block of this heap; never called with NULL. */
    void (*release)(struct heap *heap, void *block);

    /* Optional. As alloc(), and the first `size` bytes are zero. Absent: the caller clears. */
    void *(*zalloc)(struct heap *heap, size_t size);

    /* Optional. As alloc(), aligned to `align`, a power of two larger than HEAP_ALIGN. Absent: not offered. */
    void *(*aligned)(struct heap *heap, size_t align, size_t size);

    /* Optional. The block with `size` bytes and its content up to the smaller of both sizes, in place or moved. NULL: as
     * alloc(), and the block stays as it was. Absent: the caller allocates, copies and releases. */
    void *(*resize)(struct heap *heap, void *block, size_t size);

    /* Bytes that may be used in a live block: at least those requested, and the same until resize() or release(). */
    size_t (*usable)(const struct heap *heap, const void *block);

    /* Optional. Visits every block, used and free, in address order within each run of pages. Memory never handed out
     * yet, but held, counts as free blocks. False: stopped by the visitor. */
    bool (*walk)(const struct heap *heap, heap_visit *visit, void *arg);

    /* Optional. NULL, or the invariant that broke, in words. */
    const char *(*check)(const struct heap *heap);
};

/* A kind of page source: manages the region it is given, or brings its own memory (hosted). */
struct page_kind {
    uint32_t caps;              /* CAP_HOSTED or 0 */
    const char *name, *summary;
    const struct alloc_option *options;
    size_t state_size;          /* bytes of `state`, zeroed and aligned to 16 by the caller */

    /* Fills *source. The region is page-aligned and belongs to the source until close(). It is taken for all zero: a
     * caller whose region is not sets source->zero_from to NULL. False: it cannot be used. */
    bool (*open)(struct page_source *source, void *state, void *region, size_t region_bytes, size_t page_size,
                 const uint64_t *opt);
    void (*close)(struct page_source *source);
};

/* Every allocator and page source of this build, in --list order; both end with NULL. */
extern const struct allocator *const allocators[];
extern const struct page_kind *const page_kinds[];

/* By name; NULL: none of that name. */
const struct allocator *allocator_by_name(const char *name);
const struct page_kind *page_kind_by_name(const char *name);

/* A plug-in, a shared object given by its path, exports one allocator under this name; its `abi` is checked first. */
extern const struct allocator heapbench_allocator;

/* ---- Helpers for allocators, all freestanding --------------------------------------------------------------------- */

/* Whole pages in `bytes`: a shift, since small processors need a library to divide. */
static inline size_t alloc_whole_pages(size_t bytes, size_t page_size)
{
    return bytes >> __builtin_ctzl((unsigned long)page_size);
}

/* Of `bytes` that begin with the pages handed out last, how many from their start on have to be cleared to be zero. */
static inline size_t alloc_bytes_to_clear(const struct page_source *source, const void *pages, size_t bytes)
{
    const uintptr_t at = (uintptr_t)pages;
    if (source->zero_from == NULL)
        return bytes;
    return *source->zero_from > at ? ALLOC_MIN(bytes, *source->zero_from - at) : 0;
}

/* Clears a block on the pages handed out last, and perhaps on memory used before, which ends at `used`. */
static inline void alloc_clear(const struct page_source *source, char *block, size_t size, const char *used)
{
    size_t dirty = alloc_bytes_to_clear(source, block, size);
    if (block < used)
        dirty = ALLOC_MAX(dirty, ALLOC_MIN((size_t)(used - block), size));
    __builtin_memset(block, 0, dirty);
}

/* The lowest bit set, of bits other than 0; needs no compiler library on a 32-bit machine. */
static inline unsigned alloc_first_bit(uint64_t bits)
{
    if (sizeof(long) == 8)
        return (unsigned)__builtin_ctzll(bits);
    return (uint32_t)bits ? (unsigned)__builtin_ctz((uint32_t)bits) : 32 + (unsigned)__builtin_ctz((uint32_t)(bits >> 32));
}

/* n / d for where speed is of no matter: a 32-bit Arm without a divide instruction would call the compiler's library. */
static inline size_t alloc_divide(size_t n, size_t d)
{
    size_t quotient = 0;
    for (unsigned bit = 8 * sizeof(size_t); bit-- > 0;)
        if (n >> bit >= d) {
            n -= d << bit;
            quotient |= (size_t)1 << bit;
        }
    return quotient;
}

/* resize() for an allocator that must move the block: alloc, copy, release. NULL as resize(). */
void *alloc_resize_by_copy(const struct allocator *allocator, struct heap *heap, void *block, size_t size);

#endif
