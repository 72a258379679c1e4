/* memory_load.c - follows a cycle of addresses through memory; see memory_load.h. */
#include "driver/memory_load.h"

#include "driver/timer.h"

#define LINE  64u
#define LINES (1u << 16)
#define LOADS 4096u

/* A linear congruential generator of full period (Hull and Dobell 1962, theorem 1) comes by every line before it comes
 * by one again, in an order that no prefetcher knows. */
static uint32_t next_line(uint32_t line)
{
    return (line * 77909u + 12347u) % LINES;
}

void memory_load_open(struct memory_load *load, struct bench *bench)
{
    char *memory = bench_table(bench, LINES, LINE);
    for (uint32_t line = 0; line < LINES; line++)
        *(void **)(memory + (size_t)line * LINE) = memory + (size_t)next_line(line) * LINE;
    load->at = (void **)memory;
}

double memory_load_ns(struct memory_load *load)
{
    void **at = load->at;
    const uint64_t begin = clock_ns();
    for (unsigned i = 0; i < LOADS; i++)
        at = *at;
    __asm__ volatile("" ::"r"(at));
    const uint64_t ns = clock_ns() - begin;
    load->at = at;
    return (double)ns / LOADS;
}
