/* SPDX-License-Identifier: MIT
 * Filling in a CoredError. The code that detects an error writes the message; callers only pass
 * it on. */
#ifndef CORED_BASE_ERROR_H
#define CORED_BASE_ERROR_H

#include "cored.h"

/* Set code and message (escaped as escape.h says, cut to the field); error may be NULL.
 * Returns false, so that `return cored_error_set(...)` reads well. */
bool cored_error_set(CoredError *error, CoredErrorCode code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif /* CORED_BASE_ERROR_H */
