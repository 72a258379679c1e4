/* board_test.c - what is read of a machine's state, its caches and of emulators from a /proc and /sys made up for it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/board.h"
#include "driver/emulated.h"
#include "driver/last_cache.h"

#define CPU0     "/sys/devices/system/cpu/cpu0/"
#define CPU1     "/sys/devices/system/cpu/cpu1/"
#define CPU3     "/sys/devices/system/cpu/cpu3/"
#define FIRMWARE "/sys/devices/platform/soc/soc:firmware/get_throttled"

static char root[64];

static int run(const char *format, const char *argument)
{
    char command[512];
    snprintf(command, sizeof command, format, argument);
    return system(command);
}

static void put(const char *path, const char *text)
{
    char full[256];
    snprintf(full, sizeof full, "%s%s", root, path);
    assert_int_equal(run("mkdir -p \"$(dirname '%s')\"", full), 0);
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* An empty machine without a vcgencmd. */
static int set_up(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/board-test-XXXXXX");
    return mkdtemp(root) == NULL || setenv("PATH", "/usr/bin:/bin", 1) != 0 || unsetenv("HEAPBENCH_RUNNER") != 0;
}

static int tear_down(void **state)
{
    (void)state;
    return run("rm -r '%s'", root);
}

static struct board_state look(int cpu)
{
    struct board board;
    struct board_state state;
    board_open(&board, root, cpu);
    board.firmware = false;
    board_read(&board, &state);
    return state;
}

static void nothing_is_no_zero(void **unused)
{
    (void)unused;
    const struct board_state state = look(0);
    assert_true(isnan(state.temperature_celsius));
    assert_true(isnan(state.clock_hz));
    assert_int_equal(state.source, THROTTLING_UNKNOWN);
    assert_string_not_equal(state.temperature_missing, "");
    assert_string_not_equal(state.clock_missing, "");
    assert_string_not_equal(state.throttling_missing, "");
    assert_false(board_judge(&state, &state).known);
}

static void sysfs_tells_of_a_board(void **unused)
{
    (void)unused;
    put("/sys/class/thermal/thermal_zone0/type", "battery\n");
    put("/sys/class/thermal/thermal_zone0/temp", "25000\n");
    put("/sys/class/thermal/thermal_zone1/type", "cpu-thermal\n");
    put("/sys/class/thermal/thermal_zone1/temp", "-1500\n");
    put(CPU0 "cpufreq/scaling_cur_freq", "600000\n");
    put(CPU1 "cpufreq/scaling_cur_freq", "1500000\n");
    put(FIRMWARE, "50000\n");
    const struct board_state before = look(1);
    assert_true(before.temperature_celsius == -1.5);
    assert_true(before.clock_hz == 1.5e9);
    assert_int_equal(before.bits, 0x50000);
    assert_true(look(-1).clock_hz == 6e8);

    struct board_verdict verdict = board_judge(&before, &before);
    assert_true(verdict.known);
    assert_int_equal(verdict.kinds, 0);
    assert_int_equal(verdict.unseen, 1 << 0 | 1 << 2);
    put(FIRMWARE, "d0001\n");
    const struct board_state after = look(1);
    char text[BOARD_WHY];
    verdict = board_judge(&before, &after);
    assert_string_equal(board_kinds_text(verdict.kinds, text), "under-voltage, soft temperature limit");
    assert_int_equal(verdict.unseen, 1 << 2);
    assert_true(board_is_throttled(&before, &after));
    put(FIRMWARE, "cold\n");
    assert_int_equal(look(1).source, THROTTLING_UNKNOWN);
}

static void x86_counts_throttling(void **unused)
{
    (void)unused;
    put("/proc/cpuinfo", "processor\t: 0\ncpu MHz\t\t: 2596.500\n");
    put(CPU0 "thermal_throttle/core_throttle_count", "3\n");
    put(CPU0 "thermal_throttle/package_throttle_count", "7\n");
    put(CPU1 "thermal_throttle/core_throttle_count", "1\n");
    put(CPU1 "thermal_throttle/package_throttle_count", "7\n");
    put("/sys/devices/system/cpu/present", "0-1\n");
    const struct board_state before = look(0);
    assert_int_equal(before.source, THROTTLING_EVENTS);
    assert_int_equal(before.events, 18);
    assert_true(before.clock_hz == 2596.5e6);
    assert_int_equal(board_judge(&before, &before).kinds, 0);
    put(CPU1 "thermal_throttle/core_throttle_count", "2\n");
    const struct board_state after = look(0);
    assert_int_equal(board_judge(&before, &after).kinds, BOARD_COUNTED);
    assert_true(board_is_throttled(&before, &after));
    assert_false(board_is_throttled(&after, &after));
    put(CPU3 "thermal_throttle/core_throttle_count", "5\n"); /* cpu2 is off line */
    put("/sys/devices/system/cpu/present", "0-1,3\n");
    assert_int_equal(look(0).events, 19 + 5);
}

static void emulators_are_known_by_what_they_show(void **unused)
{
    static const char x86[] = "vendor_id\t: AuthenticAMD\n", arm[] = "CPU implementer\t: 0x41\n";
    static const char s390[] = "vendor_id       : IBM/S390\n";
#if defined(__x86_64__) || defined(__i386__)
    static const char *const own = x86, *const others[] = {arm, s390};
#elif defined(__s390__)
    static const char *const own = s390, *const others[] = {x86, arm};
#else
    static const char *const own = arm, *const others[] = {x86, s390};
#endif
    char what[EMULATED_TEXT];
    (void)unused;
    put("/proc/cpuinfo", own);
    put("/proc/thread-self/maps", "00400000-00500000 r-xp 00000000 fe:00 1   /usr/bin/replay\n"
                                  "00600000-00700000 r--p 00000000 fe:00 2   /home/me/qemu-img.trace\n");
    assert_false(emulated_by(root, what));
    assert_string_equal(what, "");

    put("/proc/device-tree/compatible", "raspberrypi,4-model-b");
    assert_false(emulated_by(root, what));
    put("/proc/device-tree/compatible", "linux,dummy-virt");
    assert_true(emulated_by(root, what));
    assert_non_null(strstr(what, "linux,dummy-virt"));

    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        put("/proc/cpuinfo", others[i]);
        assert_true(emulated_by(root, what));
        assert_non_null(strstr(what, "/proc/cpuinfo"));
    }

    put("/proc/thread-self/maps", "00400000-00500000 r-xp 00000000 fe:00 1   /usr/bin/qemu-arm-static (deleted)\n");
    assert_true(emulated_by(root, what));
    assert_string_equal(what, "qemu-arm-static, which is mapped into the process");

    setenv("HEAPBENCH_RUNNER", "nice /opt/qemu-aarch64 -cpu max", 1);
    assert_true(emulated_by(root, what));
    assert_string_equal(what, "qemu-aarch64, by HEAPBENCH_RUNNER");
}

static void put_cache(int index, const char *level, const char *size)
{
    char path[128];
    snprintf(path, sizeof path, CPU1 "cache/index%d/level", index);
    put(path, level);
    snprintf(path, sizeof path, CPU1 "cache/index%d/size", index);
    put(path, size);
}

static void assert_caches(uint64_t far_bytes, uint64_t near_bytes, uint64_t most_bytes)
{
    const struct last_cache_known known = last_cache_of_cpu(root, 1);
    assert_int_equal(known.far_bytes, far_bytes);
    assert_int_equal(known.near_bytes, near_bytes);
    assert_int_equal(known.most_bytes, most_bytes);
    assert_true(known.far_ns == 0 && known.near_ns == 0);
}

static void a_third_of_the_last_cache_is_looked_at(void **unused)
{
    (void)unused;
    assert_caches(4 << 20, 0, 0); /* nothing is stated */
    put_cache(0, "1\n", "32K\n");
    put_cache(1, "2\n", "1024K\n");
    assert_caches(4 << 20, 0, 0); /* no last cache */
    put_cache(2, "3\n", "24576K\n");
    assert_caches(8 << 20, 2 << 20, 18 << 20);
    put_cache(2, "3\n", "262144K\n");
    assert_caches(16 << 20, 2 << 20, 32 << 20);
    put_cache(2, "3\n", "6144K\n"); /* too like the core's own to tell them apart */
    assert_caches(4 << 20, 0, 0);
    put_cache(2, "3\n", "24M\n"); /* no kernel writes so */
    assert_caches(4 << 20, 0, 0);
    put_cache(2, "3\n", "unknown\n");
    assert_caches(4 << 20, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_no_zero, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sysfs_tells_of_a_board, set_up, tear_down),
        cmocka_unit_test_setup_teardown(x86_counts_throttling, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_third_of_the_last_cache_is_looked_at, set_up, tear_down),
        cmocka_unit_test_setup_teardown(emulators_are_known_by_what_they_show, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
