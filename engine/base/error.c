/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"

static const char *const code_names[] = {
#define ERROR_NAME(name, text) #name,
    CORED_ERROR_CODES(ERROR_NAME)
#undef ERROR_NAME
};

static const char *const code_texts[] = {
#define ERROR_TEXT(name, text) text,
    CORED_ERROR_CODES(ERROR_TEXT)
#undef ERROR_TEXT
};

const char *cored_error_code_name(CoredErrorCode code) {
  return (unsigned)code < CORED_N_ERROR_CODES ? code_names[code] : "UNKNOWN";
}

const char *cored_error_code_text(CoredErrorCode code) {
  return (unsigned)code < CORED_N_ERROR_CODES ? code_texts[code] : "unknown error";
}

bool cored_error_set(CoredError *error, CoredErrorCode code, const char *format, ...) {
  if (!error)
    return false;
  char text[4096]; /* longer than a path; what does not fit into the message is cut with "..." */
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  error->code = code;
  cored_escape(text, strlen(text), error->message, sizeof error->message);
  return false;
}
