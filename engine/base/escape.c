/* SPDX-License-Identifier: MIT */
#include "base/escape.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

size_t cored_utf8_length(const void *s, size_t left) {
  const uint8_t *p = s;
  uint8_t low = 0x80, high = 0xbf; /* range of the second byte */
  size_t n;
  if (p[0] < 0x80)
    return 1;
  if (p[0] >= 0xc2 && p[0] <= 0xdf) {
    n = 2;
  } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
    n = 3;
    low = p[0] == 0xe0 ? 0xa0 : 0x80;
    high = p[0] == 0xed ? 0x9f : 0xbf;
  } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
    n = 4;
    low = p[0] == 0xf0 ? 0x90 : 0x80;
    high = p[0] == 0xf4 ? 0x8f : 0xbf;
  } else {
    return 0;
  }
  if (n > left || p[1] < low || p[1] > high)
    return 0;
  for (size_t i = 2; i < n; i++)
    if ((p[i] & 0xc0) != 0x80)
      return 0;
  return n;
}

bool cored_utf8_is_valid(const void *s, size_t size) {
  const uint8_t *p = s;
  for (size_t i = 0; i < size;) {
    const size_t n = cored_utf8_length(p + i, size - i);
    if (n == 0)
      return false;
    i += n;
  }
  return true;
}

/* Of a well-formed sequence. */
static long code_point(const uint8_t *p, size_t n) {
  if (n == 1)
    return p[0];
  long code = p[0] & (0x7f >> n);
  for (size_t i = 1; i < n; i++)
    code = code << 6 | (p[i] & 0x3f);
  return code;
}

/* Control characters (general category Cc), separators of lines and paragraphs (Zl, Zp), and
 * Unicode's properties Bidi_Control and Default_Ignorable_Code_Point; annotation characters and
 * tags, which are as invisible. */
static bool is_harmful(long code) {
  static const struct {
    long first, last;
  } ranges[] = {
      {0x0000, 0x001f},   {0x007f, 0x009f},   {0x00ad, 0x00ad},   {0x034f, 0x034f},
      {0x061c, 0x061c},   {0x115f, 0x1160},   {0x17b4, 0x17b5},   {0x180b, 0x180f},
      {0x200b, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x206f},   {0x3164, 0x3164},
      {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb},
      {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
  };
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
    if (code >= ranges[i].first && code <= ranges[i].last)
      return true;
  return false;
}

size_t cored_escape_next(const void *s, size_t left, long *code, bool *harmless) {
  const size_t n = cored_utf8_length(s, left);
  *code = n ? code_point(s, n) : -1;
  *harmless = n && !is_harmful(*code);
  return n ? n : 1;
}

typedef enum Keep { KEEP_HARMLESS, KEEP_UTF8 } Keep;

static char *escape(const void *text, size_t length, char *out, size_t size, Keep keep) {
  static const char more[] = "...";
  const uint8_t *s = text;
  size_t used = 0, cut = 0; /* cut: where "..." would still fit */
  for (size_t i = 0; i < length;) {
    long code;
    bool raw;
    const size_t n = cored_escape_next(s + i, length - i, &code, &raw);
    if (keep == KEEP_UTF8)
      raw = code >= 0;
    const size_t need = raw ? n : 4 * n;
    if (used + need + 1 > size) {
      snprintf(out + cut, size - cut, "%s", more);
      return out;
    }
    if (raw)
      memcpy(out + used, s + i, n);
    else
      for (size_t k = 0; k < n; k++)
        snprintf(out + used + 4 * k, 5, "\\x%02x", s[i + k]);
    used += need;
    i += n;
    if (used + sizeof more <= size)
      cut = used;
  }
  out[used] = '\0';
  return out;
}

char *cored_escape(const void *text, size_t length, char *out, size_t size) {
  return escape(text, length, out, size, KEEP_HARMLESS);
}

static CoredShown show(const char *text, Keep keep) {
  CoredShown shown;
  escape(text ? text : "", text ? strlen(text) : 0, shown.text, sizeof shown.text, keep);
  return shown;
}

CoredShown cored_show(const char *text) {
  return show(text, KEEP_HARMLESS);
}

CoredShown cored_show_utf8(const char *text) {
  return show(text, KEEP_UTF8);
}
