/*
 * guard.c - red zones, magic words, poison and a quarantine around any allocator; see guard.h.
 *
 * Algorithm: a request goes to the inner allocator with room for a header and red zones. What is true of a block is in
 * a table beside the heap (block_table.h), so that a freed block is known whatever was written over it, and a pointer
 * that is no block is never followed. The header repeats it in memory, for whoever reads a dump. The second zone begins
 * at the first byte past the request, not past what was granted. A freed block is filled with poison and waits, the
 * longest first, in a bounded quarantine before the inner allocator has it back: what is written to it meanwhile is
 * seen when it leaves, when check() looks at every block, and in destroy(). resize() always moves, so that a pointer
 * kept from before is to a freed block. (Red zones and quarantine: Serebryany et al., "AddressSanitizer", USENIX ATC
 * 2012, 3; magic words kept in the block: Bonwick, "The Slab Allocator", USENIX 1994, 6.)
 *
 *   inner block ►[ gap ][ magic | size | born | freed | zone ][ the caller's bytes ][ zone ][ rest ]
 *                  ^ of aligned blocks only                    ^ block
 *
 * Cost: what the inner allocator takes, O(1) on average for the table, and O(size) to poison and to look at a freed
 * block; O(blocks) for check(), and for every N-th call with the option `every`. Overhead per block: the header, two
 * zones and up to eight table entries; per heap: the quarantine. A write that jumps over the zones, or that puts what
 * was there, is not seen; nor is one to a freed block that has left the quarantine. Checked by: tests/guard.c, which
 * plants each fault in every allocator, and the model checker there.
 */
#include "allocators/guard.h"

#include "allocators/block_table.h"

#define ZONE        0xfd
#define POISON      0xdb
#define MAGIC_USED  ((size_t)UINT64_C(0x0b10c0b10c005ed5)) /* "block", "used" */
#define MAGIC_FREED ((size_t)UINT64_C(0x0b10c0b10c0f3eed)) /* "block", "freed" */

struct header {
    size_t magic, size;
    uint64_t born, freed;
};

struct heap {
    const struct guard *guard;
    struct heap *inner;
    size_t front, zone; /* bytes before a block, header and zone; and after it */
    uint64_t countdown; /* calls until the next look at every block */
    uint32_t looks;     /* so far */
    uint64_t looked_at; /* the word at the last one */
    struct block_table table;
    size_t npages;       /* of the heap itself, its quarantine included */
    size_t depth, bytes; /* of the quarantine, at most: blocks, bytes of the inner allocator's */
    size_t waiting, waiting_bytes;
    size_t oldest;          /* its place in: */
    uintptr_t quarantine[]; /* `depth` of them */
};

const char *const guard_names[GUARD_KINDS] = {"overflow",        "underflow",        "double free",
                                              "foreign pointer", "write after free", "handed out twice"};

const struct alloc_option guard_options[] = {
    {"depth", "freed blocks kept in quarantine, at most", OPTION_NUMBER, 1024, 1, 1 << 20, NULL},
    {"bytes", "bytes kept in quarantine, at most, but always one block", OPTION_SIZE, 16 << 20, 0, UINT64_C(1) << 40,
     NULL},
    {"zone", "bytes of each red zone, at least", OPTION_SIZE, 16, 1, 1 << 20, NULL},
    {"every", "look at every block at each call of that number (0: only in check() and at the end)", OPTION_NUMBER, 0,
     0, UINT32_MAX, NULL},
    {.name = NULL},
};

/* ---- Bytes ------------------------------------------------------------------------------------------------------- */

/* The first of n bytes that is not `byte`; n: all are. */
static size_t first_other(const unsigned char *at, size_t n, unsigned char byte)
{
    uint64_t words[4];
    const uint64_t due = UINT64_C(0x0101010101010101) * byte;
    size_t i = 0;
    for (; n - i >= sizeof words; i += sizeof words) {
        __builtin_memcpy(words, at + i, sizeof words);
        if (((words[0] ^ due) | (words[1] ^ due) | (words[2] ^ due) | (words[3] ^ due)) != 0)
            break;
    }
    while (i < n && at[i] == byte)
        i++;
    return i;
}

static unsigned char *start_of(const struct known *known)
{
    return (unsigned char *)known->block;
}

static struct header header_of(const struct known *known)
{
    const bool freed = known->state == KNOWN_FREED;
    return (struct header){freed ? MAGIC_FREED : MAGIC_USED, known->size, known->born, freed ? known->freed : 0};
}

/* Header, zones and poison as the table says they are. */
static void paint(const struct heap *heap, const struct known *known)
{
    unsigned char *block = start_of(known), *front = block - heap->front;
    const struct header header = header_of(known);
    __builtin_memcpy(front, &header, sizeof header);
    __builtin_memset(front + sizeof header, ZONE, heap->front - sizeof header);
    if (known->state == KNOWN_FREED)
        __builtin_memset(block, POISON, known->size);
    __builtin_memset(block + known->size, ZONE, heap->zone);
}

/* How many bytes before the block the nearest one is that was written; 0: none was. */
static size_t first_before(const struct heap *heap, const struct known *known)
{
    const unsigned char *block = start_of(known), *front = block - heap->front;
    const struct header header = header_of(known);
    const size_t zone = heap->front - sizeof header;
    if (__builtin_memcmp(front, &header, sizeof header) == 0 && first_other(front + sizeof header, zone, ZONE) == zone)
        return 0;
    for (size_t n = 1; n <= zone; n++)
        if (block[-(ptrdiff_t)n] != ZONE)
            return n;
    for (size_t at = sizeof header; at-- > 0;)
        if (front[at] != ((const unsigned char *)&header)[at])
            return heap->front - at;
    return 0;
}

/* ---- Faults ------------------------------------------------------------------------------------------------------ */

static void tell(const struct heap *heap, enum guard_kind kind, const struct known *known, const void *pointer)
{
    struct guard_fault fault = {.kind = kind, .pointer = pointer, .now = *heap->guard->word};
    if (known != NULL) {
        fault.block = start_of(known);
        fault.size = known->size;
        fault.offset = (ptrdiff_t)((uintptr_t)pointer - known->block);
        fault.born = known->born;
        fault.freed = known->freed;
        fault.was_freed = known->state != KNOWN_LIVE;
        fault.looked = heap->looks != known->looks;
        fault.looked_at = heap->looked_at;
    }
    heap->guard->report(heap->guard->arg, &fault);
}

/* The block that a pointer leads into: one that is live, else one that was. There is time: a fault is at hand. */
static const struct known *block_around(const struct heap *heap, const void *pointer)
{
    const struct known *found = NULL;
    for (size_t i = 0; i < heap->table.capacity; i++) {
        const struct known *known = &heap->table.entries[i];
        const bool inside = known->state != KNOWN_NOT && (uintptr_t)pointer - known->block < known->size;
        if (inside && (found == NULL || known->state < found->state))
            found = known;
    }
    return found;
}

/* The entry of a live block that the caller names; NULL: it is none, and was told. */
static struct known *live_block(const struct heap *heap, const void *block)
{
    struct known *known = block_table_find(&heap->table, block);
    if (known != NULL && known->state == KNOWN_LIVE)
        return known;
    if (known != NULL)
        tell(heap, GUARD_DOUBLE_FREE, known, block);
    else
        tell(heap, GUARD_FOREIGN, block_around(heap, block), block);
    return NULL;
}

/* Looks at what the caller must not have written; tells what was, and repairs it. */
static bool look_at(const struct heap *heap, const struct known *known)
{
    const unsigned char *block = start_of(known);
    const bool freed = known->state == KNOWN_FREED;
    const size_t poison = freed ? first_other(block, known->size, POISON) : known->size;
    const size_t after = poison == known->size ? first_other(block + poison, heap->zone, ZONE) : heap->zone;
    const size_t before = first_before(heap, known);
    const unsigned char *up = block + (poison < known->size ? poison : known->size + after);
    const bool up_wrong = poison < known->size || after < heap->zone;
    if (!up_wrong && before == 0)
        return true;
    if (up_wrong)
        tell(heap, freed ? GUARD_WRITE_AFTER_FREE : GUARD_OVERFLOW, known, up);
    if (before > 0 && !(freed && up_wrong))
        tell(heap, freed ? GUARD_WRITE_AFTER_FREE : GUARD_UNDERFLOW, known, block - before);
    paint(heap, known);
    return false;
}

static bool look_at_all(struct heap *heap)
{
    bool whole = true;
    for (size_t i = 0; i < heap->table.capacity; i++) {
        const struct known *known = &heap->table.entries[i];
        if (known->state == KNOWN_LIVE || known->state == KNOWN_FREED)
            whole &= look_at(heap, known);
    }
    heap->looks++;
    heap->looked_at = *heap->guard->word;
    return whole;
}

static void count_call(struct heap *heap)
{
    if (heap->countdown == 0 || --heap->countdown > 0)
        return;
    heap->countdown = heap->guard->settings[GUARD_OPT_EVERY];
    look_at_all(heap);
}

/* ---- Quarantine -------------------------------------------------------------------------------------------------- */

static size_t bytes_of(const struct heap *heap, const struct known *known)
{
    return known->before + known->size + heap->zone;
}

/* The block that waits longest goes to the inner allocator. */
static void let_go(struct heap *heap)
{
    struct known *known = block_table_find(&heap->table, (void *)heap->quarantine[heap->oldest]);
    heap->oldest = heap->oldest + 1 < heap->depth ? heap->oldest + 1 : 0;
    heap->waiting--;
    heap->waiting_bytes -= bytes_of(heap, known);
    look_at(heap, known);
    known->state = KNOWN_GONE;
    heap->table.kept--;
    heap->guard->inner->release(heap->inner, start_of(known) - known->before);
}

static void let_all_go(struct heap *heap)
{
    while (heap->waiting > 0)
        let_go(heap);
}

/* A live block becomes a freed one. */
static void retire(struct heap *heap, struct known *known)
{
    look_at(heap, known);
    known->state = KNOWN_FREED;
    known->freed = *heap->guard->word;
    known->looks = heap->looks;
    paint(heap, known);
    if (heap->waiting == heap->depth)
        let_go(heap);
    const size_t end = heap->oldest + heap->waiting++;
    heap->quarantine[end < heap->depth ? end : end - heap->depth] = known->block;
    heap->waiting_bytes += bytes_of(heap, known);
    while (heap->waiting > 1 && heap->waiting_bytes > heap->bytes)
        let_go(heap);
}

/* ---- Creation ---------------------------------------------------------------------------------------------------- */

/* The work's sizes as the inner allocator will see them, which may choose its classes by them. They take *npages of
 * scratch, 0 when nothing is known. False: no pages. */
static bool enlarge(const struct heap *heap, const struct page_source *source, struct heap_config *config,
                    size_t *npages)
{
    const size_t more = heap->front + heap->zone;
    *npages = 0;
    if (config->max_request > 0 && __builtin_add_overflow(config->max_request, more, &config->max_request))
        config->max_request = SIZE_MAX;
    if (config->nsizes == 0)
        return true;
    *npages = alloc_whole_pages(config->nsizes * sizeof *config->sizes + source->page_size - 1, source->page_size);
    struct size_use *sizes = source->alloc_page(source->ctx, *npages);
    if (sizes == NULL)
        return false;
    size_t n = 0;
    for (; n < config->nsizes && config->sizes[n].size <= SIZE_MAX - more; n++)
        sizes[n] = (struct size_use){config->sizes[n].size + more, config->sizes[n].peak};
    config->sizes = sizes;
    config->nsizes = n;
    return true;
}

static bool create_inner(struct heap *heap, const struct page_source *source, const struct heap_config *config)
{
    struct heap_config enlarged = *config;
    size_t npages;
    if (!enlarge(heap, source, &enlarged, &npages))
        return false;
    heap->inner = heap->guard->inner->create(source, &enlarged);
    if (npages > 0)
        source->free_page(source->ctx, (void *)enlarged.sizes, npages);
    return heap->inner != NULL;
}

static struct heap *guard_create(const struct page_source *source, const struct heap_config *config)
{
    const struct guard *guard = (const struct guard *)((uintptr_t)config->opt - offsetof(struct guard, opt));
    const size_t depth = (size_t)guard->settings[GUARD_OPT_DEPTH], page = source->page_size;
    const size_t npages =
        alloc_whole_pages(sizeof(struct heap) + depth * sizeof(((struct heap *)0)->quarantine[0]) + page - 1, page);
    struct heap *heap = source->alloc_page(source->ctx, npages);
    if (heap == NULL)
        return NULL;
    const size_t zone = (size_t)guard->settings[GUARD_OPT_ZONE];
    *heap = (struct heap){.guard = guard,
                          .front = ALLOC_ROUND_UP(sizeof(struct header) + zone, HEAP_ALIGN),
                          .zone = zone,
                          .countdown = guard->settings[GUARD_OPT_EVERY],
                          .npages = npages,
                          .depth = depth,
                          .bytes = (size_t)ALLOC_MIN(guard->settings[GUARD_OPT_BYTES], SIZE_MAX)};
    if (block_table_open(&heap->table, source)) {
        if (create_inner(heap, source, config))
            return heap;
        block_table_close(&heap->table);
    }
    source->free_page(source->ctx, heap, npages);
    return NULL;
}

static void guard_destroy(struct heap *heap)
{
    const struct page_source source = heap->table.source;
    look_at_all(heap);
    let_all_go(heap);
    heap->guard->inner->destroy(heap->inner);
    block_table_close(&heap->table);
    source.free_page(source.ctx, heap, heap->npages);
}

/* ---- The contract ------------------------------------------------------------------------------------------------ */

/* A request as the inner allocator sees it; align 0: as alloc() gives. */
struct asked {
    size_t size, align;
    bool zero;
};

static void *ask(const struct heap *heap, const struct asked *asked)
{
    const struct allocator *inner = heap->guard->inner;
    if (asked->align > 0)
        return inner->aligned(heap->inner, asked->align, asked->size);
    return asked->zero && inner->zalloc != NULL ? inner->zalloc(heap->inner, asked->size)
                                                : inner->alloc(heap->inner, asked->size);
}

/* A block of the inner allocator becomes the caller's. */
static void *admit(struct heap *heap, unsigned char *start, size_t before, size_t size)
{
    struct known *known = block_table_add(&heap->table, start + before);
    if (known->state == KNOWN_LIVE || known->state == KNOWN_FREED) {
        tell(heap, GUARD_TWICE, known, start + before);
        return NULL;
    }
    known->before = before;
    known->size = size;
    known->born = *heap->guard->word;
    known->freed = 0;
    known->state = KNOWN_LIVE;
    known->looks = heap->looks;
    heap->table.kept++;
    paint(heap, known);
    return start + before;
}

/* When memory runs out, what waits in quarantine is let go first. */
static void *hand_out(struct heap *heap, size_t size, size_t align, bool zero)
{
    struct asked asked = {.align = align, .zero = zero};
    const size_t before = ALLOC_ROUND_UP(heap->front, ALLOC_MAX(align, 1));
    if (before < heap->front || __builtin_add_overflow(size, before, &asked.size) ||
        __builtin_add_overflow(asked.size, heap->zone, &asked.size))
        return NULL;
    count_call(heap);
    for (;;) {
        unsigned char *start = block_table_reserve(&heap->table) ? ask(heap, &asked) : NULL;
        if (start != NULL)
            return admit(heap, start, before, size);
        if (heap->waiting == 0)
            return NULL;
        let_all_go(heap);
    }
}

static void *guard_alloc(struct heap *heap, size_t size)
{
    return hand_out(heap, size, 0, false);
}

static void *guard_zalloc(struct heap *heap, size_t size)
{
    void *block = hand_out(heap, size, 0, true);
    if (block != NULL && heap->guard->inner->zalloc == NULL)
        __builtin_memset(block, 0, size);
    return block;
}

static void *guard_aligned(struct heap *heap, size_t align, size_t size)
{
    return hand_out(heap, size, align, false);
}

static void guard_release(struct heap *heap, void *block)
{
    count_call(heap);
    struct known *known = live_block(heap, block);
    if (known != NULL)
        retire(heap, known);
}

/* A smaller block that cannot be had elsewhere stays where it is. */
static void *guard_resize(struct heap *heap, void *block, size_t size)
{
    struct known *known = live_block(heap, block);
    if (known == NULL)
        return NULL;
    look_at(heap, known);
    const size_t old = known->size;
    void *moved = guard_alloc(heap, size);
    known = block_table_find(&heap->table, block); /* the table may have been made anew */
    if (moved != NULL) {
        __builtin_memcpy(moved, block, ALLOC_MIN(old, size));
        retire(heap, known);
    } else if (size <= old) {
        known->size = size;
        paint(heap, known);
        moved = block;
    }
    return moved;
}

static size_t guard_usable(const struct heap *heap, const void *block)
{
    const struct known *known = live_block(heap, block);
    return known != NULL ? known->size : 0;
}

/* ---- Inspection -------------------------------------------------------------------------------------------------- */

struct visitor {
    const struct heap *heap;
    heap_visit *visit;
    void *arg;
};

/* The entry of what lies in a block of the inner allocator; NULL: nothing that is known. How far in depends on the
 * alignment it was asked for. */
static const struct known *known_in(const struct heap *heap, const struct heap_block *inner)
{
    for (size_t align = HEAP_ALIGN; align != 0 && align <= inner->size; align *= 2) {
        const size_t before = ALLOC_ROUND_UP(heap->front, align);
        const struct known *known = block_table_find(&heap->table, (const char *)inner->ptr + before);
        if (known != NULL && known->before == before && known->state != KNOWN_GONE)
            return known;
    }
    return NULL;
}

static bool visit_inner(const struct heap_block *inner, void *arg)
{
    const struct visitor *visitor = arg;
    const struct known *known = inner->used ? known_in(visitor->heap, inner) : NULL;
    if (known == NULL)
        return visitor->visit(inner, visitor->arg);
    const struct heap_block block = {start_of(known), known->size, known->state == KNOWN_LIVE};
    return visitor->visit(&block, visitor->arg);
}

static bool guard_walk(const struct heap *heap, heap_visit *visit, void *arg)
{
    struct visitor visitor = {heap, visit, arg};
    return heap->guard->inner->walk(heap->inner, visit_inner, &visitor);
}

static const char *guard_check(const struct heap *heap)
{
    const struct allocator *inner = heap->guard->inner;
    if (!look_at_all((struct heap *)heap)) /* all that it changes is the count of looks */
        return "the guard found what it reported";
    return inner->check != NULL ? inner->check(heap->inner) : NULL;
}

void guard_wrap(struct guard *guard, const struct allocator *inner, const uint64_t *opt, const uint64_t *settings,
                const volatile uint64_t *word, guard_report *report, void *arg)
{
    *guard = (struct guard){.allocator = {.abi = ALLOC_ABI,
                                          .caps = inner->caps,
                                          .name = inner->name,
                                          .summary = inner->summary,
                                          .options = inner->options,
                                          .create = guard_create,
                                          .destroy = guard_destroy,
                                          .alloc = guard_alloc,
                                          .release = guard_release,
                                          .zalloc = guard_zalloc,
                                          .aligned = inner->aligned != NULL ? guard_aligned : NULL,
                                          .resize = guard_resize,
                                          .usable = guard_usable,
                                          .walk = inner->walk != NULL ? guard_walk : NULL,
                                          .check = guard_check},
                            .inner = inner,
                            .word = word,
                            .report = report,
                            .arg = arg};
    for (size_t i = 0; i < GUARD_OPTS; i++)
        guard->settings[i] = settings[i];
    for (size_t i = 0; i < ALLOC_MAX_OPTIONS && inner->options != NULL && inner->options[i].name != NULL; i++)
        guard->opt[i] = opt[i];
}
