/* SPDX-License-Identifier: MIT
 * Texts and numbers of a cascade file, independent of the process locale, and the arrays they fill.
 */
#include "vision/faces/cascade-reader.h"

#include "base/error.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long long current_line(const CoredReader *r) {
#ifdef HAVE_XML_LINE_NUMBER64
  return XML_GetCurrentLineNumber64(r->xml);
#else
  return XML_GetCurrentLineNumber(r->xml);
#endif
}

void cored_reader_refuse(CoredReader *r, const char *format, ...) {
  char text[256];
  if (r->failed)
    return;
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  r->failed = true;
  cored_error_set(r->error, CORED_ERROR_CASCADE_FORMAT, "cascade '%s', line %llu: %s", r->name,
                  current_line(r), text);
  XML_StopParser(r->xml, XML_FALSE);
}

static void refuse_memory(CoredReader *r) {
  if (r->failed)
    return;
  r->failed = true;
  cored_error_set(r->error, CORED_ERROR_NO_MEMORY, "cascade '%s': no memory", r->name);
  XML_StopParser(r->xml, XML_FALSE);
}

bool cored_reader_grow(CoredReader *r, void **items, int n, size_t item_size, int max,
                       const char *what) {
  if (n >= max) {
    cored_reader_refuse(r, "more than %d %s", max, what);
    return false;
  }
  if (n & (n - 1)) /* n is no power of two and not 0: there is room */
    return true;
  void *const grown = realloc(*items, (n ? 2 * (size_t)n : 1) * item_size);
  if (!grown) {
    refuse_memory(r);
    return false;
  }
  *items = grown;
  memset((char *)grown + (size_t)n * item_size, 0, (n ? (size_t)n : 1) * item_size);
  return true;
}

/* ---- Numbers -------------------------------------------------------------------------------- */

int cored_reader_numbers(CoredReader *r) {
  const char *at = r->text;
  int n = 0;
  if (strspn(at, "0123456789+-.eE \t\r\n") != r->text_size) {
    cored_reader_refuse(r, "'%.40s' in %s holds something other than decimal numbers", r->text,
                        r->path);
    return -1;
  }
  for (at += strspn(at, " \t\r\n"); *at; at += strspn(at, " \t\r\n")) {
    char *end;
    if (n == CORED_READER_MAX_NUMBERS) {
      cored_reader_refuse(r, "more than %d numbers in %s", CORED_READER_MAX_NUMBERS, r->path);
      return -1;
    }
    const double value = strtod_l(at, &end, r->locale);
    if (end == at || !strchr(" \t\r\n", *end) || !isfinite((float)value)) {
      cored_reader_refuse(r, "'%.40s' in %s is not a number in range", at, r->path);
      return -1;
    }
    r->numbers[n++] = value;
    at = end;
  }
  return n;
}

bool cored_reader_to_int(CoredReader *r, double value, int low, int high, int *out) {
  if (!(value >= low && value <= high) || value != floor(value)) {
    cored_reader_refuse(r, "%s: %g is not a whole number from %d to %d", r->path, value, low, high);
    return false;
  }
  *out = (int)value;
  return true;
}

bool cored_reader_int(CoredReader *r, int low, int high, int *out) {
  const int n = cored_reader_numbers(r);
  if (n < 0)
    return false;
  if (n != 1) {
    cored_reader_refuse(r, "%s: expected one number, found %d", r->path, n);
    return false;
  }
  return cored_reader_to_int(r, r->numbers[0], low, high, out);
}

bool cored_reader_text_is(const CoredReader *r, const char *want) {
  const char *const at = r->text + strspn(r->text, " \t\r\n");
  const size_t n = strlen(want);
  return !strncmp(at, want, n) && !at[n + strspn(at + n, " \t\r\n")];
}
