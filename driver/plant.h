/*
 * plant.h - a caller's mistake on demand (--plant=overflow@1000), to see the guard find it.
 *
 * The mistake is made at one op, with that op's block: for a free, while the block is being freed; for an op that makes
 * a block, right after it. Done in the verify pass alone, and only under the guard, which keeps the damage to its zones
 * and its quarantine.
 */
#ifndef HEAPBENCH_PLANT_H
#define HEAPBENCH_PLANT_H

#include "driver/bench.h"
#include "driver/op.h"

/* Reads "FAULT@OP". False: *error. */
bool plant_read(const char *text, enum plant *plant, uint64_t *step, struct error *error);

/* Called before and after the op at job->plant_step; the block is the op's, of `size` bytes requested. */
void plant_before(const struct bench *bench, const struct request *request, unsigned char *block, size_t size);
void plant_after(const struct bench *bench, const struct request *request, unsigned char *block, size_t size);

#endif
