/*
 * ring.h - what the recorder and the library it preloads share: the memory of a recording session, and the words in it.
 *
 * The recorder owns one anonymous file (memfd), the session: a header with a table of slots, then one ring per slot.
 * Each thread of each recorded program takes a slot, maps its ring and is the ring's only writer; the recorder is the
 * only reader. What a thread has written lives in the session, so it survives the death of the program; no file has to
 * be cleaned away if the recorder dies too.
 *
 *     session:  [ header, slots | ring 0 | ring 1 | … ]           sparse: only what is used takes memory
 *     ring:     [ ring header | chunk 0 | chunk 1 | … ]
 *
 * A ring is a set of chunks and not a circle: the writer leaves a full chunk through a jump word to the lowest free
 * one. As long as the reader keeps up, the same two or three chunks go round and stay in the writer's cache; when the
 * reader's CPU is taken, there are megabytes to run ahead in.
 *
 * Life and death are told by robust mutexes (pthread_mutexattr_setrobust): the recorder holds .recorder_alive, each
 * thread the mutex of its slot. The kernel marks them when the owner ends in any way, exec and SIGKILL included.
 */
#ifndef HEAPBENCH_RING_H
#define HEAPBENCH_RING_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The environment variable by which a program finds the session: "TOKEN:PATH". */
#define SESSION_VARIABLE "HEAPBENCH_RECORD"

#define RING_CHUNKS        64
#define RING_CHUNK_WORDS   8192 /* 64 KiB: a multiple of any page size in use */
#define RING_CHUNKS_BEHIND 8    /* the reader is called when so many are full; before, it comes by itself */
#define RING_BYTES         ((size_t)RING_CHUNK_WORDS * 8 * (RING_CHUNKS + 1))
#define SESSION_SLOTS      4096 /* threads at once in all recorded processes */
#define SESSION_MAGIC      UINT64_C(0x68656170626e3031)

struct ring {
    /* The writer's: its own address of the next word, and of word 0. The store to head publishes all words before it.
     */
    _Alignas(64) _Atomic uintptr_t head;
    uintptr_t base;
    /* Taken by the writer, given back by the reader. */
    _Alignas(64) _Atomic uint64_t used_chunks;    /* bit k: chunk k */
    _Atomic uint32_t freed;                       /* futex: counts chunks given back */
    _Atomic uint32_t writer_waits;                /* 1: wake it through `freed` */
    char padding[RING_CHUNK_WORDS * 8 - 64 - 16]; /* not an alignment: a mapping has only that of a page */
    uint64_t words[RING_CHUNKS][RING_CHUNK_WORDS];
};
_Static_assert(offsetof(struct ring, words) == RING_CHUNK_WORDS * 8, "the chunks begin on a page of any size");
_Static_assert(sizeof(struct ring) == RING_BYTES, "a ring is its header, padded to a chunk, and its chunks");

enum slot_state { SLOT_FREE, SLOT_TAKEN, SLOT_LIVE }; /* taken: being set up by its thread */

struct slot {
    _Alignas(128) _Atomic uint32_t state; /* enum slot_state */
    uint32_t image;                       /* process images of the session are numbered from 1 */
    int32_t pid;
    uint32_t index;        /* of this ring among those of its image */
    pthread_mutex_t alive; /* robust; held by the thread that writes */
};

struct session {
    uint64_t magic, token;                  /* token: random, so that a reused path is not mistaken for ours */
    uint32_t flags;                         /* enum trace_flags */
    _Atomic uint32_t images;                /* process images seen */
    _Atomic uint32_t slots_used;            /* slots from here on were never taken */
    _Atomic uint32_t lost_threads;          /* threads that found no slot or could not map it */
    _Atomic uint64_t dropped;               /* events of signal handlers that ran while their thread wrote one */
    _Alignas(64) _Atomic uint32_t doorbell; /* futex: counts calls for the reader */
    _Atomic uint32_t reader_sleeps;         /* 1: wake it through `doorbell` */
    pthread_mutex_t recorder_alive;         /* robust; held by the recorder */
    struct slot slots[SESSION_SLOTS];
};

/* Where ring i begins in the session. */
#define SESSION_HEADER_BYTES ((sizeof(struct session) + 65535) / 65536 * 65536)
static inline uint64_t ring_offset(unsigned i)
{
    return SESSION_HEADER_BYTES + (uint64_t)i * RING_BYTES;
}

/*
 * An event is one word: kind in bits 0-2, numbered in bit 3, the pointer in place in bits 4-46 (glibc aligns to 16, and
 * addresses of user space have 47 bits), the size in bits 47-63. What does not fit follows in words of its own:
 *     pointer field 0: the pointer · size field WORD_SIZE_MAX: the size · EVENT_ALIGNED: the alignment ·
 *     numbered: the event's number · TRACE_TIME: CLOCK_MONOTONIC in ns · TRACE_SITE: the caller's address
 * in this order. An event never crosses the end of its chunk.
 *
 * While a process has one thread, the order of its ring is the order of its events. From the second thread on each
 * event takes a number from one counter: after the call that made a block, before the call that frees one. Whatever one
 * thread did before another one, by whatever way it told it so, then has the lower number; and the numbers are dense,
 * so that the reader knows when it has to wait for one.
 */
enum event_kind {
    EVENT_CONTROL, /* enum control_kind in bits 4-7, its value in bits 8-63 */
    EVENT_MALLOC,
    EVENT_CALLOC,
    EVENT_ALIGNED,
    EVENT_FREE,         /* size: 0 */
    EVENT_FREE_NULL,    /* pointer and size: not there */
    EVENT_RESIZE_BEGIN, /* realloc is about to be called for this block */
    EVENT_RESIZE_END, /* it returned this pointer for that size; NULL: it failed, or freed the block if the size is 0 */
};
enum control_kind {
    CONTROL_NONE,   /* never written: memory that was not filled */
    CONTROL_JUMP,   /* the next word is the first one of the chunk with this number */
    CONTROL_THREAD, /* the events that follow are those of the thread with this number */
};

#define WORD_NUMBERED   UINT64_C(8)
#define WORD_POINTER    UINT64_C(0x00007ffffffffff0)
#define WORD_SIZE_SHIFT 47
#define WORD_SIZE_MAX   UINT64_C(0x1ffff)
#define EVENT_WORDS_MAX 7

static inline uint64_t control_word(enum control_kind kind, uint64_t value)
{
    return (uint64_t)kind << 4 | value << 8;
}

/* Of two processes' futexes in shared memory; the classic calls, without glibc's help. errno may change. */
void futex_wait(_Atomic uint32_t *word, uint32_t expected, unsigned milliseconds);
void futex_wake(_Atomic uint32_t *word);

/* Whether the robust mutex has an owner that is alive. A dead owner's mutex is left unlocked. */
bool owner_alive(pthread_mutex_t *mutex);

#endif
