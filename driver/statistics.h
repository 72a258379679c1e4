/* statistics.h - the few statistics of the table, and a generator for its shuffles. */
#ifndef HEAPBENCH_STATISTICS_H
#define HEAPBENCH_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

/* The value at share q (0 to 1) of the values in order, interpolated between neighbours (type 7 of Hyndman & Fan 1996).
 * Sorts the values. NAN when there are none. */
double statistics_quantile(double *values, size_t n, double q);

/* Half the distance between the quartiles: the ± of the table. Sorts the values. NAN with fewer than two. */
double statistics_spread(double *values, size_t n);

/* SplitMix64 (Steele, Lea & Flood 2014): the next number; *state is the seed at first. */
uint64_t statistics_random(uint64_t *state);

/* A fair order of the numbers 0 to n−1, the same for the same *state (Fisher & Yates, as TAOCP 3.4.2 has it). */
void statistics_shuffle(size_t *order, size_t n, uint64_t *state);

#endif
