/*
 * blocks.h - which block lives at an address: the recorder's map from the program's pointers to the ordinals of a
 * trace.
 */
#ifndef HEAPBENCH_BLOCKS_H
#define HEAPBENCH_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_UNKNOWN UINT64_MAX

struct blocks_page {
    uint64_t key;    /* + 1; 0: this place is empty */
    uint64_t *entry; /* ordinal + 1 by the low bits of the turned address; 0: no block */
};

/* Zero is an empty map. */
struct blocks {
    struct blocks_page *pages; /* open addressing, at most half full */
    size_t mask, used;
};

/* Says that `ordinal` lives at `address` from now on; *previous is what lived there, or BLOCK_UNKNOWN. False: no
 * memory. */
bool blocks_put(struct blocks *blocks, uint64_t address, uint64_t ordinal, uint64_t *previous);

/* Forgets the address; what lived there, or BLOCK_UNKNOWN. */
uint64_t blocks_take(struct blocks *blocks, uint64_t address);

/* Brings the place of an address into the cache; any value will do. */
void blocks_prefetch(const struct blocks *blocks, uint64_t address);

void blocks_free(struct blocks *blocks);

#endif
