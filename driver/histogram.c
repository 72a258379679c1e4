/* histogram.c - the log-linear histogram; see histogram.h. */
#include "driver/histogram.h"

size_t histogram_bucket(uint32_t value)
{
    if (value < HISTOGRAM_PARTS)
        return value;
    const unsigned octave = 31u - (unsigned)__builtin_clz(value) - HISTOGRAM_BITS; /* 0: the first one cut */
    return (octave + 1) * HISTOGRAM_PARTS + ((value >> octave) - HISTOGRAM_PARTS);
}

uint32_t histogram_upper(size_t bucket)
{
    if (bucket < HISTOGRAM_PARTS)
        return (uint32_t)bucket;
    const unsigned octave = (unsigned)(bucket / HISTOGRAM_PARTS) - 1;
    const uint64_t part = bucket % HISTOGRAM_PARTS + HISTOGRAM_PARTS;
    return (uint32_t)(((part + 1) << octave) - 1);
}

void histogram_add(struct histogram *histogram, uint32_t value)
{
    histogram->counts[histogram_bucket(value)]++;
    histogram->total++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->counts[i] += from->counts[i];
    into->total += from->total;
}

uint32_t histogram_quantile(const struct histogram *histogram, double q)
{
    const double wanted = q * (double)histogram->total;
    double seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += (double)histogram->counts[i];
        if (histogram->counts[i] > 0 && seen >= wanted)
            return histogram_upper(i);
    }
    return 0;
}
