/*
 * packing.c - places blocks offline; see packing.h.
 *
 * Dynamic storage allocation: rectangles, as long as a block lives and as high as it is large, are shifted up and down
 * so that none overlap and all are as low as can be. It is NP-complete (Garey and Johnson, SR2); the best that is
 * proven in polynomial time is three times the load (J. Gergov, SODA 1999). Here, what matters is to waste nothing
 * while the load is highest: the blocks live at that op are stacked without a gap, and from there the trace is replayed
 * twice, to its end and backwards to its beginning, where each free makes a block and each malloc ends it. Both replays
 * begin with a perfect packing and only go where there is less to be placed, so that best fit seldom needs more than
 * the stack's height. In which order the stack is best depends on the trace: several are tried, up to the first that
 * reaches the load.
 *
 * Cost: O(ops log blocks) for each order; memory in proportion to the ops.
 */
#include "driver/packing.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "driver/line.h"
#include "driver/op.h"
#include "driver/shared_file.h"

#define NONE UINT32_MAX

struct life {
    uint32_t begin, end; /* the ops that make and end the block; end: nsteps when none does */
    uint32_t units, align;
    uint32_t kept; /* as in struct packed */
    uint32_t key;  /* order in the stack */
};

struct packer {
    const struct plan *plan;
    struct life *lives;
    uint32_t nlives, nsteps;
    uint32_t *begins, *ends; /* of each step, the life that begins and that ends with it, or NONE */
    uint32_t *now;           /* of each slot, the life in it */
    uint32_t *stack;         /* what is live at the peak */
    uint32_t nstack, peak;   /* peak: the step after which most units are live */
    uint32_t *places, *best; /* of the packing being tried, and of the lowest so far */
    struct line line;
    uint64_t live, load, height, align;
};

static void *table(size_t count, size_t size)
{
    return calloc(count + 1, size); /* never of nothing */
}

/* ---- The lives of blocks ----------------------------------------------------------------------------------------- */

/* Returns the units of the block that ends. */
static uint32_t end_life(struct packer *packer, uint32_t slot, uint32_t step)
{
    const uint32_t ended = packer->now[slot];
    packer->lives[ended].end = step;
    packer->ends[step] = ended;
    packer->live -= packer->lives[ended].units;
    return packer->lives[ended].units;
}

/* False: the request is too large to be counted. */
static bool begin_life(struct packer *packer, const struct request *request, uint32_t step, uint32_t old_units)
{
    const uint64_t units = request->bytes > 0 ? (request->bytes + PACKING_UNIT - 1) / PACKING_UNIT : 1;
    const uint64_t align = ALLOC_MAX(request->align, PACKING_UNIT);
    if (units > LINE_ROOM || align / PACKING_UNIT > LINE_ROOM)
        return false;
    packer->lives[packer->nlives] = (struct life){.begin = step,
                                                  .end = packer->nsteps,
                                                  .units = (uint32_t)units,
                                                  .align = (uint32_t)(align / PACKING_UNIT),
                                                  .kept = ALLOC_MIN((uint32_t)units, old_units)};
    packer->begins[step] = packer->now[request->slot] = packer->nlives++;
    packer->live += units;
    packer->align = ALLOC_MAX(packer->align, align);
    return true;
}

static bool find_lives(struct packer *packer, struct error *error)
{
    for (uint32_t step = 0; step < packer->nsteps; step++) {
        const struct request request = request_of(packer->plan, packer->plan->steps[step]);
        uint32_t old_units = 0;
        packer->begins[step] = packer->ends[step] = NONE;
        if (request.kind == OP_THREAD_END)
            continue;
        if (request.kind == OP_FREE || request.kind == OP_REALLOC)
            old_units = end_life(packer, request.slot, step);
        if (request.kind != OP_FREE && !begin_life(packer, &request, step, old_units))
            return error_set(error, EXIT_LACKS, "op %u is too large to be packed", (unsigned)step);
        if (packer->live > packer->load) {
            packer->load = packer->live;
            packer->peak = step;
        }
    }
    return true;
}

/* ---- One packing ------------------------------------------------------------------------------------------------- */

/* Orders of the stack, the lowest first: by when blocks end, by how long they live, by when they begin. */
enum order { LAST_END, LONGEST, FIRST_BEGIN, ORDERS };

static uint32_t key_of(const struct life *life, enum order order)
{
    return order == LAST_END  ? UINT32_MAX - life->end
           : order == LONGEST ? UINT32_MAX - (life->end - life->begin)
                              : life->begin;
}

static int compare_keys(const void *a, const void *b, void *lives)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const struct life *all = lives;
    if (all[x].key != all[y].key)
        return all[x].key < all[y].key ? -1 : 1;
    return x < y ? -1 : x > y;
}

static bool put(struct packer *packer, uint32_t life)
{
    return life == NONE || line_put(&packer->line, life, packer->lives[life].units, packer->lives[life].align);
}

static void take(struct packer *packer, uint32_t life)
{
    if (life != NONE)
        line_take(&packer->line, life);
}

static bool put_stack(struct packer *packer)
{
    line_clear(&packer->line);
    for (uint32_t i = 0; i < packer->nstack; i++)
        if (!put(packer, packer->stack[i]))
            return false;
    return true;
}

/* From the peak to the end, and from the peak to the beginning. False: LINE_ROOM does not suffice. */
static bool pack(struct packer *packer, enum order order, uint64_t *height)
{
    for (uint32_t i = 0; i < packer->nstack; i++)
        packer->lives[packer->stack[i]].key = key_of(&packer->lives[packer->stack[i]], order);
    qsort_r(packer->stack, packer->nstack, sizeof *packer->stack, compare_keys, packer->lives);
    bool fits = put_stack(packer);
    for (uint32_t step = packer->peak + 1; fits && step < packer->nsteps; step++) {
        take(packer, packer->ends[step]);
        fits = put(packer, packer->begins[step]);
    }
    *height = packer->line.highest;
    fits = fits && put_stack(packer);
    for (uint32_t step = packer->peak + 1; fits && step-- > 0;) {
        take(packer, packer->begins[step]);
        fits = put(packer, packer->ends[step]);
    }
    *height = ALLOC_MAX(*height, packer->line.highest);
    return fits;
}

/* Blocks of a trace that is packed in quadratic time. */
#define SHORT 30000

static int compare_sizes(const void *a, const void *b, void *lives)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const struct life *all = lives;
    if (all[x].units != all[y].units)
        return all[x].units > all[y].units ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* The lowest place of a life beside those already placed, which are in placed[], ascending by place. */
static uint64_t lowest_place(const struct packer *packer, uint32_t life, const uint32_t *placed, uint32_t nplaced,
                             const uint32_t *places)
{
    const struct life *lives = packer->lives, *own = &lives[life];
    uint64_t at = 0;
    for (uint32_t i = 0; i < nplaced; i++) {
        const struct life *other = &lives[placed[i]];
        const uint64_t begin = places[placed[i]], end = begin + other->units;
        if (other->begin >= own->end || own->begin >= other->end)
            continue;
        if (begin >= at + own->units)
            break;
        if (end > at)
            at = (end + own->align - 1) & ~((uint64_t)own->align - 1);
    }
    return at;
}

/* Each life at its place in places[]; the height. UINT64_MAX: LINE_ROOM does not suffice, or there is no memory. */
static uint64_t pack_largest_first(const struct packer *packer, uint32_t *places)
{
    uint32_t *order = table(packer->nlives, sizeof *order), *placed = table(packer->nlives, sizeof *placed);
    uint64_t height = order != NULL && placed != NULL ? 0 : UINT64_MAX;
    for (uint32_t i = 0; height == 0 && i < packer->nlives; i++)
        order[i] = i;
    if (height == 0)
        qsort_r(order, packer->nlives, sizeof *order, compare_sizes, packer->lives);
    for (uint32_t i = 0; height <= LINE_ROOM && i < packer->nlives; i++) {
        const uint32_t life = order[i];
        const uint64_t at = lowest_place(packer, life, placed, i, places);
        uint32_t rank = i;
        for (; rank > 0 && places[placed[rank - 1]] > at; rank--)
            placed[rank] = placed[rank - 1];
        placed[rank] = life;
        places[life] = (uint32_t)at;
        height = ALLOC_MAX(height, at + packer->lives[life].units);
    }
    free(order);
    free(placed);
    return height <= LINE_ROOM ? height : UINT64_MAX;
}

/* Takes a packing that is lower than the best so far. */
static void keep_lower(struct packer *packer, uint64_t height)
{
    if (height >= packer->height)
        return;
    packer->height = height;
    memcpy(packer->best, packer->places, packer->nlives * sizeof *packer->best);
}

static bool pack_best(struct packer *packer, struct error *error)
{
    for (uint32_t i = 0; i < packer->nlives; i++)
        if (packer->lives[i].begin <= packer->peak && packer->lives[i].end > packer->peak)
            packer->stack[packer->nstack++] = i;
    packer->height = UINT64_MAX;
    for (unsigned order = 0; order < ORDERS && packer->height > packer->load; order++) {
        uint64_t height;
        if (!pack(packer, (enum order)order, &height))
            continue;
        for (uint32_t i = 0; i < packer->nlives; i++)
            packer->places[i] = line_place(&packer->line, i);
        keep_lower(packer, height);
    }
    if (packer->height > packer->load && packer->nlives <= SHORT)
        keep_lower(packer, pack_largest_first(packer, packer->places));
    return packer->height < UINT64_MAX ||
           error_set(error, EXIT_LACKS, "more is live at once than can be packed (%llu units)",
                     (unsigned long long)packer->load);
}

/* ---- The file ---------------------------------------------------------------------------------------------------- */

/* Where the tables are in the mapping. */
static void point(struct packing *packing, const void *map)
{
    packing->header = map;
    packing->blocks = (const struct packed *)(packing->header + 1);
    packing->units = (const uint32_t *)(packing->blocks + packing->header->nblocks);
    packing->by_place = packing->units + packing->header->nblocks;
}

static int compare_places(const void *a, const void *b, void *places)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const uint32_t *all = places;
    if (all[x] != all[y])
        return all[x] < all[y] ? -1 : 1;
    return x < y ? -1 : x > y;
}

static bool write_packing(struct packing *packing, struct packer *packer, struct error *error)
{
    const uint64_t n = packer->nlives, entry = sizeof *packing->blocks + 2 * sizeof(uint32_t);
    const struct packing_header header = {sizeof header + n * entry, n, packer->height, packer->load,
                                          ALLOC_MAX(packer->align, PACKING_UNIT)};
    packing->fd = shared_file("heapbench-packing", header.bytes, error);
    if (packing->fd < 0)
        return false;
    void *map = mmap(NULL, header.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, packing->fd, 0);
    if (map == MAP_FAILED) {
        close(packing->fd);
        packing->fd = -1;
        return error_set(error, EXIT_LACKS, "no memory for a packing of %llu bytes", (unsigned long long)header.bytes);
    }
    memcpy(map, &header, sizeof header);
    point(packing, map);
    struct packed *blocks = (struct packed *)((struct packing_header *)map + 1);
    uint32_t *units = (uint32_t *)(blocks + n), *by_place = units + n;
    for (uint32_t i = 0; i < n; i++) {
        blocks[i] = (struct packed){packer->best[i], packer->lives[i].kept};
        units[i] = packer->lives[i].units;
        by_place[i] = i;
    }
    qsort_r(by_place, n, sizeof *by_place, compare_places, packer->best);
    return true;
}

static bool open_packer(struct packer *packer, const struct plan *plan)
{
    const struct plan_header *header = plan->header;
    const uint64_t makes =
        header->counts[OP_MALLOC] + header->counts[OP_CALLOC] + header->counts[OP_ALIGNED] + header->counts[OP_REALLOC];
    *packer = (struct packer){.plan = plan, .nsteps = (uint32_t)header->nsteps};
    packer->lives = table(makes, sizeof *packer->lives);
    packer->begins = table(header->nsteps, sizeof *packer->begins);
    packer->ends = table(header->nsteps, sizeof *packer->ends);
    packer->now = table(header->nslots, sizeof *packer->now);
    packer->stack = table(header->nslots, sizeof *packer->stack);
    packer->places = table(makes, sizeof *packer->places);
    packer->best = table(makes, sizeof *packer->best);
    return packer->lives && packer->begins && packer->ends && packer->now && packer->stack && packer->places &&
           packer->best && line_open(&packer->line, (uint32_t)makes, (uint32_t)header->nslots);
}

static void close_packer(struct packer *packer)
{
    free(packer->lives);
    free(packer->begins);
    free(packer->ends);
    free(packer->now);
    free(packer->stack);
    free(packer->places);
    free(packer->best);
    line_close(&packer->line);
}

bool packing_build(struct packing *packing, const struct plan *plan, struct error *error)
{
    struct packer packer;
    *packing = (struct packing){.fd = -1};
    if (plan->header->nsteps >= NONE)
        return error_set(error, EXIT_LACKS, "more than 2^32 ops cannot be packed");
    const bool packed = (open_packer(&packer, plan) || error_set(error, EXIT_LACKS, "no memory to pack the trace")) &&
                        find_lives(&packer, error) && pack_best(&packer, error) &&
                        write_packing(packing, &packer, error);
    close_packer(&packer);
    return packed;
}

bool packing_map(struct packing *packing, int fd, struct error *error)
{
    struct packing_header header;
    *packing = (struct packing){.fd = fd};
    if (pread(fd, &header, sizeof header, 0) != (ssize_t)sizeof header)
        return error_set(error, EXIT_LACKS, "the trace has no packing");
    void *map = mmap(NULL, header.bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (map == MAP_FAILED)
        return error_set(error, EXIT_LACKS, "no memory for a packing of %llu bytes", (unsigned long long)header.bytes);
    point(packing, map);
    return true;
}

void packing_close(struct packing *packing)
{
    if (packing->fd < 0)
        return;
    munmap((void *)(uintptr_t)packing->header, packing->header->bytes);
    close(packing->fd);
    packing->fd = -1;
}
