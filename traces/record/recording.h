/*
 * recording.h - a recording session as a whole: the memory that recorded processes write to, and a trace for each of
 * them.
 */
#ifndef HEAPBENCH_RECORDING_H
#define HEAPBENCH_RECORDING_H

#include "traces/error.h"
#include "traces/record/image.h"

struct recording;

struct recording_config {
    struct image_config image;
    const char *output;  /* the first process image's trace; those of others are named after it, with their pid */
    const char *command; /* as typed, for the trace's meta text */
};

struct recording_totals {
    struct image_counts counts; /* over all files */
    unsigned files;
    uint64_t lost_threads; /* could not be recorded at all */
    uint64_t dropped;      /* events of signal handlers that ran while their thread wrote one */
};

/* The config's strings stay the caller's and must live as long. NULL: *error says what the machine lacks. */
struct recording *recording_open(const struct recording_config *config, struct error *error);

/* The value of SESSION_VARIABLE for the programs to record. */
const char *recording_address(const struct recording *recording);

/* Takes what there is, then sleeps until there is more, for 10 ms at most. */
void recording_step(struct recording *recording, struct error *error);

/* Ends a recording_step() that sleeps, or the next one. Async-signal-safe. */
void recording_wake(struct recording *recording);

/* Whether a process of the session may still write. A process does not show for an instant of its exec, a longer one
 * when another has its core: only several answers of no, with a step between two, tell that there is none. */
bool recording_is_live(struct recording *recording);

/* Takes the rest and ends all files; the totals are complete. Frees the recording. */
struct recording_totals recording_close(struct recording *recording, struct error *error);

#endif
