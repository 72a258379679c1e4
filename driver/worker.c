/*
 * worker.c - one run: a process of its own that replays one plan against one allocator in one pass, and ends.
 *
 * It was started by launch.c with the number of the shared job. Whatever stands around the measured loop keeps away
 * from malloc: tables are mapped, since the C library's heap may be what is measured. The arena sits at a fixed
 * address, so that a run repeats to the instruction.
 */
#include "driver/worker.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "driver/bench.h"
#include "driver/dynamic.h"
#include "driver/guard.h"
#include "driver/icount/icount.h"
#include "driver/op.h"
#include "driver/oracle.h"
#include "driver/own_text.h"
#include "driver/timer.h"

/* Far from where Linux puts programs, their heaps, libraries and stacks, and below 2^39 for small aarch64 kernels. */
#define ARENA_ADDRESS (sizeof(void *) == 8 ? (uintptr_t)UINT64_C(0x2000000000) : (uintptr_t)0x10000000)

/* Blocks that all walks of a run may see: about half a second's worth. */
#define MOST_VISITED 8e6

static void end(struct bench *bench, enum outcome outcome) __attribute__((noreturn));
static void end(struct bench *bench, enum outcome outcome)
{
    bench->job->outcome = outcome;
    _exit(0);
}

void bench_failed(struct bench *bench, uint64_t step, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(bench->job->reason, sizeof bench->job->reason, format, args);
    va_end(args);
    bench->job->failed_step = step;
    end(bench, OUTCOME_FAILED);
}

void bench_lacks(struct bench *bench, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(bench->job->reason, sizeof bench->job->reason, format, args);
    va_end(args);
    end(bench, OUTCOME_LACKS);
}

/* Why no pages were to be had, and what to do. */
static void fail_for_pages(struct bench *bench, uint64_t step, const char *what) __attribute__((noreturn));
static void fail_for_pages(struct bench *bench, uint64_t step, const char *what)
{
    const double mib = 1024.0 * 1024.0;
    bench_failed(bench, step,
                 "%s: the %.1f MiB of --pages=%s are used up (%.1f MiB held, %zu pages asked for); more: "
                 "--arena=SIZE",
                 what, (double)bench->region_bytes / mib, bench->pages.kind->name, (double)bench->watch.held / mib,
                 bench->watch.refused);
}

void bench_refused(struct bench *bench, uint64_t step)
{
    const struct request request = request_of(&bench->plan, bench->plan.steps[step]);
    const struct allocator *a = bench->allocator.allocator;
    if (bench->watch.refused != 0 && bench->watch.refused_step == step)
        fail_for_pages(bench, step, "out of memory");
    if (request.too_large)
        bench_failed(bench, step, "refused: the size is more than an address here can span");
    if (request.kind == OP_ALIGNED && request.align > HEAP_ALIGN && a->aligned == NULL)
        bench_failed(bench, step, "refused: the allocator offers no aligned blocks");
    if (a->caps & CAP_HOSTED)
        bench_failed(bench, step, "out of memory: it returned NULL");
    bench_failed(bench, step, "refused: the allocator does not serve this size%s (the page source refused nothing)",
                 request.align > HEAP_ALIGN ? " at this alignment" : "");
}

void *bench_table(struct bench *bench, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - bench->page)
        bench_lacks(bench, "a table of %zu times %zu bytes is more than an address here can span", count, size);
    bytes = ALLOC_ROUND_UP(bytes + 1, bench->page); /* at least a page, also of nothing */
    void *table = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (table == MAP_FAILED)
        bench_lacks(bench, "no memory for a table of %zu bytes", bytes);
    return table;
}

void bench_open(struct bench *bench, bool watched)
{
    struct job *job = bench->job;
    const struct page_kind *kind = bench->pages.kind;
    job->step = STEP_CREATE;
    memset(bench->pages_state, 0, kind->state_size);
    if (!kind->open(&bench->inner, bench->pages_state, bench->region, bench->region_bytes, bench->page,
                    bench->pages.values.opt)) {
        if (job->pass == PASS_ARENA)
            bench_failed(bench, STEP_CREATE, "the page source refused an arena of %zu bytes", bench->region_bytes);
        bench_lacks(bench, "the page source %s cannot use the arena of %zu bytes; give another --arena=SIZE",
                    kind->name, bench->region_bytes);
    }
    if (bench->region != NULL && bench->region_used)
        bench->inner.zero_from = NULL;
    bench->region_used = true;
    bench->source = bench->inner;
    bench->watch = (struct pages_watch){.held = 0};
    if (watched)
        pages_watch_open(&bench->watch, &bench->source, &bench->inner, &job->step, bench->pages_out);
    if (job->pass == PASS_INSTRUCTIONS && bench->allocator.pages == NULL)
        icount_count_pages(bench);
    bench->heap = bench->allocator.allocator->create(&bench->source, &bench->config);
    if (bench->heap != NULL)
        return;
    if (bench->watch.refused != 0)
        fail_for_pages(bench, STEP_CREATE, "create() refused");
    bench_failed(bench, STEP_CREATE, "create() refused: its options contradict each other or the trace");
}

void bench_close(struct bench *bench)
{
    bench->job->step = STEP_DESTROY;
    bench->allocator.allocator->destroy(bench->heap);
    bench->pages.kind->close(&bench->inner);
    bench->heap = NULL;
}

void bench_end_at(struct bench *bench, uint64_t end)
{
    const size_t nslots = (size_t)bench->plan.header->nslots;
    if (bench->end == end)
        return;
    memset(bench->live, 0, nslots);
    for (uint64_t i = 0; i < end; i++) {
        const unsigned kind = plan_kind(bench->plan.steps[i]);
        if (kind != PLAN_NOTHING)
            bench->live[plan_slot(bench->plan.steps[i])] = kind != PLAN_FREE;
    }
    bench->end = end;
    bench->nleft = 0;
    for (uint32_t slot = 0; slot < nslots; slot++)
        if (bench->live[slot])
            bench->left[bench->nleft++] = slot;
}

struct replay_time bench_replay(struct bench *bench, uint64_t replay(struct bench *))
{
    const uint64_t begin = clock_ns();
    bench_open(bench, bench->job->diagnose);
    const uint64_t wall = clock_ns(), cpu = clock_read(CLOCK_THREAD_CPUTIME_ID);
    const uint64_t done = replay(bench);
    struct replay_time time = {clock_read(CLOCK_THREAD_CPUTIME_ID) - cpu, clock_ns() - wall, 0};
    if (done < bench->end)
        bench_refused(bench, done);
    bench->job->step = STEP_DESTROY;
    for (size_t i = 0; i < bench->nleft; i++)
        bench->allocator.allocator->release(bench->heap, bench->slots[bench->left[i]]);
    bench_close(bench);
    time.all_ns = clock_ns() - begin;
    return time;
}

bool bench_may_walk(const struct bench *bench, uint64_t step)
{
    const double share = (double)(step + 1) / (double)bench->plan.header->nsteps;
    return (double)bench->visited <= share * MOST_VISITED;
}

/* ---- Setting up ------------------------------------------------------------------------------------------------ */

/* Real-time priority, as far as that is allowed: who else wants the processor waits for the end of the run, and does
 * not empty its caches and branch predictors in between. The kernel keeps a share for others, and what this process
 * starts does without. */
static bool take_precedence(void)
{
    const struct sched_param least = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};
    return sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &least) == 0;
}

static void steady(struct job *job)
{
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); /* huge pages come and go with the machine's mood */
    const int persona = personality(0xffffffff);
    job->randomized = persona < 0 || !(persona & ADDR_NO_RANDOMIZE);
    if (pass_is_timed(job->pass))
        job->realtime = take_precedence();
    if (job->cpu < 0)
        return;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (job->cpu < CPU_SETSIZE)
        CPU_SET(job->cpu, &set);
    job->unpinned = sched_setaffinity(0, sizeof set, &set) != 0;
}

static void map_arena(struct bench *bench)
{
    struct job *job = bench->job;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    const size_t bytes = (size_t)ALLOC_ROUND_UP(job->arena_bytes, (uint64_t)bench->page);
    if (bytes < job->arena_bytes)
        bench_lacks(bench, "an arena of %llu bytes is more than an address here can span; give a smaller --arena=SIZE",
                    (unsigned long long)job->arena_bytes);
    bench->region_bytes = bytes;
    if (bench->pages.kind->caps & CAP_HOSTED)
        return; /* brings its own memory; the size is its limit */
    void *wanted = (void *)ARENA_ADDRESS;
    bench->region = mmap(wanted, bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED_NOREPLACE, -1, 0);
    if (bench->region == MAP_FAILED)
        bench->region = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (bench->region == MAP_FAILED)
        bench_lacks(bench, "no room for an arena of %zu bytes; give a smaller --arena=SIZE", bytes);
    job->arena_moved = bench->region != wanted;
    job->arena_address = (uintptr_t)bench->region;
}

static void configure(struct bench *bench)
{
    const struct plan_header *header = bench->plan.header;
    const struct option_values *values = &bench->allocator.values;
    bench->config =
        (struct heap_config){.opt = values->opt, .max_request = (size_t)ALLOC_MIN(header->max_request, SIZE_MAX)};
    if (values->nsizes > 0) {
        bench->config.sizes = values->sizes;
        bench->config.nsizes = values->nsizes;
        return;
    }
    struct size_use *sizes = bench_table(bench, header->nsizes, sizeof *sizes);
    size_t n = 0;
    for (; n < header->nsizes && bench->plan.sizes[n].size <= SIZE_MAX; n++)
        sizes[n] = (struct size_use){(size_t)bench->plan.sizes[n].size, (size_t)bench->plan.sizes[n].peak};
    bench->config.sizes = sizes;
    bench->config.nsizes = n;
}

/* The dynamic linker goes on without a library that it cannot preload. */
static void check_preload(struct bench *bench)
{
    const char *wanted = bench->allocator.preload;
    if (wanted[0] != '\0' && !malloc_is_of(wanted))
        bench_lacks(bench,
                    "malloc does not come from %.200s: it is not installed, or replaces no malloc (--list names "
                    "the packages)",
                    wanted);
}

static void set_up(struct bench *bench)
{
    struct job *job = bench->job;
    struct error error = {.code = EXIT_DONE};
    bench->page = (size_t)sysconf(_SC_PAGESIZE);
    steady(job);
    if (!plan_map(&bench->plan, job->plan_fd, &error) || !pages_spec_read(&bench->pages, job->pages, &error) ||
        !allocator_spec_read(&bench->allocator, job->allocator, &error))
        bench_lacks(bench, "%s", error.text);
    check_preload(bench);
    if (bench->allocator.allocator == &allocator_oracle) {
        if (!packing_map(&bench->packing, job->packing_fd, &error))
            bench_lacks(bench, "%s", error.text);
        oracle_use(&bench->packing);
    }
    bench->pages_state = bench_table(bench, 1, bench->pages.kind->state_size);
    bench->slots = bench_table(bench, bench->plan.header->nslots, sizeof *bench->slots);
    configure(bench);
    bench_guard(bench);
    bench->live = bench_table(bench, bench->plan.header->nslots, sizeof *bench->live);
    bench->left = bench_table(bench, bench->plan.header->nslots, sizeof *bench->left);
    bench_end_at(bench, bench->plan.header->nsteps);
    map_arena(bench);
    if (pass_is_timed(job->pass))
        job->own_text = own_text(); /* a plug-in's too, which is loaded by now */
}

int worker_main(const char *job_fd)
{
    static void (*const passes[PASSES])(struct bench *) = {
        [PASS_VERIFY] = pass_verify,         [PASS_SPACE] = pass_space,     [PASS_ARENA] = pass_arena,
        [PASS_THROUGHPUT] = pass_throughput, [PASS_LATENCY] = pass_latency, [PASS_INSTRUCTIONS] = pass_instructions};
    static struct bench bench;
    bench.job = mmap(NULL, sizeof *bench.job, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(job_fd), 0);
    if (bench.job == MAP_FAILED || bench.job->pass >= PASSES)
        return EXIT_USAGE;
    set_up(&bench);
    passes[bench.job->pass](&bench);
    end(&bench, OUTCOME_DONE);
}
