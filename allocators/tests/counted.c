/*
 * counted.c - a page source for tests that keeps books; see counted.h.
 */
#include "allocators/tests/counted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "allocators/options.h"

#define JUNK_OUT  0xa5
#define JUNK_BACK 0x5a
#define GUARD     65536 /* bytes on each side; a multiple of every page size in use */

/* The region closed last, with its guards: thousands are opened in turn, and each page of a fresh one begins with a
 * fault. */
static struct spare {
    char *map;
    const struct page_kind *kind; /* each has its own tables elsewhere in the region */
    size_t map_bytes, region_bytes, page_size;
} spare;

static void complain(struct counted *counted, const void *pages, size_t npages, const char *what)
{
    if (counted->error[0] == '\0')
        snprintf(counted->error, sizeof counted->error, "%zu pages at %p %s", npages, pages, what);
}

/* Long runs only at their ends, so that their middle need not be touched. */
static void fill_junk(const struct counted *counted, void *pages, size_t npages, int junk)
{
    const size_t page = counted->source.page_size, ends = ALLOC_MIN(npages, 4);
    memset(pages, junk, ends * page);
    memset((char *)pages + (npages - ends) * page, junk, ends * page);
}

/* The first run that ends above `at`. */
static size_t find_run(const struct counted *counted, uintptr_t at)
{
    size_t low = 0, high = counted->nruns;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (counted->runs[middle].end > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Replaces `remove` runs at index `at` by the `n` given. */
static void splice(struct counted *counted, size_t at, size_t remove, const struct page_run *insert, size_t n)
{
    if (counted->nruns + n > counted->capacity) {
        counted->capacity = 2 * (counted->nruns + n);
        counted->runs = realloc(counted->runs, counted->capacity * sizeof *counted->runs);
        if (counted->runs == NULL)
            abort();
    }
    struct page_run *runs = counted->runs;
    memmove(runs + at + n, runs + at + remove, (counted->nruns - at - remove) * sizeof *runs);
    if (n > 0)
        memcpy(runs + at, insert, n * sizeof *runs);
    counted->nruns += n - remove;
}

static void book_out(struct counted *counted, void *pages, size_t npages)
{
    struct page_run run = {(uintptr_t)pages, (uintptr_t)pages + npages * counted->source.page_size};
    size_t at = find_run(counted, run.start), remove = 0;
    if (run.start % counted->source.page_size != 0)
        complain(counted, pages, npages, "came from the page source, but are not aligned to a page");
    if (at < counted->nruns && counted->runs[at].start < run.end)
        complain(counted, pages, npages, "came from the page source, but some of them were out");
    if (at < counted->nruns && counted->runs[at].start == run.end) {
        run.end = counted->runs[at].end;
        remove++;
    }
    if (at > 0 && counted->runs[at - 1].end == run.start) {
        run.start = counted->runs[--at].start;
        remove++;
    }
    splice(counted, at, remove, &run, 1);
    counted->out += npages;
    counted->highest = ALLOC_MAX(counted->highest, run.end);
}

/* False: not all of these pages were out. */
static bool book_back(struct counted *counted, void *pages, size_t npages)
{
    if (npages == 0 || !counted_holds(counted, pages, npages * counted->source.page_size) ||
        (uintptr_t)pages % counted->source.page_size != 0) {
        complain(counted, pages, npages, "were given back, but not all of them were out");
        return false;
    }
    const uintptr_t start = (uintptr_t)pages, end = start + npages * counted->source.page_size;
    const size_t at = find_run(counted, start);
    const struct page_run run = counted->runs[at];
    struct page_run rest[2];
    size_t n = 0;
    if (run.start < start)
        rest[n++] = (struct page_run){run.start, start};
    if (end < run.end)
        rest[n++] = (struct page_run){end, run.end};
    splice(counted, at, 1, rest, n);
    counted->out -= npages;
    return true;
}

static void *counted_alloc(struct counted *counted, void *(*from)(void *, size_t), size_t npages)
{
    const size_t number = ++counted->requests;
    const bool fail =
        counted->fail_from > 0 && number >= counted->fail_from && number - counted->fail_from < counted->fails;
    void *pages = fail || npages == 0 ? NULL : from(counted->inner.ctx, npages);
    if (pages == NULL) {
        counted->refused++;
        return NULL;
    }
    book_out(counted, pages, npages);
    counted->zero_from = UINTPTR_MAX;
    if (counted->inner.zero_from != NULL && number % 2 == 0)
        counted->zero_from = *counted->inner.zero_from;
    if (counted->zero_from > (uintptr_t)pages)
        fill_junk(counted, pages,
                  ALLOC_MIN(npages, (counted->zero_from - (uintptr_t)pages) / counted->source.page_size), JUNK_OUT);
    return pages;
}

static void *counted_alloc_page(void *ctx, size_t npages)
{
    struct counted *counted = ctx;
    return counted_alloc(counted, counted->inner.alloc_page, npages);
}

static void *counted_alloc_far(void *ctx, size_t npages)
{
    struct counted *counted = ctx;
    return counted_alloc(counted, counted->inner.alloc_far, npages);
}

static void counted_free_page(void *ctx, void *pages, size_t npages)
{
    struct counted *counted = ctx;
    if (!book_back(counted, pages, npages))
        return;
    fill_junk(counted, pages, npages, JUNK_BACK);
    counted->inner.free_page(counted->inner.ctx, pages, npages);
}

bool counted_holds(const struct counted *counted, const void *start, size_t bytes)
{
    const uintptr_t from = (uintptr_t)start;
    const size_t at = find_run(counted, from);
    return at < counted->nruns && counted->runs[at].start <= from && bytes <= counted->runs[at].end - from;
}

static char *region_of(const struct counted *counted)
{
    return (char *)ALLOC_ROUND_UP((uintptr_t)counted->map + GUARD, (uintptr_t)counted->source.page_size);
}

static void map_region(struct counted *counted, size_t region_bytes)
{
    const size_t page_size = counted->source.page_size;
    if (spare.map != NULL && spare.kind == counted->kind && spare.region_bytes == region_bytes &&
        spare.page_size == page_size) {
        counted->map = spare.map;
        spare.map = NULL;
        return;
    }
    counted->map = mmap(NULL, counted->map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (counted->map == MAP_FAILED || mprotect(region_of(counted), region_bytes, PROT_READ | PROT_WRITE) != 0)
        abort();
}

#define CLEARED_BY_HAND (64u << 10)

/* What was out is often little and far apart, of which the kernel knows; a few pages are cleared sooner than faults
 * bring others in. Not by madvise(), of which an emulator may say that it was done, and it was not. */
static void clear(void *region, size_t bytes)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
    if (bytes <= CLEARED_BY_HAND || mmap(region, bytes, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED)
        memset(region, 0, bytes);
}

/* Where the page source takes pages to be zero that were never out, they are so in the next that has the region. */
static void keep_region(const struct counted *counted)
{
    const size_t page_size = counted->source.page_size, region_bytes = counted->map_bytes - 2 * GUARD - page_size;
    const uintptr_t region = (uintptr_t)region_of(counted);
    if (counted->highest > region && counted->highest <= region + region_bytes)
        clear((void *)region, counted->highest - region);
    if (spare.map != NULL)
        munmap(spare.map, spare.map_bytes);
    spare = (struct spare){counted->map, counted->kind, counted->map_bytes, region_bytes, page_size};
}

bool counted_open_as(struct counted *counted, const struct page_kind *kind, const char *spec, size_t region_bytes,
                     size_t page_size)
{
    struct option_values values;
    *counted = (struct counted){.kind = kind, .map_bytes = region_bytes + 2 * GUARD + page_size};
    if (!options_parse(&values, kind->options, spec, counted->error, sizeof counted->error))
        return false;
    counted->state = aligned_alloc(16, ALLOC_ROUND_UP(ALLOC_MAX(kind->state_size, 1), 16));
    if (counted->state == NULL)
        abort();
    memset(counted->state, 0, kind->state_size);
    counted->source = (struct page_source){.alloc_page = counted_alloc_page,
                                           .free_page = counted_free_page,
                                           .ctx = counted,
                                           .page_size = page_size,
                                           .zero_from = &counted->zero_from};
    map_region(counted, region_bytes);
    if (!kind->open(&counted->inner, counted->state, region_of(counted), region_bytes, page_size, values.opt)) {
        munmap(counted->map, counted->map_bytes);
        free(counted->state);
        return false;
    }
    if (counted->inner.alloc_far != NULL)
        counted->source.alloc_far = counted_alloc_far;
    return true;
}

bool counted_open(struct counted *counted, const struct page_kind *kind, size_t region_bytes, size_t page_size)
{
    return counted_open_as(counted, kind, kind->name, region_bytes, page_size);
}

void counted_close(struct counted *counted)
{
    counted->kind->close(&counted->inner);
    keep_region(counted);
    free(counted->state);
    free(counted->runs);
}
