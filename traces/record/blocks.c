/*
 * blocks.c - see blocks.h. A page table, not a hash of addresses: what lies side by side in the program's heap lies
 * side by side here, and a heap of any layout costs at most one entry for each 16 bytes of it.
 *
 * The address is turned by four bits, so that the zeros of an aligned address are on top: what is aligned makes full
 * use of a page, and what is not still has a place of its own.
 */
#include "traces/record/blocks.h"

#include <stdlib.h>
#include <sys/mman.h>

#define PAGE_BITS    16
#define PAGE_ENTRIES ((size_t)1 << PAGE_BITS)

static uint64_t turned(uint64_t address)
{
    return address >> 4 | address << 60;
}

static size_t place_of(uint64_t key, size_t mask)
{
    return (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & mask;
}

/* The place of a page in the table, empty or not. */
static struct blocks_page *find(const struct blocks *blocks, uint64_t key)
{
    size_t i = place_of(key, blocks->mask);
    while (blocks->pages[i].key != 0 && blocks->pages[i].key != key + 1)
        i = (i + 1) & blocks->mask;
    return &blocks->pages[i];
}

static bool grow(struct blocks *blocks)
{
    const size_t places = blocks->pages ? 2 * (blocks->mask + 1) : 256;
    struct blocks larger = {.pages = calloc(places, sizeof *larger.pages), .mask = places - 1, .used = blocks->used};
    if (!larger.pages)
        return false;
    for (size_t i = 0; blocks->pages && i <= blocks->mask; i++)
        if (blocks->pages[i].key != 0)
            *find(&larger, blocks->pages[i].key - 1) = blocks->pages[i];
    free(blocks->pages);
    *blocks = larger;
    return true;
}

bool blocks_put(struct blocks *blocks, uint64_t address, uint64_t ordinal, uint64_t *previous)
{
    if ((!blocks->pages || blocks->used > blocks->mask / 2) && !grow(blocks))
        return false;
    const uint64_t key = turned(address) >> PAGE_BITS;
    struct blocks_page *page = find(blocks, key);
    if (__builtin_expect(page->key == 0, 0)) {
        void *map = mmap(NULL, PAGE_ENTRIES * sizeof *page->entry, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (map == MAP_FAILED)
            return false;
        *page = (struct blocks_page){.key = key + 1, .entry = map};
        blocks->used++;
    }
    uint64_t *entry = &page->entry[turned(address) & (PAGE_ENTRIES - 1)];
    *previous = *entry - 1; /* 0 - 1 is BLOCK_UNKNOWN */
    *entry = ordinal + 1;
    return true;
}

uint64_t blocks_take(struct blocks *blocks, uint64_t address)
{
    if (!blocks->pages)
        return BLOCK_UNKNOWN;
    struct blocks_page *page = find(blocks, turned(address) >> PAGE_BITS);
    if (page->key == 0)
        return BLOCK_UNKNOWN;
    uint64_t *entry = &page->entry[turned(address) & (PAGE_ENTRIES - 1)];
    const uint64_t ordinal = *entry - 1;
    *entry = 0;
    return ordinal;
}

void blocks_prefetch(const struct blocks *blocks, uint64_t address)
{
    if (!blocks->pages)
        return;
    const struct blocks_page *page = find(blocks, turned(address) >> PAGE_BITS);
    if (page->key != 0)
        __builtin_prefetch(&page->entry[turned(address) & (PAGE_ENTRIES - 1)], 1);
}

void blocks_free(struct blocks *blocks)
{
    for (size_t i = 0; blocks->pages && i <= blocks->mask; i++)
        if (blocks->pages[i].key != 0)
            munmap(blocks->pages[i].entry, PAGE_ENTRIES * sizeof *blocks->pages[i].entry);
    free(blocks->pages);
    *blocks = (struct blocks){0};
}
