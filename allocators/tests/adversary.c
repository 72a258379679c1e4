/*
 * adversary.c - the static adversary (traces/synth/adversary.c) drives first fit, next fit, best fit and the buddy
 * system to exactly M(1 + log2(n)/2) units, M live and n the largest block: as page sources, where a block has no
 * header, and as heaps whose requests make a power of two with their header.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "allocators/options.h"
#include "driver/alone.h"
#include "traces/trace.h"

/* M, n, the ops of the static adversary, the peak that it reaches, and that of the adaptive one. */
static const struct size {
    unsigned live, largest, ops, peak, adaptive_peak;
} sizes[] = {{1024, 16, 2816, 3072, 3057}, {1024, 64, 2992, 4096, 4033}, {4096, 256, 12192, 20480, 20225}};

struct subject {
    const char *allocator, *pages; /* the first is "pages": the page source alone */
    size_t unit, header;           /* bytes; unit 0: a page */
};

#define PAGE   ((size_t)16384)
#define HEADER 4 /* of freelist: a boundary tag */

static const struct subject subjects[] = {
    {"pages", "buddy", 0, 0},
    {"pages", "bitmap", 0, 0},
    {"pages", "arena", 0, 0},
    {"pages", "bitmap:fit=next", 0, 0},
    {"pages", "avl", 0, 0},
    {"freelist:fit=first", "arena", 64, HEADER},
    {"freelist:fit=next", "arena", 64, HEADER},
    {"freelist:fit=best", "arena", 64, HEADER},
};

#define SUBJECTS (sizeof subjects / sizeof subjects[0])

/* An allocator on a page source, both with their options, over a region that is all of the adversary's memory. */
struct bench {
    const struct allocator *allocator;
    const struct page_kind *kind;
    struct page_source source;
    void *state, *map, *region;
    size_t map_bytes;
    struct heap *heap;
};

static void *find(const char *spec, void *by_name(const char *))
{
    char name[32];
    snprintf(name, sizeof name, "%.*s", (int)options_name_length(spec), spec);
    return by_name(name);
}

static void *find_allocator(const char *name)
{
    const void *found = strcmp(name, "pages") == 0 ? &allocator_pages : allocator_by_name(name);
    return (void *)(uintptr_t)found;
}

static void *find_kind(const char *name)
{
    return (void *)(uintptr_t)page_kind_by_name(name);
}

/* Opens the page source over the smallest region that gives a run of `npages`, a power of two, so that the buddy system
 * has one block of them: a region of any other size would have it begin with the small blocks at the end. */
static void open_pages(struct bench *bench, const uint64_t *opt, size_t npages)
{
    void *run = NULL;
    for (size_t tables = 0; run == NULL; tables++) {
        assert_true(tables < npages / 8 + 2);
        memset(bench->state, 0, bench->kind->state_size);
        assert_true(
            bench->kind->open(&bench->source, bench->state, bench->region, (npages + tables) * PAGE, PAGE, opt));
        run = bench->source.alloc_page(bench->source.ctx, npages);
        if (run != NULL)
            bench->source.free_page(bench->source.ctx, run, npages);
        else
            bench->kind->close(&bench->source);
    }
}

static void bench_open(struct bench *bench, const struct subject *subject, size_t bytes)
{
    struct option_values allocator_values, kind_values;
    char words[200] = "";
    bench->allocator = find(subject->allocator, find_allocator);
    bench->kind = find(subject->pages, find_kind);
    assert_true(bench->allocator != NULL && bench->kind != NULL);
    const bool read =
        options_parse(&allocator_values, bench->allocator->options, subject->allocator, words, sizeof words) &&
        options_parse(&kind_values, bench->kind->options, subject->pages, words, sizeof words);
    assert_string_equal(words, "");
    assert_true(read);
    size_t npages = 1;
    while (npages * PAGE < bytes)
        npages *= 2;
    bench->map_bytes = 2 * npages * PAGE;
    bench->map =
        mmap(NULL, bench->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    bench->state = malloc(ALLOC_MAX(bench->kind->state_size, 1));
    assert_true(bench->map != MAP_FAILED && bench->state != NULL);
    bench->region = (void *)ALLOC_ROUND_UP((uintptr_t)bench->map, PAGE);
    open_pages(bench, kind_values.opt, npages);
    const struct heap_config config = {.opt = allocator_values.opt};
    bench->heap = bench->allocator->create(&bench->source, &config);
    assert_non_null(bench->heap);
}

static void bench_close(struct bench *bench)
{
    bench->allocator->destroy(bench->heap);
    bench->kind->close(&bench->source);
    munmap(bench->map, bench->map_bytes);
    free(bench->state);
}

/* The work done; bytes from the lowest address of a block to behind the highest. */
static size_t play(const struct bench *bench, const char *work, size_t header, unsigned nops)
{
    struct error error = {.code = EXIT_DONE};
    struct trace_reader *reader = trace_open(work, &error);
    char **blocks = calloc(nops, sizeof *blocks);
    uintptr_t low = UINTPTR_MAX, high = 0;
    unsigned n = 0;
    assert_string_equal(error.text, "");
    assert_true(reader != NULL && blocks != NULL);
    for (struct op op; trace_read(reader, &op, 1, &error) == 1; n++) {
        assert_true(n < nops && op.block < nops);
        if (op.kind == OP_FREE) {
            bench->allocator->release(bench->heap, blocks[op.block]);
            continue;
        }
        blocks[op.block] = bench->allocator->alloc(bench->heap, (size_t)op.size);
        assert_non_null(blocks[op.block]);
        low = ALLOC_MIN(low, (uintptr_t)blocks[op.block] - header);
        high = ALLOC_MAX(high, (uintptr_t)blocks[op.block] + (size_t)op.size);
    }
    assert_int_equal(n, nops);
    trace_close(reader);
    free(blocks);
    return high - low;
}

static void test_peaks(void **state)
{
    const struct subject *subject = *state;
    const size_t unit = subject->unit != 0 ? subject->unit : PAGE;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const struct size *size = &sizes[i];
        struct bench bench;
        char work[120];
        snprintf(work, sizeof work, "model:adversary:live=%u:largest=%u:unit=%zu:header=%zu", size->live, size->largest,
                 unit, subject->header);
        bench_open(&bench, subject, (size_t)size->peak * unit + 16 * PAGE); /* with room for a heap */
        assert_int_equal(play(&bench, work, subject->header, size->ops), (size_t)size->peak * unit);
        bench_close(&bench);
    }
}

#define BOOM_OPS  4083
#define BOOM_PEAK ((size_t)1024 * (1 + 10))

static void test_boom(void **state)
{
    const struct subject *subject = *state;
    const size_t unit = subject->unit != 0 ? subject->unit : PAGE;
    struct bench bench;
    char work[120];
    snprintf(work, sizeof work, "model:boom:live=1024:largest=1024:unit=%zu:header=%zu", unit, subject->header);
    bench_open(&bench, subject, BOOM_PEAK * unit + 16 * PAGE);
    assert_int_equal(play(&bench, work, subject->header, BOOM_OPS), BOOM_PEAK * unit);
    bench_close(&bench);
}

/* ---- The adaptive adversary -------------------------------------------------------------------------------------- */

struct piece {
    char *ptr;
    size_t at, units; /* from the lowest address of all, in units */
};

struct duel {
    const struct bench *bench;
    size_t unit, header; /* bytes */
    uintptr_t low;
    struct piece *pieces; /* live */
    size_t npieces, live, peak;
};

/* Allocates blocks of so many units until M are live. */
static void fill(struct duel *duel, size_t units, size_t live)
{
    for (; duel->live + units <= live; duel->live += units) {
        char *ptr = duel->bench->allocator->alloc(duel->bench->heap, units * duel->unit - duel->header);
        assert_non_null(ptr);
        const uintptr_t start = (uintptr_t)ptr - duel->header;
        duel->low = duel->npieces == 0 ? start : duel->low; /* the first block lies at the beginning */
        assert_true(start >= duel->low && (start - duel->low) % duel->unit == 0);
        const size_t at = (start - duel->low) / duel->unit;
        duel->pieces[duel->npieces++] = (struct piece){ptr, at, units};
        duel->peak = ALLOC_MAX(duel->peak, at + units);
    }
}

/* Whether a piece lies on an address that is f modulo the step, a power of two no smaller than the piece. */
static bool covers(const struct piece *piece, size_t f, size_t step)
{
    return ((f - piece->at) & (step - 1)) < piece->units;
}

/* Units that would stay free beside those that cover such an address, in the blocks to come. */
static size_t gain(const struct duel *duel, size_t f, size_t step)
{
    size_t sum = 0;
    for (size_t i = 0; i < duel->npieces; i++)
        sum += covers(&duel->pieces[i], f, step) ? step - duel->pieces[i].units : 0;
    return sum;
}

static void free_others(struct duel *duel, size_t f, size_t step)
{
    size_t kept = 0;
    for (size_t i = 0; i < duel->npieces; i++) {
        if (covers(&duel->pieces[i], f, step)) {
            duel->pieces[kept++] = duel->pieces[i];
            continue;
        }
        duel->live -= duel->pieces[i].units;
        duel->bench->allocator->release(duel->bench->heap, duel->pieces[i].ptr);
    }
    duel->npieces = kept;
}

/* The most units that the allocator's blocks ever lay in. */
static size_t fight(const struct bench *bench, const struct size *size, size_t unit, size_t header)
{
    struct duel duel = {.bench = bench, .unit = unit, .header = header};
    duel.pieces = calloc(size->live, sizeof *duel.pieces);
    assert_non_null(duel.pieces);
    fill(&duel, 1, size->live);
    size_t f = 0;
    for (size_t step = 2; step <= size->largest; step *= 2) {
        if (gain(&duel, f + step / 2, step) > gain(&duel, f, step))
            f += step / 2;
        free_others(&duel, f, step);
        fill(&duel, step, size->live);
    }
    free(duel.pieces);
    return duel.peak;
}

static void test_adaptive(void **state)
{
    const struct subject *subject = *state;
    const size_t unit = subject->unit != 0 ? subject->unit : PAGE;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct bench bench;
        bench_open(&bench, subject, (size_t)sizes[i].peak * unit + 16 * PAGE);
        assert_int_equal(fight(&bench, &sizes[i], unit, subject->header), sizes[i].adaptive_peak);
        bench_close(&bench);
    }
}

static void add(struct CMUnitTest *tests, size_t *n, const struct subject *subject, const char *what,
                CMUnitTestFunction function)
{
    static char names[3 * SUBJECTS][100];
    snprintf(names[*n], sizeof names[0], "%s on %s: %s", subject->allocator, subject->pages, what);
    tests[*n] = (struct CMUnitTest){names[*n], function, NULL, NULL, (void *)(uintptr_t)subject};
    ++*n;
}

int main(void)
{
    static struct CMUnitTest tests[3 * SUBJECTS];
    size_t n = 0;
    for (size_t i = 0; i < SUBJECTS; i++) {
        add(tests, &n, &subjects[i], "3072, 4096 and 20480 units", test_peaks);
        add(tests, &n, &subjects[i], "11264 units, boom", test_boom);
        if (strcmp(subjects[i].pages, "buddy") != 0)
            add(tests, &n, &subjects[i], "3057, 4033 and 20225 units, adaptive", test_adaptive);
    }
    return _cmocka_run_group_tests("adversary", tests, n, NULL, NULL);
}
