/* run.c - does one run, and puts into words what became of it; see run.h. */
#include "driver/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *const run_status_names[RUN_STOPPED] = {"done", "failed", "lacks"};

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
                                        : "before the first op");
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

static void set_reason(struct run *run, const struct launcher *launcher, enum run_end end, int detail)
{
    const struct job *job = launcher->job;
    char place[160], name[32];
    run->step = job->outcome == OUTCOME_FAILED ? job->failed_step : job->step;
    place_text(run->study, run->step, place, sizeof place);
    switch (end) {
    case RUN_SIGNALLED:
        snprintf(run->reason, sizeof run->reason, "%s %s", signal_name(detail, name), place);
        break;
    case RUN_EXITED:
        snprintf(run->reason, sizeof run->reason, "ended with exit code %d %s", detail, place);
        break;
    case RUN_TIMED_OUT:
        snprintf(run->reason, sizeof run->reason, "still busy after %g s %s; if it is not hung: --timeout=SECONDS",
                 launcher->timeout_s, place);
        break;
    default:
        if (job->outcome == OUTCOME_LACKS)
            snprintf(run->reason, sizeof run->reason, "%s", job->reason);
        else
            snprintf(run->reason, sizeof run->reason, "%s %s", place, job->reason);
    }
}

void run_do(struct run *run, struct launcher *launcher)
{
    struct job *job = launcher->job;
    const bool timed = run->pass == PASS_THROUGHPUT || run->pass == PASS_LATENCY;
    int detail;
    job->diagnose = false;
    enum run_end end = launch_run(launcher, &detail);
    const bool fine = end == RUN_ANSWERED && job->outcome != OUTCOME_FAILED;
    if (!fine && end != RUN_INTERRUPTED && timed) {
        job->diagnose = true;
        const enum run_end first = end;
        const int first_detail = detail;
        end = launch_run(launcher, &detail);
        if (end == RUN_ANSWERED && job->outcome == OUTCOME_DONE) { /* it went well this time: keep what was seen */
            end = first;
            detail = first_detail;
            job->step = NO_STEP;
            job->outcome = OUTCOME_UNKNOWN;
            snprintf(job->reason, sizeof job->reason, "it failed once, and not when it was repeated to find out where");
        }
    }
    run->job = job;
    run->reason[0] = '\0';
    run->step = NO_STEP;
    run->status = end == RUN_INTERRUPTED                                 ? RUN_STOPPED
                  : end == RUN_ANSWERED && job->outcome == OUTCOME_DONE  ? RUN_DONE
                  : end == RUN_ANSWERED && job->outcome == OUTCOME_LACKS ? RUN_LACKS
                                                                         : RUN_FAILED;
    if (run->status == RUN_FAILED || run->status == RUN_LACKS)
        set_reason(run, launcher, end, detail);
}
