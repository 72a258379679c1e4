/*
 * page_map.h - a byte for every page that a heap holds: whose page is this?
 *
 * For allocators that find what a block belongs to by its address, without a header in the block or in the page. Two
 * levels: a directory of leaves, and in a leaf, which is one page itself, a byte for each of as many pages as a page
 * has bytes (16 MiB of addresses with pages of 4 KiB, 256 MiB with 16 KiB). The directory spans the leaves in use; it
 * begins in room that the heap has left over and moves to pages of its own when it must. A look-up is two loads,
 * whatever the size.
 *
 *   address:  | leaf number | page in leaf | in page |
 *                    |              |
 *   directory [ · · leaf · · ]      |
 *                    └─► [ 0 0 3 3 3 0 ··· ]
 */
#ifndef HEAPBENCH_PAGE_MAP_H
#define HEAPBENCH_PAGE_MAP_H

#include "allocators/alloc.h"

struct page_map {
    uintptr_t base;   /* where the directory's entry of leaf 0 would stand */
    uint8_t **leaves; /* the directory; NULL: no page of that leaf was ever mapped */
    size_t first;     /* leaf number of leaves[0] */
    size_t capacity;  /* of the directory */
    size_t own_pages; /* of the directory; 0 while it is in the heap's room */
    size_t leaf_mask; /* pages in a leaf, less one */
    unsigned shift;   /* log2 of a page, and of the pages in a leaf */
    bool used;
    struct page_source source;
};

/* An empty map. The room, of at least one pointer, stays the heap's and must outlive the map. */
void page_map_open(struct page_map *map, const struct page_source *source, void *room, size_t room_bytes);

/* Gives back what the map itself took; the pages it speaks of are the heap's business. */
void page_map_close(struct page_map *map);

/* Makes sure that these pages have their bytes; new ones are 0. False: out of pages, nothing is lost. */
bool page_map_cover(struct page_map *map, const void *pages, size_t npages);

/* Writes `head` for the first and `rest` for the other pages of a run that is covered. */
void page_map_set(struct page_map *map, const void *pages, size_t npages, uint8_t head, uint8_t rest);

/* The first page at or above `at` whose byte is not 0, in *page; false: none. */
bool page_map_next(const struct page_map *map, uintptr_t at, uintptr_t *page);

/* The byte of any address; 0 when its page was never mapped. */
uint8_t page_map_find(const struct page_map *map, const void *at);

/* The byte of an address in a page that is mapped. */
static inline uint8_t page_map_get(const struct page_map *map, const void *at)
{
    const size_t page = (uintptr_t)at >> map->shift;
    const uint8_t *const *leaf = (const uint8_t *const *)(map->base + (page >> map->shift) * sizeof *leaf);
    return (*leaf)[page & map->leaf_mask];
}

#endif
