/*
 * figures.h - what the space and arena passes counted, as the ratios people compare; the table and the results share
 * them.
 */
#ifndef HEAPBENCH_FIGURES_H
#define HEAPBENCH_FIGURES_H

#include "driver/study.h"

/* Each is NAN when one of its parts is unknown. */
struct space_figures {
    double held_ratio, touched_ratio;      /* peak over the requested peak */
    double internal_at_peak, internal_max; /* 1 − requested/granted; max: over the samples */
    double external_at_peak, external_max; /* 1 − largest free/free total; 0 when nothing is free */
    /* Johnstone and Wilson, The Memory Fragmentation Problem: Solved? (ISMM 1998): measures 1 to 4, over what is held
     * and over what is touched. Each is (used − live)/live: the mean over all ops with something live; at the peak of
     * live; the peak of used with what was live when it was reached; the peak of used with the peak of live. */
    double held[4], touched[4];
};

struct space_figures space_figures(const struct space_result *space, uint64_t peak_live);

/* The smallest arena over the requested peak. */
double arena_ratio(const struct arena_study *arena, uint64_t peak_live);

double internal_fragmentation(const struct space_sample *sample);
double external_fragmentation(const struct space_sample *sample);

#endif
