/* SPDX-License-Identifier: MIT
 * Pieces of HTML. */
#include "tools/report/html.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Through integers: printf would put a comma into some locales' numbers. */
void cored_html_fixed(CoredText *out, double value, int decimals) {
  if (!isfinite(value)) {
    cored_text_add(out, isnan(value) ? "\u2013" : value > 0 ? "\u221e" : "\u2212\u221e");
    return;
  }
  if (fabs(value) > 1e12) { /* beyond what the integers below hold */
    char text[CORED_NUMBER_SIZE];
    cored_number_format(value, true, text);
    cored_text_add(out, text);
    return;
  }
  double scale = 1;
  for (int i = 0; i < decimals; i++)
    scale *= 10;
  int64_t rest = llabs(llround(value * scale));
  char text[32], *at = text + sizeof text;
  bool minus = value < 0 && rest > 0;
  *--at = '\0';
  for (int digits = 0; digits <= decimals || rest > 0; digits++, rest /= 10) {
    if (digits == decimals && decimals > 0)
      *--at = '.';
    *--at = (char)('0' + rest % 10);
  }
  if (minus)
    *--at = '-';
  cored_text_add(out, at);
}

void cored_html_format(CoredText *out, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  cored_text_add(out, text);
}

void cored_html_attribute(CoredText *out, const char *name, double value) {
  cored_html_format(out, " %s='", name);
  cored_html_fixed(out, value, 2);
  cored_text_add(out, "'");
}
