/*
 * page_map.h - sixteen bits for every 4 KiB that a heap holds: whose page is this?
 *
 * For allocators that find what a block belongs to by its address, without a header in the block or in the page. Two
 * levels: a directory of leaves, and in a leaf an owner for each of 1024 units, which are 4 MiB of addresses. A unit is
 * the smallest page, so that a look-up shifts by constants; a larger page has several, all the same. The directory
 * spans the leaves in use; it begins in room that the heap has left over and moves to pages of its own when it must.
 * A look-up is two loads, whatever the size.
 *
 *   address:  | leaf number | unit in leaf | in unit |
 *                    |              |
 *   directory [ · · leaf · · ]      |
 *                    └─► [ 0 0 3 3 3 0 ··· ][ which units begin a run ]
 */
#ifndef HEAPBENCH_PAGE_MAP_H
#define HEAPBENCH_PAGE_MAP_H

#include "allocators/alloc.h"

#define PAGE_MAP_UNIT_LOG2 12 /* of the bytes that an owner stands for: the smallest page */
#define PAGE_MAP_LEAF_LOG2 10 /* of the units in a leaf */

struct page_leaf {
    uint16_t owners[1 << PAGE_MAP_LEAF_LOG2]; /* 0: nobody's */
    uint8_t heads[(1 << PAGE_MAP_LEAF_LOG2) / 8];
};

struct page_map {
    uintptr_t origin;  /* where the directory's entry of leaf 0 would stand */
    uintptr_t *leaves; /* the directory: where the owner of unit 0 would stand, were it in that leaf; 0: no such leaf */
    size_t first;      /* leaf number of leaves[0] */
    size_t capacity;   /* of the directory */
    size_t own_pages;  /* of the directory; 0 while it is in the heap's room */
    uintptr_t next;    /* where the next leaf goes; at the start of a page: nowhere yet */
    unsigned shift;    /* log2 of a page */
    bool used;
    struct page_source source;
};

/* An empty map. The room, of at least one pointer, stays the heap's and must outlive the map. */
void page_map_open(struct page_map *map, const struct page_source *source, void *room, size_t room_bytes);

/* Gives back what the map itself took; the pages it speaks of are the heap's business. */
void page_map_close(struct page_map *map);

/* Makes sure that there is a place for the owner of each of these pages; new ones are nobody's. False: out of pages,
 * nothing is lost. */
bool page_map_cover(struct page_map *map, const void *pages, size_t npages);

/* The owner of pages that are covered; `head`: a run begins with the first of them. */
void page_map_set(struct page_map *map, const void *pages, size_t npages, uint16_t owner, bool head);

/* The first page at or above `at` that has an owner, in *page; false: none. */
bool page_map_next(const struct page_map *map, uintptr_t at, uintptr_t *page);

/* The owner of any address; 0 when its page was never mapped. */
uint16_t page_map_find(const struct page_map *map, const void *at);

/* The end of the run that a mapped page is in: the next page of another owner, or that begins a run. */
uintptr_t page_map_run_end(const struct page_map *map, uintptr_t page);

/* Where the owner of an address in a page that is mapped stands. */
static inline uint16_t *page_map_owner(const struct page_map *map, const void *at)
{
    const size_t leaf = (uintptr_t)at >> (PAGE_MAP_UNIT_LOG2 + PAGE_MAP_LEAF_LOG2);
    const uintptr_t owners = *(const uintptr_t *)(map->origin + leaf * sizeof(uintptr_t));
    return (uint16_t *)(owners + ((uintptr_t)at >> PAGE_MAP_UNIT_LOG2) * sizeof(uint16_t));
}

static inline uint16_t page_map_get(const struct page_map *map, const void *at)
{
    return *page_map_owner(map, at);
}

#endif
