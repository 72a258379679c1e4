/*
 * guard.c - the guard finds each fault that a caller can commit, in every allocator, and says which op had the block;
 * and it finds none where there is none, while it keeps the contract itself.
 *
 * Ops are named by the word that the guard reads: a block is born at BORN, freed at FREED, the fault found at FOUND.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "allocators/guard.h"
#include "allocators/tests/cases.h"

#define REGION (UINT64_C(24) << 20)
#define BORN   100u
#define FREED  200u
#define FOUND  300u

/* A guarded heap with two blocks beside the one that the fault is about, and what was reported. */
struct scene {
    struct guard guard;
    struct counted pages;
    struct heap *heap;
    volatile uint64_t word;
    struct guard_fault fault; /* the first */
    size_t faults;
    unsigned char *block;
    void *beside[2];
    size_t size;
};

static void take_report(void *arg, const struct guard_fault *fault)
{
    struct scene *scene = arg;
    if (scene->faults++ == 0)
        scene->fault = *fault;
}

/* `settings`: the guard's options, as on a command line. */
static void wrap(struct scene *scene, const struct allocator *inner, const char *settings)
{
    struct option_values values, guard_values;
    char text[200];
    *scene = (struct scene){.word = 1};
    read_variant(inner, inner->name, &values);
    if (!options_parse(&guard_values, guard_options, settings, text, sizeof text))
        fail_msg("%s", text);
    guard_wrap(&scene->guard, inner, values.opt, guard_values.opt, &scene->word, take_report, scene);
}

#define BYTES_ASKED                                                                                                    \
    {                                                                                                                  \
        0, 1, 7, 24, 100, 512, 4000, 20000                                                                             \
    }
static const size_t sizes[] = BYTES_ASKED;
enum { SIZES = sizeof sizes / sizeof *sizes };

/* False: this allocator gives no block of such a size and alignment, guarded or not. */
static bool open_scene(struct scene *scene, const struct allocator *inner, const char *settings, size_t size,
                       size_t align)
{
    struct size_use uses[SIZES];
    for (size_t i = 0; i < SIZES; i++)
        uses[i] = (struct size_use){sizes[i], 10};
    wrap(scene, inner, settings);
    assert_true(counted_open(&scene->pages, page_kind_by_name("arena"), REGION, 16384));
    const struct heap_config config = {
        .opt = scene->guard.opt, .sizes = uses, .nsizes = SIZES, .max_request = sizes[SIZES - 1]};
    const struct allocator *a = &scene->guard.allocator;
    scene->heap = a->create(&scene->pages.source, &config);
    assert_non_null(scene->heap);
    assert_non_null(scene->beside[0] = a->alloc(scene->heap, size));
    scene->word = BORN;
    scene->block = align == 0           ? a->alloc(scene->heap, size)
                   : a->aligned == NULL ? NULL
                                        : a->aligned(scene->heap, align, size);
    scene->size = size;
    scene->word = BORN + 1;
    assert_non_null(scene->beside[1] = a->alloc(scene->heap, size));
    if (scene->block == NULL)
        return false;
    assert_int_equal((uintptr_t)scene->block % (align > 0 ? align : HEAP_ALIGN), 0);
    assert_int_equal(a->usable(scene->heap, scene->block), size);
    memset(scene->block, 0x11, size);
    return true;
}

/* After a fault the heap goes on: nothing else is wrong, and every page comes back. The plant may have freed the block
 * or not: what a second free is told does not count. */
static void close_scene(struct scene *scene)
{
    const struct allocator *a = &scene->guard.allocator;
    if (scene->block != NULL)
        a->release(scene->heap, scene->block);
    scene->faults = 0;
    void *another = a->alloc(scene->heap, scene->size);
    assert_non_null(another);
    a->release(scene->heap, another);
    for (size_t i = 0; i < 2; i++)
        a->release(scene->heap, scene->beside[i]);
    assert_null(a->check(scene->heap));
    a->destroy(scene->heap);
    assert_int_equal(scene->faults, 0);
    assert_int_equal(scene->pages.out, 0);
    assert_string_equal(scene->pages.error, "");
    counted_close(&scene->pages);
}

/* ---- Faults, and how each is found ------------------------------------------------------------------------------- */

static void expect(const struct scene *scene, enum guard_kind kind, ptrdiff_t offset, uint64_t freed, uint64_t now)
{
    const struct guard_fault *fault = &scene->fault;
    if (scene->faults != 1)
        fail_msg("%zu faults for one, a block of %zu bytes", scene->faults, scene->size);
    assert_string_equal(guard_names[fault->kind], guard_names[kind]);
    assert_ptr_equal(fault->block, scene->block);
    assert_ptr_equal(fault->pointer, scene->block + offset);
    assert_int_equal(fault->offset, offset);
    assert_int_equal(fault->size, scene->size);
    assert_int_equal(fault->born, BORN);
    assert_int_equal(fault->now, now);
    assert_int_equal(fault->was_freed, freed != 0);
    if (freed != 0)
        assert_int_equal(fault->freed, freed);
}

static void release_at(struct scene *scene, uint64_t word)
{
    scene->word = word;
    scene->guard.allocator.release(scene->heap, scene->block);
}

/* Written over at `offset`: found when the block is freed. */
static void write_and_release(struct scene *scene, ptrdiff_t offset, enum guard_kind kind)
{
    scene->block[offset] ^= 0xff;
    release_at(scene, FOUND);
    expect(scene, kind, offset, 0, FOUND);
}

static void plant_overflow(struct scene *scene)
{
    write_and_release(scene, (ptrdiff_t)scene->size, GUARD_OVERFLOW);
}

static void plant_wider_overflow(struct scene *scene)
{
    write_and_release(scene, (ptrdiff_t)scene->size + 15, GUARD_OVERFLOW);
}

static void plant_underflow(struct scene *scene)
{
    write_and_release(scene, -1, GUARD_UNDERFLOW);
}

/* As far back as the magic word. */
static void plant_wider_underflow(struct scene *scene)
{
    write_and_release(scene, -(ptrdiff_t)(ALLOC_ROUND_UP(2 * sizeof(size_t) + 2 * sizeof(uint64_t) + 16, HEAP_ALIGN)),
                      GUARD_UNDERFLOW);
}

static void plant_double_free(struct scene *scene)
{
    release_at(scene, FREED);
    release_at(scene, FOUND);
    expect(scene, GUARD_DOUBLE_FREE, 0, FREED, FOUND);
}

/* Whatever was written over the freed block and its header: both faults are told. */
static void plant_double_free_of_ruins(struct scene *scene)
{
    release_at(scene, FREED);
    memset(scene->block - 2 * sizeof(size_t) - 16, 0, scene->size + 2 * sizeof(size_t) + 16);
    release_at(scene, FOUND);
    expect(scene, GUARD_DOUBLE_FREE, 0, FREED, FOUND);
    scene->faults = 0;
    scene->guard.allocator.check(scene->heap);
    assert_int_equal(scene->faults, 1);
    assert_int_equal(scene->fault.kind, GUARD_WRITE_AFTER_FREE);
}

static void plant_free_after_resize(struct scene *scene)
{
    scene->word = FREED;
    unsigned char *moved = scene->guard.allocator.resize(scene->heap, scene->block, scene->size);
    assert_non_null(moved);
    assert_ptr_not_equal(moved, scene->block);
    scene->guard.allocator.release(scene->heap, scene->beside[0]);
    scene->beside[0] = moved;
    for (size_t i = 0; i < scene->size; i++)
        assert_int_equal(moved[i], 0x11);
    release_at(scene, FOUND);
    expect(scene, GUARD_DOUBLE_FREE, 0, FREED, FOUND);
}

static void plant_resize_after_free(struct scene *scene)
{
    release_at(scene, FREED);
    scene->word = FOUND;
    assert_null(scene->guard.allocator.resize(scene->heap, scene->block, 1));
    expect(scene, GUARD_DOUBLE_FREE, 0, FREED, FOUND);
}

static void plant_foreign_pointer(struct scene *scene)
{
    static unsigned char elsewhere[256];
    scene->word = FOUND;
    scene->guard.allocator.release(scene->heap, elsewhere + 128);
    assert_int_equal(scene->faults, 1);
    assert_int_equal(scene->fault.kind, GUARD_FOREIGN);
    assert_ptr_equal(scene->fault.pointer, elsewhere + 128);
    assert_null(scene->fault.block);
    assert_int_equal(scene->fault.now, FOUND);
}

/* The block that it leads into is named. */
static void plant_inner_pointer(struct scene *scene)
{
    scene->word = FOUND;
    scene->guard.allocator.release(scene->heap, scene->block + scene->size / 2);
    if (scene->size < 2)
        assert_int_equal(scene->faults, 0); /* it is the block itself */
    else
        expect(scene, GUARD_FOREIGN, (ptrdiff_t)scene->size / 2, 0, FOUND);
}

static void plant_write_after_free(struct scene *scene)
{
    release_at(scene, FREED);
    const size_t last = scene->size > 0 ? scene->size - 1 : 0;
    scene->block[last] ^= 0xff;
    scene->word = FOUND;
    assert_non_null(scene->guard.allocator.check(scene->heap));
    expect(scene, GUARD_WRITE_AFTER_FREE, (ptrdiff_t)last, FREED, FOUND);
}

static void plant_header_write_after_free(struct scene *scene)
{
    release_at(scene, FREED);
    scene->block[-1] ^= 0xff;
    scene->word = FOUND;
    assert_non_null(scene->guard.allocator.check(scene->heap));
    expect(scene, GUARD_WRITE_AFTER_FREE, -1, FREED, FOUND);
}

/* Three that are kept; the block leaves with the third freed after it. */
static void plant_write_before_leaving(struct scene *scene)
{
    const struct allocator *a = &scene->guard.allocator;
    void *others[3];
    for (size_t i = 0; i < 3; i++)
        assert_non_null(others[i] = a->alloc(scene->heap, 24));
    release_at(scene, FREED);
    scene->block[0] ^= 0xff;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(scene->faults, 0);
        scene->word = FOUND + i;
        a->release(scene->heap, others[i]);
    }
    expect(scene, GUARD_WRITE_AFTER_FREE, 0, FREED, FOUND + 2);
    release_at(scene, FOUND + 3); /* a freed block is known after it has left */
    assert_int_equal(scene->faults, 2);
}

static void plant_overflow_never_freed(struct scene *scene)
{
    scene->block[scene->size] ^= 0xff;
    scene->word = FOUND;
    assert_non_null(scene->guard.allocator.check(scene->heap));
    expect(scene, GUARD_OVERFLOW, (ptrdiff_t)scene->size, 0, FOUND);
}

/* The next call, whatever it is for, and the last look that found all whole. */
static void plant_overflow_every_call(struct scene *scene)
{
    const struct allocator *a = &scene->guard.allocator;
    for (scene->word = FREED; scene->word < FOUND; scene->word++)
        a->release(scene->heap, a->alloc(scene->heap, 24));
    scene->block[scene->size] ^= 0xff;
    void *next = a->alloc(scene->heap, 24);
    assert_non_null(next);
    a->release(scene->heap, next);
    expect(scene, GUARD_OVERFLOW, (ptrdiff_t)scene->size, 0, FOUND);
    assert_true(scene->fault.looked);
    assert_int_equal(scene->fault.looked_at, FOUND - 1);
}

static const struct plant {
    const char *name, *settings;
    void (*commit)(struct scene *scene);
} plants[] = {
    {"overflow by one", "guard", plant_overflow},
    {"overflow within the zone", "guard", plant_wider_overflow},
    {"overflow of a block never freed", "guard", plant_overflow_never_freed},
    {"overflow, seen at the next call", "guard:every=1", plant_overflow_every_call},
    {"underflow", "guard", plant_underflow},
    {"underflow into the header", "guard", plant_wider_underflow},
    {"double free", "guard", plant_double_free},
    {"double free, header overwritten", "guard", plant_double_free_of_ruins},
    {"free after resize", "guard", plant_free_after_resize},
    {"resize after free", "guard", plant_resize_after_free},
    {"foreign pointer", "guard", plant_foreign_pointer},
    {"pointer into a block", "guard", plant_inner_pointer},
    {"write after free", "guard", plant_write_after_free},
    {"write after free before the block", "guard", plant_header_write_after_free},
    {"write after free, seen when it leaves", "guard:depth=3", plant_write_before_leaving},
};

/* ---- In every allocator ------------------------------------------------------------------------------------------ */

struct test {
    const struct allocator *allocator;
    const struct plant *plant; /* NULL: none */
    char name[100];
};

static void test_plant(void **state)
{
    const struct test *test = *state;
    static const size_t aligns[] = {0, 64, 4096};
    struct scene scene;
    for (size_t i = 0; i < SIZES; i++)
        for (size_t j = 0; j < sizeof aligns / sizeof *aligns; j++) {
            if (open_scene(&scene, test->allocator, test->plant->settings, sizes[i], aligns[j]))
                test->plant->commit(&scene);
            else
                assert_true(aligns[j] > 0);
            close_scene(&scene);
        }
}

static size_t run_model(const struct test *test, const char *settings, struct model model)
{
    struct scene scene;
    wrap(&scene, test->allocator, settings);
    assert_true(counted_open(&scene.pages, page_kind_by_name("arena"), REGION, 16384));
    scene.pages.fail_from = model.pages->fail_from;
    scene.pages.fails = model.pages->fails;
    model.allocator = &scene.guard.allocator;
    model.opt = scene.guard.opt;
    model.pages = &scene.pages;
    if (!model_run(&model))
        fail_msg("%s guarded (%s): %s", test->allocator->name, settings, model.error);
    if (scene.faults > 0)
        fail_msg("%s guarded (%s): %s where nothing was wrong", test->allocator->name, settings,
                 guard_names[scene.fault.kind]);
    counted_close(&scene.pages);
    return scene.pages.requests;
}

static void test_contract(void **state)
{
    struct counted never = {.fails = 0};
    for (const struct model_mix *mix = model_mixes; mix->name != NULL; mix++) {
        const size_t many = mix->high > 100000 ? 20 : mix->high > 10000 ? 200 : 600;
        run_model(*state, "guard:depth=5:bytes=64K",
                  (struct model){.pages = &never, .mix = mix, .seed = 1, .ops = 1000, .max_live = 24, .inspect = 1});
        run_model(
            *state, "guard:every=50:zone=100:bytes=256K",
            (struct model){.pages = &never, .mix = mix, .seed = 2, .ops = 6000, .max_live = many, .inspect = 512});
    }
}

static void test_failing_pages(void **state)
{
    static const struct model_mix mix = {"failing pages", 100, 1, 20000, NULL, 0};
    struct counted failing = {.fails = 0};
    const struct model model = {.pages = &failing, .mix = &mix, .seed = 7, .ops = 150, .max_live = 30, .inspect = 1};
    const size_t requests = run_model(*state, "guard:depth=4", model);
    assert_true(requests > 2);
    for (failing.fail_from = failing.fails = 1; failing.fail_from <= requests; failing.fail_from++)
        run_model(*state, "guard:depth=4", model);
    failing = (struct counted){.fail_from = requests / 2 + 1, .fails = SIZE_MAX};
    run_model(*state, "guard:depth=4", model);
}

/* No sum of sizes wraps around. */
static void test_extremes(void **state)
{
    const struct test *test = *state;
    struct scene scene;
    assert_true(open_scene(&scene, test->allocator, "guard", 100, 0));
    const struct allocator *a = &scene.guard.allocator;
    for (size_t less = 0; less < 300; less++) {
        assert_null(a->alloc(scene.heap, SIZE_MAX - less));
        assert_null(a->zalloc(scene.heap, SIZE_MAX - less));
        assert_null(a->resize(scene.heap, scene.block, SIZE_MAX - less));
        if (a->aligned != NULL)
            assert_null(a->aligned(scene.heap, 4096, SIZE_MAX - less));
    }
    if (a->aligned != NULL)
        assert_null(a->aligned(scene.heap, SIZE_MAX / 2 + 1, 100));
    assert_int_equal(scene.faults, 0);
    close_scene(&scene);
}

/* Both ends of a run that no check() comes before: what is found when the heap is given up, and what quarantine must
 * not cost. */
static void test_destroy(void **state)
{
    const struct test *test = *state;
    struct scene scene;
    assert_true(open_scene(&scene, test->allocator, "guard", 24, 0));
    scene.block[24] ^= 0xff;
    scene.word = FOUND;
    scene.guard.allocator.destroy(scene.heap);
    expect(&scene, GUARD_OVERFLOW, 24, 0, FOUND);
    assert_int_equal(scene.pages.out, 0);
    counted_close(&scene.pages);
}

static void test_quarantine_is_no_loss(void **state)
{
    const struct test *test = *state;
    struct scene scene;
    assert_true(open_scene(&scene, test->allocator, "guard:bytes=1G:depth=1048576", 100, 0));
    const struct allocator *a = &scene.guard.allocator;
    for (size_t bytes = 0; bytes < 3 * REGION; bytes += 20000) {
        void *block = a->alloc(scene.heap, 20000);
        assert_non_null(block);
        a->release(scene.heap, block);
    }
    assert_true(scene.pages.refused > 0);
    close_scene(&scene);
}

/* An allocator that hands out the same block again. */
static void *the_block;
static const struct allocator *honest;

static void *same_alloc(struct heap *heap, size_t size)
{
    return the_block != NULL ? the_block : (the_block = honest->alloc(heap, size));
}

static void test_twice(void **state)
{
    struct scene scene;
    (void)state;
    honest = allocator_by_name("freelist");
    struct allocator same = *honest;
    same.alloc = same_alloc;
    the_block = NULL;
    wrap(&scene, &same, "guard");
    assert_true(counted_open(&scene.pages, page_kind_by_name("arena"), REGION, 16384));
    const struct heap_config config = {.opt = scene.guard.opt};
    scene.heap = same.create == NULL ? NULL : scene.guard.allocator.create(&scene.pages.source, &config);
    assert_non_null(scene.heap);
    scene.word = BORN;
    void *block = scene.guard.allocator.alloc(scene.heap, 24);
    scene.word = FOUND;
    assert_null(scene.guard.allocator.alloc(scene.heap, 24));
    assert_int_equal(scene.faults, 1);
    assert_int_equal(scene.fault.kind, GUARD_TWICE);
    assert_ptr_equal(scene.fault.block, block);
    assert_int_equal(scene.fault.born, BORN);
    scene.guard.allocator.destroy(scene.heap);
    counted_close(&scene.pages);
}

#define MOST_TESTS 1000

/* Beside the plants. `needs`: of the allocator's caps; a hosted one's blocks outlive its heap, and what it has in
 * memory and does with sizes at the edge is its own affair. */
static const struct {
    const char *name;
    CMUnitTestFunction function;
    bool hosted;
    unsigned needs;
} others[] = {
    {"no fault in random operations", test_contract, true, 0},
    {"no fault when requests for pages fail", test_failing_pages, false, 0},
    {"sizes at the edge", test_extremes, false, 0},
    {"overflow, seen in destroy()", test_destroy, false, 0},
    {"quarantine gives way when memory runs out", test_quarantine_is_no_loss, false, CAP_FREE},
};

int main(void)
{
    static struct test all[MOST_TESTS];
    static struct CMUnitTest tests[MOST_TESTS];
    size_t n = 0;
    const struct allocator *allocator;
    for (size_t i = 0; (allocator = tested_allocator(i)) != NULL; i++) {
        for (size_t j = 0; j < sizeof plants / sizeof *plants; j++, n++) {
            all[n] = (struct test){.allocator = allocator, .plant = &plants[j]};
            snprintf(all[n].name, sizeof all[n].name, "%s: %s", allocator->name, plants[j].name);
            tests[n] = (struct CMUnitTest){all[n].name, test_plant, NULL, NULL, &all[n]};
        }
        for (size_t j = 0; j < sizeof others / sizeof *others; j++) {
            if ((allocator->caps & CAP_HOSTED && !others[j].hosted) ||
                (allocator->caps & others[j].needs) != others[j].needs)
                continue;
            all[n].allocator = allocator;
            snprintf(all[n].name, sizeof all[n].name, "%s: %s", allocator->name, others[j].name);
            tests[n] = (struct CMUnitTest){all[n].name, others[j].function, NULL, NULL, &all[n]};
            n++;
        }
    }
    tests[n++] = (struct CMUnitTest){"a block handed out twice", test_twice, NULL, NULL, NULL};
    return _cmocka_run_group_tests("guard", tests, n, NULL, NULL);
}
