/* image.c - rings with words written by hand: numbers out of order, numbers missing, words that make no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "traces/record/blocks.h"
#include "traces/record/image.h"
#include "traces/trace.h"

static const char *path = "image-test.trace";

/* A ring, and behind it what may not be read. */
#define MAPPED (sizeof(struct ring) + RING_CHUNK_WORDS * 8)

struct fixture {
    struct image *image;
    struct ring *rings[2];
    uint64_t *cursor[2];
};

static void setup(struct fixture *f)
{
    const struct image_config config = {.flags = 0, .level = 1};
    f->image = image_create(&config, path, "");
    assert_non_null(f->image);
    for (unsigned i = 0; i < 2; i++) {
        f->rings[i] = mmap(NULL, MAPPED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_true(f->rings[i] != MAP_FAILED);
        assert_int_equal(mprotect(f->rings[i], sizeof(struct ring), PROT_READ | PROT_WRITE), 0);
        f->rings[i]->base = (uintptr_t)f->rings[i]->words[0];
        f->rings[i]->head = f->rings[i]->base;
        f->rings[i]->used_chunks = 1;
        f->cursor[i] = f->rings[i]->words[0];
        assert_true(image_add_ring(f->image, f->rings[i], i));
    }
}

static void put(struct fixture *f, unsigned ring, uint64_t word)
{
    *f->cursor[ring]++ = word;
    f->rings[ring]->head = (uintptr_t)f->cursor[ring];
}

static void put_numbered(struct fixture *f, unsigned ring, uint64_t word, uint64_t number)
{
    *f->cursor[ring]++ = word | WORD_NUMBERED;
    put(f, ring, number);
}

static uint64_t word(enum event_kind kind, uint64_t pointer, uint64_t size)
{
    return kind | pointer | size << WORD_SIZE_SHIFT;
}

/* Ends the image; its ops, *n of them. */
static struct op *finish(struct fixture *f, size_t *n, struct image_counts *counts)
{
    struct error error = {0};
    image_finish(f->image, &error);
    assert_int_equal(error.code, EXIT_DONE);
    *counts = *image_counts(f->image);
    image_free(f->image);
    for (unsigned i = 0; i < 2; i++)
        munmap(f->rings[i], MAPPED);
    static struct op ops[1000];
    *n = 0;
    if (counts->ops == 0)
        return ops; /* then there is no file */
    struct trace_reader *reader = trace_open(path, &error);
    assert_non_null(reader);
    *n = trace_read(reader, ops, 1000, &error);
    assert_int_equal(error.code, EXIT_DONE);
    trace_close(reader);
    unlink(path);
    return ops;
}

static void drain(struct fixture *f)
{
    struct error error = {0};
    image_drain(f->image, &error);
    assert_int_equal(error.code, EXIT_DONE);
}

static void test_order(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    put(&f, 1, control_word(CONTROL_THREAD, 1));
    put_numbered(&f, 1, word(EVENT_FREE, 0x1000, 0), 1); /* of the block that thread 0 makes with number 0 */
    put_numbered(&f, 1, word(EVENT_MALLOC, 0x1000, 7), 2);
    drain(&f);
    put(&f, 0, word(EVENT_MALLOC, 0x2000, 5)); /* from before there was a second thread */
    put_numbered(&f, 0, word(EVENT_MALLOC, 0x1000, 6), 0);
    drain(&f);
    size_t n;
    struct image_counts counts;
    const struct op *ops = finish(&f, &n, &counts);
    assert_int_equal(n, 4);
    assert_int_equal(ops[0].size, 5);
    assert_int_equal(ops[1].size, 6);
    assert_int_equal(ops[2].kind, OP_FREE);
    assert_int_equal(ops[2].block, 1);
    assert_int_equal(ops[2].thread, 1);
    assert_int_equal(ops[3].size, 7);
    assert_int_equal(ops[3].block, 2);
    assert_int_equal(counts.unknown + counts.gaps + counts.broken + counts.unfreed, 0);
}

/* Thread 1 gets the old address while thread 0 is still in realloc. */
static void test_realloc_overlap(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    put(&f, 1, control_word(CONTROL_THREAD, 1));
    put_numbered(&f, 0, word(EVENT_MALLOC, 0x1000, 10), 0);
    put_numbered(&f, 0, word(EVENT_RESIZE_BEGIN, 0x1000, 0), 1);
    put_numbered(&f, 1, word(EVENT_MALLOC, 0x1000, 20), 2);
    put_numbered(&f, 0, word(EVENT_RESIZE_END, 0x3000, 30), 3);
    put_numbered(&f, 1, word(EVENT_FREE, 0x1000, 0), 4);
    put_numbered(&f, 0, word(EVENT_RESIZE_BEGIN, 0x3000, 0), 5); /* fails */
    put_numbered(&f, 0, word(EVENT_RESIZE_END, 0, 40), 7);
    f.cursor[0][-2] = 0 | WORD_NUMBERED | EVENT_RESIZE_END | UINT64_C(40) << WORD_SIZE_SHIFT;
    f.cursor[0][-1] = 0; /* the pointer, in a word of its own: NULL */
    put(&f, 0, 6);
    put_numbered(&f, 0, word(EVENT_FREE, 0x3000, 0), 7);
    size_t n;
    struct image_counts counts;
    const struct op *ops = finish(&f, &n, &counts);
    static const struct {
        enum op_kind kind;
        uint64_t block;
    } expected[] = {{OP_MALLOC, 0}, {OP_MALLOC, 1}, {OP_REALLOC, 0}, {OP_FREE, 1}, {OP_FREE, 0}};
    assert_int_equal(n, 5);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(ops[i].kind, expected[i].kind);
        assert_int_equal(ops[i].block, expected[i].block);
    }
    assert_int_equal(counts.unknown + counts.gaps + counts.broken + counts.unfreed, 0);
}

static void test_gap(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    put_numbered(&f, 0, word(EVENT_MALLOC, 0x1000, 1), 0);
    put_numbered(&f, 0, word(EVENT_MALLOC, 0x2000, 2), 3); /* 1 and 2 died with their thread */
    size_t n;
    struct image_counts counts;
    finish(&f, &n, &counts);
    assert_int_equal(n, 2);
    assert_int_equal(counts.gaps, 2);
}

static void test_nonsense(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    put(&f, 0, word(EVENT_MALLOC, 0x1000, 1));
    put(&f, 1, control_word(CONTROL_JUMP, RING_CHUNKS));
    put(&f, 1, word(EVENT_MALLOC, 0x2000, 1));
    size_t n;
    struct image_counts counts;
    finish(&f, &n, &counts);
    assert_int_equal(n, 1);
    assert_int_equal(counts.broken, 1);
}

/* A number twice, the second time in the last event. */
static void test_repeated_number(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    put_numbered(&f, 0, word(EVENT_MALLOC, 0x1000, 1), 5);
    put_numbered(&f, 1, word(EVENT_MALLOC, 0x2000, 1), 5);
    drain(&f);
    put_numbered(&f, 1, word(EVENT_MALLOC, 0x3000, 1), 6);
    size_t n;
    struct image_counts counts;
    finish(&f, &n, &counts);
    assert_int_equal(n, 1);
    assert_int_equal(counts.broken, 1);
}

/* Of threads whose rings are not known yet there may be any number of numbers. */
static void test_far_number(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    put_numbered(&f, 0, word(EVENT_MALLOC, 0x1000, 1), 3 * RING_CHUNKS * RING_CHUNK_WORDS);
    drain(&f);
    put_numbered(&f, 0, word(EVENT_MALLOC, 0x2000, 1), 3 * RING_CHUNKS * RING_CHUNK_WORDS + 1);
    size_t n;
    struct image_counts counts;
    finish(&f, &n, &counts);
    assert_int_equal(n, 2);
    assert_int_equal(counts.broken, 0);
}

/* Control words up to the end of the last chunk, and the head elsewhere. */
static void test_end_of_ring(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    put(&f, 0, control_word(CONTROL_JUMP, RING_CHUNKS - 1));
    for (unsigned i = 0; i < RING_CHUNK_WORDS; i++)
        f.rings[0]->words[RING_CHUNKS - 1][i] = control_word(CONTROL_THREAD, 1);
    f.rings[0]->head = (uintptr_t)&f.rings[0]->words[1][1];
    size_t n;
    struct image_counts counts;
    finish(&f, &n, &counts);
    assert_int_equal(n, 0);
    assert_int_equal(counts.broken, 1);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* Words as a program that writes over its rings would leave them: whatever they are, the trace is a good one. */
static void test_random_words(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252;
    for (int round = 0; round < 300; round++) {
        struct fixture f;
        setup(&f);
        for (unsigned i = 0; i < 400; i++) {
            const uint64_t r = next_random(&random), small = word(r & 15, r >> 8 & 0xf0, r >> 16 & 0x1ffff);
            uint64_t *cursor = f.cursor[r >> 40 & 1];
            if (r >> 60 == 0 && cursor[1] == 0) /* to the other chunk, whose words are those of this one */
                put(&f, r >> 40 & 1, control_word(CONTROL_JUMP, r >> 44 & 1));
            else
                put(&f, r >> 40 & 1, r >> 56 & 1 ? small : r >> 57 & 1 ? r & 31 : r);
            if (r >> 50 & 7)
                continue;
            struct error error = {0};
            image_drain(f.image, &error);
            assert_int_equal(error.code, EXIT_DONE);
        }
        size_t n;
        struct image_counts counts;
        finish(&f, &n, &counts);
        assert_true(n <= 800);
    }
}

static void test_blocks(void **state)
{
    (void)state;
    static const uint64_t addresses[] = {16, 0x1008, 0x1000, 0x7ffffffffff0, UINT64_C(0xffff000000000010), 1};
    struct blocks blocks = {0};
    uint64_t previous;
    assert_int_equal(blocks_take(&blocks, 16), BLOCK_UNKNOWN);
    for (unsigned i = 0; i < 6; i++) {
        assert_true(blocks_put(&blocks, addresses[i], i, &previous));
        assert_int_equal(previous, BLOCK_UNKNOWN);
        blocks_prefetch(&blocks, addresses[i]);
    }
    for (uint64_t i = 6; i < 3000; i++) /* the table of pages grows */
        assert_true(blocks_put(&blocks, i << 24, i, &previous));
    assert_true(blocks_put(&blocks, 16, 100, &previous));
    assert_int_equal(previous, 0);
    assert_int_equal(blocks_take(&blocks, 16), 100);
    assert_int_equal(blocks_take(&blocks, 16), BLOCK_UNKNOWN);
    for (unsigned i = 1; i < 6; i++)
        assert_int_equal(blocks_take(&blocks, addresses[i]), i);
    for (uint64_t i = 6; i < 3000; i++)
        assert_int_equal(blocks_take(&blocks, i << 24), i);
    blocks_free(&blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),       cmocka_unit_test(test_realloc_overlap), cmocka_unit_test(test_gap),
        cmocka_unit_test(test_nonsense),    cmocka_unit_test(test_repeated_number), cmocka_unit_test(test_far_number),
        cmocka_unit_test(test_end_of_ring), cmocka_unit_test(test_random_words),    cmocka_unit_test(test_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
