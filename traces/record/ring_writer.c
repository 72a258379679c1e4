/*
 * ring_writer.c - the recorded program's side of a ring: finding the session, taking a ring, changing chunks, numbering
 * events.
 *
 * Nothing here allocates, and nothing stays open in the program. When there is no session or no ring to be had, or the
 * recorder has died, the program runs on unrecorded.
 */
#include "traces/record/ring_writer.h"

#include "traces/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* All that belongs to one process; in memory that fork() wipes, so that a child begins as a process of its own. */
struct process {
    _Atomic bool locked; /* guards all but the numbers, against other threads that take a ring */
    bool off;            /* nothing is recorded: there is no session */
    _Atomic bool numbered;
    _Atomic bool orphan; /* the recorder is dead: what is written is not read any more */
    struct session *session;
    uint32_t image, nwriters, nthreads, reclaim;
    _Alignas(64) _Atomic uint64_t next_number;
    struct writer refused; /* of all threads without a ring */
    _Alignas(64) struct writer writers[SESSION_SLOTS];
};

static struct writer no_writer;
_Thread_local struct writer *writer = &no_writer;

static struct process *process; /* NULL: not mapped; the same in a forked child, where its content is zero */
static char session_path[256];  /* from the environment; kept, since a program may change its environment */
static uint64_t session_token;

/* Reads SESSION_VARIABLE. The very first events come when no constructor has run, but the environment is in place. */
static bool find_session(void)
{
    if (session_path[0])
        return true;
    const char *value = getenv(SESSION_VARIABLE);
    if (!value)
        return false;
    char *end;
    session_token = strtoull(value, &end, 16);
    if (*end != ':' || strlen(end + 1) >= sizeof session_path)
        return false;
    strcpy(session_path, end + 1);
    return true;
}

/* Maps a part of the session. NULL: it cannot be had. The size of the file tells it from another's: when the recorder
 * is gone, its process number may be that of a program with a file of its own at that descriptor. Without open() and
 * close(), as a thread that is cancelled ends in these, and would leave the lock taken. */
static void *map_session(uint64_t offset, size_t bytes)
{
    struct stat status;
    void *map = MAP_FAILED;
    const int fd = (int)syscall(SYS_openat, AT_FDCWD, session_path, O_RDWR | O_CLOEXEC | O_LARGEFILE);
    if (fd < 0)
        return NULL;
    if (fstat(fd, &status) == 0 && (uint64_t)status.st_size == ring_offset(SESSION_SLOTS))
        map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
    syscall(SYS_close, fd);
    if (map == MAP_FAILED)
        return NULL;
    madvise(map, bytes, MADV_DONTFORK);
    return map;
}

/* False: the process is not recorded. */
static bool enter_session(void)
{
    if (process->session)
        return true;
    struct session *session = find_session() ? map_session(0, sizeof *session) : NULL;
    if (!session || session->magic != SESSION_MAGIC || session->token != session_token) {
        process->off = true; /* the mapping, if any, is of an unknown size: leave it */
        return false;
    }
    process->image = atomic_fetch_add(&session->images, 1) + 1;
    process->session = session;
    return true;
}

static void ring_doorbell(struct session *session)
{
    atomic_fetch_add(&session->doorbell, 1);
    if (atomic_load(&session->reader_sleeps))
        futex_wake(&session->doorbell);
}

/* The lowest chunk that the reader has given back; waits for one. False: the recorder is dead. */
static bool take_chunk(struct ring *ring, unsigned *chunk)
{
    for (unsigned tries = 0;; tries++) {
        const uint32_t freed = atomic_load(&ring->freed);
        const uint64_t free_chunks = ~atomic_load(&ring->used_chunks);
        if (free_chunks) {
            *chunk = (unsigned)__builtin_ctzll(free_chunks);
            atomic_fetch_or(&ring->used_chunks, UINT64_C(1) << *chunk);
            return true;
        }
        if (atomic_load(&process->orphan))
            return false;
        if (tries < 1000)
            continue; /* some microseconds: the reader is often about to give one back */
        if (tries % 8 == 0 && !owner_alive(&process->session->recorder_alive)) {
            atomic_store(&process->orphan, true);
            return false;
        }
        atomic_store(&ring->writer_waits, 1);
        if (atomic_load(&ring->freed) == freed)
            futex_wait(&ring->freed, freed, 20);
        atomic_store(&ring->writer_waits, 0);
    }
}

static void publish(struct writer *w, uint64_t *cursor)
{
    w->cursor = cursor;
    atomic_store_explicit(&w->ring->head, (uintptr_t)cursor, memory_order_release);
}

/* Opens the short way as far as the chunk goes, unless events have to be numbered; see stop_short_ways(). */
static void set_limit(struct writer *w)
{
    w->end = w->ring->words[w->chunk] + RING_CHUNK_WORDS - EVENT_WORDS_MAX - 1;
    __atomic_store_n(&w->limit, process->session->flags ? NULL : w->end, __ATOMIC_RELAXED);
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&process->numbered, memory_order_relaxed))
        __atomic_store_n(&w->limit, NULL, __ATOMIC_RELAXED);
}

/*
 * A second thread: from now on all events are numbered. The other thread may be in set_limit(); the two fences see to
 * it that either it reads `numbered` as true or its limit is written before ours. What it still writes without a number
 * was not caused by anything this thread will do, so it can go first.
 */
static void stop_short_ways(void)
{
    if (atomic_exchange(&process->numbered, true))
        return;
    atomic_thread_fence(memory_order_seq_cst);
    for (uint32_t i = 0; i < process->nwriters; i++)
        __atomic_store_n(&process->writers[i].limit, NULL, __ATOMIC_RELAXED);
}

static void next_chunk(struct writer *w)
{
    sigset_t all, old;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old); /* a handler that allocates must not find the jump half made */
    unsigned chunk = w->chunk;
    if (take_chunk(w->ring, &chunk)) {
        *w->cursor = control_word(CONTROL_JUMP, chunk);
        w->chunk = chunk;
    } /* else round and round in this chunk: nobody looks */
    publish(w, w->ring->words[chunk]);
    set_limit(w);
    if (__builtin_popcountll(atomic_load(&w->ring->used_chunks)) >= RING_CHUNKS_BEHIND)
        ring_doorbell(process->session);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

/* The writer of a thread of this process that has ended; its ring goes on where it stopped. NULL: none found. */
static struct writer *reclaim_writer(void)
{
    /* A few tries for each thread that begins keep the number of abandoned rings below that of the live threads. */
    for (unsigned tries = 0; tries < 4 && tries < process->nwriters; tries++) {
        struct writer *w = &process->writers[process->reclaim++ % process->nwriters];
        int status = pthread_mutex_trylock(&w->slot->alive);
        if (status == EOWNERDEAD)
            status = pthread_mutex_consistent(&w->slot->alive);
        if (status == 0)
            return w;
    }
    return NULL;
}

/* A writer over a ring of the session that nobody uses. NULL: there is none. */
static struct writer *new_writer(void)
{
    struct session *session = process->session;
    for (unsigned i = 0; i < SESSION_SLOTS && process->nwriters < SESSION_SLOTS; i++) {
        struct slot *slot = &session->slots[i];
        uint32_t state = SLOT_FREE;
        if (!atomic_compare_exchange_strong(&slot->state, &state, SLOT_TAKEN))
            continue;
        struct ring *ring = map_session(ring_offset(i), RING_BYTES);
        if (!ring) {
            atomic_store(&slot->state, SLOT_FREE);
            return NULL;
        }
#ifdef MADV_POPULATE_WRITE /* what the writer will go round in, mapped in one go */
        madvise(ring->words, 2 * sizeof ring->words[0], MADV_POPULATE_WRITE);
#endif
        uint32_t used = atomic_load(&session->slots_used);
        while (used <= i && !atomic_compare_exchange_weak(&session->slots_used, &used, i + 1))
            ;
        struct writer *w = &process->writers[process->nwriters];
        *w = (struct writer){.ring = ring, .slot = slot};
        slot->image = process->image;
        slot->pid = getpid();
        slot->index = process->nwriters;
        pthread_mutex_lock(&slot->alive);
        ring->base = (uintptr_t)ring->words[0];
        take_chunk(ring, &w->chunk);
        publish(w, ring->words[w->chunk]);
        atomic_store_explicit(&slot->state, SLOT_LIVE, memory_order_release);
        process->nwriters++;
        return w;
    }
    return NULL;
}

/* Gives the thread a writer. NULL: it is not recorded. */
static struct writer *take_writer(void)
{
    sigset_t all, old;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old);
    while (atomic_exchange_explicit(&process->locked, true, memory_order_acquire))
        sched_yield();
    struct writer *w = NULL;
    if (!process->off && enter_session()) {
        if (process->nthreads > 0)
            stop_short_ways();
        w = reclaim_writer();
        if (!w)
            w = new_writer();
        if (w) {
            w->busy = false; /* also when the thread that had it was cancelled in an event */
            writer = w;
            set_limit(w);
            if (w->cursor >= w->end)
                next_chunk(w);
            *w->cursor = control_word(CONTROL_THREAD, process->nthreads++);
            publish(w, w->cursor + 1);
            ring_doorbell(process->session);
        } else {
            process->refused.refused = true;
            writer = &process->refused;
            atomic_fetch_add(&process->session->lost_threads, 1);
        }
    }
    atomic_store_explicit(&process->locked, false, memory_order_release);
    sigprocmask(SIG_SETMASK, &old, NULL);
    return w;
}

/* Maps what a process needs, once for it and all its children. */
static bool map_process(void)
{
    void *map = mmap(NULL, sizeof *process, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return false;
    madvise(map, sizeof *process, MADV_WIPEONFORK); /* the recorder has seen that this kernel can */
    struct process *none = NULL;
    if (!__atomic_compare_exchange_n(&process, &none, map, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        munmap(map, sizeof *process); /* another thread was first */
    return true;
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void write_event(enum event_kind kind, const void *block, size_t size, size_t align, const void *site)
{
    if (!block && kind != EVENT_RESIZE_END) {
        if (kind != EVENT_FREE)
            return; /* the call failed */
        kind = EVENT_FREE_NULL;
    }
    const int saved_errno = errno;
    struct writer *w = writer;
    if (!w->ring) {
        if (w->refused || (!process && !map_process()) || process->off || !(w = take_writer())) {
            errno = saved_errno;
            return;
        }
    }
    if (w->busy) { /* the words and the number of the event that was interrupted must stay together */
        atomic_fetch_add(&process->session->dropped, 1);
        errno = saved_errno;
        return;
    }
    w->busy = true;
    atomic_signal_fence(memory_order_seq_cst);
    if (w->cursor >= w->end)
        next_chunk(w);
    uint64_t *word = w->cursor, *first = word++;
    const uint32_t flags = process->session->flags;
    uint64_t pointer = (uintptr_t)block, field = size;
    if (kind != EVENT_FREE_NULL && (pointer == 0 || (pointer & ~WORD_POINTER))) {
        *word++ = pointer;
        pointer = 0;
    }
    if (size >= WORD_SIZE_MAX) {
        *word++ = size;
        field = WORD_SIZE_MAX;
    }
    if (kind == EVENT_ALIGNED)
        *word++ = align;
    *first = pointer | field << WORD_SIZE_SHIFT | kind;
    /* After there is room, so that who has a number never waits for others. */
    if (atomic_load_explicit(&process->numbered, memory_order_acquire)) {
        *first |= WORD_NUMBERED;
        *word++ = atomic_fetch_add(&process->next_number, 1);
    }
    if (flags & TRACE_TIME)
        *word++ = now();
    if (flags & TRACE_SITE)
        *word++ = (uintptr_t)site;
    publish(w, word);
    atomic_signal_fence(memory_order_seq_cst);
    w->busy = false;
    errno = saved_errno;
}
