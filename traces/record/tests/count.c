/*
 * count.c - `count FILE [SIZE]`: compiles a trace to a plan, which checks that no block is freed twice, and prints what
 * the recorder's tests compare: "ops MALLOC CALLOC ALIGNED REALLOC FREE threads N left N nothing N [of SIZE: N]".
 */
#include "traces/plan.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct error error = {0};
    struct plan plan;
    struct trace_reader *reader = argc > 1 ? trace_open(argv[1], &error) : NULL;
    if (!reader || !plan_build(&plan, reader, &error)) {
        printf("%s\n", error.text);
        return 1;
    }
    const struct plan_header *h = plan.header;
    printf("ops");
    for (int kind = OP_MALLOC; kind <= OP_FREE; kind++)
        printf(" %llu", (unsigned long long)h->counts[kind]);
    printf(" threads %llu left %llu nothing %llu", (unsigned long long)h->threads, (unsigned long long)h->left_live,
           (unsigned long long)h->nothings);
    if (argc > 2) {
        unsigned long long n = 0;
        for (uint64_t i = 0; i < h->nsteps; i++)
            n += plan_kind(plan.steps[i]) == PLAN_MALLOC && plan_size(plan.steps[i]) == (uint32_t)atol(argv[2]);
        printf(" of %s: %llu", argv[2], n);
    }
    printf("%s\n", trace_info(reader)->truncated ? " truncated" : "");
    plan_close(&plan);
    trace_close(reader);
    return 0;
}
