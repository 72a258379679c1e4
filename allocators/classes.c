/*
 * classes.c - which block sizes to offer; see classes.h.
 *
 * Dynamic programming over the ascending sizes: the first i sizes in k classes cost the least, over every j, of the
 * first j in k - 1 classes and one class for the rest, as large as size i. Cost: O(k n^2) for k classes and n
 * candidates, at creation only. Checked by: tests/classes.c, against every possible choice.
 */
#include "allocators/classes.h"

#define NEVER UINT64_MAX

/* All sums saturate: a cost that does not fit 64 bits is as good as any other such. */
static uint64_t plus(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? NEVER : sum;
}

static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? NEVER : product;
}

/* Joins the two neighbours that waste the least in one class; frees one place. */
static size_t join_nearest(struct classes_work *work, size_t n)
{
    size_t at = 0;
    uint64_t least = NEVER;
    for (size_t i = 0; i + 1 < n; i++) {
        const uint64_t cost = times(work->size[i + 1] - work->size[i], work->weight[i]);
        if (cost < least) {
            least = cost;
            at = i;
        }
    }
    work->weight[at + 1] = plus(work->weight[at], work->weight[at + 1]);
    for (size_t i = at; i + 1 < n; i++) {
        work->size[i] = work->size[i + 1];
        work->weight[i] = work->weight[i + 1];
    }
    return n - 1;
}

/* The sizes rounded, each once, with the blocks of each. */
static size_t gather(struct classes_work *work, const struct size_use *sizes, size_t nsizes, size_t granule)
{
    size_t n = 0;
    for (size_t i = 0; i < nsizes && sizes[i].size <= SIZE_MAX / 2; i++) {
        const size_t size = ALLOC_ROUND_UP(ALLOC_MAX(sizes[i].size, 1), granule);
        const uint64_t weight = ALLOC_MAX(sizes[i].peak, 1);
        if (n > 0 && work->size[n - 1] == size) {
            work->weight[n - 1] = plus(work->weight[n - 1], weight);
            continue;
        }
        if (n == CLASSES_CANDIDATES)
            n = join_nearest(work, n);
        work->size[n] = size;
        work->weight[n++] = weight;
    }
    return n;
}

/* weight[i] becomes the sum of all before it, so that blocks of a range of sizes are a difference. */
static void sum_up(struct classes_work *work, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i <= n; i++) {
        const uint64_t weight = i < n ? work->weight[i] : 0;
        work->weight[i] = sum;
        sum = plus(sum, weight);
    }
}

/* Fills best[] and from[] for one class more. */
static void add_class(struct classes_work *work, size_t n, size_t k, size_t fixed)
{
    const uint64_t *fewer = work->best[(k + 1) & 1];
    uint64_t *best = work->best[k & 1];
    best[0] = NEVER;
    for (size_t i = 1; i <= n; i++) {
        best[i] = NEVER;
        work->from[k][i] = (uint8_t)(i - 1); /* when every cost saturates */
        for (size_t j = 0; j < i; j++) {
            const uint64_t last = times(work->size[i - 1], work->weight[i] - work->weight[j]);
            const uint64_t cost = plus(fewer[j], plus(last, fixed));
            if (cost < best[i]) {
                best[i] = cost;
                work->from[k][i] = (uint8_t)j;
            }
        }
    }
}

size_t classes_choose(struct classes_work *work, const struct size_use *sizes, size_t nsizes, size_t granule,
                      size_t fixed, size_t *classes, size_t most)
{
    const size_t n = gather(work, sizes, nsizes, granule);
    size_t chosen = 0;
    uint64_t least = NEVER;
    if (n == 0)
        return 0;
    sum_up(work, n);
    work->best[1][0] = 0;
    for (size_t i = 1; i <= n; i++)
        work->best[1][i] = NEVER;
    for (size_t k = 0; k < ALLOC_MIN(most, n); k++) {
        add_class(work, n, k, fixed);
        if (work->best[k & 1][n] < least || chosen == 0) {
            least = work->best[k & 1][n];
            chosen = k + 1;
        }
    }
    for (size_t k = chosen, i = n; k-- > 0; i = work->from[k][i])
        classes[k] = work->size[i - 1];
    return chosen;
}

/* Without them, how many blocks a class would serve cannot be weighed against the page that it leaves half used. */
static bool peaks_known(const struct size_use *sizes, size_t nsizes)
{
    for (size_t i = 0; i < nsizes; i++)
        if (sizes[i].peak > 0)
            return true;
    return false;
}

size_t classes_from_work(const struct page_source *source, const struct size_use *sizes, size_t nsizes, size_t *classes,
                         size_t most)
{
    const size_t npages = alloc_whole_pages(sizeof(struct classes_work) + source->page_size - 1, source->page_size);
    struct classes_work *work = source->alloc_page(source->ctx, npages);
    if (work == NULL)
        return 0;
    const size_t fixed = peaks_known(sizes, nsizes) ? source->page_size / 2 : 0;
    const size_t n = classes_choose(work, sizes, nsizes, HEAP_ALIGN, fixed, classes, most);
    source->free_page(source->ctx, work, npages);
    return n;
}

_Static_assert(CLASSES_CANDIDATES <= UINT8_MAX, "from[] holds an index");
