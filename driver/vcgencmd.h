/* vcgencmd.h - asks the firmware of a Raspberry Pi, through its program vcgencmd. */
#ifndef HEAPBENCH_VCGENCMD_H
#define HEAPBENCH_VCGENCMD_H

#include <stdbool.h>

enum { VCGENCMD_TEXT = 96 };

/* Whether there is such a program in PATH. */
bool vcgencmd_exists(void);

/* Runs "vcgencmd COMMAND", COMMAND being words with a space between, and gives the first line of what it prints; some
 * 10 ms on a board, and at most two seconds. False: `answer` says in words why there is none. */
bool vcgencmd_ask(const char *command, char answer[VCGENCMD_TEXT]);

#endif
