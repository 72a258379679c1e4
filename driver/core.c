/* core.c - looks at the processor core by timing additions; see core.h. */
#include "driver/core.h"

#include <math.h>
#include <stdint.h>

#include "allocators/alloc.h"
#include "driver/timer.h"

#define CHAINED     16384u /* additions, each of which waits for the one before: some us */
#define ABREAST     8192u  /* times six additions that do not: about as long */
#define ATTEMPTS    3      /* of a look: an interrupt seldom hits each */
#define FIRST_LOOKS 400    /* to begin with */
#define MORE_LOOKS  100    /* when something is known from before */
#define RANK        50     /* the least of so many looks is that of a whole core */
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

/* While a neighbour is busy the core is whole for some us at a time, when the neighbour waits for memory: among
 * hundreds of looks there are such. The very least may be wrong, as the clock may change in the middle of a look. */
void core_open(struct core *core, double whole)
{
    const int looks = whole > 0 ? MORE_LOOKS : FIRST_LOOKS, rank = looks / RANK;
    double least[FIRST_LOOKS / RANK];
    for (int i = 0; i < rank; i++)
        least[i] = HUGE_VAL;
    for (int i = 0; i < looks; i++) {
        const double now = look(core);
        int at = rank - 1;
        if (now >= least[at])
            continue;
        for (; at > 0 && least[at - 1] > now; at--)
            least[at] = least[at - 1];
        least[at] = now;
    }
    core->whole = whole > 0 ? ALLOC_MIN(whole, least[rank - 1]) : least[rank - 1];
}

bool core_is_whole(struct core *core)
{
    for (int i = 0; i < AGREEING; i++)
        if (look(core) > core->whole * TOLERANCE)
            return false;
    return true;
}
