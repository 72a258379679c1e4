/*
 * shadow.h - a bit for every unit of the address space, to find blocks that overlap.
 *
 * Units are bytes for blocks and pages for a page source. The space is cut into regions of 2^20 units, which are found
 * by a hash of their number, so that any address will do. Memory comes from mmap, not from malloc, which may be the
 * very allocator under test.
 */
#ifndef HEAPBENCH_SHADOW_H
#define HEAPBENCH_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

struct shadow; /* about an eighth of the largest extent ever claimed, and rounded up to regions */

/* NULL: no memory. */
struct shadow *shadow_open(void);
void shadow_close(struct shadow *shadow);

/* Claims `count` units from `first`. False, and nothing is claimed: one of them is claimed already, or no memory. */
bool shadow_claim(struct shadow *shadow, uint64_t first, uint64_t count);

/* Gives claimed units back. False, and nothing is given back: one of them is not claimed. */
bool shadow_drop(struct shadow *shadow, uint64_t first, uint64_t count);

/* Whether every unit, or any unit, is claimed; of no units: every one and not any. */
bool shadow_all(const struct shadow *shadow, uint64_t first, uint64_t count);
bool shadow_any(const struct shadow *shadow, uint64_t first, uint64_t count);

#endif
