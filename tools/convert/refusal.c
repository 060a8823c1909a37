/* SPDX-License-Identifier: MIT
 * Why a foreign weight file is refused. */
#include "tools/convert/refusal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tools/convert/text.h"

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

const char *cored_refusal_code_text(CoredRefusalCode code) {
  static const char *const texts[] = {
#define CORED_REFUSAL_TEXT(name, text) text,
      CORED_REFUSAL_CODES(CORED_REFUSAL_TEXT)
#undef CORED_REFUSAL_TEXT
  };
  return (unsigned)code < CORED_N_REFUSAL_CODES ? texts[code] : "unknown code";
}
