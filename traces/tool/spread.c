/* spread.c - see spread.h. */
#include "traces/tool/spread.h"

#include <stdlib.h>

#define SUB_BITS 11
#define SUB      ((uint64_t)1 << SUB_BITS) /* buckets in a doubling */

struct spread {
    uint64_t count, largest;
    double sum;
    uint64_t buckets[(64 - SUB_BITS + 1) * SUB];
};

/* Doubling d ≥ 1 has the values from SUB << (d - 1), in steps of 1 << (d - 1); doubling 0 those below SUB. */
static unsigned doubling(uint64_t value)
{
    return value < SUB ? 0 : 64 - (unsigned)__builtin_clzll(value) - SUB_BITS;
}

static uint64_t smallest_in(uint64_t bucket)
{
    uint64_t d = bucket / SUB, within = bucket % SUB;
    return d == 0 ? within : (SUB + within) << (d - 1);
}

struct spread *spread_new(void)
{
    return calloc(1, sizeof(struct spread));
}

void spread_add(struct spread *spread, uint64_t value)
{
    unsigned d = doubling(value);
    spread->buckets[d * SUB + (d ? (value >> (d - 1)) - SUB : value)]++;
    spread->count++;
    spread->sum += (double)value;
    if (value > spread->largest)
        spread->largest = value;
}

uint64_t spread_count(const struct spread *spread)
{
    return spread->count;
}

uint64_t spread_percentile(const struct spread *spread, int percent)
{
    uint64_t seen = 0, rank = spread->count - spread->count / 100 * (uint64_t)(100 - percent) -
                              spread->count % 100 * (uint64_t)(100 - percent) / 100;
    for (uint64_t bucket = 0; percent < 100; bucket++)
        if ((seen += spread->buckets[bucket]) >= rank)
            return smallest_in(bucket);
    return spread->largest;
}

double spread_mean(const struct spread *spread)
{
    return spread->sum / (double)spread->count;
}
