/*
 * stack.c - a given region of memory: a watermark over it, and a stack of the frames that came back.
 *
 * Algorithm: a single page is the frame returned last, else the page at the watermark. Longer runs come from the
 * watermark only. A run that comes back lowers the watermark if it ends there, else it is taken apart into frames, each
 * pushed on the stack; when nothing is out any more, the stack is dropped and the watermark falls to the start. This is
 * how small kernels keep their physical frames (xv6's kalloc.c, with runs added).
 *
 * Cost: O(1) for a request; O(n) for n pages given back, or O(1) at the watermark. Bound: as long as only single pages
 * are asked for, no more lies below the watermark than the most that was ever out; runs are never made of returned
 * frames, so that a work that takes and gives runs may use up the region: the price that the other page sources pay in
 * time. Overhead: none: a frame's link lies in the frame. Checked by: the page-source tests in tests/.
 */
#include "allocators/alloc.h"

struct frame {
    struct frame *below;
};

struct state {
    struct frame *top;
    char *base, *mark, *end;
    char *high;          /* the highest that the watermark ever was */
    uintptr_t zero_from; /* `high` before the last request: pages above it were never out */
    size_t out;          /* pages */
    size_t page_size;
};

static void *stack_alloc_page(void *ctx, size_t npages)
{
    struct state *state = ctx;
    void *pages = state->mark;
    state->zero_from = (uintptr_t)state->high;
    if (npages == 1 && state->top != NULL) {
        pages = state->top;
        state->top = state->top->below;
    } else if (npages > alloc_whole_pages((size_t)(state->end - state->mark), state->page_size)) {
        return NULL;
    } else {
        state->mark += npages * state->page_size;
        state->high = ALLOC_MAX(state->high, state->mark);
    }
    state->out += npages;
    return pages;
}

/* The lowest frame ends on top, so that runs of single requests ascend. */
static void push_frames(struct state *state, char *pages, size_t npages)
{
    while (npages-- > 0) {
        struct frame *frame = (struct frame *)(pages + npages * state->page_size);
        frame->below = state->top;
        state->top = frame;
    }
}

static void stack_free_page(void *ctx, void *pages, size_t npages)
{
    struct state *state = ctx;
    state->out -= npages;
    if (state->out == 0) {
        state->top = NULL;
        state->mark = state->base;
    } else if ((char *)pages + npages * state->page_size == state->mark) {
        state->mark = pages;
    } else {
        push_frames(state, pages, npages);
    }
}

static bool stack_open(struct page_source *source, void *state, void *region, size_t region_bytes, size_t page_size,
                       const uint64_t *opt)
{
    struct state *own = state;
    (void)opt;
    if (((uintptr_t)region & (page_size - 1)) != 0)
        return false;
    *own = (struct state){.base = region,
                          .mark = region,
                          .high = region,
                          .end = (char *)region + (region_bytes & ~(page_size - 1)),
                          .page_size = page_size};
    *source = (struct page_source){.alloc_page = stack_alloc_page,
                                   .free_page = stack_free_page,
                                   .ctx = own,
                                   .page_size = page_size,
                                   .zero_from = &own->zero_from};
    return true;
}

static void stack_close(struct page_source *source)
{
    (void)source;
}

const struct page_kind page_kind_stack = {
    .caps = 0,
    .name = "stack",
    .summary = "the region itself: a watermark, and a stack of returned pages",
    .state_size = sizeof(struct state),
    .open = stack_open,
    .close = stack_close,
};
