/* repetitions_test.c - which replays of a timed run count: those with a whole core and a last cache of their own, as
 * long as there are such. The replays and the looks at the core and the cache are made up. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "driver/bench.h"
#include "driver/core.h"
#include "driver/last_cache.h"
#include "driver/timer.h"

#define MS UINT64_C(1000000)

static const char *looks; /* what each finds, one before the first replay, one after each: 'w'hole or 's'hared; the
                             last for ever */
static const char *cache_looks; /* the same of the last cache, before and after all replays: its 'o'wn or others' */
static unsigned replays, nlooks, kept[2000], nkept;
static uint32_t pass = PASS_LATENCY; /* which does as many as time has room for */
static uint64_t replay_ns = 10 * MS, timed_ns = 50 * MS;

struct replay_time bench_replay(struct bench *bench, uint64_t replay(struct bench *))
{
    (void)bench, (void)replay;
    replays++;
    return (struct replay_time){.wall_ns = replay_ns / 10, .all_ns = replay_ns}; /* the most of it to make a heap */
}

void core_open(struct core *core, double whole)
{
    *core = (struct core){.whole = whole, .clock_hz = 1e9};
}

bool core_is_whole(struct core *core)
{
    const char found = *looks;
    nlooks++;
    core->clock_hz = found == 'w' ? 3e9 : 2e9;
    looks += looks[1] != '\0';
    return found == 'w';
}

void last_cache_open(struct last_cache *cache, struct bench *bench, const struct last_cache_known *known)
{
    (void)bench;
    *cache = (struct last_cache){.known = *known};
}

/* A look at others' cache takes a ms. */
bool last_cache_is_ours(struct last_cache *cache)
{
    const char found = *cache_looks;
    const uint64_t begin = clock_ns();
    cache_looks += cache_looks[1] != '\0';
    cache->load_ns = found == 'o' ? (replays == 0 ? 17 : 18) : 90;
    cache->known.far_ns = 17;
    while (found != 'o' && clock_ns() - begin < MS)
        ;
    return found == 'o';
}

/* 60 before all replays, 40 after: the mean is 50. */
double last_cache_most_load_ns(struct last_cache *cache)
{
    (void)cache;
    return replays == 0 ? 60 : 40;
}

static void keep(struct bench *bench, const struct replay_time *time, uint32_t index)
{
    (void)bench, (void)time;
    if (index == 0)
        nkept = 0;
    assert_int_equal(index, nkept);
    kept[nkept++] = replays;
}

/* A run of timed_ns after one warm-up. */
static struct repetitions run_with_cache(const char *found, const char *cache, uint64_t settle_ms, struct job *job)
{
    struct bench bench = {.job = job};
    *job = (struct job){.pass = pass,
                        .warmups = 1,
                        .watch_core = found != NULL,
                        .timed_ns = timed_ns,
                        .settle_ns = settle_ms * MS,
                        .cache_settle_ns = settle_ms * MS,
                        .limit_ns = 10000 * MS};
    looks = found;
    cache_looks = cache;
    replays = nkept = nlooks = 0;
    bench_repeat(&bench, NULL, keep);
    assert_int_equal(job->repetitions.count, nkept);
    return job->repetitions;
}

static struct repetitions run_with(const char *found, uint64_t settle_ms, struct job *job)
{
    return run_with_cache(found, found != NULL ? "o" : NULL, settle_ms, job); /* NULL: a look is a crash */
}

static struct job job;

static void all_count_on_a_whole_core(void **state)
{
    (void)state;
    const struct repetitions result = run_with("w", 0, &job);
    assert_int_equal(result.warmups, 1);
    assert_int_equal(result.count, 5);
    assert_int_equal(kept[0], 2);
    assert_int_equal(result.left_out, 0);
    assert_false(result.shared);
    assert_true(result.clock_hz == 3e9);
    assert_false(result.cache_shared);
    assert_true(result.load_ns == 18);
    assert_true(result.most_load_ns == 0);
    assert_true(result.cache.far_ns == 17);
}

static void nobody_looks_when_it_is_not_asked_for(void **state)
{
    (void)state;
    const struct repetitions result = run_with(NULL, 1000, &job);
    assert_int_equal(result.count, 5);
    assert_false(result.shared);
}

static void shared_ones_are_left_out(void **state)
{
    (void)state;
    const struct repetitions result = run_with("wwwwsswwww", 1000, &job);
    static const unsigned wanted[] = {2, 3, 7, 8, 9};
    assert_int_equal(result.count, 5);
    assert_memory_equal(kept, wanted, sizeof wanted);
    assert_int_equal(result.left_out, 3);
    assert_false(result.shared);
}

static void whole_ones_put_out_those_before(void **state)
{
    (void)state;
    const struct repetitions result = run_with("ssssw", 1000, &job);
    assert_false(result.shared);
    assert_int_equal(result.count, 5);
    assert_int_equal(kept[0], 5);
    assert_int_equal(result.left_out, 3);
}

static void for_want_of_others_shared_ones_count(void **state)
{
    (void)state;
    struct repetitions result = run_with("s", 0, &job);
    assert_true(result.shared);
    assert_int_equal(result.count, 5);
    assert_int_equal(replays, 6);
    assert_true(result.clock_hz == 2e9);
    result = run_with("s", 200, &job);
    assert_true(result.shared);
    assert_int_equal(result.count, 5);
    assert_int_equal(result.left_out, 20);
}

static void a_few_whole_ones_do_when_no_more_come(void **state)
{
    (void)state;
    const struct repetitions result = run_with("wwwws", 0, &job);
    assert_false(result.shared);
    assert_int_equal(result.count, 2);
    assert_int_equal(result.left_out, 5);
}

static void looks_at_short_replays_are_a_ms_apart(void **state)
{
    (void)state;
    replay_ns = MS / 20;
    const struct repetitions result = run_with("w", 0, &job);
    replay_ns = 10 * MS;
    assert_int_equal(result.count, 1000);
    assert_int_equal(nlooks, 1 + 1001 / 20 + 1);
}

/* Nine replays fit between the first look and the next. */
static void short_ones_count_for_want_of_others_when_the_next_look_finds_a_shared_core(void **state)
{
    (void)state;
    replay_ns = MS / 10;
    struct repetitions result = run_with("ws", 0, &job);
    assert_true(result.shared);
    assert_int_equal(result.count, 500);
    result = run_with("wsw", 100, &job);
    assert_false(result.shared);
    assert_int_equal(result.count, 500);
    assert_int_equal(result.left_out, 19);
    result = run_with("wws", 0, &job);
    assert_false(result.shared);
    assert_int_equal(result.count, 18);
    replay_ns = 10 * MS;
}

static void a_run_of_less_than_a_ms_ends_with_a_look(void **state)
{
    (void)state;
    replay_ns = MS / 100;
    timed_ns = MS / 10;
    struct repetitions result = run_with("ws", 0, &job);
    assert_true(result.shared);
    assert_int_equal(result.count, 10);
    assert_int_equal(nlooks, 2);
    result = run_with("w", 0, &job);
    assert_false(result.shared);
    assert_int_equal(nlooks, 2);
    timed_ns = 0; /* one all the same */
    replay_ns = 10 * MS;
    result = run_with("s", 0, &job);
    assert_true(result.shared);
    assert_int_equal(result.count, 1);
    timed_ns = 50 * MS;
}

static void the_limit_ends_it(void **state)
{
    struct bench bench = {.job = &job};
    (void)state;
    job = (struct job){.warmups = 1, .watch_core = 1, .timed_ns = 50 * MS, .settle_ns = 1000 * MS, .limit_ns = 30 * MS};
    looks = "s";
    cache_looks = "o";
    replays = nkept = 0;
    bench_repeat(&bench, NULL, keep);
    assert_int_equal(replays, 3);
    assert_int_equal(job.repetitions.count, 2);
}

static void a_run_begins_when_the_cache_is_its_own(void **state)
{
    (void)state;
    const struct repetitions result = run_with_cache("w", "ttto", 1000, &job);
    assert_false(result.cache_shared);
    assert_int_equal(result.count, 5);
    assert_int_equal(result.left_out, 0);
    assert_true(result.cache_waited_ns >= 3 * MS);
    assert_int_equal(result.waited_ns, 0);
    assert_true(result.load_ns == 18);
}

static void it_begins_again_when_others_had_the_cache_at_the_end(void **state)
{
    (void)state;
    const struct repetitions result = run_with_cache("w", "otoo", 1000, &job);
    assert_false(result.cache_shared);
    assert_int_equal(result.count, 5);
    assert_int_equal(result.warmups, 1);
    assert_int_equal(kept[0], 8);
    assert_int_equal(result.left_out, 5);
    assert_true(result.cache_waited_ns >= MS);
    assert_true(result.clock_hz == 3e9);
    assert_true(result.load_ns == 18);
}

/* Of the time before, which was waited for the core. */
static void begun_again_it_replays_for_as_long_as_the_first_time(void **state)
{
    struct bench bench = {.job = &job};
    (void)state;
    job = (struct job){
        .warmups = 1, .watch_core = 1, .timed_ns = 5 * MS, .cache_settle_ns = 10000 * MS, .limit_ns = 10000 * MS};
    looks = "wwww"
            "sssss"
            "w";
    cache_looks = "tttttttttt"
                  "oto"; /* real ms, more than are made up in waiting for the core */
    replays = nkept = 0;
    replay_ns = MS;
    bench_repeat(&bench, NULL, keep);
    replay_ns = 10 * MS;
    assert_false(job.repetitions.cache_shared);
    assert_int_equal(job.repetitions.waited_ns, 5 * MS);
    assert_int_equal(job.repetitions.left_out, 2 + 5);
    assert_int_equal(job.repetitions.count, 5);
}

static void for_want_of_a_cache_of_its_own_it_replays_all_the_same(void **state)
{
    (void)state;
    struct repetitions result = run_with_cache("w", "t", 0, &job);
    assert_true(result.cache_shared);
    assert_int_equal(result.count, 5);
    assert_true(result.load_ns == 90);
    result = run_with_cache("w", "to", 0, &job); /* at the beginning only */
    assert_true(result.cache_shared);
    assert_int_equal(replays, 6);
    assert_true(result.load_ns == 90);
    result = run_with_cache("w", "t", 20, &job);
    assert_true(result.cache_shared);
    assert_int_equal(replays, 6);
    assert_true(result.cache_waited_ns >= 20 * MS);
    result = run_with_cache("w", "ot", 20, &job); /* waits for the rest of its time before it replays again */
    assert_true(result.cache_shared);
    assert_int_equal(result.count, 5);
    assert_int_equal(replays, 12);
    assert_true(result.cache_waited_ns >= 20 * MS);
}

static void throughput_tells_how_much_of_the_cache_there_was(void **state)
{
    (void)state;
    pass = PASS_THROUGHPUT;
    const struct repetitions result = run_with("w", 0, &job);
    pass = PASS_LATENCY;
    assert_true(result.most_load_ns == 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_count_on_a_whole_core),
        cmocka_unit_test(nobody_looks_when_it_is_not_asked_for),
        cmocka_unit_test(shared_ones_are_left_out),
        cmocka_unit_test(whole_ones_put_out_those_before),
        cmocka_unit_test(for_want_of_others_shared_ones_count),
        cmocka_unit_test(a_few_whole_ones_do_when_no_more_come),
        cmocka_unit_test(looks_at_short_replays_are_a_ms_apart),
        cmocka_unit_test(short_ones_count_for_want_of_others_when_the_next_look_finds_a_shared_core),
        cmocka_unit_test(a_run_of_less_than_a_ms_ends_with_a_look),
        cmocka_unit_test(the_limit_ends_it),
        cmocka_unit_test(a_run_begins_when_the_cache_is_its_own),
        cmocka_unit_test(it_begins_again_when_others_had_the_cache_at_the_end),
        cmocka_unit_test(begun_again_it_replays_for_as_long_as_the_first_time),
        cmocka_unit_test(for_want_of_a_cache_of_its_own_it_replays_all_the_same),
        cmocka_unit_test(throughput_tells_how_much_of_the_cache_there_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
