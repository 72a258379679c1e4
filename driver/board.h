/*
 * board.h - the state of the machine around a run: how warm, how fast, and whether it slowed itself down or had too
 * little voltage.
 *
 * A Raspberry Pi's firmware tells through vcgencmd, else the kernel through sysfs; x86 counts the times that a core was
 * slowed for its heat. Reading takes no time from a run: it is done before and after.
 */
#ifndef HEAPBENCH_BOARD_H
#define HEAPBENCH_BOARD_H

#include <stdbool.h>
#include <stdint.h>

/* The kinds of throttling of a Raspberry Pi's firmware, as bits 0 to 3 of get_throttled have them now and bits 16 to 19
 * since boot; then what x86 counts. */
enum { BOARD_FIRMWARE_KINDS = 4, BOARD_KINDS = 5, BOARD_COUNTED = 1 << 4 };
extern const char *const board_kind_names[BOARD_KINDS];

enum { BOARD_WHY = 200 };

enum throttling_source { THROTTLING_UNKNOWN, THROTTLING_BITS, THROTTLING_EVENTS };

/* Where the facts come from. */
struct board {
    const char *root; /* as in sysfs.h */
    int cpu;          /* whose clock it is */
    bool firmware;    /* there is a vcgencmd */
};

struct board_state {
    double temperature_celsius, clock_hz; /* NAN: not known */
    enum throttling_source source;
    const char *source_name; /* in words */
    uint32_t bits;           /* THROTTLING_BITS: as get_throttled has them */
    uint64_t events;         /* THROTTLING_EVENTS: since boot, over all CPUs */
    char temperature_missing[BOARD_WHY], clock_missing[BOARD_WHY], throttling_missing[BOARD_WHY]; /* why; "" if known */
};

/* What the states before and after a run tell of it. */
struct board_verdict {
    bool known;
    unsigned kinds;  /* bit k: of board_kind_names[k]; 0: not throttled */
    unsigned unseen; /* kinds that were on record before: these could come and go within the run unseen */
};

/* `cpu` -1: the first. */
void board_open(struct board *board, const char *root, int cpu);

/* Reads the state, at most some 30 ms on a board. */
void board_read(const struct board *board, struct board_state *state);

struct board_verdict board_judge(const struct board_state *before, const struct board_state *after);

/* Whether it is throttled at `now`; `before` is an earlier state, of which events must not have become more. */
bool board_is_throttled(const struct board_state *before, const struct board_state *now);

/* "under-voltage, throttled"; returns text. */
const char *board_kinds_text(unsigned kinds, char text[BOARD_WHY]);

#endif
