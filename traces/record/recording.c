/* recording.c - see recording.h. */
#include "traces/record/recording.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/*
 * Between two looks the recorder sleeps a millisecond while there is something to do, longer when there is not. To be
 * woken by each full chunk would cost the program more: a wake-up is some microseconds of the one who wakes.
 */
#define SLEEP_MIN_MS 1
#define SLEEP_MAX_MS 10

struct process_image {
    struct image *image;
    uint32_t number;
    int pid;
};

struct recording {
    struct recording_config config;
    int fd;
    struct session *session;
    char address[64];
    struct ring *rings[SESSION_SLOTS]; /* as mapped here; kept for the slot's next user */
    bool known[SESSION_SLOTS];         /* its image reads it */
    struct process_image *images;      /* those not finished */
    unsigned nimages, room;
    struct recording_totals totals;
    struct pid_count {
        int pid;
        unsigned images;
    } * pids; /* all that were seen */
    unsigned npids;
    int starting;      /* pid of a process without a ring that recording_is_live() found last; 0: none */
    uint64_t ticked;   /* ms */
    unsigned sleep_ms; /* of the next sleep */
};

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- The session's memory -----------------------------------------------------------------------------------------
 */

static void init_mutex(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

/* A sparse anonymous file. It counts as a file for the limit on a file's size, which is raised while it is made. */
static int make_session_file(struct error *error)
{
    const uint64_t bytes = ring_offset(SESSION_SLOTS);
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    const struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    if (limit.rlim_max < bytes) {
        error_set(error, EXIT_LACKS,
                  "the limit on the size of files (ulimit -f) is too low to record: raise it above %llu MiB",
                  (unsigned long long)(bytes >> 20));
        return -1;
    }
    const int fd = memfd_create("heapbench-record", MFD_CLOEXEC);
    setrlimit(RLIMIT_FSIZE, &raised);
    const int status = fd < 0 ? -1 : ftruncate(fd, (off_t)bytes);
    const int reason = errno;
    setrlimit(RLIMIT_FSIZE, &limit);
    if (status == 0)
        return fd;
    error_set(error, EXIT_LACKS, "no shared memory to record into: %s", strerror(reason));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* A forked child finds out that it is one by memory that the kernel has wiped: Linux 4.14. */
static bool can_wipe_on_fork(void)
{
    const size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const bool can = page != MAP_FAILED && madvise(page, bytes, MADV_WIPEONFORK) == 0;
    if (page != MAP_FAILED)
        munmap(page, bytes);
    return can;
}

static bool open_session(struct recording *recording, struct error *error)
{
    if (!can_wipe_on_fork())
        return error_set(error, EXIT_LACKS, "this kernel has no MADV_WIPEONFORK: recording needs Linux 4.14 or later");
    recording->fd = make_session_file(error);
    if (recording->fd < 0)
        return false;
    struct session *session = mmap(NULL, sizeof *session, PROT_READ | PROT_WRITE, MAP_SHARED, recording->fd, 0);
    if (session == MAP_FAILED)
        return error_set(error, EXIT_LACKS, "no memory for the recording session: %s", strerror(errno));
    recording->session = session;
    session->magic = SESSION_MAGIC;
    session->flags = recording->config.image.flags;
    if (getrandom(&session->token, sizeof session->token, GRND_NONBLOCK) != sizeof session->token)
        session->token = now_ms() << 22 ^ (uint64_t)getpid();
    for (unsigned i = 0; i < SESSION_SLOTS; i++)
        init_mutex(&session->slots[i].alive);
    init_mutex(&session->recorder_alive);
    pthread_mutex_lock(&session->recorder_alive);
    snprintf(recording->address, sizeof recording->address, "%llx:/proc/%ld/fd/%d", (unsigned long long)session->token,
             (long)getpid(), recording->fd);
    return true;
}

struct recording *recording_open(const struct recording_config *config, struct error *error)
{
    struct recording *recording = calloc(1, sizeof *recording);
    if (!recording) {
        error_set(error, EXIT_LACKS, "no memory");
        return NULL;
    }
    recording->config = *config;
    if (open_session(recording, error))
        return recording;
    free(recording);
    return NULL;
}

const char *recording_address(const struct recording *recording)
{
    return recording->address;
}

/* ---- New processes and threads -------------------------------------------------------------------------------------
 */

/* The command line of a process, words joined by blanks; "" when it is gone. */
static void read_command(int pid, char *text, size_t bytes)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, bytes - 1);
    if (fd >= 0)
        close(fd);
    while (n > 0 && text[n - 1] == '\0')
        n--;
    text[n > 0 ? n : 0] = '\0';
    for (ssize_t i = 0; i < n; i++)
        if (text[i] == '\0' || text[i] == '\n')
            text[i] = ' ';
}

static void make_meta(const struct recording *recording, const struct slot *slot, char *text, size_t bytes)
{
    char command[1024];
    if (slot->image == 1)
        snprintf(command, sizeof command, "%s", recording->config.command);
    else
        read_command(slot->pid, command, sizeof command);
    struct utsname system;
    uname(&system);
    snprintf(text, bytes, "recorder: %s\ncommand: %s\nmachine: %s %s\n", PACKAGE_STRING, command, system.sysname,
             system.machine);
}

/* How many images this pid has had, with this one. 0: no memory. */
static unsigned count_image(struct recording *recording, int pid)
{
    for (unsigned i = 0; i < recording->npids; i++)
        if (recording->pids[i].pid == pid)
            return ++recording->pids[i].images;
    struct pid_count *pids = realloc(recording->pids, (recording->npids + 1) * sizeof *pids);
    if (!pids)
        return 0;
    recording->pids = pids;
    pids[recording->npids++] = (struct pid_count){.pid = pid, .images = 1};
    return 1;
}

/* prog.trace, prog.PID.trace, prog.PID.2.trace: the first of all, the first and the second of a pid. NULL: no memory.
 */
static char *make_path(const char *output, const struct slot *slot, unsigned nth)
{
    const char *suffix = ".trace";
    size_t stem = strlen(output);
    if (stem > strlen(suffix) && strcmp(output + stem - strlen(suffix), suffix) == 0)
        stem -= strlen(suffix);
    else
        suffix = "";
    if (slot->image == 1)
        return strdup(output);
    char *path;
    const int length = nth == 1 ? asprintf(&path, "%.*s.%d%s", (int)stem, output, slot->pid, suffix)
                                : asprintf(&path, "%.*s.%d.%u%s", (int)stem, output, slot->pid, nth, suffix);
    return length < 0 ? NULL : path;
}

static struct process_image *add_image(struct recording *recording, const struct slot *slot)
{
    if (recording->nimages == recording->room) {
        const unsigned room = 2 * recording->room + 8;
        struct process_image *images = realloc(recording->images, room * sizeof *images);
        if (!images)
            return NULL;
        recording->images = images;
        recording->room = room;
    }
    char meta[2048];
    make_meta(recording, slot, meta, sizeof meta);
    const unsigned nth = count_image(recording, slot->pid);
    char *path = nth ? make_path(recording->config.output, slot, nth) : NULL;
    struct image *image = path ? image_create(&recording->config.image, path, meta) : NULL;
    free(path);
    if (!image)
        return NULL;
    struct process_image *added = &recording->images[recording->nimages++];
    *added = (struct process_image){.image = image, .number = slot->image, .pid = slot->pid};
    return added;
}

static bool map_ring(struct recording *recording, unsigned i)
{
    if (recording->rings[i])
        return true;
    void *map = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, recording->fd, (off_t)ring_offset(i));
    recording->rings[i] = map == MAP_FAILED ? NULL : map;
    return map != MAP_FAILED;
}

/* Begins to read slot i, when the rings that its process took before are being read. False: no memory. */
static bool add_slot(struct recording *recording, unsigned i)
{
    const struct slot *slot = &recording->session->slots[i];
    struct process_image *of = NULL;
    for (unsigned k = 0; k < recording->nimages; k++)
        if (recording->images[k].number == slot->image)
            of = &recording->images[k];
    if (slot->index != (of ? image_rings(of->image) : 0))
        return true; /* at the next look, where the earlier one is seen too */
    if (!map_ring(recording, i) || (!of && !(of = add_image(recording, slot))) ||
        !image_add_ring(of->image, recording->rings[i], i))
        return false;
    recording->known[i] = true;
    return true;
}

/* Begins to read the rings that are new. True if there were any. */
static bool look_for_slots(struct recording *recording, struct error *error)
{
    struct session *session = recording->session;
    bool any = false;
    const unsigned used = atomic_load(&session->slots_used);
    for (unsigned i = 0; i < used; i++) {
        if (recording->known[i] || atomic_load_explicit(&session->slots[i].state, memory_order_acquire) != SLOT_LIVE)
            continue;
        if (!add_slot(recording, i))
            error_set(error, EXIT_LACKS, "no memory to record another thread or process");
        any |= recording->known[i];
    }
    return any;
}

/* ---- Processes that end --------------------------------------------------------------------------------------------
 */

static bool image_is_live(struct recording *recording, const struct image *image)
{
    for (unsigned i = 0; i < image_rings(image); i++)
        if (owner_alive(&recording->session->slots[image_slot(image, i)].alive))
            return true;
    return false;
}

/* No thread of it that writes is left, and none can come: the process is gone, or is another image by now. */
static bool image_is_over(struct recording *recording, unsigned k)
{
    const struct process_image *of = &recording->images[k];
    if (image_is_live(recording, of->image))
        return false;
    for (unsigned i = 0; i < recording->nimages; i++)
        if (recording->images[i].pid == of->pid && recording->images[i].number > of->number)
            return true;
    return kill(of->pid, 0) != 0 && errno == ESRCH;
}

/* Makes the slots of an image free for others. */
static void free_slots(struct recording *recording, const struct image *image)
{
    for (unsigned i = 0; i < image_rings(image); i++) {
        const unsigned at = image_slot(image, i);
        struct ring *ring = recording->rings[at];
        atomic_store(&ring->head, 0);
        atomic_store(&ring->used_chunks, 0);
        ring->base = 0;
        recording->known[at] = false;
        atomic_store_explicit(&recording->session->slots[at].state, SLOT_FREE, memory_order_release);
    }
}

/* over: no thread of it lives, so that its slots are free for others. */
static void end_image(struct recording *recording, unsigned k, bool over, struct error *error)
{
    struct image *image = recording->images[k].image;
    image_finish(image, error);
    const struct image_counts *counts = image_counts(image);
    struct recording_totals *totals = &recording->totals;
    totals->counts.ops += counts->ops;
    totals->counts.unknown += counts->unknown;
    totals->counts.unfreed += counts->unfreed;
    totals->counts.gaps += counts->gaps;
    totals->counts.broken += counts->broken;
    totals->files += counts->ops > 0;
    if (over)
        free_slots(recording, image);
    image_free(image);
    recording->images[k] = recording->images[--recording->nimages];
}

static void tick(struct recording *recording, struct error *error)
{
    const uint64_t now = now_ms();
    if (now < recording->ticked + SLEEP_MAX_MS)
        return;
    recording->ticked = now;
    for (unsigned k = recording->nimages; k-- > 0;) {
        image_tick(recording->images[k].image, now, error);
        if (!image_is_over(recording, k))
            continue;
        while (look_for_slots(recording, error)) /* threads that began and ended since the last look */
            ;
        end_image(recording, k, true, error);
    }
}

/* ---- The work ------------------------------------------------------------------------------------------------------
 */

void recording_step(struct recording *recording, struct error *error)
{
    struct session *session = recording->session;
    const uint32_t rung = atomic_load(&session->doorbell);
    look_for_slots(recording, error);
    bool any = false;
    for (unsigned k = 0; k < recording->nimages; k++)
        any |= image_drain(recording->images[k].image, error);
    tick(recording, error);
    recording->sleep_ms = any                                  ? SLEEP_MIN_MS
                          : recording->sleep_ms < SLEEP_MAX_MS ? recording->sleep_ms + 1
                                                               : SLEEP_MAX_MS;
    atomic_store(&session->reader_sleeps, 1);
    if (atomic_load(&session->doorbell) == rung)
        futex_wait(&session->doorbell, rung, recording->sleep_ms);
    atomic_store(&session->reader_sleeps, 0);
}

void recording_wake(struct recording *recording)
{
    atomic_fetch_add(&recording->session->doorbell, 1);
}

/* Whether the process began with the session in its environment. */
static bool is_in_session(const struct recording *recording, int pid)
{
    char path[64], wanted[sizeof SESSION_VARIABLE + sizeof recording->address], *word = NULL;
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    snprintf(wanted, sizeof wanted, "%s=%s", SESSION_VARIABLE, recording->address);
    FILE *environment = fopen(path, "re");
    size_t room = 0;
    bool found = false;
    while (environment && !found && getdelim(&word, &room, '\0', environment) > 0)
        found = strcmp(word, wanted) == 0;
    free(word);
    if (environment)
        fclose(environment);
    return found;
}

/* Whether a process of the session has no ring yet: it was just forked, or is in exec. */
static bool any_is_starting(struct recording *recording)
{
    if (recording->starting && is_in_session(recording, recording->starting))
        return true;
    recording->starting = 0;
    DIR *processes = opendir("/proc");
    for (struct dirent *entry; processes && !recording->starting && (entry = readdir(processes));) {
        const int pid = atoi(entry->d_name);
        if (pid > 0 && is_in_session(recording, pid))
            recording->starting = pid;
    }
    if (processes)
        closedir(processes);
    return recording->starting != 0;
}

bool recording_is_live(struct recording *recording)
{
    struct session *session = recording->session;
    const unsigned used = atomic_load(&session->slots_used);
    for (unsigned i = 0; i < used; i++)
        if (atomic_load(&session->slots[i].state) == SLOT_LIVE && owner_alive(&session->slots[i].alive))
            return true;
    const bool starting = any_is_starting(recording);
    if (!starting)
        recording->sleep_ms = 0; /* the next looks decide: they come soon */
    return starting;
}

struct recording_totals recording_close(struct recording *recording, struct error *error)
{
    while (look_for_slots(recording, error))
        ;
    while (recording->nimages > 0)
        end_image(recording, 0, false, error);
    recording->totals.lost_threads = atomic_load(&recording->session->lost_threads);
    recording->totals.dropped = atomic_load(&recording->session->dropped);
    const struct recording_totals totals = recording->totals;
    free(recording->images);
    free(recording->pids);
    free(recording); /* mappings and descriptor end with the process: programs that live on must not take them for ours
                      */
    return totals;
}
