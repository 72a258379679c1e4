/* pages.c - the watching page source; see pages.h. */
#include "driver/pages.h"

static void *book(struct pages_watch *watch, void *pages, size_t npages)
{
    if (pages == NULL) {
        watch->refused = npages;
        watch->refused_step = *watch->step;
        return NULL;
    }
    watch->held += (uint64_t)npages * watch->inner.page_size;
    if (watch->held > watch->held_peak)
        watch->held_peak = watch->held;
    watch->highest = ALLOC_MAX(watch->highest, (uintptr_t)pages + npages * watch->inner.page_size);
    if (watch->pages != NULL && !shadow_claim(watch->pages, (uintptr_t)pages / watch->inner.page_size, npages))
        watch->broken = "the page source handed out a page twice";
    return pages;
}

static void *watch_alloc(void *ctx, size_t npages)
{
    struct pages_watch *watch = ctx;
    return book(watch, watch->inner.alloc_page(watch->inner.ctx, npages), npages);
}

static void *watch_alloc_far(void *ctx, size_t npages)
{
    struct pages_watch *watch = ctx;
    return book(watch, watch->inner.alloc_far(watch->inner.ctx, npages), npages);
}

static void watch_free(void *ctx, void *pages, size_t npages)
{
    struct pages_watch *watch = ctx;
    if (watch->pages != NULL) {
        if ((uintptr_t)pages % watch->inner.page_size != 0) {
            watch->broken = "gave back an address that is no page";
            return;
        }
        if (!shadow_drop(watch->pages, (uintptr_t)pages / watch->inner.page_size, npages)) {
            watch->broken = "gave back a page that it does not hold";
            return;
        }
    }
    watch->held -= (uint64_t)npages * watch->inner.page_size;
    watch->inner.free_page(watch->inner.ctx, pages, npages);
}

void pages_watch_open(struct pages_watch *watch, struct page_source *source, const struct page_source *inner,
                      const volatile uint64_t *step, struct shadow *pages)
{
    *watch = (struct pages_watch){.inner = *inner, .step = step, .pages = pages};
    *source = *inner;
    source->alloc_page = watch_alloc;
    source->free_page = watch_free;
    if (inner->alloc_far != NULL)
        source->alloc_far = watch_alloc_far;
    source->ctx = watch;
}
