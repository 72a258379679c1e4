/*
 * mmap.c - pages straight from the operating system, a system call for each request.
 *
 * The region given at open() is only a measure: as many bytes as it has may be out at once, so that a limit on an arena
 * means the same here. Cost: that of mmap and munmap; runs are where the kernel puts them, seldom next to each other in
 * rising order. A page larger than the system's is cut out of a larger mapping, since mmap aligns to its own page only.
 */
#include "allocators/alloc.h"

#include <sys/mman.h>
#include <unistd.h>

struct state {
    size_t page_size;
    size_t limit, out; /* pages */
};

/* Maps `bytes` aligned to `align`, both multiples of the system's page. MAP_FAILED: no memory. */
static char *map_aligned(size_t bytes, size_t align, size_t system_page)
{
    const size_t slack = align - system_page;
    if (bytes > SIZE_MAX - slack)
        return MAP_FAILED;
    char *map = mmap(NULL, bytes + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || slack == 0)
        return map;
    const size_t before = -(uintptr_t)map & (align - 1);
    if (before > 0)
        munmap(map, before);
    if (slack > before)
        munmap(map + before + bytes, slack - before);
    return map + before;
}

static void *mmap_alloc_page(void *ctx, size_t npages)
{
    struct state *state = ctx;
    if (npages > state->limit - state->out)
        return NULL;
    const size_t bytes = npages * state->page_size, system_page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = map_aligned(bytes, state->page_size, system_page);
    if (pages != MAP_FAILED && (uintptr_t)pages + bytes == 0) { /* the end of all addresses: no pointer is behind it */
        char *others = map_aligned(bytes, state->page_size, system_page);
        munmap(pages, bytes);
        pages = others;
    }
    if (pages == MAP_FAILED)
        return NULL;
    state->out += npages;
    return pages;
}

/* munmap() in the middle of a mapping can fail, when the process has too many of them already: then the pages at least
 * go back, and the addresses stay reserved until the process ends. */
static void mmap_free_page(void *ctx, void *pages, size_t npages)
{
    struct state *state = ctx;
    if (munmap(pages, npages * state->page_size) != 0)
        madvise(pages, npages * state->page_size, MADV_DONTNEED);
    state->out -= npages;
}

static bool mmap_open(struct page_source *source, void *state, void *region, size_t region_bytes, size_t page_size,
                      const uint64_t *opt)
{
    static const uintptr_t everywhere = 0; /* the kernel hands out no page that is not cleared */
    struct state *own = state;
    (void)region, (void)opt;
    if (page_size < (size_t)sysconf(_SC_PAGESIZE))
        return false;
    *own = (struct state){page_size, alloc_whole_pages(region_bytes, page_size), 0};
    *source = (struct page_source){.alloc_page = mmap_alloc_page,
                                   .free_page = mmap_free_page,
                                   .ctx = own,
                                   .page_size = page_size,
                                   .zero_from = &everywhere};
    return true;
}

/* What a heap did not give back stays mapped until the process ends. */
static void mmap_close(struct page_source *source)
{
    (void)source;
}

const struct page_kind page_kind_mmap = {
    .caps = CAP_HOSTED,
    .name = "mmap",
    .summary = "mmap and munmap for each request",
    .state_size = sizeof(struct state),
    .open = mmap_open,
    .close = mmap_close,
};
