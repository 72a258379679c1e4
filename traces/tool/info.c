/* info.c - ./trace info: what is in a trace. */
#include <stdio.h>

#include "traces/plan.h"
#include "traces/tool/tool.h"

bool command_info(const struct arguments *arguments, struct error *error)
{
    for (char **file = arguments->files; *file; file++) {
        struct trace_reader *reader = trace_open(*file, error);
        struct plan plan;
        bool done = reader && plan_build(&plan, reader, error);
        trace_close(reader);
        if (!done)
            return false;
        const struct plan_header *h = plan.header;
        printf("%s: %llu ops, %llu threads, peak %llu bytes in %llu blocks\n", *file, (unsigned long long)h->nsteps,
               (unsigned long long)h->threads, (unsigned long long)h->peak_live, (unsigned long long)h->nslots);
        plan_close(&plan);
    }
    return true;
}
