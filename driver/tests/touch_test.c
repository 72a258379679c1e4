/* touch_test.c - what the touch policies write: never past the block, and every page of it when they say so. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "driver/op.h"

enum { PAGE = 4096, PAGES = 6, CANARY = 0xee };
static unsigned char memory[PAGES * PAGE] __attribute__((aligned(PAGE)));

static void touch(size_t offset, size_t size, enum touch policy)
{
    memset(memory, CANARY, sizeof memory);
    switch (policy) {
    case TOUCH_NONE:
        touch_block(memory + offset, size, TOUCH_NONE, PAGE);
        break;
    case TOUCH_WORD:
        touch_block(memory + offset, size, TOUCH_WORD, PAGE);
        break;
    case TOUCH_PAGE:
        touch_block(memory + offset, size, TOUCH_PAGE, PAGE);
        break;
    default:
        touch_block(memory + offset, size, TOUCH_ALL, PAGE);
    }
}

static size_t written(size_t from, size_t to)
{
    size_t count = 0;
    for (size_t i = from; i < to; i++)
        count += memory[i] != CANARY;
    return count;
}

/* The pages on which a block lies, and whether each has a byte written within the block. */
static bool every_page(size_t offset, size_t size)
{
    for (size_t at = offset; at < offset + size; at = (at / PAGE + 1) * PAGE) {
        const size_t end = (at / PAGE + 1) * PAGE;
        if (written(at, end < offset + size ? end : offset + size) == 0)
            return false;
    }
    return true;
}

static const size_t offsets[] = {0, 16, 48, PAGE - 64, PAGE - 16, PAGE - 8, PAGE - 1, PAGE / 2};
static const size_t sizes[] = {0,        1,        3,    7,        8,        9,        15,       16,          100,
                               PAGE - 9, PAGE - 1, PAGE, PAGE + 1, PAGE + 7, PAGE * 2, PAGE * 3, PAGE * 4 - 5};

static void nothing_past_the_block_is_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++)
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++)
            for (int policy = 0; policy < TOUCHES; policy++) {
                touch(offsets[i], sizes[j], (enum touch)policy);
                assert_int_equal(written(0, offsets[i]), 0);
                assert_int_equal(written(offsets[i] + sizes[j], sizeof memory), 0);
            }
}

static void policies_write_what_they_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++)
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            const size_t offset = offsets[i], size = sizes[j], word = size < 8 ? size : 8;
            touch(offset, size, TOUCH_NONE);
            assert_int_equal(written(0, sizeof memory), 0);
            touch(offset, size, TOUCH_WORD);
            assert_int_equal(written(offset, offset + word) > 0, size > 0);
            assert_int_equal(written(offset + word, offset + size), 0);
            touch(offset, size, TOUCH_PAGE);
            assert_true(every_page(offset, size));
            assert_true(written(offset, offset + size) <= 8 + PAGES);
            touch(offset, size, TOUCH_ALL);
            assert_int_equal(written(offset, offset + size), size);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_past_the_block_is_written),
        cmocka_unit_test(policies_write_what_they_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
