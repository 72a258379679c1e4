/*
 * image.h - one process image (a process between two execs) while it is recorded: the events of its threads are put in
 * order, addresses become ordinals, and ops go to its trace.
 */
#ifndef HEAPBENCH_RECORD_IMAGE_H
#define HEAPBENCH_RECORD_IMAGE_H

#include "traces/error.h"
#include "traces/record/ring.h"

struct image_config {
    uint32_t flags; /* enum trace_flags */
    int level;      /* zstd's */
};

struct image;

struct image_counts {
    uint64_t ops;
    uint64_t unknown; /* frees and reallocs of blocks that this image did not see born */
    uint64_t unfreed; /* blocks whose address was handed out again although no free of them was seen */
    uint64_t gaps;    /* numbers that never came: their thread was killed between taking and writing them */
    uint64_t broken;  /* threads whose words made no sense from some point on */
};

/* path and meta are copied. The file appears with the first op. NULL: no memory. */
struct image *image_create(const struct image_config *config, const char *path, const char *meta);

/* Another thread's ring, fresh. False: no memory. */
bool image_add_ring(struct image *image, struct ring *ring, unsigned slot);

/* Slots of the rings, in the order in which they were added. */
unsigned image_rings(const struct image *image);
unsigned image_slot(const struct image *image, unsigned i);

/* Takes what the threads have written; true if there was anything. After a failure (*error, once) events are still
 * taken, so that the program goes on, and dropped. */
bool image_drain(struct image *image, struct error *error);

/* To be called now and then: brings the file up to date, and gives up waiting for a number whose thread shows no sign
 * of life. */
void image_tick(struct image *image, uint64_t now_ms, struct error *error);

/* The program is gone: takes the rest and ends the file. The counts are valid until image_free(). */
void image_finish(struct image *image, struct error *error);

const struct image_counts *image_counts(const struct image *image);
const char *image_path(const struct image *image);
void image_free(struct image *image);

#endif
