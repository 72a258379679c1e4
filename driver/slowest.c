/* slowest.c - which ops may be the slowest of all; see slowest.h. */
#include "driver/slowest.h"

#include <string.h>

/* How many took more at least; the first SLOWEST_MOST of them in slowest->steps. */
static uint64_t gather(struct slowest *slowest, const uint32_t *least, uint64_t nsteps)
{
    uint64_t found = 0;
    for (uint64_t i = 0; i < nsteps; i++) {
        if (least[i] <= slowest->others)
            continue;
        if (found < SLOWEST_MOST)
            slowest->steps[found] = i;
        found++;
    }
    return found;
}

void slowest_choose(struct slowest *slowest, const uint32_t *least, uint64_t nsteps)
{
    uint32_t worst = 0;
    memset(slowest->again, 0, sizeof slowest->again);
    memset(slowest->alone, 0, sizeof slowest->alone);
    memset(slowest->too_much, 0, sizeof slowest->too_much);
    slowest->cut_short = false;
    for (uint64_t i = 0; i < nsteps; i++)
        worst = least[i] > worst ? least[i] : worst;
    for (uint32_t below = worst - worst / 2; below > worst / 512; below /= 2) {
        slowest->others = worst - below;
        const uint64_t found = gather(slowest, least, nsteps);
        if (found <= SLOWEST_MOST) {
            slowest->n = (uint32_t)found;
            return;
        }
    }
    slowest->n = 0;
}

bool slowest_is_among(const struct slowest *slowest, const uint32_t *least)
{
    for (uint32_t i = 0; i < slowest->n; i++)
        if (least[slowest->steps[i]] >= slowest->others)
            return true;
    return false;
}
