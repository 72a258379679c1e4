/* plan.c - compiles a trace into a plan; see plan.h. */
#include "traces/plan.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "traces/map.h"
#include "traces/reader.h"
#include "traces/write_all.h"

#define BATCH        512              /* ops read at once: they stay in the first-level cache */
#define STEPS        4096             /* written at once: few calls, and still warm when they are hashed */
#define STEPS_OFFSET 4096             /* in the file; the header comes before */
#define SMALL_SIZES  4096             /* bytes; most requests are below */
#define DEAD         UINT32_MAX       /* in slot_of: the block was freed */
#define MAX_LIVE     (UINT64_MAX / 4) /* bytes; no sum can overflow, for a request is under 2^48 */

/* How many blocks of one size are live, and were at most. */
struct size_count {
    uint64_t size;
    uint32_t live, peak;
};

struct builder {
    struct plan_header header;
    const char *name; /* of the trace */
    int fd;
    XXH3_state_t *hash;
    uint64_t steps[STEPS];
    uint32_t *slot_of; /* by block; DEAD after its free */
    size_t slot_of_room;
    struct map slots; /* when surveying, instead of slot_of: only live blocks, block to slot */
    plan_visit *visit;
    void *visit_arg;
    uint32_t *free_slots; /* a stack: the latest freed is used first, as a program's stack frames would */
    uint32_t *size_of;    /* by slot: index into sizes */
    size_t slots_room, nfree;
    struct size_count *sizes;
    size_t nsizes, sizes_room;
    struct map size_index;             /* size to index into sizes */
    uint32_t small_index[SMALL_SIZES]; /* the same by size, plus one; 0: see size_index */
    struct plan_extra *extras;
    size_t extras_room;
    struct map threads;
    uint32_t thread; /* the latest: seldom another */
    uint64_t live;   /* bytes */
};

/* Doubles *array until it has room for n items. */
static bool make_room(void *array, size_t *room, size_t n, size_t item)
{
    if (n <= *room)
        return true;
    size_t bigger = *room ? *room : 1024;
    while (bigger < n)
        bigger *= 2;
    void *moved = bigger > SIZE_MAX / item ? NULL : realloc(*(void **)array, bigger * item);
    if (!moved)
        return false;
    *(void **)array = moved;
    *room = bigger;
    return true;
}

static bool no_memory(struct error *error)
{
    return error_set(error, EXIT_LACKS, "no memory to compile the trace into a plan; use a shorter one");
}

/* ---- Output: bytes in file order, hashed as a little-endian machine would have them ------------------------------ */

static bool write_bytes(struct builder *b, const void *bytes, size_t n, struct error *error)
{
    return write_all(b->fd, bytes, n) ||
           error_set(error, EXIT_LACKS, "no memory for the plan: %s; use a shorter trace", strerror(errno));
}

static bool write_words(struct builder *b, const uint64_t *words, size_t n, struct error *error)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    XXH3_128bits_update(b->hash, words, n * sizeof *words);
#else
    for (size_t i = 0; i < n; i++) {
        uint64_t little = __builtin_bswap64(words[i]);
        XXH3_128bits_update(b->hash, &little, sizeof little);
    }
#endif
    return b->visit || write_bytes(b, words, n * sizeof *words, error);
}

/* ---- Sizes, threads ---------------------------------------------------------------------------------------------- */

/* The index into sizes, plus one; 0: *error. */
static uint32_t find_size(struct builder *b, uint64_t size, struct error *error)
{
    uint64_t index = map_get(&b->size_index, size);
    if (index == MAP_NONE) {
        index = b->nsizes;
        if (index >= UINT32_MAX - 1 || !make_room(&b->sizes, &b->sizes_room, b->nsizes + 1, sizeof *b->sizes) ||
            !map_set(&b->size_index, size, index))
            return no_memory(error);
        b->sizes[b->nsizes++] = (struct size_count){.size = size};
    }
    if (size < SMALL_SIZES)
        b->small_index[size] = (uint32_t)index + 1;
    return (uint32_t)index + 1;
}

static inline bool count_in(struct builder *b, uint32_t slot, uint64_t size, uint64_t step, struct error *error)
{
    uint32_t index = size < SMALL_SIZES ? b->small_index[size] : 0;
    if (index == 0 && !(index = find_size(b, size, error)))
        return false;
    index--;
    struct size_count *count = &b->sizes[index];
    b->size_of[slot] = index;
    if (++count->live > count->peak)
        count->peak = count->live;
    b->live += size;
    if (b->live > b->header.peak_live) {
        if (b->live > MAX_LIVE)
            return error_set(error, EXIT_INPUT, "%s: op %llu: more than 2^62 bytes are live; the trace cannot be real",
                             b->name, (unsigned long long)step);
        b->header.peak_live = b->live;
        b->header.peak_step = step;
    }
    if (size > b->header.max_request)
        b->header.max_request = size;
    return true;
}

static inline void count_out(struct builder *b, uint32_t slot)
{
    struct size_count *count = &b->sizes[b->size_of[slot]];
    count->live--;
    b->live -= count->size;
}

static bool see_thread(struct builder *b, uint32_t thread)
{
    b->thread = thread;
    return map_set(&b->threads, thread, 0);
}

/* ---- Slots ------------------------------------------------------------------------------------------------------- */

static bool new_slot(struct builder *b, uint32_t *slot, struct error *error)
{
    size_t n = (size_t)b->header.nslots;
    if (n > PLAN_MAX_SLOT)
        return error_set(error, EXIT_INPUT, "%s: more than 2^29 blocks are live at once; a plan cannot name them",
                         b->name);
    size_t room = b->slots_room; /* grows in step for both tables */
    if (!make_room(&b->free_slots, &room, n + 1, sizeof *b->free_slots) ||
        !make_room(&b->size_of, &b->slots_room, n + 1, sizeof *b->size_of))
        return no_memory(error);
    *slot = (uint32_t)b->header.nslots++;
    return true;
}

static inline bool take_slot(struct builder *b, uint64_t block, uint32_t *slot, bool survey, struct error *error)
{
    if (!survey && block >= b->slot_of_room &&
        !make_room(&b->slot_of, &b->slot_of_room, (size_t)block + 1, sizeof *b->slot_of))
        return no_memory(error);
    if (b->nfree)
        *slot = b->free_slots[--b->nfree];
    else if (!new_slot(b, slot, error))
        return false;
    if (survey)
        return map_set(&b->slots, block, *slot) || no_memory(error);
    b->slot_of[block] = *slot;
    return true;
}

/* DEAD: it was freed. */
static inline uint32_t slot_of(const struct builder *b, uint64_t block, bool survey)
{
    return survey ? (uint32_t)map_get(&b->slots, block) : b->slot_of[block];
}

static inline void free_slot(struct builder *b, uint64_t block, uint32_t slot, bool survey)
{
    if (survey)
        map_take(&b->slots, block);
    else
        b->slot_of[block] = DEAD;
    b->free_slots[b->nfree++] = slot;
    count_out(b, slot);
}

static bool dead_block(const struct builder *b, const struct op *op, uint64_t step, struct error *error)
{
    return error_set(
        error, EXIT_INPUT, "%s: op %llu: block %llu is %s after it was freed; the recording is wrong there", b->name,
        (unsigned long long)step, (unsigned long long)op->block, op->kind == OP_FREE ? "freed" : "resized");
}

/* ---- Steps ------------------------------------------------------------------------------------------------------- */

static inline uint64_t make_step(enum plan_kind kind, uint32_t slot, uint64_t size)
{
    return (uint64_t)kind << 61 | (uint64_t)slot << 32 | size;
}

static bool extra_step(struct builder *b, const struct op *op, uint32_t slot, uint64_t *step, struct error *error)
{
    uint64_t n = b->header.nextras;
    if (n > UINT32_MAX || !make_room(&b->extras, &b->extras_room, n + 1, sizeof *b->extras))
        return no_memory(error);
    b->extras[n] = (struct plan_extra){.size = op->size, .align = op->align, .kind = op->kind};
    *step = make_step(PLAN_EXTRA, slot, n);
    b->header.nextras++;
    return true;
}

static inline bool sized_step(struct builder *b, const struct op *op, uint32_t slot, uint64_t at, uint64_t *step,
                              struct error *error)
{
    static const enum plan_kind kinds[OP_KINDS] = {
        [OP_MALLOC] = PLAN_MALLOC, [OP_CALLOC] = PLAN_CALLOC, [OP_REALLOC] = PLAN_REALLOC};
    if (!count_in(b, slot, op->size, at, error))
        return false;
    if (__builtin_expect(op->kind == OP_ALIGNED || op->size > UINT32_MAX, 0))
        return extra_step(b, op, slot, step, error);
    *step = make_step(kinds[op->kind], slot, op->size);
    return true;
}

/* The op's step; `at` is its index. False: *error. Inline, so that `survey` is a constant. */
static inline __attribute__((always_inline)) bool compile(struct builder *b, const struct op *op, uint64_t at,
                                                          uint64_t *step, bool survey, struct error *error)
{
    uint32_t slot = 0;
    if (op->thread != b->thread && !see_thread(b, op->thread))
        return no_memory(error);
    b->header.counts[op->kind]++;
    switch (op->kind) {
    case OP_MALLOC:
    case OP_CALLOC:
    case OP_ALIGNED:
        return take_slot(b, op->block, &slot, survey, error) && sized_step(b, op, slot, at, step, error);
    case OP_FREE:
        if (op->block == TRACE_NULL)
            break;
        slot = slot_of(b, op->block, survey);
        if (slot == DEAD)
            return dead_block(b, op, at, error);
        free_slot(b, op->block, slot, survey);
        *step = make_step(PLAN_FREE, slot, 0);
        return true;
    case OP_REALLOC:
        slot = slot_of(b, op->block, survey);
        if (slot == DEAD)
            return dead_block(b, op, at, error);
        count_out(b, slot);
        return sized_step(b, op, slot, at, step, error);
    default:
        break;
    }
    b->header.nothings++;
    *step = make_step(PLAN_NOTHING, 0, 0);
    return true;
}

static bool compile_batch(struct builder *b, const struct op *ops, size_t n, uint64_t *steps, struct error *error)
{
    for (size_t i = 0; i < n; i++)
        if (!compile(b, &ops[i], b->header.nsteps + i, &steps[i], false, error))
            return false;
    return true;
}

static bool compile_and_visit(struct builder *b, const struct op *ops, size_t n, uint64_t *steps, struct error *error)
{
    for (size_t i = 0; i < n; i++) {
        if (!compile(b, &ops[i], b->header.nsteps + i, &steps[i], true, error))
            return false;
        b->visit(b->visit_arg, &ops[i], plan_slot(steps[i]));
    }
    return true;
}

static bool compile_all(struct builder *b, struct trace_reader *reader, struct error *error)
{
    struct op ops[BATCH];
    size_t n, waiting = 0;
    while ((n = trace_read(reader, ops, BATCH, error)) > 0) {
        if (b->header.nsteps == 0 && !see_thread(b, ops[0].thread))
            return no_memory(error);
        if (!(b->visit ? compile_and_visit : compile_batch)(b, ops, n, b->steps + waiting, error))
            return false;
        b->header.nsteps += n;
        waiting += n;
        if (waiting > STEPS - BATCH) {
            if (!write_words(b, b->steps, waiting, error))
                return false;
            waiting = 0;
        }
    }
    return error->code == EXIT_DONE && write_words(b, b->steps, waiting, error);
}

/* ---- The whole --------------------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    const struct size_count *x = a, *y = b;
    return x->size < y->size ? -1 : x->size > y->size;
}

static bool write_sizes(struct builder *b, struct error *error)
{
    if (b->nsizes)
        qsort(b->sizes, b->nsizes, sizeof *b->sizes, by_size);
    for (size_t i = 0; i < b->nsizes; i++) {
        struct plan_size size = {.size = b->sizes[i].size, .peak = b->sizes[i].peak};
        if (!write_bytes(b, &size, sizeof size, error))
            return false;
    }
    return true;
}

static bool finish(struct builder *b, struct error *error)
{
    struct plan_header *h = &b->header;
    if (!write_words(b, (const uint64_t *)b->extras, h->nextras * sizeof *b->extras / sizeof(uint64_t), error))
        return false;
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(b->hash));
    memcpy(h->hash, canonical.digest, sizeof h->hash);
    h->steps_offset = STEPS_OFFSET;
    h->extras_offset = h->steps_offset + h->nsteps * sizeof *b->steps;
    h->nsizes = b->nsizes;
    h->sizes_offset = h->extras_offset + h->nextras * sizeof *b->extras;
    h->bytes = h->sizes_offset + h->nsizes * sizeof(struct plan_size);
    h->threads = b->threads.count;
    h->left_live = h->nslots - b->nfree;
    return true;
}

static void builder_free(struct builder *b)
{
    if (!b)
        return;
    XXH3_freeState(b->hash);
    free(b->slot_of);
    free(b->free_slots);
    free(b->size_of);
    free(b->sizes);
    free(b->extras);
    map_clear(&b->slots);
    map_clear(&b->size_index);
    map_clear(&b->threads);
    free(b);
}

/* NULL: *error. */
static struct builder *builder_new(const struct trace_reader *reader, struct error *error)
{
    struct builder *b = calloc(1, sizeof *b);
    if (b && (b->hash = XXH3_createState())) {
        b->name = reader->name;
        XXH3_128bits_reset(b->hash);
        return b;
    }
    builder_free(b);
    no_memory(error);
    return NULL;
}

bool plan_build(struct plan *plan, struct trace_reader *reader, struct error *error)
{
    *plan = (struct plan){.fd = -1};
    struct builder *b = builder_new(reader, error);
    if (!b)
        return false;
    b->fd = memfd_create("heapbench plan", 0); /* stays open across exec: children map it */
    bool done = b->fd >= 0 && ftruncate(b->fd, STEPS_OFFSET) == 0 && lseek(b->fd, 0, SEEK_END) == STEPS_OFFSET;
    if (!done)
        error_set(error, EXIT_LACKS, "no file in memory for the plan: %s", strerror(errno));
    done = done && compile_all(b, reader, error) && finish(b, error) && write_sizes(b, error) &&
           lseek(b->fd, 0, SEEK_SET) == 0 && write_bytes(b, &b->header, sizeof b->header, error);
    if (done)
        done = plan_map(plan, b->fd, error);
    else if (b->fd >= 0)
        close(b->fd);
    builder_free(b);
    return done;
}

bool plan_survey(struct plan_header *header, struct trace_reader *reader, plan_visit *visit, void *arg,
                 struct error *error)
{
    struct builder *b = builder_new(reader, error);
    if (!b)
        return false;
    b->visit = visit;
    b->visit_arg = arg;
    bool done = compile_all(b, reader, error) && finish(b, error);
    *header = b->header;
    builder_free(b);
    return done;
}
