/*
 * slob_check.c - slob, seen from outside: every block of every page, and the invariants of pages, lists and frames.
 */
#include "allocators/slob.h"

/* The units of the block at a page's unit, its header's too; beyond `end` when damaged. */
static unsigned used_units(const struct heap *h, const struct page *page, unsigned at, unsigned end)
{
    if (!h->headers)
        return next_end(page, at, end) + 1 - at;
    const unsigned size = *(uint16_t *)unit_at(page, at), header = size ? (unsigned)minimal_align(size) : 0;
    if (!size || size % UNIT || *(uint16_t *)unit_at(page, at + header / UNIT - 1) != size)
        return end + 1;
    return (size + header) / UNIT;
}

static bool walk_page(const struct heap *h, const struct page *page, heap_visit *visit, void *arg)
{
    const unsigned end = page_units(h);
    unsigned free = page->first, units;
    for (unsigned at = 0; at < end; at += units) {
        struct heap_block seen = {unit_at(page, at), 0, at != free};
        if (!seen.used) {
            units = units_at(page, at);
            free = next_at(page, at);
            seen.size = units * UNIT;
        } else {
            units = used_units(h, page, at, end);
            seen.size = h->headers ? *(uint16_t *)unit_at(page, at) : units * UNIT;
            seen.ptr = unit_at(page, at + units - (unsigned)seen.size / UNIT);
        }
        if (!visit(&seen, arg))
            return false;
    }
    return true;
}

bool slob_walk(const struct heap *h, heap_visit *visit, void *arg)
{
    for (unsigned i = 0; i < LISTS; i++)
        for (const struct page *page = h->lists[i].next; page != &h->lists[i]; page = page->next)
            if (!walk_page(h, page, visit, arg))
                return false;
    return large_walk(&h->chunks, visit, arg);
}

/* Used blocks fill the gaps between the free ones. */
static const char *check_used(const struct heap *h, const struct page *page, unsigned at, unsigned end)
{
    while (at < end)
        at += used_units(h, page, at, end);
    return at == end ? NULL : "a block's size is damaged";
}

static const char *check_page(const struct heap *h, const struct page *page, enum list list)
{
    const unsigned end = page_units(h);
    unsigned at = 0, sum = 0;
    const char *broken = page_of(h, page->units) == page ? NULL : "a page does not lead to its frame";
    for (unsigned free = page->first; free != NONE && !broken; free = next_at(page, free)) {
        const unsigned units = free < end ? units_at(page, free) : 0;
        if (!units || free < at || (sum && free == at) || free + units > end)
            return "the free blocks of a page are out of order or not merged";
        if (!h->headers && next_end(page, free, free + units) < free + units)
            return "a block ends among free units";
        broken = check_used(h, page, at, free);
        at = free + units;
        sum += units;
    }
    if (!broken)
        broken = check_used(h, page, at, end);
    if (broken)
        return broken;
    return sum == end                     ? "an empty page is kept"
           : sum != page->free            ? "a page miscounts its free units"
           : (list == FULL) != (sum == 0) ? "a page is on the wrong list"
                                          : NULL;
}

const char *slob_check(const struct heap *h)
{
    size_t bytes = h->chunks.size, listed = 0, owned = 0;
    const char *broken = large_check(&h->chunks, &bytes);
    for (enum list i = SMALL; i < LISTS && !broken; i++)
        for (const struct page *page = h->lists[i].next; page != &h->lists[i] && !broken; page = page->next) {
            broken = page->next->prev != page ? "a list of pages is damaged" : check_page(h, page, i);
            listed++;
        }
    for (size_t i = 0; i < h->chunks.places; i++)
        owned += h->chunks.table[i].block && large_owner(&h->chunks.table[i]);
    for (const struct frames *frames = h->frames; frames; frames = frames->next)
        bytes += h->chunks.size;
    return broken                    ? broken
           : listed != owned         ? "a page is on no list"
           : bytes != h->chunks.held ? "the pages do not add up to what is held"
                                     : NULL;
}
