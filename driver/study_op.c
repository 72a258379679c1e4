/* study_op.c - an op of the trace, and its name, from a step of the plan; see study.h. */
#include "driver/study.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "driver/op.h"

struct op study_op(const struct plan *plan, uint64_t step)
{
    struct request request = request_of(plan, plan->steps[step]);
    struct op op = {.kind = request.kind, .align = request.align};
    const uint32_t slot = request.slot;
    for (uint64_t at = step; request.kind == OP_FREE && at-- > 0;)
        if (plan_slot(plan->steps[at]) == slot && plan_kind(plan->steps[at]) != PLAN_NOTHING)
            request = request_of(plan, plan->steps[at]);
    op.size = request.bytes;
    return op;
}

const char *study_op_text(const struct plan *plan, uint64_t step, char text[OP_TEXT])
{
    const struct op op = study_op(plan, step);
    if (op.kind == OP_THREAD_END)
        snprintf(text, OP_TEXT, "nothing to do");
    else
        snprintf(text, OP_TEXT, "%s %s %" PRIu64 " bytes", op_names[op.kind], op.kind == OP_REALLOC ? "to" : "of",
                 op.size);
    if (op.kind == OP_ALIGNED)
        snprintf(text + strlen(text), OP_TEXT - strlen(text), " to %" PRIu64, op.align);
    return text;
}
