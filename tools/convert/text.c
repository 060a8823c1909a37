/* SPDX-License-Identifier: MIT
 * Text out of untrusted files. */
#include "tools/convert/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Length of the well-formed UTF-8 sequence at s (RFC 3629, section 4), 0 where there is none. */
static size_t sequence_length(const uint8_t *s, size_t left) {
  if (s[0] < 0x80)
    return 1;
  size_t length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
  if (s[0] < 0xc2 || s[0] > 0xf4 || length > left)
    return 0;
  for (size_t i = 1; i < length; i++)
    if ((s[i] & 0xc0) != 0x80)
      return 0;
  bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
  bool surrogate = s[0] == 0xed && s[1] > 0x9f;
  bool beyond = s[0] == 0xf4 && s[1] > 0x8f;
  return overlong || surrogate || beyond ? 0 : length;
}

bool cored_text_is_utf8(const uint8_t *bytes, size_t size) {
  for (size_t i = 0; i < size;) {
    size_t length = sequence_length(bytes + i, size - i);
    if (!length)
      return false;
    i += length;
  }
  return true;
}

/* C0 controls, DEL, and the C1 controls U+0080..U+009F, which terminals obey as well. */
static bool is_control(const uint8_t *s, size_t length) {
  return s[0] < 0x20 || s[0] == 0x7f || (length == 2 && s[0] == 0xc2 && s[1] < 0xa0);
}

char *cored_text_escape(const void *text, size_t length, char *out, size_t size) {
  static const char more[] = "...";
  const uint8_t *s = text;
  size_t used = 0, cut = 0; /* cut: where "..." would still fit */
  for (size_t i = 0; i < length;) {
    size_t n = sequence_length(s + i, length - i);
    bool raw = n > 0 && !is_control(s + i, n);
    size_t take = n ? n : 1, need = raw ? take : 4 * take;
    if (used + need + 1 > size) {
      snprintf(out + cut, size - cut, "%s", more);
      return out;
    }
    if (raw)
      memcpy(out + used, s + i, take);
    else
      for (size_t k = 0; k < take; k++)
        snprintf(out + used + 4 * k, 5, "\\x%02x", s[i + k]);
    used += need;
    i += take;
    if (used + sizeof more <= size)
      cut = used;
  }
  out[used] = '\0';
  return out;
}

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
