/*
 * last_cache.h - whether a run has its part of the processor's last cache for itself, found by work of its own.
 *
 * The last cache is shared with everybody on the machine, of whom a virtual machine sees nothing: what neighbours fill,
 * for some ms or for some minutes, a heap has to load from memory, and a run of a large one takes up to half as long
 * again. Loads that wait for each other, all over a third of the cache (16 MiB at most), soon find their lines in it
 * while nobody else fills it. They are compared with loads all over what just exceeds the core's own caches, which
 * mostly find theirs in any case: with the least time of these that was ever found, as neighbours can only add to one.
 *
 * How much is left of the cache for a heap that needs most of it is a matter of degree, and hardly ever all: loads all
 * over three quarters tell, which is only noted. Of a cache of more than 42 MiB they tell of 32 MiB, as heaps are that
 * large, too.
 */
#ifndef HEAPBENCH_LAST_CACHE_H
#define HEAPBENCH_LAST_CACHE_H

#include "driver/bench.h"

/* Lines of memory, each with the address of the next. */
struct line_cycle {
    char *memory;
    size_t bytes; /* 0: there is none */
    void **at;    /* where it was left */
};

struct last_cache {
    struct line_cycle far, near, most;
    struct last_cache_known known;
    double load_ns; /* of far, at the last look */
};

/* The sizes to look at on this CPU (-1: any), by what the kernel states of its caches in /sys below `root`. */
struct last_cache_known last_cache_of_cpu(const char *root, int cpu);

/* Lays the cycles out; some ms. `known`: the sizes, and what was found before. */
void last_cache_open(struct last_cache *cache, struct bench *bench, const struct last_cache_known *known);

/* Looks, for some ms: whether nobody else fills the cache. True also where there is no such cache: then load_ns is that
 * of what lies beyond the core's own. It drives out what the caches held. */
bool last_cache_is_ours(struct last_cache *cache);

/* The mean time of a load all over most of the cache, ns; some 20 ms. 0: there is no such cache. */
double last_cache_most_load_ns(struct last_cache *cache);

/* Whether loads that take so long find the lines of `far` in the cache, by what is known. */
bool last_cache_holds(const struct last_cache_known *known, double load_ns);

#endif
