/*
 * faults.c - the model checker finds what it is for: allocators with a planted fault must be reported, in the right
 * words.
 *
 * Each fault is one hook of the skeleton replaced; every FAULT_EVERY-th call goes wrong. The skeleton itself must pass.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "allocators/tests/cases.h"

#define FAULT_EVERY 97
#define good        heapbench_allocator

static unsigned calls;
static void *last_block;

static bool now(void)
{
    return ++calls % FAULT_EVERY == 0;
}

static size_t *word_of(void *block)
{
    return (size_t *)block - 1; /* as skeleton.c lays it */
}

static void *overlapping_alloc(struct heap *heap, size_t size)
{
    if (last_block != NULL && good.usable(heap, last_block) >= size + HEAP_ALIGN && now()) {
        char *inside = (char *)last_block + HEAP_ALIGN;
        *word_of(inside) = *word_of(last_block);
        return inside;
    }
    return last_block = good.alloc(heap, size);
}

static void *twice_alloc(struct heap *heap, size_t size)
{
    if (now() && last_block != NULL)
        return last_block;
    return last_block = good.alloc(heap, size);
}

static void forget_release(struct heap *heap, void *block)
{
    if (block == last_block)
        last_block = NULL;
    good.release(heap, block);
}

static void *misaligned_alloc(struct heap *heap, size_t size)
{
    char *block = good.alloc(heap, size + 64);
    return block != NULL && now() ? block + 1 : block;
}

static size_t short_usable(const struct heap *heap, const void *block)
{
    const size_t usable = good.usable(heap, block);
    return now() ? usable / 4 : usable;
}

static void *dirty_zalloc(struct heap *heap, size_t size)
{
    unsigned char *block = good.alloc(heap, size);
    if (block != NULL) {
        memset(block, 0, size);
        if (size > 0)
            block[size - 1] = now();
    }
    return block;
}

static void *forgetful_resize(struct heap *heap, void *block, size_t size)
{
    unsigned char *moved = good.resize(heap, block, size);
    if (moved != NULL && size > 0 && now())
        moved[0] ^= 1;
    return moved;
}

static void *hasty_resize(struct heap *heap, void *block, size_t size)
{
    if (!now())
        return good.resize(heap, block, size);
    memset(block, 0, 8);
    return NULL;
}

static void *lazy_alloc(struct heap *heap, size_t size)
{
    return now() ? NULL : good.alloc(heap, size);
}

static void scribbling_release(struct heap *heap, void *block)
{
    if (now())
        memset((char *)block + good.usable(heap, block), 0xff, 64);
    good.release(heap, block);
}

static void *foreign_alloc(struct heap *heap, size_t size)
{
    static _Alignas(16) char elsewhere[1 << 16];
    char *block = good.alloc(heap, size);
    if (block == NULL || !now())
        return block;
    *word_of(elsewhere + HEAP_ALIGN) = *word_of(block);
    return elsewhere + HEAP_ALIGN;
}

static void leaking_destroy(struct heap *heap)
{
    (void)heap;
}

static void double_destroy(struct heap *heap)
{
    const struct page_source source =
        *(struct page_source *)((char *)heap + 4 * sizeof(void *)); /* as skeleton.c lays it */
    void *page = (void *)((uintptr_t)heap & ~(uintptr_t)4095);
    good.destroy(heap);
    source.free_page(source.ctx, page, 1);
}

struct visitor {
    heap_visit *visit;
    void *arg;
};

static bool skip_some(const struct heap_block *block, void *arg)
{
    const struct visitor *visitor = arg;
    return now() || visitor->visit(block, visitor->arg);
}

static bool blind_walk(const struct heap *heap, heap_visit *visit, void *arg)
{
    return good.walk(heap, skip_some, &(struct visitor){visit, arg});
}

static bool see_used(const struct heap_block *block, void *arg)
{
    const struct visitor *visitor = arg;
    struct heap_block seen = *block;
    seen.used = true;
    return visitor->visit(&seen, visitor->arg);
}

static bool stale_walk(const struct heap *heap, heap_visit *visit, void *arg)
{
    return good.walk(heap, see_used, &(struct visitor){visit, arg});
}

static bool twice_walk(const struct heap *heap, heap_visit *visit, void *arg)
{
    return good.walk(heap, visit, arg) && good.walk(heap, visit, arg);
}

static bool endless_walk(const struct heap *heap, heap_visit *visit, void *arg)
{
    good.walk(heap, visit, arg);
    return true;
}

static const char *complaining_check(const struct heap *heap)
{
    (void)heap;
    return "planted";
}

struct fault {
    const char *name, *expected; /* in the report */
    struct allocator hooks;      /* those that are not NULL replace the skeleton's */
};

static const struct fault faults[] = {
    {"overlapping blocks", "overlaps the live block", {.alloc = overlapping_alloc, .release = forget_release}},
    {"a block handed out twice", "overlaps the live block", {.alloc = twice_alloc, .release = forget_release}},
    {"a misaligned block", "is not aligned", {.alloc = misaligned_alloc}},
    {"usable() below the request", "usable()", {.usable = short_usable}},
    {"zalloc() that is not zero", "not zero", {.zalloc = dirty_zalloc}},
    {"resize() that loses content", "changed in resize()", {.resize = forgetful_resize}},
    {"resize() that fails and changes", "changed in a resize() that failed", {.resize = hasty_resize}},
    {"alloc() that gives up", "though every request for pages was granted", {.alloc = lazy_alloc}},
    {"release() that writes past the block", "op ", {.release = scribbling_release}},
    {"a block from elsewhere", "outside the pages", {.alloc = foreign_alloc}},
    {"destroy() that leaks", "were not given back", {.destroy = leaking_destroy}},
    {"destroy() that gives back twice", "not all of them were out", {.destroy = double_destroy}},
    {"walk() that misses a block", "of", {.walk = blind_walk}},
    {"walk() that takes free for used", "which is not live", {.walk = stale_walk}},
    {"walk() that visits twice", "walk() visits", {.walk = twice_walk}},
    {"walk() that does not stop", "does not stop", {.walk = endless_walk}},
    {"check() that finds something", "check() says: planted", {.check = complaining_check}},
};

static struct allocator with_fault(const struct allocator *hooks)
{
    struct allocator faulty = good;
    faulty.name = "faulty";
#define REPLACE(HOOK) faulty.HOOK = hooks->HOOK != NULL ? hooks->HOOK : faulty.HOOK
    REPLACE(destroy);
    REPLACE(alloc);
    REPLACE(release);
    REPLACE(zalloc);
    REPLACE(resize);
    REPLACE(usable);
    REPLACE(walk);
    REPLACE(check);
    return faulty;
}

/* The report; "" when the checker was content. */
static const char *report(const struct allocator *allocator, struct model *model)
{
    struct option_values values;
    struct counted pages;
    read_variant(allocator, allocator->name, &values);
    assert_true(counted_open(&pages, page_kind_by_name("arena"), 8 << 20, 16384));
    *model = (struct model){.allocator = allocator,
                            .opt = values.opt,
                            .pages = &pages,
                            .mix = &model_mixes[1],
                            .seed = 3,
                            .ops = 5000,
                            .max_live = 100,
                            .inspect = 1};
    calls = 0;
    last_block = NULL;
    model_run(model);
    counted_close(&pages);
    return model->error;
}

static void test_fault(void **state)
{
    const struct fault *fault = *state;
    const struct allocator faulty = with_fault(&fault->hooks);
    struct model model;
    if (strstr(report(&faulty, &model), fault->expected) == NULL)
        fail_msg("planted \"%s\", reported \"%s\"", fault->name, model.error);
}

static void test_no_fault(void **state)
{
    struct model model;
    (void)state;
    assert_string_equal(report(&good, &model), "");
}

int main(void)
{
    const size_t n = sizeof faults / sizeof *faults;
    struct CMUnitTest tests[sizeof faults / sizeof *faults + 1];
    for (size_t i = 0; i < n; i++)
        tests[i] = (struct CMUnitTest){faults[i].name, test_fault, NULL, NULL, (void *)&faults[i]};
    tests[n] = (struct CMUnitTest){"no fault", test_no_fault, NULL, NULL, NULL};
    return _cmocka_run_group_tests("planted faults", tests, n + 1, NULL, NULL);
}
