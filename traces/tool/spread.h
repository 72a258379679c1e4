/*
 * spread.h - how values are spread, in constant memory: a log-linear histogram. Values below 4096 are exact, larger
 * ones are told to within 1 part in 2048, rounded down; the largest and the mean are exact.
 */
#ifndef HEAPBENCH_SPREAD_H
#define HEAPBENCH_SPREAD_H

#include <stdint.h>

struct spread;

/* For free(); NULL: no memory. */
struct spread *spread_new(void);

void spread_add(struct spread *spread, uint64_t value);
uint64_t spread_count(const struct spread *spread);

/* The smallest value that at least `percent` of all are not above; 100: the largest. Something was added before. */
uint64_t spread_percentile(const struct spread *spread, int percent);
double spread_mean(const struct spread *spread);

#endif
