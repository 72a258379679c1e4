/*
 * clock.h - which clock the latency pass uses on this machine, and whether it is fine enough for a single op.
 *
 * On Arm the cycle counter where it may be read, since the generic timer there ticks every 18 or 52 ns; otherwise the
 * timer of timer.h. Where that steps by more than an op takes, ops are timed in batches. It is decided once, before the
 * first run, so that all figures of a sweep are in one unit.
 */
#ifndef HEAPBENCH_CLOCK_H
#define HEAPBENCH_CLOCK_H

#include "driver/cli.h"

/* Turns what the command line asks for into cli->unit and cli->batch_ops, and says on stderr what cannot be had by
 * itself; takes some 10 ms. False: *error, when the counter was asked for and cannot be read. */
bool clock_choose(struct cli *cli, struct error *error);

#endif
