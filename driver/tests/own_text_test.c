/* own_text_test.c - after own_text(), every page of this program's code and of the C library's is its own, and both
 * still work. Told by /proc/self/smaps, which an emulator may answer with its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "driver/own_text.h"

struct pages {
    unsigned long size_kb, own_kb; /* of the mapping that holds an address; 0: none is known */
};

static struct pages pages_of(uintptr_t address)
{
    struct pages found = {0};
    unsigned long from, to, kb;
    bool inside = false;
    char line[512];
    FILE *smaps = fopen("/proc/self/smaps", "r");
    while (smaps && fgets(line, sizeof line, smaps)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            inside = address >= from && address < to;
        else if (inside && sscanf(line, "Size: %lu kB", &kb) == 1)
            found.size_kb = kb;
        else if (inside && sscanf(line, "Anonymous: %lu kB", &kb) == 1)
            found.own_kb = kb;
    }
    if (smaps)
        fclose(smaps);
    return found;
}

static void code_is_on_own_pages(void **state)
{
    const uintptr_t codes[] = {(uintptr_t)own_text, (uintptr_t)strtoul};
    (void)state;
    for (size_t i = 0; i < 2; i++)
        if (pages_of(codes[i]).size_kb == 0)
            skip(); /* the emulator's */
    assert_true(own_text());
    for (size_t i = 0; i < 2; i++) {
        const struct pages after = pages_of(codes[i]);
        assert_int_equal(after.own_kb, after.size_kb);
    }
    assert_int_equal(strtoul("42", NULL, 10), 42);
    assert_true(own_text()); /* again, for nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(code_is_on_own_pages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
