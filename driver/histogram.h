/*
 * histogram.h - counts of values over a wide range in little memory, with a stated relative error.
 *
 * Log-linear: every power of two is cut into HISTOGRAM_PARTS equal buckets, so that a bucket is at most 1/64 of its
 * value wide; values below HISTOGRAM_PARTS are exact. The idea is HdrHistogram's (Tene).
 */
#ifndef HEAPBENCH_HISTOGRAM_H
#define HEAPBENCH_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BITS    6
#define HISTOGRAM_PARTS   (1u << HISTOGRAM_BITS)
#define HISTOGRAM_BUCKETS ((32 - HISTOGRAM_BITS + 1) * HISTOGRAM_PARTS) /* of 32-bit values */
#define HISTOGRAM_ERROR   (1.0 / HISTOGRAM_PARTS)

struct histogram {
    uint64_t total;
    uint64_t counts[HISTOGRAM_BUCKETS];
};

/* The bucket of a value, and the largest value of a bucket. */
size_t histogram_bucket(uint32_t value);
uint32_t histogram_upper(size_t bucket);

void histogram_add(struct histogram *histogram, uint32_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* A value that at least the share `q` (0 to 1) of all values are not above: the largest of its bucket, so at most
 * HISTOGRAM_ERROR too high and never too low. 0 when there are no values. */
uint32_t histogram_quantile(const struct histogram *histogram, double q);

#endif
