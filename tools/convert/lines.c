/* SPDX-License-Identifier: MIT
 * Growing lists. */
#include "tools/convert/lines.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool cored_array_grow(void *array, size_t *capacity, size_t need, size_t size) {
  if (need <= *capacity)
    return true;
  size_t wanted = *capacity ? *capacity : 16, bytes;
  while (wanted < need)
    if (__builtin_mul_overflow(wanted, 2, &wanted))
      return false;
  if (__builtin_mul_overflow(wanted, size, &bytes))
    return false;
  void *old, *grown;
  memcpy(&old, array, sizeof old);
  grown = realloc(old, bytes);
  if (!grown)
    return false;
  memcpy(array, &grown, sizeof grown);
  *capacity = wanted;
  return true;
}

bool cored_lines_add(CoredLines *lines, const char *format, ...) {
  char *text = NULL;
  va_list arguments;
  va_start(arguments, format);
  int length = vasprintf(&text, format, arguments);
  va_end(arguments);
  if (length < 0)
    return false;
  if (!cored_array_grow(&lines->line, &lines->capacity, lines->n + 1, sizeof *lines->line)) {
    free(text);
    return false;
  }
  lines->line[lines->n++] = text;
  return true;
}

bool cored_lines_contain(const CoredLines *lines, const char *text) {
  for (size_t i = 0; i < lines->n; i++)
    if (strcmp(lines->line[i], text) == 0)
      return true;
  return false;
}

void cored_lines_clear(CoredLines *lines) {
  for (size_t i = 0; i < lines->n; i++)
    free(lines->line[i]);
  free(lines->line);
  *lines = (CoredLines){0};
}
