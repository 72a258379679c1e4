/*
 * tagged_far.h - the far end of the heap of tagged.h: large blocks apart from small ones.
 *
 *   near                                                                                              far
 *   [ heap ][ blocks ... ][ top ][ fence ]|     the page source's     |[ region ][ bottom ][ blocks ... ][ fence ]
 *
 * Where the page source has a far end, a region there grows downwards as the heap's own grows upwards, for large blocks
 * that were asked for as such. These often live shorter than what is allocated between them: kept apart, they leave
 * large holes behind and no small block lies in one. Three kinds go to the near end all the same: what a realloc moves,
 * as it may grow again, and only upwards; what is asked for cleared, and whole pages, which both hold a program's
 * lasting tables and pools. When only both together, with what is left between them, can serve a request, they become
 * one region.
 *
 * Over 27 recordings of compilers the smallest arena was smaller for it by 0.4 % of the peak in the mean, between 3.4 %
 * smaller and 0.8 % larger, and by 4.9 % on a recording of Python. Two ends are old; the hunk of Quake (zone.c, id
 * Software, sources of 1999) has one for what stays and one for what does not, as the program tells.
 */
#ifndef HEAPBENCH_TAGGED_FAR_H
#define HEAPBENCH_TAGGED_FAR_H

#include "allocators/tagged_regions.h"

#define FAR_ABOVE 4096 /* blocks of more bytes are large */

/* Whether a block of n bytes lies apart, which it `may`: if it is large, and not of a request for whole pages. */
static inline bool is_far(size_t n, bool may)
{
    return INDEX_TWO_ENDS && may && n > FAR_ABOVE && (n & (FAR_ABOVE - 1)) != UNIT;
}

static size_t far_bytes(const struct heap *h)
{
    return (size_t)((char *)h->far_fence + TAG - (char *)h->far);
}

static void set_bottom(struct heap *h, size_t size)
{
    h->bottom = first_block(h, h->far);
    set_free(h->bottom, size, EDGE);
}

static void *take_far_pages(struct heap *h, size_t bytes)
{
    return pages_in_reach(h, h->source.alloc_far(h->source.ctx, bytes >> h->page_log2), bytes);
}

/* Takes pages that touch the far region, and so make a bottom of at least n bytes. */
static inline bool extend_far(struct heap *h, size_t n)
{
    struct block *first = first_block(h, h->far);
    size_t have = h->bottom ? size_of(first) : 0, bytes = ALLOC_ROUND_UP(n - have, h->source.page_size);
    char *pages = far_bytes(h) + bytes <= RUN_MAX ? take_far_pages(h, bytes) : NULL;
    if (!pages)
        return false;
    if (pages + bytes != (char *)h->far) {
        give_pages(h, pages, bytes);
        return false;
    }
    if (!have)
        first->head = (first->head & ~(tag_t)EDGE) | PREV_FREE;
    h->far = (struct region *)pages;
    set_bottom(h, have + bytes);
    return true;
}

/* Begins a far region; that there was is one of many then. */
OUT_OF_LINE bool add_far(struct heap *h, size_t n)
{
    size_t bytes = ALLOC_ROUND_UP(n + REGION_HEAD + TAG, h->source.page_size);
    void *pages = take_far_pages(h, bytes);
    if (!pages)
        return false;
    if (h->bottom)
        insert(h, h->bottom, size_of(h->bottom));
    if (h->far)
        link_region(h, h->far);
    h->far = pages;
    h->far_fence = set_fence((char *)pages + bytes);
    set_bottom(h, bytes - REGION_HEAD - TAG);
    return true;
}

/* From bottom's back, which has so much. */
static void *cut_from_bottom(struct heap *h, size_t n)
{
    struct block *b = h->bottom;
    if (!fits_whole(b, n))
        return payload(split_back(b, n, size_of(b) - n));
    h->bottom = NULL;
    set_used(b, size_of(b));
    return payload(b);
}

/* Of bottom, half of `trim` is kept, as of top. */
OUT_OF_LINE void trim_bottom(struct heap *h)
{
    char *from = (char *)h->far, *next = (char *)next_of(h->bottom);
    char *to = (char *)(((uintptr_t)next - h->trim / 2) & ~(h->source.page_size - 1));
    h->far = (struct region *)to;
    set_bottom(h, (size_t)(next - to) - REGION_HEAD);
    give_pages(h, from, (size_t)(to - from));
}

/*
 * The last resort of a request for n bytes: the near and the far region become one, with what is left between them. The
 * free block in their middle, of at least n bytes, is returned, on no list; NULL: there would be none, they do not
 * touch, or more is left than is needed, and the page source has another reason to refuse.
 */
static struct block *join_ends(struct heap *h, size_t n)
{
    char *from = (char *)h->fence + TAG, *to = (char *)h->far;
    const size_t left = (size_t)(to - from);
    if (!to || to < from || left >= n || h->grown + left + far_bytes(h) > RUN_MAX)
        return NULL;
    struct block *b = h->top ? h->top : h->fence, *first = first_block(h, h->far);
    struct block *end = h->bottom ? next_of(first) : first;
    if ((size_t)((char *)end - (char *)b) < n)
        return NULL;
    void *pages = left ? take_pages(h, left) : from;
    if (pages != from) {
        if (pages)
            give_pages(h, pages, left);
        return NULL;
    }
    if (!h->bottom)
        end->head = (end->head & ~(tag_t)EDGE) | PREV_FREE;
    h->grown += left + far_bytes(h);
    set_free(b, (size_t)((char *)end - (char *)b), h->top ? b->head : 0);
    h->fence = h->far_fence;
    h->far = NULL;
    h->top = h->bottom = NULL;
    h->touching = false;
    if (h->fence->head & PREV_FREE) { /* a free block before the fence is top */
        struct block *last = (struct block *)((uintptr_t)h->fence - *foot_before(h->fence));
        if (last != b) {
            index_remove(&h->index, last);
            h->top = last;
        }
    }
    index_span(&h->index, (uintptr_t)h->fence - h->grown, (uintptr_t)h->fence);
    return b;
}

static const char *check_far(const struct heap *h)
{
    if (h->bottom && (!h->far || h->bottom != first_block(h, h->far) || !(h->bottom->head & FREE)))
        return "bottom is not the free block that the far region begins with";
    if (h->far && !h->bottom && first_block(h, h->far)->head & FREE)
        return "the far region begins with a free block that is not bottom";
    const struct block *b = h->far ? first_block(h, h->far) : NULL;
    while (b && size_of(b))
        b = next_of(b);
    return !b || b == h->far_fence ? NULL : "the far region does not end at its fence";
}

#endif
