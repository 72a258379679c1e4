/* last_cache.c - follows cycles of addresses through the last cache; see last_cache.h. */
#include "driver/last_cache.h"

#include <math.h>
#include <stdio.h>

#include "driver/sysfs.h"
#include "driver/timer.h"

#define LINE       64u
#define PASSES     4 /* over the lines, before: by fewer what a large heap left behind is not driven out */
#define SOME_LOADS 16384u
#define FAR_LEAST  (4u << 20)  /* where there is no last cache, or its size is not known */
#define FAR_MOST   (16u << 20) /* so that a look at a large one is short, too */
#define MOST_MOST  (32u << 20) /* 96 MiB made a run 0.11 s longer, where a cache has 260 */
#define MOST_LOADS 131072u     /* enough for a mean, and not so long that it is of another time */

/* Of far loads over near ones. In a cache of one's own it was 1.6 where that was found; where others filled the cache
 * mostly 6 and more. A machine may have more than that 1.6: up to SURELY it is learned. */
#define OURS   2.0
#define SURELY 4.0
#define LIKE   1.25 /* the least that was found */

/* Bytes of the largest cache of that level; 0: none is known. */
static size_t cache_bytes(const char *root, int cpu, int level)
{
    size_t most = 0;
    for (int i = 0; i < 8; i++) {
        char folder[64], path[80], text[32];
        char unit;
        unsigned kib;
        long long found;
        snprintf(folder, sizeof folder, "/sys/devices/system/cpu/cpu%d/cache/index%d", cpu < 0 ? 0 : cpu, i);
        snprintf(path, sizeof path, "%s/level", folder);
        if (!sysfs_number(root, path, 10, &found) || found != level)
            continue;
        snprintf(path, sizeof path, "%s/size", folder);
        if (sysfs_line(root, path, text, sizeof text) && sscanf(text, "%u%c", &kib, &unit) == 2 && unit == 'K')
            most = ALLOC_MAX(most, (size_t)kib << 10);
    }
    return most;
}

struct last_cache_known last_cache_of_cpu(const char *root, int cpu)
{
    const size_t last = cache_bytes(root, cpu, 3), own = cache_bytes(root, cpu, 2);
    const size_t far = ALLOC_MIN(last / 3, FAR_MOST);
    if (own == 0 || far < 4 * own) /* too like the core's own to tell them apart */
        return (struct last_cache_known){.far_bytes = FAR_LEAST};
    return (struct last_cache_known){
        .far_bytes = far, .near_bytes = 2 * own, .most_bytes = ALLOC_MIN(last / 4 * 3, MOST_MOST)};
}

/* A linear congruential generator of full period (Hull and Dobell 1962, theorem 1) over a power of two comes by every
 * line before it comes by one again, in an order that no prefetcher knows; lines that there are not are passed over. */
static uint32_t next_line(uint32_t line, uint32_t lines, uint32_t period)
{
    do
        line = (line * 77909u + 12347u) % period;
    while (line >= lines);
    return line;
}

static void lay_out(struct line_cycle *cycle, struct bench *bench, size_t bytes)
{
    const uint32_t lines = (uint32_t)(bytes / LINE);
    uint32_t period = 1;
    *cycle = (struct line_cycle){.bytes = (size_t)lines * LINE};
    if (lines == 0)
        return;
    while (period < lines)
        period *= 2;
    cycle->memory = bench_table(bench, lines, LINE);
    cycle->at = (void **)cycle->memory;
    for (uint32_t line = 0; line < lines; line++)
        *(void **)(cycle->memory + (size_t)line * LINE) = cycle->memory + (size_t)next_line(line, lines, period) * LINE;
}

void last_cache_open(struct last_cache *cache, struct bench *bench, const struct last_cache_known *known)
{
    *cache = (struct last_cache){.known = *known};
    lay_out(&cache->far, bench, known->far_bytes);
    lay_out(&cache->near, bench, known->near_bytes);
    lay_out(&cache->most, bench, known->most_bytes);
}

/* The mean time of loads that wait for each other, all around the cycle or so many, ns: 3 ms, in which others may drive
 * out lines, as they do in a replay. A few loads just after the passes would find each line, however much others fill.
 * Where that is clear from the mean so far, the rest is not waited for. */
static double load_ns(struct line_cycle *cycle, size_t most_loads, double clear_ns)
{
    for (int pass = 0; pass < PASSES; pass++)
        for (size_t at = 0; at < cycle->bytes; at += LINE)
            (void)*(volatile char *)(cycle->memory + at);
    const size_t lines = ALLOC_MIN(cycle->bytes / LINE, most_loads);
    const uint64_t begin = clock_ns();
    double mean = 0;
    for (size_t done = 0; done < lines && mean <= clear_ns;) {
        const size_t end = ALLOC_MIN(done + SOME_LOADS, lines);
        void **at = cycle->at;
        for (; done < end; done++)
            at = *at;
        __asm__ volatile("" ::"r"(at));
        cycle->at = at;
        mean = (double)(clock_ns() - begin) / (double)done;
    }
    return mean;
}

static void take_least(double *least, double ns)
{
    *least = *least > 0 ? ALLOC_MIN(*least, ns) : ns;
}

bool last_cache_holds(const struct last_cache_known *known, double load_ns)
{
    const double learned = ALLOC_MIN(known->far_ns * LIKE, known->near_ns * SURELY);
    return load_ns <= ALLOC_MAX(known->near_ns * OURS, learned);
}

bool last_cache_is_ours(struct last_cache *cache)
{
    struct last_cache_known *known = &cache->known;
    const bool shared = cache->near.bytes > 0;
    if (shared)
        take_least(&known->near_ns, load_ns(&cache->near, SIZE_MAX, INFINITY));
    cache->load_ns = load_ns(&cache->far, SIZE_MAX, shared ? known->near_ns * SURELY : INFINITY);
    take_least(&known->far_ns, cache->load_ns);
    return !shared || last_cache_holds(known, cache->load_ns);
}

double last_cache_most_load_ns(struct last_cache *cache)
{
    return cache->most.bytes > 0 ? load_ns(&cache->most, MOST_LOADS, INFINITY) : 0;
}
