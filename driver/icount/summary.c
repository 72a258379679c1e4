/* summary.c - the counts of every op made into figures by kind; see icount.h. */
#include <stdlib.h>

#include "driver/icount/icount.h"
#include "driver/icount/marks.h"
#include "driver/op.h"

uint64_t icount_table_bytes(uint64_t nsteps)
{
    return (nsteps + CALIBRATIONS) * sizeof(struct icount);
}

static int by_value(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The least value that at least the share per_mille of all are not above. */
static uint32_t quantile(const uint32_t *sorted, uint64_t n, uint64_t per_mille)
{
    return sorted[(n * per_mille + 999) / 1000 - 1];
}

/* One kind; `values` has room for all its ops. */
static void summarize(struct icount_figures *figures, enum op_kind kind, const struct plan *plan,
                      const struct icount *table, uint32_t *values)
{
    uint64_t sum = 0, pages = 0, n = 0;
    for (uint64_t i = 0; i < plan->header->nsteps; i++) {
        const struct icount *count = &table[CALIBRATIONS + i];
        if (request_of(plan, plan->steps[i]).kind != kind)
            continue;
        values[n++] = count->own;
        sum += count->own;
        pages += count->pages;
        figures->pages_worst = ALLOC_MAX(figures->pages_worst, count->pages);
        if (count->own > figures->worst) {
            figures->worst = count->own;
            figures->worst_step = i;
        }
    }
    figures->ops = n;
    if (n == 0)
        return;
    qsort(values, n, sizeof *values, by_value);
    figures->p50 = quantile(values, n, 500);
    figures->p99 = quantile(values, n, 990);
    figures->p999 = quantile(values, n, 999);
    figures->mean = (double)sum / (double)n;
    figures->pages_mean = (double)pages / (double)n;
}

bool icount_summarize(struct icount_study *study, const struct plan *plan, const struct icount *table)
{
    uint32_t *values = malloc(plan->header->nsteps * sizeof *values);
    if (values == NULL)
        return false;
    *study = (struct icount_study){.done = true};
    for (unsigned kind = 0; kind < OP_KINDS; kind++)
        if (kind != OP_THREAD_END)
            summarize(&study->kinds[kind], (enum op_kind)kind, plan, table, values);
    free(values);
    return true;
}
