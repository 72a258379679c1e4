/* latency_test.c - which ops a latency run does and times: each in the first replays, then those alone that may be the
 * slowest, as far as there are such, and each again once these are not; and what may be the slowest is done again from
 * a copy of the heap. The replays are real, of made-up allocators that take their time at one or two ops. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "driver/rewind.h"
#include "driver/timer.h"

enum { STEPS = 8, EARLY = 2, LATE = 5, UNTIMED = 12345 };
enum { TRIES = 10 }; /* where another process is in the way */

/* In each replay; much, as others may hold up the test, but not for longer than that. */
#define HELD_UP_NS 5000000
static const uint64_t early_ms[] = {70, 70, 70, 70, 70, 30, 0, 0};
static const uint64_t late_ms[] = {120, 90, 90, 130, 55, 0, 20, 0};
enum { REPLAYS = sizeof late_ms / sizeof late_ms[0] };
static bool whole[REPLAYS]; /* every op was timed */
static uint32_t chosen[REPLAYS], early_least[REPLAYS], late_least[REPLAYS];
static unsigned at_replay, calls[REPLAYS];
static bool held_up;

static void *alloc(struct heap *heap, size_t size)
{
    static char block[64];
    const uint64_t begin = clock_ns();
    const unsigned op = calls[at_replay]++;
    const uint64_t ms = op == EARLY ? early_ms[at_replay] : op == LATE ? late_ms[at_replay] : 0;
    (void)heap, (void)size;
    uint64_t took;
    while ((took = clock_ns() - begin) < ms * 1000000)
        ;
    held_up |= took > ms * 1000000 + HELD_UP_NS;
    return block;
}

void *bench_table(struct bench *bench, size_t count, size_t size)
{
    (void)bench;
    return calloc(count, size);
}

void bench_lacks(struct bench *bench, const char *format, ...)
{
    (void)bench, (void)format;
    abort();
}

void bench_end_at(struct bench *bench, uint64_t end)
{
    bench->end = end;
}

static uint32_t nreplays, does_not_count = UINT32_MAX;
static void (*begins)(struct bench *bench);
static void (*ends)(struct bench *bench, uint32_t index);

void bench_repeat(struct bench *bench, uint64_t replay(struct bench *), bench_keep *keep)
{
    struct repetitions *repetitions = &bench->job->repetitions;
    const struct replay_time time = {1, 1, 1};
    for (at_replay = 0; at_replay < nreplays; at_replay++) {
        begins(bench);
        const uint64_t done = replay(bench);
        assert_int_equal(done, bench->end);
        if (at_replay != does_not_count) {
            repetitions->count++;
            keep(bench, &time, at_replay);
        }
        ends(bench, at_replay);
    }
}

/* A run over so many mallocs. */
static void run(struct bench *bench, struct job *job, const struct allocator *allocator, uint64_t nsteps,
                uint64_t timed_ns)
{
    const struct plan_header header = {.nsteps = nsteps, .nslots = nsteps};
    uint64_t *steps = calloc((size_t)nsteps, sizeof *steps);
    FILE *table = tmpfile();
    assert_true(steps != NULL && table != NULL);
    *job = (struct job){
        .touch = TOUCH_NONE, .unit = LATENCY_NS, .batch_ops = 1, .timed_ns = timed_ns, .ticks_fd = fileno(table)};
    assert_int_equal(ftruncate(job->ticks_fd, (off_t)latency_table_bytes(nsteps)), 0);
    for (uint64_t i = 0; i < nsteps; i++)
        steps[i] = (uint64_t)PLAN_MALLOC << 61 | i << 32 | 16;
    bench->job = job;
    bench->plan = (struct plan){.fd = -1, .header = &header, .steps = steps};
    bench->slots = calloc((size_t)nsteps, sizeof *bench->slots);
    bench->allocator.allocator = allocator;
    pass_latency(bench);
    free(bench->slowest);
    free(bench->rewind);
    free(bench->slots);
    free(steps);
    fclose(table);
}

static void forget(struct bench *bench)
{
    calls[at_replay] = 0;
    for (unsigned step = 0; step < STEPS; step++)
        bench->ticks[step] = UNTIMED;
}

static void see_what_was_done(struct bench *bench, uint32_t i)
{
    assert_int_equal(calls[i], bench->end);
    whole[i] = bench->ticks[0] != UNTIMED && bench->ticks[LATE] != UNTIMED;
    for (unsigned step = 0; step < STEPS; step++) /* all or none: those timed alone go elsewhere */
        assert_int_equal(bench->ticks[step] != UNTIMED, whole[i]);
    chosen[i] = bench->slowest->n;
    early_least[i] = latency_least(bench->ticks, STEPS)[EARLY];
    late_least[i] = latency_least(bench->ticks, STEPS)[LATE];
}

static void run_and_see(const struct allocator *allocator)
{
    static struct job job;
    static struct bench bench;
    nreplays = REPLAYS;
    begins = forget;
    ends = see_what_was_done;
    unsigned tries = 0;
    do {
        held_up = false;
        bench = (struct bench){.page = 4096};
        run(&bench, &job, allocator, STEPS, 0);
    } while (held_up && ++tries < TRIES);
}

static void those_that_may_be_the_slowest_are_timed_alone(void **state)
{
    static const struct allocator allocator = {.alloc = alloc};
    (void)state;
    run_and_see(&allocator);
    assert_true(whole[0] && whole[1] && whole[2]);
    assert_int_equal(chosen[2], 2);
    assert_false(whole[3] || whole[4] || whole[5] || whole[6]);
    assert_int_equal(calls[3], LATE + 1);           /* what comes after the slowest is not done */
    assert_int_equal(late_least[3], late_least[2]); /* it took longer */
    assert_int_equal(calls[4], LATE + 1);
    assert_true(late_least[4] < late_least[3]);
    assert_int_equal(calls[5], EARLY + 1); /* which is another now */
    assert_true(early_least[5] < early_least[4] && late_least[5] == late_least[4] && chosen[5] == 2);
    assert_int_equal(calls[6], LATE + 1); /* and the first again */
    assert_true(early_least[6] < early_least[5] && late_least[6] < late_least[5] && chosen[6] == 0);
    assert_true(whole[7] && calls[7] == STEPS); /* now others may be the slowest */
}

/* A heap that outlives its replays has each of them whole. */
static void on_a_heap_that_stays_each_replay_is_done_to_the_end(void **state)
{
    static const struct allocator allocator = {.alloc = alloc, .caps = CAP_HOSTED};
    (void)state;
    run_and_see(&allocator);
    assert_false(whole[3] || whole[5]); /* not timed, but done */
    assert_true(chosen[3] == 2 && late_least[4] < late_least[3]);
    for (unsigned i = 0; i < REPLAYS; i++)
        assert_int_equal(calls[i], STEPS);
}

static uint32_t late_counted[REPLAYS], late_timed[REPLAYS];

static void see_both(struct bench *bench, uint32_t i)
{
    late_counted[i] = latency_counted(bench->ticks, STEPS)[LATE];
    late_timed[i] = bench->ticks[LATE];
}

static void the_last_that_counts_is_kept(void **state)
{
    static const struct allocator allocator = {.alloc = alloc};
    static struct job job;
    static struct bench bench = {.page = 4096};
    (void)state;
    nreplays = 2;
    does_not_count = 1;
    begins = forget;
    ends = see_both;
    run(&bench, &job, &allocator, STEPS, 0);
    does_not_count = UINT32_MAX;

    assert_int_equal(late_counted[0], late_timed[0]);
    assert_int_not_equal(late_timed[1], late_timed[0]);
    assert_int_equal(late_counted[1], late_timed[0]);
}

/* A heap that counts its calls in the arena, writes to that, and takes its time at some, at one of them less when that
 * is done again. */
enum { MANY = 6000, EARLIER = 100, BETWEEN = 900, SOONER = 1500, SLOWEST = 2000, NEAR = 1990, LATER = 3500 };
enum {
    COUNTED = 5,
    EARLIER_MS = 29,
    EARLIER_AGAIN_MS = 10,
    SLOWEST_MS = 30,
    LATER_MS = 28,
    LONG_MS = 5,
    EACH_MS = 10,
    EACH_US = 400,
    NEAR_US = 600,
    NEXT_US = 650
};
enum { REGION_MIB = 72, SOME_MIB = 14, MANY_MIB = 40 };
enum { WHOLE = 3 };                   /* replays that time each op */
#define LATE_NS 200000                /* later, in each of the whole replays, an op may be taken for a slower one */
#define LONG_NS UINT64_C(20000000000) /* a run: a 16th of it is enough for all that is done again */
static const struct page_kind kind = {.state_size = 16};
static char pages_state[16];
static unsigned *count;
static unsigned times[MANY], times_in[COUNTED][MANY];
static uint64_t late_ns[MANY]; /* the least of the whole replays: by how much others made it longer than it should be */
static double earlier_ms, near_ms, slowest_ms;
static const struct bench *counted;
static uint64_t longest_stretch; /* steps */

static uint64_t us_of_three(unsigned op)
{
    switch (op) {
    case EARLIER:
        return 1000 * (times[op] == 1 ? EARLIER_MS : EARLIER_AGAIN_MS);
    case SLOWEST:
        return 1000 * SLOWEST_MS;
    case LATER:
        return 1000 * LATER_MS;
    default:
        return 0;
    }
}

static uint64_t us_of_twelve(unsigned op)
{
    return op % 500 == 1 ? EACH_US : 0;
}

/* The last is the slowest until it is done again; before it is one that takes its time as well. */
static uint64_t us_of_overtaken(unsigned op)
{
    switch (op) {
    case EARLIER:
        return 1000 * (SLOWEST_MS - 1);
    case SOONER:
        return 1000 * LONG_MS;
    case SLOWEST:
        return 1000 * (times[op] == 1 ? SLOWEST_MS : EARLIER_AGAIN_MS);
    default:
        return 0;
    }
}

/* Both are done again, then the slowest alone, which has the other in its lead: that takes no time when it is done
 * again with little before it. */
static uint64_t us_of_neighbours(unsigned op)
{
    switch (op) {
    case NEAR:
        return at_replay == COUNTED - 1 && times[op] > 1 ? 0 : NEAR_US;
    case SLOWEST:
        return NEXT_US;
    default:
        return 0;
    }
}

/* Together they write more than can be copied; each with what is before it does not. */
static uint64_t us_of_writers(unsigned op)
{
    return 1000 * (op == 2700 ? EACH_MS + 1 : op == 1100 || op == 1900 ? EACH_MS : 0);
}

static uint64_t us_of_one_writer(unsigned op)
{
    return op == SLOWEST ? 1000 * EACH_MS : 0;
}

static size_t none(unsigned op)
{
    (void)op;
    return 0;
}

static size_t mib_of_writers(unsigned op)
{
    return us_of_writers(op) > 0 ? SOME_MIB : 0;
}

static size_t mib_of_one_writer(unsigned op)
{
    return op == SLOWEST ? MANY_MIB : 0;
}

static uint64_t (*us_of)(unsigned op);
static size_t (*mib_of)(unsigned op);

static void *count_call(struct heap *heap, size_t size)
{
    static char block[64];
    const uint64_t begin = clock_ns();
    const unsigned op = (*count)++;
    (void)heap, (void)size;
    times[op]++;
    if (counted->rewind != NULL)
        longest_stretch = ALLOC_MAX(longest_stretch, counted->rewind->end - counted->rewind->from);
    memset((char *)count + (op % 3 * SOME_MIB << 20) + 4096, (int)times[op], mib_of(op) << 20);
    uint64_t now = clock_ns();
    const uint64_t due = ALLOC_MAX(begin + us_of(op) * 1000, now);
    while ((now = clock_ns()) < due)
        ;
    if (at_replay < WHOLE && times[op] == 1)
        late_ns[op] = ALLOC_MIN(late_ns[op], now - due);
    return block;
}

static void begin_count(struct bench *bench)
{
    (void)bench;
    *count = 0;
    memset(times, 0, sizeof times);
}

static double least_ms(const struct bench *bench, unsigned op)
{
    return latency_least(bench->ticks, MANY)[op] / bench->job->latency.ticks_per_unit / 1e6;
}

static void see_the_count(struct bench *bench, uint32_t i)
{
    assert_int_equal(*count, bench->end);
    memcpy(times_in[i], times, sizeof times);
    earlier_ms = least_ms(bench, EARLIER);
    near_ms = least_ms(bench, NEAR);
    slowest_ms = least_ms(bench, SLOWEST);
}

static bool any_was_late(void)
{
    for (unsigned op = 0; op < MANY; op++)
        if (late_ns[op] > LATE_NS)
            return true;
    return false;
}

static void try_to_count(uint64_t timed_ns)
{
    static const struct allocator allocator = {.alloc = count_call};
    static struct job job;
    static struct bench bench;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = (size_t)REGION_MIB << 20;
    if (getenv("HEAPBENCH_RUNNER") != NULL)
        skip();
    bench = (struct bench){.page = page, .region_bytes = bytes, .pages = {.kind = &kind}, .pages_state = pages_state};
    bench.region = count = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(bench.region != MAP_FAILED);
    counted = &bench;
    longest_stretch = 0;
    nreplays = COUNTED;
    begins = begin_count;
    ends = see_the_count;
    memset(late_ns, 0xff, sizeof late_ns);
    run(&bench, &job, &allocator, MANY, timed_ns);
    munmap(count, bytes);
}

static void count_calls(uint64_t us_of_op(unsigned op), size_t mib_of_op(unsigned op), uint64_t timed_ns)
{
    us_of = us_of_op;
    mib_of = mib_of_op;
    unsigned tries = 0;
    do
        try_to_count(timed_ns);
    while (any_was_late() && ++tries < TRIES);
}

static void what_may_be_the_slowest_is_done_again_from_a_copy(void **state)
{
    (void)state;
    count_calls(us_of_three, none, LONG_NS);
    assert_int_equal(times_in[2][SLOWEST], 1); /* all ops were timed, once */
    assert_int_equal(times_in[2][LATER], 1);
    assert_true(times_in[3][EARLIER] >= 2);
    assert_true(earlier_ms < EARLIER_MS);
    assert_int_equal(times_in[3][BETWEEN], 1); /* too far from both */
    assert_true(times_in[3][SLOWEST] >= 2);
    assert_true(slowest_ms >= SLOWEST_MS * 0.99);
    assert_int_equal(times_in[3][SOONER], times_in[3][SLOWEST]);
    assert_int_equal(times_in[3][LATER], 0);   /* it took less already */
    assert_int_equal(times_in[4][EARLIER], 1); /* so did this, by now */
    assert_true(times_in[4][SLOWEST] >= 2);
}

static void in_several_replays_when_that_takes_long(void **state)
{
    (void)state;
    count_calls(us_of_three, none, 0);
    assert_true(times_in[3][EARLIER] >= 2);
    assert_int_equal(times_in[3][SLOWEST], 0);
    assert_int_equal(times_in[4][EARLIER], 1);
    assert_true(times_in[4][SLOWEST] >= 2);
}

static void as_many_at_once_as_can_be_kept(void **state)
{
    (void)state;
    count_calls(us_of_twelve, none, LONG_NS);
    assert_in_range(longest_stretch, 1, REWIND_STEPS);
}

static void until_another_is_the_slowest(void **state)
{
    (void)state;
    count_calls(us_of_overtaken, none, LONG_NS);
    assert_true(times_in[3][EARLIER] > 4);
    assert_in_range(times_in[3][SLOWEST], 2, 4);
    assert_int_equal(times_in[3][SOONER], 1); /* too long to be done again before it */
    assert_int_equal(times_in[3][SOONER + 1], times_in[3][SLOWEST]);
    assert_int_equal(times_in[4][SLOWEST], 0);
}

static void not_who_is_before_the_slowest_only(void **state)
{
    (void)state;
    count_calls(us_of_neighbours, none, LONG_NS);
    assert_true(times_in[3][NEAR] >= 2 && times_in[4][NEAR] >= 2);
    assert_true(near_ms >= NEAR_US / 1000.0 * 0.99);
}

static void each_alone_where_all_write_too_much(void **state)
{
    (void)state;
    count_calls(us_of_writers, mib_of_writers, LONG_NS);
    assert_int_equal(times_in[3][1100], 1);
    assert_int_equal(times_in[3][2700], 1);
    assert_true(times_in[4][1100] >= 2);
    assert_true(times_in[4][2700] >= 2);
}

static void once_who_writes_too_much_alone(void **state)
{
    (void)state;
    count_calls(us_of_one_writer, mib_of_one_writer, LONG_NS);
    assert_int_equal(times_in[3][SLOWEST], 1);
    assert_int_equal(times_in[4][SLOWEST], 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(those_that_may_be_the_slowest_are_timed_alone),
                                              cmocka_unit_test(on_a_heap_that_stays_each_replay_is_done_to_the_end),
                                              cmocka_unit_test(the_last_that_counts_is_kept),
                                              cmocka_unit_test(as_many_at_once_as_can_be_kept),
                                              cmocka_unit_test(until_another_is_the_slowest),
                                              cmocka_unit_test(not_who_is_before_the_slowest_only),
                                              cmocka_unit_test(each_alone_where_all_write_too_much),
                                              cmocka_unit_test(once_who_writes_too_much_alone),
                                              cmocka_unit_test(in_several_replays_when_that_takes_long),
                                              cmocka_unit_test(what_may_be_the_slowest_is_done_again_from_a_copy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
