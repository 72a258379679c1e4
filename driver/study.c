/* study.c - taking a run into what is known so far; see study.h. */
#include "driver/study.h"

#include <stdlib.h>
#include <string.h>

#include "allocators/alloc.h"
#include "driver/statistics.h"

double study_run_ns(const struct throughput_result *result)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < result->parts; i++)
        sum += result->least_ns[i];
    return (double)sum;
}

/* The statistics sort what they are given: the runs stay in their order. */
static double over_runs(const struct cell *cell, double statistic(double *, size_t))
{
    const size_t n = cell->throughput.runs;
    double *copy = malloc((n + 1) * sizeof *copy);
    if (copy == NULL)
        abort();
    if (n > 0)
        memcpy(copy, cell->throughput.ns_per_op, n * sizeof *copy);
    const double value = statistic(copy, n);
    free(copy);
    return value;
}

static double median(double *values, size_t n)
{
    return statistics_quantile(values, n, 0.5);
}

double study_ns(const struct cell *cell)
{
    return over_runs(cell, median);
}

double study_spread_ns(const struct cell *cell)
{
    return over_runs(cell, statistics_spread);
}

static void add_slow(struct latency_run *run, uint64_t step, uint32_t ticks)
{
    uint32_t place = run->fastest;
    if (run->nslow < SLOW_STEPS) {
        place = run->nslow++;
    } else {
        const uint32_t least = run->slow_ticks[place];
        run->others = ALLOC_MAX(run->others, ALLOC_MIN(least, ticks));
        if (ticks <= least)
            return;
    }
    run->slow_steps[place] = step;
    run->slow_ticks[place] = ticks;
    for (uint32_t i = 0; i < run->nslow; i++)
        if (run->slow_ticks[i] < run->slow_ticks[run->fastest])
            run->fastest = i;
}

bool study_add_latency(struct latency_study *study, struct latency_run *run, const struct plan *plan,
                       const uint32_t *ticks, const uint32_t *least, uint64_t batch_ops)
{
    const uint64_t nsteps = plan->header->nsteps;
    uint64_t ops_left = (nsteps - plan->header->nothings) / batch_ops * batch_ops; /* in whole batches */
    if (study->least == NULL) {
        study->least = malloc(nsteps * sizeof *study->least);
        if (study->least == NULL)
            return false;
        memset(study->least, 0xff, nsteps * sizeof *study->least);
    }
    *run = (struct latency_run){.most = 0};
    study->worst = 0;
    for (uint64_t i = 0; i < nsteps && ops_left > 0; i++) {
        if (plan_kind(plan->steps[i]) == PLAN_NOTHING || ops_left-- % batch_ops != 0)
            continue;
        histogram_add(&run->histogram, ticks[i]);
        if (ticks[i] > run->most) {
            run->most = ticks[i];
            run->most_step = i;
        }
        add_slow(run, i, least[i]);
        if (least[i] < study->least[i])
            study->least[i] = least[i];
        if (study->least[i] > study->worst) {
            study->worst = study->least[i];
            study->worst_step = i;
        }
    }
    histogram_merge(&study->histogram, &run->histogram);
    if (run->most > study->most) {
        study->most = run->most;
        study->most_step = run->most_step;
    }
    study->runs++;
    return true;
}
