/*
 * sweep.c - the order of the runs on one trace, and what each leaves in the study.
 *
 * Verify, space, arena and instructions, whose answers do not vary, are done once. Throughput and latency go in rounds:
 * every allocator has one run a round, in an order shuffled for each, so that a machine that slows down slows all
 * alike. null goes first in a throughput round: its figure is the floor of that round's rows.
 */
#include "driver/sweep.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "driver/arena_search.h"
#include "driver/shared_file.h"
#include "driver/statistics.h"
#include "driver/timer.h"

/* So often is a run done again at most. */
#define REPETITIONS 3

struct round {
    struct sweep *sweep;
    struct study *study;
    struct error *error;
    enum pass pass;
    unsigned number;
    double floor_ns;
    int ticks_fd;
    uint32_t *ticks;
    int counts_fd;
    struct icount *counts;
};

static unsigned rounds_of(const struct cli *cli, enum pass pass)
{
    return !cli->passes[pass] ? 0 : pass_is_timed(pass) ? cli->runs : 1;
}

size_t sweep_runs(const struct cli *cli)
{
    size_t rounds = 0;
    for (unsigned pass = 0; pass < PASSES; pass++)
        rounds += rounds_of(cli, (enum pass)pass);
    return rounds * cli->nallocators;
}

/* ---- What a run leaves ------------------------------------------------------------------------------------------- */

static bool keep_throughput(struct cell *cell, const struct study *study, const struct throughput_result *result)
{
    struct throughput_study *kept = &cell->throughput;
    double *longer = realloc(kept->ns_per_op, (kept->runs + 1) * sizeof *longer);
    if (longer == NULL)
        return false;
    kept->ns_per_op = longer;
    kept->ns_per_op[kept->runs++] = study_run_ns(result) / (double)study->ops;
    return true;
}

/* The first run's rate of the clock is that of all: the least of every op is of ticks of several runs, and a small
 * difference in what each took for the rate would pass for one of the times. */
static bool keep_latency(struct cell *cell, const struct round *round, const struct latency_result *result,
                         struct latency_run *run)
{
    struct latency_study *kept = &cell->latency;
    const uint64_t nsteps = round->study->plan.header->nsteps;
    if (kept->runs == 0)
        kept->ticks_per_unit = result->ticks_per_unit;
    return study_add_latency(kept, run, &round->study->plan, latency_counted(round->ticks, nsteps),
                             latency_least(round->ticks, nsteps), result->batch_ops);
}

static bool keep_space(struct cell *cell, const struct space_result *result)
{
    cell->space = malloc(sizeof *cell->space);
    if (cell->space != NULL)
        *cell->space = *result;
    return cell->space != NULL;
}

/* A figure that more memory can turn back into a failure is no promise: it is said. */
static void keep_arena(struct cell *cell, const struct arena_study *arena)
{
    const char *unless = arena->missing;
    if (unless[0] == '\0' && !arena->checked)
        unless = "other sizes were not tried, as --limit was up";
    if (unless[0] != '\0')
        snprintf(cell->why, sizeof cell->why, "arena: %s", unless);
    else if (!arena->monotonic)
        snprintf(cell->why, sizeof cell->why,
                 "arena: not monotonic: it completes in %" PRIu64 " bytes, but not in %" PRIu64, arena->smallest,
                 arena->largest_failed);
}

static bool keep(struct cell *cell, struct run *run, const struct round *round, struct latency_run *latency)
{
    bool kept = true;
    if (run->status != RUN_DONE) {
        cell->failed = true;
        cell->lacks = run->status == RUN_LACKS;
        snprintf(cell->why, sizeof cell->why, "%s: %s", pass_names[run->pass], run->reason);
        return true;
    }
    switch (run->pass) {
    case PASS_VERIFY: /* that it went well is all there is to keep */
        break;
    case PASS_SPACE:
        kept = keep_space(cell, &run->job->space);
        break;
    case PASS_ARENA:
        keep_arena(cell, &cell->arena);
        break;
    case PASS_THROUGHPUT:
        kept = keep_throughput(cell, round->study, &run->job->throughput);
        break;
    case PASS_INSTRUCTIONS:
        kept = icount_summarize(&cell->instructions, &round->study->plan, round->counts);
        break;
    default:
        kept = keep_latency(cell, round, &run->job->latency, latency);
        run->latency = latency;
    }
    return kept || error_set(round->error, EXIT_LACKS, "no memory for what a run found out");
}

/* ---- One run ----------------------------------------------------------------------------------------------------- */

/* Unless told how long, waiting for the core and for the last cache adds at most half to the time that all runs take: a
 * short sweep stays short. */
static uint64_t settle_ns(const struct sweep *sweep, uint64_t waited_ns)
{
    const uint64_t most_ns = sweep->spent_ns / 4;
    if (sweep->cli->settle_s != SETTLE_AUTO)
        return (uint64_t)(sweep->cli->settle_s * 1e9);
    return ALLOC_MIN(UINT64_C(1000000000), most_ns - ALLOC_MIN(most_ns, waited_ns));
}

static void ask(struct job *job, const struct round *round, const struct cell *cell)
{
    const struct cli *cli = round->sweep->cli;
    const uint64_t limit_ns = (uint64_t)(cli->limit_s * 1e9);
    memset(job, 0, sizeof *job);
    if (round->counts != NULL) /* nothing of the run before passes for this one's */
        memset(round->counts, 0, icount_table_bytes(round->study->plan.header->nsteps));
    job->pass = round->pass;
    job->touch = cli->touch;
    job->warmups = cli->warmups;
    job->keep_random = cli->keep_random;
    job->unit = cli->unit;
    job->batch_ops = (uint32_t)study_batch_ops(round->study, cli);
    job->cpu = cli->cpu;
    job->plant = cli->plant;
    job->plant_step = NO_STEP;
    if (spec_can_guard(&cell->spec)) {
        job->plant_step = cli->plant_step;
        snprintf(job->guard, sizeof job->guard, "%s", cli->guard);
    }
    job->plan_fd = round->study->plan.fd;
    job->packing_fd = round->study->packing.fd;
    job->ticks_fd = round->ticks_fd;
    job->counts_fd = round->counts_fd;
    job->arena_bytes = round->study->arena_bytes;
    job->timed_ns = (uint64_t)(cli->timed_s * 1e9);
    job->watch_core = round->sweep->watch_core && pass_is_timed(round->pass);
    if (job->watch_core && !round->sweep->settled_in_vain)
        job->settle_ns = settle_ns(round->sweep, round->sweep->waited_ns);
    if (job->watch_core)
        job->cache_settle_ns = settle_ns(round->sweep, round->sweep->cache_waited_ns);
    if (round->sweep->cache_in_vain) /* a moment will do, and costs no more than the run */
        job->cache_settle_ns = ALLOC_MIN(job->cache_settle_ns, job->timed_ns);
    job->whole = round->sweep->whole;
    job->cache = round->sweep->cache;
    job->limit_ns = cell->spent_ns < limit_ns ? limit_ns - cell->spent_ns : 0;
    snprintf(job->allocator, sizeof job->allocator, "%s", cell->text);
    snprintf(job->isa, sizeof job->isa, "%s", cli->isa);
    snprintf(job->preload, sizeof job->preload, "%s", cell->spec.preload);
    snprintf(job->pages, sizeof job->pages, "%s", cell_pages(cell, cli));
}

/* Every pass has one run, however long it takes; which others were left out is said. */
static bool out_of_time(struct cell *cell, const struct round *round)
{
    const double limit_s = round->sweep->cli->limit_s;
    if (round->number == 0 || (double)cell->spent_ns < limit_s * 1e9)
        return false;
    const size_t length = strlen(cell->why);
    if (!cell->cut[round->pass])
        snprintf(cell->why + length, sizeof cell->why - length, "%s%s: %u of %u runs, as --limit=%g seconds were up",
                 length > 0 ? "; " : "", pass_names[round->pass], round->number,
                 rounds_of(round->sweep->cli, round->pass), limit_s);
    cell->cut[round->pass] = true;
    return true;
}

/* Whether people are told of this for the first time; where progress is shown, it makes room. */
static bool tell(struct sweep *sweep, bool *told)
{
    if (*told)
        return false;
    *told = true;
    progress_clear(sweep->progress);
    return true;
}

/* What the machine did not let the workers have: every row says it, people are told once. */
static void tell_once(struct sweep *sweep, const struct job *job)
{
    if (job->randomized && !job->keep_random && tell(sweep, &sweep->told_random)) {
        fprintf(stderr,
                "replay: address randomisation cannot be turned off here: runs differ in layout; raise --runs\n");
    }
    if (job->unpinned && tell(sweep, &sweep->told_pinned)) {
        fprintf(stderr, "replay: runs cannot be pinned to CPU %d; name another with --cpu, or none\n", job->cpu);
    }
    if (job->arena_moved && tell(sweep, &sweep->told_arena)) {
        fprintf(stderr, "replay: the arena cannot be at its fixed address here: layouts differ from other machines'\n");
    }
}

/* Learns of the core from a run that was done. Having waited for a whole core in vain, runs wait no more until one has
 * found it whole again. */
static void note_core(struct sweep *sweep, const struct job *job)
{
    const struct repetitions *repetitions = &job->repetitions;
    sweep->whole = repetitions->whole;
    if (repetitions->shared && tell(sweep, &sweep->told_shared)) {
        char which[32] = "";
        if (job->cpu >= 0)
            snprintf(which, sizeof which, " of CPU %d", job->cpu);
        fprintf(
            stderr,
            "replay: somebody has a part of the core%s: times are longer by a third or so; such runs are marked; to "
            "wait longer for its end: --settle=SECONDS%s\n",
            which, job->cpu >= 0 ? ", or name another --cpu" : "");
    }
    sweep->settled_in_vain = repetitions->shared;
}

/* The same of the last cache, for which runs wait less then. */
static void note_cache(struct sweep *sweep, const struct job *job)
{
    const struct repetitions *repetitions = &job->repetitions;
    sweep->cache = repetitions->cache;
    if (repetitions->cache_shared && tell(sweep, &sweep->told_cache)) {
        fprintf(
            stderr,
            "replay: somebody else fills the processor's last cache: a heap that needs it takes longer, up to half as "
            "long again; such runs are marked; to wait longer for its end: --settle=SECONDS\n");
    }
    sweep->cache_in_vain = repetitions->cache_shared;
}

/* Whether the machine was throttled in the run, in words for people; that it cannot be told from before is said once.
 */
static bool was_throttled(struct sweep *sweep, const struct run *run, char *what, size_t size)
{
    const struct board_verdict verdict = board_judge(&run->before, &run->after);
    char kinds[BOARD_WHY];
    if (verdict.unseen != 0 && tell(sweep, &sweep->told_unseen)) {
        fprintf(
            stderr,
            "replay: since it was started this machine has known: %s: if that comes and goes within a run it is not "
            "seen; restart the machine to clear the record\n",
            board_kinds_text(verdict.unseen, kinds));
    }
    snprintf(what, size, "%s: %s of %s: %s", run->study->name, pass_names[run->pass], run->cell->text,
             board_kinds_text(verdict.kinds, kinds));
    return verdict.kinds != 0;
}

/* One run of a cell, from the question to the answer. */
static void measure(const struct round *round, struct cell *cell, struct run *run)
{
    struct sweep *sweep = round->sweep;
    progress_show(sweep->progress, round->study->name, cell->text, pass_names[round->pass]);
    ask(sweep->launcher->job, round, cell);
    board_read(&sweep->board, &run->before);
    const uint64_t begin = clock_ns();
    if (round->pass == PASS_ARENA)
        arena_search(run, sweep->launcher, sweep->progress, &cell->arena);
    else
        run_do(run, sweep->launcher);
    const struct repetitions *repetitions = &sweep->launcher->job->repetitions;
    const uint64_t waited_ns = repetitions->waited_ns, cache_waited_ns = repetitions->cache_waited_ns;
    const uint64_t spent_ns = clock_ns() - begin - waited_ns - cache_waited_ns;
    cell->spent_ns += spent_ns;
    sweep->spent_ns += spent_ns;
    sweep->waited_ns += waited_ns;
    sweep->cache_waited_ns += cache_waited_ns;
    board_read(&sweep->board, &run->after);
}

/* Keeps what a run found out, and writes its row. null's figure is its own floor. */
static bool keep_and_write(struct round *round, struct cell *cell, struct run *run)
{
    struct latency_run latency;
    const bool is_floor = run->cell == round->study->floor;
    run->cell = cell;
    if (!keep(cell, run, round, &latency))
        return false;
    if (is_floor && round->pass == PASS_THROUGHPUT && run->status == RUN_DONE)
        run->floor_ns = cell->throughput.ns_per_op[cell->throughput.runs - 1];
    return row_file_append(round->sweep->rows, run, round->error);
}

/* Writes the row of a timed run that is to be done again: what it found stands for itself, and is none of the cell's.
 */
static bool write_alone(struct round *round, const struct cell *cell, struct run *run)
{
    struct cell alone = *cell;
    alone.throughput = (struct throughput_study){.runs = 0};
    alone.latency = (struct latency_study){.runs = 0};
    const bool fine = keep_and_write(round, &alone, run);
    run->cell = cell;
    free(alone.throughput.ns_per_op);
    free(alone.latency.least);
    return fine;
}

/* Of a run that counts, what was not as it should be. */
static void note_run(struct cell *cell, const struct run *run, bool throttled)
{
    cell->throttled += throttled;
    cell->shared += run->status == RUN_DONE && run->job->repetitions.shared;
    cell->cache_shared += run->status == RUN_DONE && run->job->repetitions.cache_shared;
}

/* What a throttled run whose row is written found counts all the same, as no better one came. */
static bool keep_throttled(struct round *round, struct cell *cell, struct run *run)
{
    struct latency_run latency;
    note_run(cell, run, true);
    return keep(cell, run, round, &latency);
}

static bool keep_last(struct round *round, struct cell *cell, struct run *run, bool throttled)
{
    note_run(cell, run, throttled);
    return keep_and_write(round, cell, run);
}

static bool recovers(struct sweep *sweep, const struct run *run, const char *what)
{
    progress_clear(sweep->progress);
    return cooldown_wait(&sweep->cooldown, &sweep->board, &run->after, what);
}

/*
 * A run, and when the machine was throttled in it and has recovered, the same run again: the row of the first stays,
 * marked, and only the last counts. Passes without a clock find the same on a slow machine, and are only marked.
 */
static bool do_run(struct round *round, struct cell *cell, unsigned turn)
{
    struct sweep *sweep = round->sweep;
    char what[900];
    struct run run = {.cli = sweep->cli,
                      .host = sweep->host,
                      .study = round->study,
                      .cell = cell,
                      .pass = round->pass,
                      .number = round->number,
                      .turn = turn,
                      .floor_ns = round->floor_ns};
    for (;; run.repetition++) {
        measure(round, cell, &run);
        if (run.status == RUN_STOPPED)
            return false;
        tell_once(sweep, run.job);
        if (run.status == RUN_DONE && run.job->watch_core) {
            note_core(sweep, run.job);
            note_cache(sweep, run.job);
        }
        const bool marked =
            was_throttled(sweep, &run, what, sizeof what) && pass_is_timed(run.pass) && run.status == RUN_DONE;
        const bool hot = marked && sweep->cli->cooldown_s != 0 && run.repetition < REPETITIONS;
        const bool in_vain = hot && sweep->cooldown.in_vain;
        const bool recovered = in_vain && recovers(sweep, &run, what); /* a look, and no wait */
        if (!hot || (in_vain && !recovered)) {                         /* the row has all that the cell knows */
            if (!keep_last(round, cell, &run, marked))
                return false;
            break;
        }
        if (!write_alone(round, cell, &run))
            return false;
        if (!recovered && !recovers(sweep, &run, what)) {
            if (!keep_throttled(round, cell, &run))
                return false;
            break;
        }
    }
    if (cell == round->study->floor && run.pass == PASS_THROUGHPUT && run.status == RUN_DONE)
        round->floor_ns = run.floor_ns;
    return true;
}

/* Says in how many of the timed runs that count something was so. */
static void note_runs(struct cell *cell, const char *what, unsigned runs)
{
    const size_t length = strlen(cell->why);
    if (runs > 0)
        snprintf(cell->why + length, sizeof cell->why - length, "%s%s in %u of the timed runs that count",
                 length > 0 ? "; " : "", what, runs);
}

static bool do_round(struct round *round)
{
    struct study *study = round->study;
    size_t *order = malloc(study->ncells * sizeof *order);
    bool fine = order != NULL || error_set(round->error, EXIT_LACKS, "no memory");
    unsigned turn = 0;
    round->floor_ns = NAN;
    if (fine)
        statistics_shuffle(order, study->ncells, &round->sweep->random);
    for (size_t i = 0; fine && i < study->ncells; i++) /* the floor to the front, the others keep their order */
        if (round->pass == PASS_THROUGHPUT && &study->cells[order[i]] == study->floor) {
            const size_t floor = order[i];
            memmove(order + 1, order, i * sizeof *order);
            order[0] = floor;
        }
    for (size_t i = 0; fine && i < study->ncells; i++) {
        struct cell *cell = &study->cells[order[i]];
        if (cell->passes[round->pass] && !cell->failed && !out_of_time(cell, round))
            fine = do_run(round, cell, turn++);
        if (!cell->added)
            progress_advance(round->sweep->progress, 1);
    }
    free(order);
    return fine;
}

/* A file that runs fill, mapped here too. NULL: *error. */
static void *shared_table(const char *name, uint64_t bytes, int *fd, struct error *error)
{
    *fd = shared_file(name, bytes, error);
    if (*fd < 0)
        return NULL;
    void *table = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    if (table != MAP_FAILED)
        return table;
    error_set(error, EXIT_LACKS, "no memory for a table of every op");
    close(*fd);
    return NULL;
}

static void drop_table(void *table, uint64_t bytes, int fd)
{
    if (table == NULL)
        return;
    munmap(table, bytes);
    close(fd);
}

bool sweep_trace(struct sweep *sweep, struct study *study, struct error *error)
{
    const uint64_t nsteps = study->plan.header->nsteps;
    const uint64_t ticks_bytes = latency_table_bytes(nsteps), counts_bytes = icount_table_bytes(nsteps);
    struct round round = {.sweep = sweep, .study = study, .error = error, .ticks_fd = -1, .counts_fd = -1};
    bool fine = true;
    if (sweep->cli->passes[PASS_LATENCY])
        fine = (round.ticks = shared_table("heapbench-ticks", ticks_bytes, &round.ticks_fd, error)) != NULL;
    if (fine && sweep->cli->passes[PASS_INSTRUCTIONS])
        fine = (round.counts = shared_table("heapbench-counts", counts_bytes, &round.counts_fd, error)) != NULL;
    for (unsigned pass = 0; fine && pass < PASSES; pass++) {
        round.pass = (enum pass)pass;
        const unsigned rounds = rounds_of(sweep->cli, round.pass);
        for (round.number = 0; fine && round.number < rounds; round.number++)
            fine = do_round(&round);
    }
    for (size_t i = 0; i < study->ncells; i++) {
        note_runs(&study->cells[i], "the machine was throttled", study->cells[i].throttled);
        note_runs(&study->cells[i], "the core was shared", study->cells[i].shared);
        note_runs(&study->cells[i], "the last cache was shared", study->cells[i].cache_shared);
    }
    drop_table(round.ticks, ticks_bytes, round.ticks_fd);
    drop_table(round.counts, counts_bytes, round.counts_fd);
    return fine;
}
