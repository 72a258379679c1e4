/* board.c - reads temperature, clock and throttling; see board.h. */
#include "driver/board.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/sysfs.h"
#include "driver/vcgencmd.h"

#define FIRMWARE_FILE   "/sys/devices/platform/soc/soc:firmware/get_throttled"
#define NOW(bits)       ((bits)&0xfu)
#define ON_RECORD(bits) ((bits) >> 16 & 0xfu)
#define MOST_ZONES      64

const char *const board_kind_names[BOARD_KINDS] = {"under-voltage", "frequency capped", "throttled",
                                                   "soft temperature limit", "slowed for its heat"};

void board_open(struct board *board, const char *root, int cpu)
{
    *board = (struct board){.root = root, .cpu = cpu < 0 ? 0 : cpu, .firmware = vcgencmd_exists()};
}

/* Asks the firmware for a line "NAME=VALUE"; the value. False: `answer` is why. */
static bool ask(const char *command, const char *start, char answer[BOARD_WHY])
{
    char line[VCGENCMD_TEXT];
    const bool answered = vcgencmd_ask(command, line);
    if (!answered || strncmp(line, start, strlen(start)) != 0) {
        snprintf(answer, BOARD_WHY, "vcgencmd %s %s: %s", command, answered ? "says what is not understood" : "failed",
                 line);
        return false;
    }
    snprintf(answer, BOARD_WHY, "%s", line + strlen(start));
    return true;
}

/* Adds a reason to those before. */
static void add_reason(char why[BOARD_WHY], const char *reason)
{
    const size_t length = strlen(why);
    snprintf(why + length, BOARD_WHY - length, "%s%s", length > 0 ? "; " : "", reason);
}

/* ---- Temperature and clock --------------------------------------------------------------------------------------- */

/* Thousandths of a degree of the first zone that is the processor's, else of the first. */
static bool zone_temperature(const char *root, long long *value)
{
    static const char *const wanted[] = {"cpu", "soc", "x86_pkg"};
    bool found = false;
    for (int zone = 0; zone < MOST_ZONES; zone++) {
        char path[96], type[64];
        long long here;
        snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%d/type", zone);
        if (!sysfs_line(root, path, type, sizeof type))
            break;
        snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%d/temp", zone);
        if (!sysfs_number(root, path, 10, &here))
            continue;
        if (!found)
            *value = here;
        found = true;
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
            if (strncmp(type, wanted[i], strlen(wanted[i])) == 0) {
                *value = here;
                return true;
            }
    }
    return found;
}

static void read_temperature(const struct board *board, struct board_state *state)
{
    char answer[BOARD_WHY], *end;
    long long thousandths;
    if (board->firmware && ask("measure_temp", "temp=", answer)) {
        state->temperature_celsius = strtod(answer, &end);
        if (end != answer && *end == '\'')
            return;
        snprintf(state->temperature_missing, BOARD_WHY, "vcgencmd measure_temp says %.100s", answer);
    } else if (board->firmware) {
        add_reason(state->temperature_missing, answer);
    }
    state->temperature_celsius = NAN;
    if (zone_temperature(board->root, &thousandths)) {
        state->temperature_celsius = (double)thousandths / 1000;
        state->temperature_missing[0] = '\0';
    } else {
        add_reason(state->temperature_missing, "no thermal zone in /sys/class/thermal");
    }
}

/* x86 has it in /proc/cpuinfo alone where there is no cpufreq, as in virtual machines: of the first CPU there. */
static bool cpuinfo_mhz(const char *root, double *mhz)
{
    char path[512], line[512];
    bool found = false;
    snprintf(path, sizeof path, "%s/proc/cpuinfo", root);
    FILE *file = fopen(path, "re");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL)
        found = sscanf(line, "cpu MHz : %lf", mhz) == 1;
    if (file != NULL)
        fclose(file);
    return found;
}

/* The firmware first: it slows the clock without telling cpufreq. */
static void read_clock(const struct board *board, struct board_state *state)
{
    char answer[BOARD_WHY], path[96];
    long long khz;
    double mhz;
    if (board->firmware && ask("measure_clock arm", "frequency(", answer)) {
        const char *equals = strchr(answer, '=');
        char *end = NULL;
        state->clock_hz = equals != NULL ? strtod(equals + 1, &end) : NAN;
        if (equals != NULL && end != equals + 1 && *end == '\0')
            return;
        snprintf(state->clock_missing, BOARD_WHY, "vcgencmd measure_clock arm says %.100s", answer);
    } else if (board->firmware) {
        add_reason(state->clock_missing, answer);
    }
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq", board->cpu);
    if (sysfs_number(board->root, path, 10, &khz))
        state->clock_hz = (double)khz * 1e3;
    else
        state->clock_hz = cpuinfo_mhz(board->root, &mhz) ? mhz * 1e6 : NAN;
    if (isnan(state->clock_hz))
        add_reason(state->clock_missing, "no cpufreq in /sys, no MHz in /proc/cpuinfo");
    else
        state->clock_missing[0] = '\0';
}

/* ---- Throttling -------------------------------------------------------------------------------------------------- */

/* The highest number of a CPU, on line or not: the last of a list like "0-3,8-11". */
static long last_cpu(const char *root)
{
    char text[256];
    if (!sysfs_line(root, "/sys/devices/system/cpu/present", text, sizeof text))
        return 0;
    size_t begin = strlen(text);
    while (begin > 0 && isdigit((unsigned char)text[begin - 1]))
        begin--;
    return strtol(text + begin, NULL, 10);
}

/* The sum of a count over all CPUs; those that are off line have none. False: nor has any other. */
static bool add_counts(const char *root, const char *name, uint64_t *sum)
{
    const long last = last_cpu(root);
    bool known = false;
    for (long cpu = 0; cpu <= last; cpu++) {
        char path[128];
        long long count;
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%ld/thermal_throttle/%s", cpu, name);
        if (!sysfs_number(root, path, 10, &count))
            continue;
        known = true;
        *sum += (uint64_t)count;
    }
    return known;
}

static void read_throttling(const struct board *board, struct board_state *state)
{
    char answer[BOARD_WHY], *end;
    long long bits;
    if (board->firmware && ask("get_throttled", "throttled=", answer)) {
        const unsigned long value = strtoul(answer, &end, 16);
        if (end != answer && *end == '\0' && value <= UINT32_MAX) {
            state->source = THROTTLING_BITS;
            state->source_name = "vcgencmd get_throttled";
            state->bits = (uint32_t)value;
            return;
        }
        snprintf(state->throttling_missing, BOARD_WHY, "vcgencmd get_throttled says %.100s", answer);
    } else if (board->firmware) {
        add_reason(state->throttling_missing, answer);
    }
    if (sysfs_number(board->root, FIRMWARE_FILE, 16, &bits)) {
        state->source = THROTTLING_BITS;
        state->source_name = FIRMWARE_FILE;
        state->bits = (uint32_t)bits;
    } else if (add_counts(board->root, "core_throttle_count", &state->events)) {
        state->source = THROTTLING_EVENTS;
        state->source_name = "thermal_throttle in /sys/devices/system/cpu";
        add_counts(board->root, "package_throttle_count", &state->events);
    } else {
        add_reason(state->throttling_missing,
                   board->firmware ? "nothing in sysfs" : "no vcgencmd, and nothing in sysfs");
        return;
    }
    state->throttling_missing[0] = '\0';
}

void board_read(const struct board *board, struct board_state *state)
{
    *state = (struct board_state){.source = THROTTLING_UNKNOWN};
    read_temperature(board, state);
    read_clock(board, state);
    read_throttling(board, state);
}

/* ---- What it means ----------------------------------------------------------------------------------------------- */

struct board_verdict board_judge(const struct board_state *before, const struct board_state *after)
{
    struct board_verdict verdict = {.known = before->source == after->source && after->source != THROTTLING_UNKNOWN};
    if (verdict.known && after->source == THROTTLING_EVENTS)
        verdict.kinds = after->events > before->events ? BOARD_COUNTED : 0;
    if (verdict.known && after->source == THROTTLING_BITS) {
        const unsigned new_on_record = ON_RECORD(after->bits) & ~ON_RECORD(before->bits);
        verdict.kinds = NOW(before->bits) | NOW(after->bits) | new_on_record;
        verdict.unseen = ON_RECORD(before->bits) & ~verdict.kinds;
    }
    return verdict;
}

bool board_is_throttled(const struct board_state *before, const struct board_state *now)
{
    return now->source == THROTTLING_BITS     ? NOW(now->bits) != 0
           : now->source == THROTTLING_EVENTS ? now->events > before->events
                                              : false;
}

const char *board_kinds_text(unsigned kinds, char text[BOARD_WHY])
{
    text[0] = '\0';
    for (unsigned i = 0; i < BOARD_KINDS; i++)
        if (kinds >> i & 1) {
            const size_t length = strlen(text);
            snprintf(text + length, BOARD_WHY - length, "%s%s", length > 0 ? ", " : "", board_kind_names[i]);
        }
    return text;
}
