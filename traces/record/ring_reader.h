/*
 * ring_reader.h - the recorder's side of a ring: from words to events. See ring.h for what the words are.
 */
#ifndef HEAPBENCH_RING_READER_H
#define HEAPBENCH_RING_READER_H

#include <stdbool.h>

#include "traces/record/blocks.h"
#include "traces/record/ring.h"

struct ring_reader {
    struct ring *ring; /* as the recorder maps it */
    unsigned slot;     /* its slot in the session */
    uint64_t *next;    /* the word to read next, in chunk `chunk` */
    uint64_t *event;   /* where the event begins that was read last; to set next to it is to put it back */
    unsigned chunk;
    uint64_t *head;       /* what the writer had published at the last ring_look() */
    uint32_t flags;       /* of the session */
    uint32_t thread;      /* whose events these are */
    bool broken;          /* the words made no sense: a signal handler allocated in the middle of an event */
    uint64_t resizing;    /* ordinal of the block of a realloc that is under way, or BLOCK_UNKNOWN */
    uint64_t resizing_at; /* its address */
};

struct event {
    enum event_kind kind;
    uint32_t thread;
    struct ring_reader *reader;
    uint64_t pointer, size, align;
    uint64_t number; /* from 1; 0: not numbered */
    uint64_t time, site;
};

/* Begins to read a ring that is fresh: its writer began in chunk 0. */
void ring_open(struct ring_reader *reader, struct ring *ring, unsigned slot, uint32_t flags);

/* Looks how far the writer has got; true if there is something to read. */
bool ring_look(struct ring_reader *reader);

/* The next event up to there, EVENT_CONTROL never. False: there is none. Chunks that were read are given back.
 * blocks: where the addresses ahead are brought into the cache. */
bool ring_next(struct ring_reader *reader, struct event *event, const struct blocks *blocks);

#endif
