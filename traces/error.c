/* error.c - see error.h. */
#include "traces/error.h"

#include <stdarg.h>
#include <stdio.h>

bool error_set(struct error *error, enum exit_code code, const char *format, ...)
{
    if (error->code != EXIT_DONE)
        return false;
    va_list args;
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    error->code = code;
    return false;
}
