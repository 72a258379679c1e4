/* guard.c - what the guard reports, as the end of a run; see guard.h. */
#include "driver/guard.h"

#include <inttypes.h>
#include <stdio.h>

#include "driver/study.h"

#define BLOCK_TEXT 400

/* "op 812 (malloc of 24 bytes)", or when else. */
static const char *when_text(const struct bench *bench, uint64_t word, char text[OP_TEXT + 40])
{
    char op[OP_TEXT];
    if (STEP_IS_OP(word))
        snprintf(text, OP_TEXT + 40, "op %" PRIu64 " (%s)", word, study_op_text(&bench->plan, word, op));
    else
        snprintf(text, OP_TEXT + 40, "%s", word == STEP_DESTROY ? "release() at the end" : "an op not known");
    return text;
}

/* The block concerned: "the block of 24 bytes at 0x…, allocated by op 7 (…), freed by op 9 (…), whole after op 8". */
static const char *block_text(const struct bench *bench, const struct guard_fault *fault, char text[BLOCK_TEXT])
{
    char born[OP_TEXT + 40], freed[OP_TEXT + 40], whole[64] = "";
    if (fault->looked && STEP_IS_OP(fault->looked_at))
        snprintf(whole, sizeof whole, ", whole when last seen at op %" PRIu64, fault->looked_at);
    snprintf(text, BLOCK_TEXT, "the block of %zu bytes at %p, allocated by %s%s%s%s", fault->size, fault->block,
             when_text(bench, fault->born, born), fault->was_freed ? ", freed by " : "",
             fault->was_freed ? when_text(bench, fault->freed, freed) : "", whole);
    return text;
}

static void report(void *arg, const struct guard_fault *fault)
{
    struct bench *bench = arg;
    const char *name = guard_names[fault->kind];
    char block[BLOCK_TEXT] = "";
    if (fault->block != NULL)
        block_text(bench, fault, block);
    switch (fault->kind) {
    case GUARD_OVERFLOW:
    case GUARD_UNDERFLOW:
    case GUARD_WRITE_AFTER_FREE:
        bench_failed(bench, fault->now, "%s: something wrote byte %td of %s", name, fault->offset, block);
    case GUARD_FOREIGN:
        if (fault->block == NULL)
            bench_failed(bench, fault->now, "%s: %p is no block of this heap", name, fault->pointer);
        bench_failed(bench, fault->now, "%s: %p is byte %td of %s", name, fault->pointer, fault->offset, block);
    default:
        bench_failed(bench, fault->now, "%s: %s", name, block);
    }
}

void bench_guard(struct bench *bench)
{
    const struct job *job = bench->job;
    struct option_values settings;
    struct error error = {.code = EXIT_DONE};
    if (job->guard[0] == '\0')
        return;
    if (!guard_spec_read(&settings, job->guard, &error))
        bench_lacks(bench, "%s", error.text);
    guard_wrap(&bench->guard, bench->allocator.allocator, bench->config.opt, settings.opt, &job->step, report, bench);
    bench->allocator.allocator = &bench->guard.allocator;
    bench->config.opt = bench->guard.opt;
}
