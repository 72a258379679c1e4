/* plant.c - makes the mistakes; see plant.h. */
#include "driver/plant.h"

#include <stdlib.h>
#include <string.h>

const char *const plant_names[PLANTS] = {"none",        "overflow",     "underflow",
                                         "double-free", "foreign-free", "write-after-free"};

bool plant_read(const char *text, enum plant *plant, uint64_t *step, struct error *error)
{
    const char *at = strchr(text, '@');
    char *end = NULL;
    for (unsigned i = PLANT_NONE + 1; at != NULL && i < PLANTS; i++)
        if (strlen(plant_names[i]) == (size_t)(at - text) && strncmp(text, plant_names[i], (size_t)(at - text)) == 0) {
            *plant = (enum plant)i;
            *step = strtoull(at + 1, &end, 10);
        }
    if (end != NULL && at[1] >= '0' && at[1] <= '9' && *end == '\0' && STEP_IS_OP(*step))
        return true;
    return error_set(error, EXIT_USAGE,
                     "--plant=%.100s: write FAULT@OP; FAULT is overflow, underflow, double-free, foreign-free or "
                     "write-after-free, OP counts from 0",
                     text);
}

/* The byte past the end, or the one before the first. */
static void write_outside(const struct bench *bench, unsigned char *block, size_t size)
{
    if (bench->job->plant == PLANT_OVERFLOW)
        block[size] ^= 0xff;
    else if (bench->job->plant == PLANT_UNDERFLOW)
        block[-1] ^= 0xff;
}

void plant_before(const struct bench *bench, const struct request *request, unsigned char *block, size_t size)
{
    if (request->kind == OP_FREE)
        write_outside(bench, block, size);
}

void plant_after(const struct bench *bench, const struct request *request, unsigned char *block, size_t size)
{
    const struct allocator *a = bench->allocator.allocator;
    const bool freed = request->kind == OP_FREE;
    static uint64_t elsewhere[8];
    switch (bench->job->plant) {
    case PLANT_DOUBLE_FREE:
        if (!freed)
            a->release(bench->heap, block);
        a->release(bench->heap, block);
        break;
    case PLANT_FOREIGN:
        a->release(bench->heap, &elsewhere[4]);
        break;
    case PLANT_WRITE_AFTER_FREE: /* the trace still wants the block that the op made: another one is freed */
        if (!freed && (block = a->alloc(bench->heap, size)) != NULL)
            a->release(bench->heap, block);
        if (block != NULL)
            block[0] ^= 0xff;
        break;
    default:
        if (!freed)
            write_outside(bench, block, size);
    }
}
