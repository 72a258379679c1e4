/* ring_reader.c - see ring_reader.h. */
#include "traces/record/ring_reader.h"

#include "traces/trace.h"

/* Words from the one that is read to the one whose address is brought into the cache. */
#define AHEAD 24

void ring_open(struct ring_reader *reader, struct ring *ring, unsigned slot, uint32_t flags)
{
    *reader = (struct ring_reader){.ring = ring, .slot = slot, .flags = flags, .resizing = BLOCK_UNKNOWN};
    reader->next = reader->head = ring->words[0];
}

bool ring_look(struct ring_reader *reader)
{
    struct ring *ring = reader->ring;
    const uintptr_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
    const uint64_t at = (head - ring->base) / sizeof(uint64_t);
    if (at >= RING_CHUNKS * RING_CHUNK_WORDS)
        reader->broken = true;
    if (reader->broken) {
        atomic_store(&ring->used_chunks, 0); /* the writer may go on; it is not read any more */
        atomic_fetch_add(&ring->freed, 1);
        futex_wake(&ring->freed);
        return false;
    }
    reader->head = &ring->words[at / RING_CHUNK_WORDS][at % RING_CHUNK_WORDS];
    return reader->head != reader->next;
}

static void give_back(struct ring *ring, unsigned chunk)
{
    atomic_fetch_and(&ring->used_chunks, ~(UINT64_C(1) << chunk));
    atomic_fetch_add(&ring->freed, 1);
    if (atomic_load(&ring->writer_waits))
        futex_wake(&ring->freed);
}

/* Follows or notes a control word. False: it makes no sense. */
static bool control(struct ring_reader *reader, uint64_t word)
{
    const uint64_t value = word >> 8;
    switch (word >> 4 & 15) {
    case CONTROL_THREAD:
        reader->thread = (uint32_t)value;
        return true;
    case CONTROL_JUMP:
        if (value >= RING_CHUNKS || value == reader->chunk)
            return false;
        give_back(reader->ring, reader->chunk);
        reader->chunk = (unsigned)value;
        reader->next = reader->ring->words[value];
        return true;
    default:
        return false;
    }
}

bool ring_next(struct ring_reader *reader, struct event *event, const struct blocks *blocks)
{
    while (!reader->broken && reader->next != reader->head) {
        uint64_t *end = reader->ring->words[reader->chunk] + RING_CHUNK_WORDS, *next = reader->next;
        if (next >= end)
            break;
        const uint64_t word = *next++;
        const enum event_kind kind = word & 7;
        if (kind == EVENT_CONTROL) {
            reader->next = next;
            if (control(reader, word))
                continue;
            break;
        }
        if (end - next < EVENT_WORDS_MAX)
            break; /* a writer changes chunks before it gets here */
        if (end - next > AHEAD)
            blocks_prefetch(blocks, next[AHEAD] & WORD_POINTER);
        event->kind = kind;
        event->thread = reader->thread;
        event->reader = reader;
        event->pointer = word & WORD_POINTER;
        if (event->pointer == 0 && kind != EVENT_FREE_NULL)
            event->pointer = *next++;
        event->size = word >> WORD_SIZE_SHIFT;
        if (event->size == WORD_SIZE_MAX)
            event->size = *next++;
        event->align = kind == EVENT_ALIGNED ? *next++ : 0;
        event->number = word & WORD_NUMBERED ? 1 + *next++ : 0;
        event->time = reader->flags & TRACE_TIME ? *next++ : 0;
        event->site = reader->flags & TRACE_SITE ? *next++ : 0;
        const bool half = reader->next < reader->head && next > reader->head;
        const bool huge =
            event->size >> 48 || event->align >> 48; /* more than an address space: only as a failed call */
        if (half || (huge && event->pointer != 0))
            break;
        reader->event = reader->next;
        reader->next = next;
        return true;
    }
    reader->broken |= reader->next != reader->head;
    return false;
}
