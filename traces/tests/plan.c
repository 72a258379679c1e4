/*
 * plan.c - plans: every step against a naive model, what a bad trace is refused for, the survey, and the hashes that
 * have to be the same on every machine. And the map that they are made with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "traces/map.h"
#include "traces/plan.h"
#include "traces/tests/common.h"

#define MANY 100000
static struct op ops[MANY];

static bool build(struct plan *plan, const struct op *from, size_t n, struct error *error)
{
    struct file file = file_new();
    assert_true(write_ops(file.path, from, n, 0, "", 1, error));
    struct trace_reader *reader = trace_open(file.path, error);
    assert_non_null(reader);
    bool done = plan_build(plan, reader, error);
    trace_close(reader);
    file_close(&file);
    return done;
}

/* ---- Against a model that looks everything up the slow way ---- */

struct model {
    uint64_t size[MANY]; /* by block; UINT64_MAX: not live */
    int64_t slot[MANY];  /* by block */
    int64_t owner[MANY]; /* by slot: the block in it; -1: none */
    uint64_t live, nlive, peak, peak_step, most_blocks;
};
static struct model model;

static void model_grow(uint64_t step)
{
    if (model.live > model.peak) {
        model.peak = model.live;
        model.peak_step = step;
    }
}

/* What the step does: its kind as the trace's, its size and alignment, from the extras if it is one. */
static struct op decode(const struct plan *plan, uint64_t i)
{
    static const enum op_kind kinds[] = {OP_MALLOC, OP_FREE, OP_CALLOC, OP_REALLOC};
    uint64_t step = plan->steps[i];
    if (plan_kind(step) == PLAN_EXTRA) {
        assert_true(plan_size(step) < plan->header->nextras);
        struct plan_extra extra = plan->extras[plan_size(step)];
        return (struct op){.kind = (enum op_kind)extra.kind, .size = extra.size, .align = extra.align};
    }
    assert_true(plan_kind(step) < PLAN_EXTRA);
    return (struct op){.kind = kinds[plan_kind(step)], .size = plan_size(step)};
}

static void check_step(const struct plan *plan, uint64_t i, const struct op *op)
{
    if (op->kind == OP_THREAD_END || op->block == TRACE_NULL) {
        assert_int_equal(plan_kind(plan->steps[i]), PLAN_NOTHING);
        return;
    }
    uint32_t slot = plan_slot(plan->steps[i]);
    struct op got = decode(plan, i);
    assert_true(slot < plan->header->nslots);
    assert_int_equal(got.kind, op->kind);
    assert_int_equal(got.size, op->size);
    assert_int_equal(got.align, op->align);
    if (op->kind <= OP_ALIGNED) {
        assert_int_equal(model.owner[slot], -1); /* no two live blocks share a slot */
        model.owner[slot] = (int64_t)op->block;
        model.slot[op->block] = slot;
        model.nlive++;
    } else {
        assert_int_equal(model.owner[slot], op->block);
        model.live -= model.size[op->block];
    }
    if (op->kind == OP_FREE) {
        model.owner[slot] = -1;
        model.size[op->block] = UINT64_MAX;
        model.nlive--;
    } else {
        model.size[op->block] = op->size;
        model.live += op->size;
    }
    model.most_blocks = model.nlive > model.most_blocks ? model.nlive : model.most_blocks;
    model_grow(i);
}

/* The most blocks of `size` that were live at once, by running through the whole trace. */
static uint64_t naive_peak(uint64_t size, size_t n)
{
    static uint64_t now[MANY];
    uint64_t live = 0, peak = 0;
    memset(now, 0xff, sizeof now);
    for (size_t i = 0; i < n; i++) {
        if (ops[i].kind == OP_THREAD_END || ops[i].block == TRACE_NULL)
            continue;
        live -= now[ops[i].block] == size;
        now[ops[i].block] = ops[i].kind == OP_FREE ? UINT64_MAX : ops[i].size;
        live += now[ops[i].block] == size;
        peak = live > peak ? live : peak;
    }
    return peak;
}

static void check_plan(size_t n, uint64_t seed)
{
    struct plan plan;
    struct error error = {0};
    uint64_t nothings = 0, largest = 0, counts[OP_KINDS] = {0};
    random_ops(ops, n, 0, seed);
    if (!build(&plan, ops, n, &error))
        fail_msg("%s", error.text);
    const struct plan_header *h = plan.header;
    assert_int_equal(h->nsteps, n);
    memset(&model, 0, sizeof model);
    memset(model.owner, 0xff, sizeof model.owner);
    for (size_t i = 0; i < n; i++) {
        check_step(&plan, i, &ops[i]);
        counts[ops[i].kind]++;
        nothings += plan_kind(plan.steps[i]) == PLAN_NOTHING;
        largest = ops[i].kind <= OP_REALLOC && ops[i].size > largest ? ops[i].size : largest;
    }
    assert_memory_equal(h->counts, counts, sizeof counts);
    assert_int_equal(h->nothings, nothings);
    assert_int_equal(h->nslots, model.most_blocks);
    assert_int_equal(h->left_live, model.nlive);
    assert_int_equal(h->peak_live, model.peak);
    assert_int_equal(h->peak_step, model.peak_step);
    assert_int_equal(h->max_request, largest);
    for (uint64_t i = 0; i < h->nsizes; i++) {
        assert_true(i == 0 || plan.sizes[i - 1].size < plan.sizes[i].size);
        if (i % 97 == 0)
            assert_int_equal(plan.sizes[i].peak, naive_peak(plan.sizes[i].size, n));
    }
    plan_close(&plan);
}

static void test_random_traces(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++)
        check_plan(1 + 40 * seed, seed);
    check_plan(MANY, 77);
}

static void test_empty(void **state)
{
    struct plan plan;
    struct error error = {0};
    (void)state;
    assert_true(build(&plan, NULL, 0, &error));
    assert_int_equal(plan.header->nsteps, 0);
    assert_int_equal(plan.header->nslots, 0);
    assert_int_equal(plan.header->threads, 0);
    plan_close(&plan);
}

static void test_threads(void **state)
{
    struct plan plan;
    struct error error = {0};
    (void)state;
    for (size_t i = 0; i < 5000; i++)
        ops[i] = (struct op){.kind = OP_MALLOC, .block = i, .size = 1, .thread = (uint32_t)(i % 1000 * 4294967)};
    assert_true(build(&plan, ops, 5000, &error));
    assert_int_equal(plan.header->threads, 1000);
    plan_close(&plan);
}

static void refused(const struct op *from, size_t n, const char *message)
{
    struct plan plan;
    struct error error = {0};
    assert_false(build(&plan, from, n, &error));
    assert_int_equal(error.code, EXIT_INPUT);
    if (!strstr(error.text, message))
        fail_msg("\"%s\" instead of \"%s\"", error.text, message);
    plan_close(&plan); /* allowed after a failure too */
}

static void test_refused(void **state)
{
    static const struct op twice[] = {{.kind = OP_MALLOC, .block = 0},
                                      {.kind = OP_MALLOC, .block = 1},
                                      {.kind = OP_FREE, .block = 0},
                                      {.kind = OP_MALLOC, .block = 2},
                                      {.kind = OP_FREE, .block = 0}};
    static const struct op late[] = {{.kind = OP_MALLOC}, {.kind = OP_FREE}, {.kind = OP_REALLOC, .size = 3}};
    (void)state;
    refused(twice, 5, "op 4: block 0 is freed after it was freed");
    refused(late, 3, "op 2: block 0 is resized after it was freed");
    for (size_t i = 0; i < MANY; i++)
        ops[i] = (struct op){.kind = OP_MALLOC, .block = i, .size = (UINT64_C(1) << 48) - 1};
    refused(ops, MANY, "op 16384: more than 2^62 bytes are live");
}

/* A plan of another process is mapped by its descriptor. */
static void test_map(void **state)
{
    struct plan plan, other;
    struct error error = {0};
    (void)state;
    random_ops(ops, 1000, 0, 9);
    assert_true(build(&plan, ops, 1000, &error));
    assert_true(plan_map(&other, dup(plan.fd), &error));
    assert_int_equal(other.header->bytes, plan.header->bytes);
    assert_memory_equal(other.header, plan.header, (size_t)plan.header->bytes);
    plan_close(&other);
    plan_close(&plan);
    struct file file = file_of("not a plan", 10);
    assert_false(plan_map(&other, dup(file.fd), &error));
    assert_string_not_equal(error.text, "");
    file_close(&file);
}

/* ---- The survey ---- */

struct visits {
    const struct plan *plan;
    uint64_t next;
};

static void check_visit(void *arg, const struct op *op, uint32_t slot)
{
    struct visits *visits = arg;
    assert_true(same_op(op, &ops[visits->next]));
    assert_int_equal(slot, plan_slot(visits->plan->steps[visits->next]));
    visits->next++;
}

static void test_survey(void **state)
{
    struct plan plan;
    struct plan_header header;
    struct error error = {0};
    (void)state;
    random_ops(ops, 50000, 0, 11);
    assert_true(build(&plan, ops, 50000, &error));
    struct file file = file_new();
    assert_true(write_ops(file.path, ops, 50000, 0, "", 1, &error));
    struct trace_reader *reader = trace_open(file.path, &error);
    struct visits visits = {.plan = &plan};
    assert_true(plan_survey(&header, reader, check_visit, &visits, &error));
    assert_int_equal(visits.next, 50000);
    assert_memory_equal(&header, plan.header, sizeof header);
    trace_close(reader);
    file_close(&file);
    plan_close(&plan);
}

/* ---- The same on every machine ---- */

static void check_model(const char *path, const char *hash, uint64_t peak)
{
    struct error error = {0};
    struct plan plan;
    char text[33];
    struct trace_reader *reader = trace_open(path, &error);
    if (!reader || !plan_build(&plan, reader, &error))
        fail_msg("%s", error.text);
    for (int i = 0; i < 16; i++)
        sprintf(text + 2 * i, "%02x", plan.header->hash[i]);
    assert_string_equal(text, hash);
    assert_int_equal(plan.header->peak_live, peak);
    trace_close(reader);
    plan_close(&plan);
}

static void test_models(void **state)
{
    (void)state;
    check_model("model:churn", "aa4b6d0eff9dc5ca6df684c10c5e63a9", 15187104);
    check_model("model:churn:live=500:seed=2:ops=10000:min=1:max=4294967295", "47392a07c5756361e43491749e3bdcc2",
                122753122306);
    check_model("model:kernel", "72eab90ff4b0d04e2485798fec363b32", 3397312);
    check_model("model:kernel:lifo=100:burst=3:ops=12345", "bedd15e72c3f85965ec4cea45793a332", 3256704);
    check_model("model:adversary", "8494516facd4f85b91d1255449b9bb99", 32768);
    check_model("model:boom", "733148b481561b431c2fd270319e4f9c", 2047 * 32);
    check_model("model:apart", "27e05fe6a717b5f27eec7744141f96cc", 16384 * 4080 + 2 * 16);
}

/* Half of M is live when a round begins, all of M when it ends; what is freed is not the last of its 2^(i-j+1), so that
 * no hole fits what comes next. The numbers of ops are those that the literature's simulation took. */
static void check_adversary(unsigned live, unsigned largest, unsigned ops_expected)
{
    struct error error = {0};
    char name[100];
    unsigned round_of[8192], first[16] = {0}, rounds = 0, units = 0, nops = 0, nblocks = 0;
    struct op op;
    snprintf(name, sizeof name, "model:adversary:live=%u:largest=%u:unit=64:header=4", live, largest);
    struct trace_reader *reader = trace_open(name, &error);
    assert_non_null(reader);
    for (; trace_read(reader, &op, 1, &error) == 1; nops++) {
        if (op.kind == OP_FREE) {
            const unsigned j = round_of[op.block], k = (unsigned)op.block - first[j] + 1;
            assert_true(k % (2u << (rounds - 1 - j)) != 0);
            units -= 1u << j;
            continue;
        }
        if (rounds == 0 || op.size != (UINT64_C(64) << (rounds - 1)) - 4) {
            assert_int_equal(op.size, (UINT64_C(64) << rounds) - 4);
            assert_int_equal(units, rounds == 0 ? 0 : live / 2);
            first[rounds++] = nblocks;
        }
        assert_int_equal(op.block, nblocks);
        round_of[nblocks++] = rounds - 1;
        units += 1u << (rounds - 1);
    }
    assert_int_equal(units, live);
    assert_int_equal(1u << (rounds - 1), largest);
    assert_int_equal(nops, ops_expected);
    trace_close(reader);
}

static void test_adversary(void **state)
{
    (void)state;
    check_adversary(1024, 16, 2816);
    check_adversary(1024, 64, 2992);
    check_adversary(4096, 256, 12192);
}

/* Each doubling of the size is as likely as any other, and half of those within one are below its root of two. */
static void test_log_uniform(void **state)
{
    static const unsigned middle[8] = {22, 45, 90, 181, 362, 724, 1448, 2896};
    unsigned octave[8] = {0}, low[8] = {0}, n = 0;
    struct error error = {0};
    struct trace_reader *reader = trace_open("model:churn:live=1000000:ops=1000000", &error);
    (void)state;
    for (size_t got; (got = trace_read(reader, ops, MANY, &error)) > 0; n += (unsigned)got)
        for (size_t i = 0; i < got; i++) {
            assert_in_range(ops[i].size, 16, 4096);
            unsigned o = 59 - (unsigned)__builtin_clzll(ops[i].size);
            if (o < 8) {
                octave[o]++;
                low[o] += ops[i].size <= middle[o];
            }
        }
    trace_close(reader);
    assert_int_equal(n, 1000000);
    for (int o = 0; o < 8; o++) {
        assert_in_range(octave[o], 123000, 127000); /* 125,000 ± 6 standard deviations */
        if (o > 1)                                  /* below, a size stands for a wide piece of its doubling */
            assert_in_range(low[o] * 100 / octave[o], 48, 52);
    }
}

static void test_model_names(void **state)
{
    static const char *const bad[] = {"model:",
                                      "model:chu",
                                      "model:churn:live=0",
                                      "model:churn:x=1",
                                      "model:churn:min=9:max=8",
                                      "model:churn:ops=",
                                      "model:kernel:lifo=101",
                                      "model:adversary:ops=5",
                                      "model:adversary:live=15",
                                      "model:boom:live=1000",
                                      "model:adversary:unit=4:header=4",
                                      "model:apart:between=0"};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error error = {0};
        assert_null(trace_open(bad[i], &error));
        assert_int_equal(error.code, EXIT_USAGE);
        assert_non_null(strstr(error.text, bad[i]));
    }
}

/* ---- The map ---- */

static void test_the_map(void **state)
{
    static uint64_t naive[512];
    struct map map = {0};
    uint64_t random = 5;
    size_t count = 0;
    (void)state;
    memset(naive, 0xff, sizeof naive);
    assert_int_equal(map_get(&map, 3), MAP_NONE);
    assert_int_equal(map_take(&map, 3), MAP_NONE);
    for (int i = 0; i < 200000; i++) {
        uint64_t key = test_below(&random, 512), spread = key << (key % 3 * 20); /* runs that collide, too */
        count -= naive[key] != MAP_NONE;
        if (test_below(&random, 2)) {
            assert_true(map_set(&map, spread, naive[key] = test_random(&random) >> 1));
            count++;
        } else {
            assert_int_equal(map_take(&map, spread), naive[key]);
            naive[key] = MAP_NONE;
        }
        assert_int_equal(map.count, count);
        uint64_t other = test_below(&random, 512);
        assert_int_equal(map_get(&map, other << (other % 3 * 20)), naive[other]);
    }
    map_clear(&map);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_traces), cmocka_unit_test(test_empty),     cmocka_unit_test(test_threads),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_map),       cmocka_unit_test(test_survey),
        cmocka_unit_test(test_models),        cmocka_unit_test(test_adversary), cmocka_unit_test(test_log_uniform),
        cmocka_unit_test(test_model_names),   cmocka_unit_test(test_the_map),
    };
    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
