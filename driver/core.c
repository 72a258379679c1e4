/* core.c - looks at the processor core by timing additions; see core.h. */
#include "driver/core.h"

#include <stdint.h>

#include "allocators/alloc.h"
#include "driver/timer.h"

#define CHAINED     16384u /* additions, each of which waits for the one before: some us */
#define ABREAST     8192u  /* times six additions that do not: about as long */
#define ATTEMPTS    3      /* of a look: an interrupt seldom hits each */
#define FIRST_LOOKS 400    /* to begin with */
#define MORE_LOOKS  100    /* when something is known from before */
#define CLUSTER     20     /* looks that are alike: those of a whole core */
#define ALIKE       1.005  /* so alike, while those of a shared core lie far apart */
#define AGREEING    5      /* looks that have to find the core whole: by chance a busy neighbour lets one do so */
#define TOLERANCE   1.04   /* a whole core is found within 2 % of itself, a shared one from 6 % on */

/* An addition that the compiler neither drops nor joins with another. */
static inline __attribute__((always_inline)) void add(uintptr_t *x)
{
    *x += *x;
    __asm__ volatile("" : "+r"(*x));
}

/* Unrolled, so that the loop itself hides behind what it holds. */
#define FOUR_TIMES(statement) statement, statement, statement, statement

static uint64_t chain_ns(void)
{
    uintptr_t x = 1;
    const uint64_t begin = clock_ns();
    for (unsigned i = 0; i < CHAINED / 16; i++)
        FOUR_TIMES(FOUR_TIMES(add(&x)));
    return clock_ns() - begin;
}

/* As many chains as the widest cores begin additions in a cycle, and i386 has registers for. */
static uint64_t abreast_ns(void)
{
    uintptr_t a = 1, b = 1, c = 1, d = 1, e = 1, f = 1;
    const uint64_t begin = clock_ns();
    for (unsigned i = 0; i < ABREAST / 4; i++)
        FOUR_TIMES((add(&a), add(&b), add(&c), add(&d), add(&e), add(&f)));
    return clock_ns() - begin;
}

static double look(struct core *core)
{
    uint64_t chain = UINT64_MAX, abreast = UINT64_MAX;
    for (int i = 0; i < ATTEMPTS; i++) {
        const uint64_t chain_now = chain_ns(), abreast_now = abreast_ns();
        chain = ALLOC_MIN(chain, chain_now);
        abreast = ALLOC_MIN(abreast, abreast_now);
    }
    core->clock_hz = CHAINED * 1e9 / (double)chain;
    return (double)abreast / (double)chain;
}

/* The C library's qsort may call malloc, which may be what is measured. */
static void sort(double x[], int n)
{
    for (int i = 1; i < n; i++) {
        const double now = x[i];
        int at = i;
        for (; at > 0 && x[at - 1] > now; at--)
            x[at] = x[at - 1];
        x[at] = now;
    }
}

double core_of_looks(double looks[], int n, double before)
{
    sort(looks, n);
    for (int at = 0; at + CLUSTER <= n; at++)
        if (looks[at + CLUSTER - 1] <= looks[at] * ALIKE)
            return before > 0 ? ALLOC_MIN(before, looks[at]) : looks[at];
    return before > 0 ? before : looks[ALLOC_MIN(CLUSTER, n) - 1];
}

void core_open(struct core *core, double whole)
{
    const int looks = whole > 0 ? MORE_LOOKS : FIRST_LOOKS;
    double seen[FIRST_LOOKS];
    for (int i = 0; i < looks; i++)
        seen[i] = look(core);
    core->whole = core_of_looks(seen, looks, whole);
}

bool core_is_whole(struct core *core)
{
    for (int i = 0; i < AGREEING; i++)
        if (look(core) > core->whole * TOLERANCE)
            return false;
    return true;
}
