/*
 * oracle.h - the allocator that knows the trace: hands out the places of a packing, and does nothing else.
 *
 * It is no allocator that a program could have, but the yardstick of what placement alone could reach: in memory, as
 * the packing is near the least possible, and in time, as no other allocator that writes to real memory can do less.
 */
#ifndef HEAPBENCH_ORACLE_H
#define HEAPBENCH_ORACLE_H

#include "allocators/alloc.h"
#include "driver/packing.h"

/* Serves the ops of the packing's plan, in their order, once; create() refuses before oracle_use(). One heap at a time.
 */
extern const struct allocator allocator_oracle;

/* The packing of all heaps from now on; it stays the caller's. */
void oracle_use(const struct packing *packing);

#endif
