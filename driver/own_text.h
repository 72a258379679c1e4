/*
 * own_text.h - the worker's machine code on pages of its own.
 *
 * A program's code lies in the page cache, for as long as the machine keeps it there, and each run of the file has the
 * same pages of memory. Of some 290 copies of one file most were alike, but in one slab took half as long again on
 * every trace and in every run, in another 8 % longer, and other allocators no longer at all (AMD EPYC, Zen 4): a sweep
 * would show the copy, and no number of runs. With fresh pages each run draws anew, as it does for its heap, and the
 * median tells what is usual. Layouts that bias a whole measurement: Mytkowicz, Diwan, Hauswirth, Sweeney, "Producing
 * wrong data without doing anything obviously wrong!", ASPLOS 2009.
 */
#ifndef HEAPBENCH_OWN_TEXT_H
#define HEAPBENCH_OWN_TEXT_H

#include <stdbool.h>

/* Moves the code of this program and of its libraries to fresh pages, at the same addresses. False: some of it may not
 * be written to here, and stays where it is. */
bool own_text(void);

#endif
