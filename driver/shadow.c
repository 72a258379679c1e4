/* shadow.c - the claimed units as bitmaps of regions in a hash table with linear probing; see shadow.h. */
#include "driver/shadow.h"

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#define REGION_BITS    20
#define REGION_UNITS   (UINT64_C(1) << REGION_BITS)
#define REGION_WORDS   (REGION_UNITS / 64)
#define FIRST_CAPACITY 1024u

struct region {
    uint64_t number;
    uint64_t *words; /* NULL: the place in the table is free */
};

struct shadow {
    struct region *table;
    size_t capacity, used; /* capacity: a power of two */
};

static void *map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

struct shadow *shadow_open(void)
{
    struct shadow *shadow = map(sizeof *shadow);
    if (shadow == NULL)
        return NULL;
    shadow->capacity = FIRST_CAPACITY;
    shadow->table = map(shadow->capacity * sizeof *shadow->table);
    if (shadow->table != NULL)
        return shadow;
    munmap(shadow, sizeof *shadow);
    return NULL;
}

void shadow_close(struct shadow *shadow)
{
    for (size_t i = 0; i < shadow->capacity; i++)
        if (shadow->table[i].words != NULL)
            munmap(shadow->table[i].words, REGION_UNITS / 8);
    munmap(shadow->table, shadow->capacity * sizeof *shadow->table);
    munmap(shadow, sizeof *shadow);
}

/* The place of a region, or the free place where it would go. Fibonacci hashing (Knuth, TAOCP 6.4). */
static struct region *place_of(const struct shadow *shadow, uint64_t number)
{
    size_t at = (size_t)((number * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (shadow->capacity - 1);
    while (shadow->table[at].words != NULL && shadow->table[at].number != number)
        at = (at + 1) & (shadow->capacity - 1);
    return &shadow->table[at];
}

static bool grow(struct shadow *shadow)
{
    struct shadow larger = {.capacity = shadow->capacity * 2, .used = shadow->used};
    larger.table = map(larger.capacity * sizeof *larger.table);
    if (larger.table == NULL)
        return false;
    for (size_t i = 0; i < shadow->capacity; i++)
        if (shadow->table[i].words != NULL)
            *place_of(&larger, shadow->table[i].number) = shadow->table[i];
    munmap(shadow->table, shadow->capacity * sizeof *shadow->table);
    *shadow = larger;
    return true;
}

static uint64_t *region_made(struct shadow *shadow, uint64_t number)
{
    struct region *place = place_of(shadow, number);
    if (place->words != NULL)
        return place->words;
    if (shadow->used * 2 >= shadow->capacity) {
        if (!grow(shadow))
            return NULL;
        place = place_of(shadow, number);
    }
    uint64_t *words = map(REGION_UNITS / 8);
    if (words == NULL)
        return NULL;
    *place = (struct region){number, words};
    shadow->used++;
    return words;
}

/* The part of an extent that lies in one word: which word, and the mask of its bits. */
struct piece {
    uint64_t region;
    size_t word;
    uint64_t mask;
    uint64_t units;
};

static struct piece piece_at(uint64_t first, uint64_t count)
{
    const unsigned bit = (unsigned)(first % 64);
    struct piece piece = {first >> REGION_BITS, (size_t)(first % REGION_UNITS) / 64, ~UINT64_C(0) << bit, 64 - bit};
    if (count < piece.units) {
        piece.units = count;
        piece.mask &= ~UINT64_C(0) >> (64 - bit - count);
    }
    return piece;
}

enum question { ALL_CLAIMED, ANY_CLAIMED };

static bool ask(const struct shadow *shadow, uint64_t first, uint64_t count, enum question question)
{
    uint64_t number = UINT64_MAX;
    const uint64_t *words = NULL;
    while (count > 0) {
        const struct piece piece = piece_at(first, count);
        if (piece.region != number) {
            number = piece.region;
            words = place_of(shadow, number)->words;
        }
        if (words == NULL) { /* nothing was ever claimed in the region, as in most of a large free block */
            const uint64_t rest = REGION_UNITS - first % REGION_UNITS;
            if (question == ALL_CLAIMED || rest >= count)
                return false;
            first += rest;
            count -= rest;
            continue;
        }
        const uint64_t claimed = words[piece.word] & piece.mask;
        if (question == ALL_CLAIMED ? claimed != piece.mask : claimed != 0)
            return question == ANY_CLAIMED;
        first += piece.units;
        count -= piece.units;
    }
    return question == ALL_CLAIMED;
}

bool shadow_all(const struct shadow *shadow, uint64_t first, uint64_t count)
{
    return ask(shadow, first, count, ALL_CLAIMED);
}

bool shadow_any(const struct shadow *shadow, uint64_t first, uint64_t count)
{
    return ask(shadow, first, count, ANY_CLAIMED);
}

/* Flips units that are known to be all claimed, or all not. False: no memory for a region, and nothing was flipped. */
static bool flip(struct shadow *shadow, uint64_t first, uint64_t count)
{
    for (uint64_t number = first >> REGION_BITS; count > 0 && number <= (first + count - 1) >> REGION_BITS; number++)
        if (region_made(shadow, number) == NULL)
            return false;
    while (count > 0) {
        const struct piece piece = piece_at(first, count);
        place_of(shadow, piece.region)->words[piece.word] ^= piece.mask;
        first += piece.units;
        count -= piece.units;
    }
    return true;
}

bool shadow_claim(struct shadow *shadow, uint64_t first, uint64_t count)
{
    return !shadow_any(shadow, first, count) && flip(shadow, first, count);
}

bool shadow_drop(struct shadow *shadow, uint64_t first, uint64_t count)
{
    return shadow_all(shadow, first, count) && flip(shadow, first, count);
}
