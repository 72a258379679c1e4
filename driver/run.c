/* run.c - does one run, and puts into words what became of it; see run.h. */
#include "driver/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *const run_status_names[RUN_STOPPED] = {"done", "failed", "lacks"};

/* How a run ended. */
struct ending {
    enum run_end how;
    int detail;      /* the signal, or the exit code */
    bool unrepeated; /* it failed, but not when it was done again to find out where */
};

/* "at op 812 (malloc of 4096 bytes)", or where else. */
static void place_text(const struct study *study, uint64_t step, char *text, size_t size)
{
    char op[OP_TEXT];
    if (STEP_IS_OP(step))
        snprintf(text, size, "at op %" PRIu64 " (%s)", step, study_op_text(&study->plan, step, op));
    else
        snprintf(text, size, "%s",
                 step == STEP_CREATE    ? "in create()"
                 : step == STEP_DESTROY ? "at the end, in release() or destroy()"
                                        : "while it was set up");
}

/* SIGSEGV and not "Segmentation fault": what people look for. */
static const char *signal_name(int number, char text[32])
{
    const char *abbreviation = sigabbrev_np(number);
    if (abbreviation != NULL)
        snprintf(text, 32, "SIG%s", abbreviation);
    else
        snprintf(text, 32, "signal %d", number);
    return text;
}

static void set_reason(struct run *run, const struct launcher *launcher, const struct ending *ending)
{
    const struct job *job = launcher->job;
    char place[160], name[32];
    run->step = ending->unrepeated ? NO_STEP : job->outcome == OUTCOME_FAILED ? job->failed_step : job->step;
    place_text(run->study, run->step, place, sizeof place);
    if (ending->unrepeated)
        snprintf(place, sizeof place, "at an op not known, since it did not happen again");
    if (ending->how == RUN_SIGNALLED)
        snprintf(run->reason, sizeof run->reason, "%s %s", signal_name(ending->detail, name), place);
    else if (ending->how == RUN_EXITED)
        snprintf(run->reason, sizeof run->reason, "ended with exit code %d %s", ending->detail, place);
    else if (ending->how == RUN_TIMED_OUT)
        snprintf(run->reason, sizeof run->reason, "still busy after %g s %s; if it is not hung: --timeout=SECONDS",
                 launcher->timeout_s, place);
    else if (job->outcome == OUTCOME_LACKS)
        snprintf(run->reason, sizeof run->reason, "%s", job->reason);
    else
        snprintf(run->reason, sizeof run->reason, "%s %s", place, ending->unrepeated ? "it was refused" : job->reason);
}

/* The run; when it fails in a timed pass, once more with the op at work kept. */
static struct ending run_and_diagnose(enum pass pass, struct launcher *launcher)
{
    struct job *job = launcher->job;
    struct ending ending = {.unrepeated = false}, again = ending;
    job->diagnose = false;
    ending.how = launch_run(launcher, &ending.detail);
    if (pass == PASS_INSTRUCTIONS && ending.how == RUN_EXITED && job->step == NO_STEP) {
        snprintf(job->reason, sizeof job->reason,
                 "the emulator ended before the run began; it needs plugins, as Debian's qemu-user 7.2 has them and "
                 "qemu-user-static has not");
        job->outcome = OUTCOME_LACKS;
        ending.how = RUN_ANSWERED;
    }
    const bool failed = ending.how != RUN_ANSWERED || job->outcome == OUTCOME_FAILED;
    const bool keeps_step = pass == PASS_VERIFY || pass == PASS_SPACE || pass == PASS_ARENA;
    if (!failed || ending.how == RUN_INTERRUPTED || keeps_step)
        return ending;
    job->diagnose = true;
    again.how = launch_run(launcher, &again.detail);
    if (again.how != RUN_ANSWERED || job->outcome != OUTCOME_DONE)
        return again;
    ending.unrepeated = true;
    job->outcome = OUTCOME_FAILED;
    return ending;
}

void run_do(struct run *run, struct launcher *launcher)
{
    const struct job *job = launcher->job;
    const struct ending ending = run_and_diagnose(run->pass, launcher);
    const bool answered = ending.how == RUN_ANSWERED;
    run->job = job;
    run->reason[0] = '\0';
    run->step = NO_STEP;
    run->status = ending.how == RUN_INTERRUPTED               ? RUN_STOPPED
                  : answered && job->outcome == OUTCOME_DONE  ? RUN_DONE
                  : answered && job->outcome == OUTCOME_LACKS ? RUN_LACKS
                                                              : RUN_FAILED;
    if (run->status == RUN_FAILED || run->status == RUN_LACKS)
        set_reason(run, launcher, &ending);
}
