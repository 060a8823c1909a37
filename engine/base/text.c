/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"

void cored_text_clear(CoredText *text) {
  free(text->s);
  *text = (CoredText){0};
}

void cored_text_add_bytes(CoredText *text, const char *s, size_t n) {
  if (text->failed)
    return;
  size_t need;
  if (__builtin_add_overflow(text->n, n, &need) || __builtin_add_overflow(need, 1, &need)) {
    text->failed = true;
    return;
  }
  if (need > text->size) {
    const size_t size = need > SIZE_MAX / 2 ? need : need * 2;
    char *const grown = realloc(text->s, size);
    if (!grown) {
      text->failed = true;
      return;
    }
    text->s = grown;
    text->size = size;
  }
  memcpy(text->s + text->n, s, n);
  text->n += n;
  text->s[text->n] = '\0';
}

void cored_text_add(CoredText *text, const char *s) {
  cored_text_add_bytes(text, s, strlen(s));
}

void cored_text_add_uint(CoredText *text, uint64_t value) {
  char s[24];
  snprintf(s, sizeof s, "%llu", (unsigned long long)value);
  cored_text_add(text, s);
}

static void add_number(CoredText *text, double value, bool single) {
  if (!isfinite(value)) {
    cored_text_add(text, "null");
    return;
  }
  char s[CORED_NUMBER_SIZE];
  cored_number_format(value, single, s);
  cored_text_add(text, s);
}

void cored_text_add_double(CoredText *text, double value) {
  add_number(text, value, false);
}

void cored_text_add_float(CoredText *text, float value) {
  add_number(text, (double)value, true);
}

void cored_text_add_json_string(CoredText *text, const char *s) {
  cored_text_add_bytes(text, "\"", 1);
  for (; *s; s++) {
    const unsigned char c = (unsigned char)*s;
    char escape[8];
    if (c == '"' || c == '\\')
      snprintf(escape, sizeof escape, "\\%c", c);
    else if (c < 0x20 || c == 0x7f)
      snprintf(escape, sizeof escape, "\\u%04x", (unsigned)c);
    else
      snprintf(escape, sizeof escape, "%c", c);
    cored_text_add(text, escape);
  }
  cored_text_add_bytes(text, "\"", 1);
}

/* ---- Text that is shown --------------------------------------------------------------------- */

/* How one run of bytes that belong together is added; n of them, of which code says what they are.
 */
typedef void (*AddCharacter)(CoredText *text, const char *s, size_t n, long code, bool harmless);

static void add_each(CoredText *text, const char *s, AddCharacter add) {
  const char *const end = s + strlen(s);
  while (s < end) {
    long code;
    bool harmless;
    const size_t n = cored_escape_next(s, (size_t)(end - s), &code, &harmless);
    add(text, s, n, code, harmless);
    s += n;
  }
}

static void add_shown(CoredText *text, const char *s, size_t n, long code, bool harmless) {
  char shown[17]; /* four bytes as \xNN */
  (void)code;
  if (harmless)
    cored_text_add_bytes(text, s, n);
  else
    cored_text_add(text, cored_escape(s, n, shown, sizeof shown));
}

static void add_html(CoredText *text, const char *s, size_t n, long code, bool harmless) {
  static const char marks[] = "&<>\"'";
  static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
  const char *const mark = code > 0 && code < 0x80 ? strchr(marks, (int)code) : NULL;
  if (mark)
    cored_text_add(text, entities[mark - marks]);
  else
    add_shown(text, s, n, code, harmless);
}

static void add_quoted(CoredText *text, const char *s, size_t n, long code, bool harmless) {
  if (code == '"')
    cored_text_add(text, "\"");
  add_shown(text, s, n, code, harmless);
}

static void add_json(CoredText *text, const char *s, size_t n, long code, bool harmless) {
  const bool layout = code == '\n' || code == '\t' || code == '\r'; /* between the values */
  char escape[32];
  if (harmless || layout) {
    cored_text_add_bytes(text, s, n);
    return;
  }
  if (code < 0)
    code = 0xfffd; /* no JSON to begin with: the character that says so */
  if (code > 0xffff)
    snprintf(escape, sizeof escape, "\\u%04lx\\u%04lx", 0xd800 + ((code - 0x10000) >> 10),
             0xdc00 + (code & 0x3ff));
  else
    snprintf(escape, sizeof escape, "\\u%04lx", code);
  cored_text_add(text, escape);
}

void cored_text_add_shown(CoredText *text, const char *s) {
  add_each(text, s, add_shown);
}

void cored_text_add_html(CoredText *text, const char *s) {
  add_each(text, s, add_html);
}

void cored_text_add_csv(CoredText *text, const char *s) {
  const char *const first = s + strspn(s, " ");
  const bool formula = *first && strchr("=+-@", *first);
  const bool quotes = formula || strpbrk(s, "\",;'") || *s == ' ';
  cored_text_add(text, quotes ? "\"" : "");
  cored_text_add(text, formula ? "'" : "");
  add_each(text, s, quotes ? add_quoted : add_shown);
  cored_text_add(text, quotes ? "\"" : "");
}

void cored_text_add_json(CoredText *text, const char *json) {
  add_each(text, json, add_json);
}

/* ---- Numbers -------------------------------------------------------------------------------- */

/* strtod and printf follow the thread's locale; the "C" locale object costs no memory in glibc and
 * is set for this thread only, for the length of one call. */
static locale_t enter_c_locale(locale_t *c) {
  *c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  return *c ? uselocale(*c) : (locale_t)0;
}

static void leave_c_locale(locale_t c, locale_t before) {
  if (!c)
    return;
  uselocale(before);
  freelocale(c);
}

static bool reads_back(const char *s, double value, bool single) {
  return single ? strtof(s, NULL) == (float)value : strtod(s, NULL) == value;
}

void cored_number_format(double value, bool single, char out[CORED_NUMBER_SIZE]) {
  locale_t c;
  const locale_t before = enter_c_locale(&c);
  const int most = single ? 9 : 17;
  const bool whole = fabs(value) < 1e15 && value == floor(value); /* "300" rather than "3e+02" */
  if (whole)
    snprintf(out, CORED_NUMBER_SIZE, "%.0f", value);
  for (int digits = whole ? most + 1 : 1; digits <= most; digits++) {
    snprintf(out, CORED_NUMBER_SIZE, "%.*g", digits, value);
    if (reads_back(out, value, single))
      break;
  }
  leave_c_locale(c, before);
}

static const char *skip_digits(const char *s) {
  while (isdigit((unsigned char)*s))
    s++;
  return s;
}

/* The end of the JSON number (RFC 8259 section 6) at the start of s, or NULL. */
static const char *json_number_end(const char *s) {
  if (*s == '-')
    s++;
  if (!isdigit((unsigned char)*s))
    return NULL;
  s = *s == '0' ? s + 1 : skip_digits(s);
  if (*s == '.') {
    if (!isdigit((unsigned char)s[1]))
      return NULL;
    s = skip_digits(s + 1);
  }
  if (*s == 'e' || *s == 'E') {
    s++;
    if (*s == '+' || *s == '-')
      s++;
    if (!isdigit((unsigned char)*s))
      return NULL;
    s = skip_digits(s);
  }
  return s;
}

bool cored_number_parse(const char *s, double *value) {
  const char *const end = json_number_end(s);
  if (!end || *end)
    return false;
  locale_t c;
  const locale_t before = enter_c_locale(&c);
  *value = strtod(s, NULL);
  leave_c_locale(c, before);
  return isfinite(*value);
}

bool cored_uint_parse(const char *s, uint64_t max, uint64_t *value) {
  if (!*s || (s[0] == '0' && s[1]))
    return false;
  uint64_t v = 0;
  for (; *s; s++) {
    if (!isdigit((unsigned char)*s) || __builtin_mul_overflow(v, (uint64_t)10, &v) ||
        __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
      return false;
  }
  if (v > max)
    return false;
  *value = v;
  return true;
}

void cored_hex_format(const uint8_t *bytes, size_t n, char *out) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < n; i++) {
    out[2 * i] = digits[bytes[i] >> 4];
    out[2 * i + 1] = digits[bytes[i] & 15];
  }
  out[2 * n] = '\0';
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool cored_hex_parse(const char *s, size_t n, uint8_t *bytes) {
  if (strnlen(s, 2 * n + 1) != 2 * n)
    return false;
  for (size_t i = 0; i < n; i++) {
    const int high = hex_digit(s[2 * i]), low = hex_digit(s[2 * i + 1]);
    if (high < 0 || low < 0)
      return false;
    bytes[i] = (uint8_t)(high << 4 | low);
  }
  return true;
}
