/* figures.c - the ratios of the space and arena passes; see figures.h. */
#include "driver/figures.h"

#include <math.h>

double internal_fragmentation(const struct space_sample *sample)
{
    return sample->granted > 0 ? 1 - (double)sample->requested / (double)sample->granted : 0;
}

double external_fragmentation(const struct space_sample *sample)
{
    if (sample->free_total == UNKNOWN_BYTES)
        return NAN;
    return sample->free_total > 0 ? 1 - (double)sample->free_largest / (double)sample->free_total : 0;
}

static double ratio(uint64_t bytes, uint64_t to)
{
    return bytes == UNKNOWN_BYTES || to == 0 ? NAN : (double)bytes / (double)to;
}

double arena_ratio(const struct arena_study *arena, uint64_t peak_live)
{
    return arena->done ? ratio(arena->smallest, peak_live) : NAN;
}

struct space_figures space_figures(const struct space_result *space, uint64_t peak_live)
{
    struct space_figures figures = {.held_ratio = ratio(space->held_peak, peak_live),
                                    .touched_ratio = ratio(space->touched_peak, peak_live),
                                    .internal_at_peak = internal_fragmentation(&space->at_peak),
                                    .external_at_peak = external_fragmentation(&space->at_peak),
                                    .held = {space->held_mean, ratio(space->at_peak.held, peak_live) - 1,
                                             ratio(space->held_peak, space->live_at_held_peak) - 1,
                                             ratio(space->held_peak, peak_live) - 1},
                                    .touched = {space->touched_mean, ratio(space->at_peak.touched, peak_live) - 1,
                                                ratio(space->touched_peak, space->live_at_touched_peak) - 1,
                                                ratio(space->touched_peak, peak_live) - 1}};
    figures.internal_max = figures.internal_at_peak;
    figures.external_max = figures.external_at_peak;
    for (uint32_t i = 0; i < space->nsamples; i++) {
        figures.internal_max = fmax(figures.internal_max, internal_fragmentation(&space->samples[i]));
        if (!isnan(figures.external_at_peak))
            figures.external_max = fmax(figures.external_max, external_fragmentation(&space->samples[i]));
    }
    return figures;
}
