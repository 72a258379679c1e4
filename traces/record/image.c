/* image.c - see image.h. */
#include "traces/record/image.h"

#include "traces/record/blocks.h"
#include "traces/record/ring_reader.h"
#include "traces/trace.h"

#include <stdlib.h>
#include <string.h>

#define BATCH   1024
#define WINDOW  65536 /* numbered events that wait for a lower number */
#define GIVE_UP 5000  /* ms without the next number until it is taken for lost */
#define FLUSH   1000  /* ms until what a slow program did is in the file */

struct image {
    struct image_config config;
    char *path, *meta;
    struct trace_writer *writer; /* NULL: no op yet, or failed */
    bool failed;
    struct blocks blocks;
    uint64_t next_ordinal;
    uint64_t first_time; /* of the first event; 0: none yet */
    struct ring_reader **rings;
    unsigned nrings;
    struct event *window; /* of number n: at n % WINDOW; number 0: empty. NULL: no numbered event yet */
    uint64_t next_number; /* from 1 */
    unsigned waiting;     /* events in the window */
    uint64_t ahead;       /* the lowest number that is left in a ring because the window ends before it; 0: none */
    uint64_t stuck_at, stuck_since;
    uint64_t flushed; /* when; ms */
    struct image_counts counts;
    unsigned nops;
    struct op ops[BATCH];
};

struct image *image_create(const struct image_config *config, const char *path, const char *meta)
{
    struct image *image = calloc(1, sizeof *image);
    if (!image)
        return NULL;
    image->config = *config;
    image->next_number = 1;
    image->path = strdup(path);
    image->meta = strdup(meta);
    if (image->path && image->meta)
        return image;
    image_free(image);
    return NULL;
}

bool image_add_ring(struct image *image, struct ring *ring, unsigned slot)
{
    struct ring_reader *reader = malloc(sizeof *reader);
    struct ring_reader **rings = realloc(image->rings, (image->nrings + 1) * sizeof *rings);
    if (rings)
        image->rings = rings;
    if (!reader || !rings) {
        free(reader);
        return false;
    }
    ring_open(reader, ring, slot, image->config.flags);
    image->rings[image->nrings++] = reader;
    return true;
}

unsigned image_rings(const struct image *image)
{
    return image->nrings;
}

unsigned image_slot(const struct image *image, unsigned i)
{
    return image->rings[i]->slot;
}

/* ---- Ops ----------------------------------------------------------------------------------------------------------
 */

static bool failed(struct image *image)
{
    image->failed = true;
    return false;
}

static bool write_ops(struct image *image, struct error *error)
{
    const unsigned n = image->nops;
    image->nops = 0;
    if (image->failed || n == 0)
        return !image->failed;
    if (!image->writer)
        image->writer = trace_create(image->path, image->config.flags, image->meta, image->config.level, error);
    if (!image->writer || !trace_write(image->writer, image->ops, n, error))
        return failed(image);
    image->counts.ops += n;
    return true;
}

static void add_op(struct image *image, const struct event *event, enum op_kind kind, uint64_t block,
                   struct error *error)
{
    if (image->first_time == 0)
        image->first_time = event->time;
    uint64_t align = 0;
    if (kind == OP_ALIGNED) /* what is no power of two is rounded up by the functions that take it */
        for (align = 1; align < event->align && align < UINT64_C(1) << 63;)
            align *= 2;
    image->ops[image->nops++] = (struct op){
        .kind = kind,
        .thread = event->thread,
        .block = block,
        .size = kind == OP_FREE ? 0 : event->size,
        .align = align,
        .time = event->time > image->first_time ? event->time - image->first_time : 0,
        .site = event->site,
    };
    if (image->nops == BATCH)
        write_ops(image, error);
}

/* Says that a block lives at the event's address. */
static void put(struct image *image, uint64_t address, uint64_t ordinal, struct error *error)
{
    uint64_t previous;
    if (!blocks_put(&image->blocks, address, ordinal, &previous)) {
        error_set(error, EXIT_LACKS, "%s: no memory for the table of live blocks; the recording ends here",
                  image->path);
        failed(image);
    } else if (previous != BLOCK_UNKNOWN) {
        image->counts.unfreed++;
    }
}

static void add_block(struct image *image, const struct event *event, enum op_kind kind, struct error *error)
{
    put(image, event->pointer, image->next_ordinal, error);
    add_op(image, event, kind, image->next_ordinal++, error);
}

static void free_block(struct image *image, const struct event *event, uint64_t ordinal, struct error *error)
{
    if (ordinal == BLOCK_UNKNOWN)
        image->counts.unknown++;
    else
        add_op(image, event, OP_FREE, ordinal, error);
}

/* While realloc runs its old address may already be another thread's: the block has none between begin and end. */
static void end_resize(struct image *image, const struct event *event, struct error *error)
{
    struct ring_reader *reader = event->reader;
    const uint64_t ordinal = reader->resizing;
    reader->resizing = BLOCK_UNKNOWN;
    if (event->pointer == 0 && event->size == 0) {
        free_block(image, event, ordinal, error);
    } else if (event->pointer == 0) {
        if (ordinal != BLOCK_UNKNOWN)
            put(image, reader->resizing_at, ordinal, error); /* it failed: all is as it was */
    } else if (ordinal == BLOCK_UNKNOWN) {
        image->counts.unknown++;
        add_block(image, event, OP_MALLOC, error);
    } else {
        put(image, event->pointer, ordinal, error);
        add_op(image, event, OP_REALLOC, ordinal, error);
    }
}

static void take_event(struct image *image, const struct event *event, struct error *error)
{
    switch (event->kind) {
    case EVENT_MALLOC:
        add_block(image, event, OP_MALLOC, error);
        break;
    case EVENT_CALLOC:
        add_block(image, event, OP_CALLOC, error);
        break;
    case EVENT_ALIGNED:
        add_block(image, event, OP_ALIGNED, error);
        break;
    case EVENT_FREE:
        free_block(image, event, blocks_take(&image->blocks, event->pointer), error);
        break;
    case EVENT_FREE_NULL:
        add_op(image, event, OP_FREE, TRACE_NULL, error);
        break;
    case EVENT_RESIZE_BEGIN:
        event->reader->resizing = blocks_take(&image->blocks, event->pointer);
        event->reader->resizing_at = event->pointer;
        break;
    case EVENT_RESIZE_END:
        end_resize(image, event, error);
        break;
    case EVENT_CONTROL:
        break; /* ring_next() keeps it */
    }
}

/* ---- Order --------------------------------------------------------------------------------------------------------
 */

/* Takes the events of the window whose turn it is. */
static void empty_window(struct image *image, struct error *error)
{
    while (image->waiting > 0) {
        struct event *event = &image->window[image->next_number % WINDOW];
        if (event->number != image->next_number)
            return;
        take_event(image, event, error);
        event->number = 0;
        image->next_number++;
        image->waiting--;
    }
}

/* Whether there is an event that waits for a lower number. */
static bool is_stuck(const struct image *image)
{
    return image->waiting > 0 || image->ahead > 0;
}

/* Gives up the numbers before the lowest one that is there. */
static void skip_gap(struct image *image, struct error *error)
{
    const uint64_t missing = image->next_number;
    if (image->waiting == 0)
        image->next_number = image->ahead;
    else
        while (image->window[image->next_number % WINDOW].number == 0)
            image->next_number++;
    image->counts.gaps += image->next_number - missing;
    empty_window(image, error);
}

/* False: the event is too far ahead of the number that is due. */
static bool take_numbered(struct image *image, const struct event *event, struct error *error)
{
    if (event->number == image->next_number) {
        take_event(image, event, error);
        image->next_number++;
        return true;
    }
    if (event->number < image->next_number) { /* given up too early: better late than never */
        take_event(image, event, error);
        return true;
    }
    const uint64_t distance = event->number - image->next_number;
    if (distance > (uint64_t)SESSION_SLOTS * RING_CHUNKS * RING_CHUNK_WORDS) {
        event->reader->broken = true; /* all that is not taken yet are not so many, in rings not known yet either */
        return true;
    }
    if (distance >= WINDOW) {
        if (image->ahead == 0 || event->number < image->ahead)
            image->ahead = event->number;
        return false;
    }
    if (!image->window)
        image->window = calloc(WINDOW, sizeof *image->window);
    if (!image->window) {
        error_set(error, EXIT_LACKS, "%s: no memory to put threads in order; the recording ends here", image->path);
        failed(image);
        return true; /* dropped, so that the program goes on */
    }
    struct event *place = &image->window[event->number % WINDOW];
    if (place->number != 0) {
        event->reader->broken = true; /* a number that was there already */
        return true;
    }
    *place = *event;
    image->waiting++;
    return true;
}

static bool drain_ring(struct image *image, struct ring_reader *reader, struct error *error)
{
    bool any = false;
    struct event event;
    while (ring_next(reader, &event, &image->blocks)) {
        if (event.number == 0) {
            take_event(image, &event, error);
        } else if (!take_numbered(image, &event, error)) {
            reader->next = reader->event; /* again later */
            break;
        }
        any = true;
    }
    return any;
}

/* Looks how far the threads have got; true if there is something to take. The newest first: what the first thread did
 * before there was another one is then seen whenever something that was done because of it is. */
static bool look(struct image *image)
{
    bool any = false;
    for (unsigned i = image->nrings; i-- > 0;)
        any |= ring_look(image->rings[i]);
    return any;
}

/* Takes what was there at the last look; true if there was anything. */
static bool take(struct image *image, struct error *error)
{
    bool any = false;
    image->ahead = 0;
    for (unsigned i = 0; i < image->nrings; i++)
        any |= drain_ring(image, image->rings[i], error);
    empty_window(image, error);
    return any;
}

bool image_drain(struct image *image, struct error *error)
{
    return look(image) && take(image, error);
}

void image_tick(struct image *image, uint64_t now_ms, struct error *error)
{
    if (!is_stuck(image) || image->stuck_at != image->next_number) {
        image->stuck_at = image->next_number;
        image->stuck_since = now_ms;
    } else if (now_ms - image->stuck_since > GIVE_UP) {
        skip_gap(image, error);
    }
    if (now_ms - image->flushed < FLUSH)
        return;
    image->flushed = now_ms;
    if (write_ops(image, error) && image->writer && !trace_flush(image->writer, error))
        failed(image);
}

void image_finish(struct image *image, struct error *error)
{
    look(image); /* once: what lives on cannot keep us here */
    for (;;) {
        if (take(image, error))
            continue;
        if (!is_stuck(image))
            break;
        skip_gap(image, error);
    }
    for (unsigned i = 0; i < image->nrings; i++)
        image->counts.broken += image->rings[i]->broken;
    write_ops(image, error);
    if (image->writer && image->failed)
        trace_cut_off(image->writer);
    if (image->writer && !trace_finish(image->writer, error))
        failed(image);
    image->writer = NULL;
    blocks_free(&image->blocks);
}

const struct image_counts *image_counts(const struct image *image)
{
    return &image->counts;
}

const char *image_path(const struct image *image)
{
    return image->path;
}

void image_free(struct image *image)
{
    for (unsigned i = 0; i < image->nrings; i++)
        free(image->rings[i]);
    free(image->rings);
    free(image->window);
    free(image->path);
    free(image->meta);
    free(image);
}
