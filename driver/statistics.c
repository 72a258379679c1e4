/* statistics.c - quantiles and shuffles; see statistics.h. */
#include "driver/statistics.h"

#include <math.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double statistics_quantile(double *values, size_t n, double q)
{
    if (n == 0)
        return NAN;
    qsort(values, n, sizeof *values, ascending);
    const double at = q * (double)(n - 1);
    const size_t below = (size_t)at;
    if (below + 1 >= n)
        return values[n - 1];
    return values[below] + (at - (double)below) * (values[below + 1] - values[below]);
}

double statistics_spread(double *values, size_t n)
{
    if (n < 2)
        return NAN;
    return (statistics_quantile(values, n, 0.75) - statistics_quantile(values, n, 0.25)) / 2;
}

uint64_t statistics_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* A number below n without bias: the tail of the range that n does not divide is drawn again. */
static uint64_t random_below(uint64_t *state, uint64_t n)
{
    const uint64_t tail = -n % n; /* 2^64 mod n */
    uint64_t x;
    do
        x = statistics_random(state);
    while (x < tail);
    return x % n;
}

void statistics_shuffle(size_t *order, size_t n, uint64_t *state)
{
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t i = n; i > 1; i--) {
        const size_t j = (size_t)random_below(state, i), last = order[i - 1];
        order[i - 1] = order[j];
        order[j] = last;
    }
}
