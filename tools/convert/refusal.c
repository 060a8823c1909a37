/* SPDX-License-Identifier: MIT
 * Why a foreign weight file is refused. */
#include "tools/convert/refusal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tools/convert/lines.h"

bool cored_refuse(CoredRefusal *refusal, CoredRefusalCode code, const char *format, ...) {
  if (refusal->code != CORED_REFUSAL_NONE)
    return false;
  char raw[sizeof refusal->message];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(raw, sizeof raw, format, arguments);
  va_end(arguments);
  refusal->code = code;
  cored_escape(raw, strlen(raw), refusal->message, sizeof refusal->message);
  return false;
}

const char *cored_refusal_code_name(CoredRefusalCode code) {
  static const char *const names[] = {
#define CORED_REFUSAL_NAME(name, text) #name,
      CORED_REFUSAL_CODES(CORED_REFUSAL_NAME)
#undef CORED_REFUSAL_NAME
  };
  return (unsigned)code < CORED_N_REFUSAL_CODES ? names[code] : "UNKNOWN";
}

bool cored_refuse_error(CoredRefusal *refusal, const CoredError *error) {
  static const struct {
    CoredErrorCode error;
    CoredRefusalCode refusal;
  } same[] = {
      {CORED_ERROR_NO_MEMORY, CORED_REFUSAL_NO_MEMORY},
      {CORED_ERROR_NOT_FOUND, CORED_REFUSAL_OPEN},
      {CORED_ERROR_OPEN, CORED_REFUSAL_OPEN},
      {CORED_ERROR_READ, CORED_REFUSAL_READ},
      {CORED_ERROR_WRITE, CORED_REFUSAL_WRITE},
      {CORED_ERROR_NOT_REGULAR, CORED_REFUSAL_NOT_REGULAR},
      {CORED_ERROR_FILE_TOO_SMALL, CORED_REFUSAL_FILE_TOO_SMALL},
      {CORED_ERROR_FILE_TOO_LARGE, CORED_REFUSAL_FILE_TOO_LARGE},
      {CORED_ERROR_FILE_CHANGED, CORED_REFUSAL_FILE_CHANGED},
  };
  for (size_t i = 0; i < sizeof same / sizeof *same; i++)
    if (same[i].error == error->code)
      return cored_refuse(refusal, same[i].refusal, "%s", error->message);
  return cored_refuse(refusal, CORED_REFUSAL_ENGINE, "%s: %s", cored_error_code_name(error->code),
                      error->message);
}
