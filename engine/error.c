/* SPDX-License-Identifier: MIT */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>

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

/* Names out of files end up in messages, and messages in terminals and logs: a control character
 * becomes \xNN. Bytes from 0x80 are left alone, they are UTF-8. */
static void copy_escaped(char *dst, size_t size, const char *src) {
  size_t n = 0;
  for (; *src; src++) {
    const unsigned char c = (unsigned char)*src;
    const size_t need = c < 0x20 || c == 0x7f ? 4 : 1;
    if (n + need >= size)
      break;
    if (need == 4)
      snprintf(dst + n, 5, "\\x%02x", (unsigned)c);
    else
      dst[n] = (char)c;
    n += need;
  }
  dst[n] = '\0';
}

bool cored_error_set(CoredError *error, CoredErrorCode code, const char *format, ...) {
  if (!error)
    return false;
  char text[sizeof error->message];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  error->code = code;
  copy_escaped(error->message, sizeof error->message, text);
  return false;
}
