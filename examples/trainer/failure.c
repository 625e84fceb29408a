#include "failure.h"

#include <stdarg.h>
#include <stdio.h>

int fail(struct failure *failure, int status, const char *format, ...)
{
    va_list arguments;
    if (failure->status != DONE)
        return failure->status;
    failure->status = status;
    va_start(arguments, format);
    vsnprintf(failure->text, sizeof failure->text, format, arguments);
    va_end(arguments);
    return status;
}

int fail_memory(struct failure *failure)
{
    return fail(failure, FAILED, "out of memory");
}

int fail_preflane(struct failure *failure, const char *place, const char *function, const preflane_error *error)
{
    /* A bad target comes from the data; anything else would be a mistake of this program. */
    const int status = error->code == PREFLANE_ERROR_TARGET ? BAD_INPUT : FAILED;
    if (failure->status != DONE)
        return failure->status;
    fail(failure, status, "%s: %s: %s", place, function, error->message);
    failure->error = *error;
    return status;
}
