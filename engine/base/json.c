/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/text.h"

uint64_t cored_json_offset(const CoredJson *j) {
  return j->base + (uint64_t)(j->p - j->begin);
}

static bool fail_at(CoredJson *j, const char *p, CoredErrorCode code, const char *text) {
  if (!j->failed)
    cored_error_set(j->error, code, "%s: byte %llu: %s", j->what,
                    (unsigned long long)(j->base + (uint64_t)(p - j->begin)), text);
  j->failed = true;
  return false;
}

/* The token that begins with c, in words; "": none does. */
static const char *kind_of(char c) {
  switch (c) {
  case '{':
    return "an object";
  case '[':
    return "an array";
  case '"':
    return "a string";
  case 't':
  case 'f':
    return "true or false";
  case 'n':
    return "null";
  case '}':
    return "'}'";
  case ']':
    return "']'";
  case ',':
    return "','";
  case ':':
    return "':'";
  case 0:
    return "the end";
  }
  return c == '-' || (c >= '0' && c <= '9') ? "a number" : "";
}

bool cored_json_fail(CoredJson *j, CoredErrorCode code, const char *expected) {
  char text[256];
  const char *found = j->p < j->end ? kind_of(*j->p) : "the end";
  if (j->p < j->end && !*found)
    snprintf(text, sizeof text, "expected %s, found byte 0x%02x", expected, (unsigned char)*j->p);
  else
    snprintf(text, sizeof text, "expected %s, found %s", expected, found);
  return fail_at(j, j->p, code, text);
}

/* ---- UTF-8 ---------------------------------------------------------------------------------- */

bool cored_json_check_text(CoredJson *j) {
  const char *p = j->begin;
  if (j->end - p >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
    return fail_at(j, p, j->encoding, "expected JSON, found a byte order mark");
  while (p < j->end) {
    const size_t n = *p ? cored_utf8_length(p, (size_t)(j->end - p)) : 0;
    if (n == 0)
      return fail_at(j, p, j->encoding, *p ? "invalid UTF-8" : "NUL byte in the text");
    p += n;
  }
  return true;
}

static size_t utf8_put(char *out, unsigned code) {
  if (code < 0x80) {
    out[0] = (char)code;
    return 1;
  }
  if (code < 0x800) {
    out[0] = (char)(0xc0 | code >> 6);
    out[1] = (char)(0x80 | (code & 0x3f));
    return 2;
  }
  if (code < 0x10000) {
    out[0] = (char)(0xe0 | code >> 12);
    out[1] = (char)(0x80 | (code >> 6 & 0x3f));
    out[2] = (char)(0x80 | (code & 0x3f));
    return 3;
  }
  out[0] = (char)(0xf0 | code >> 18);
  out[1] = (char)(0x80 | (code >> 12 & 0x3f));
  out[2] = (char)(0x80 | (code >> 6 & 0x3f));
  out[3] = (char)(0x80 | (code & 0x3f));
  return 4;
}

/* ---- Tokens --------------------------------------------------------------------------------- */

static void skip_space(CoredJson *j) {
  while (j->p < j->end && (*j->p == ' ' || *j->p == '\t' || *j->p == '\n' || *j->p == '\r'))
    j->p++;
}

char cored_json_peek(CoredJson *j) {
  if (j->failed)
    return 0;
  skip_space(j);
  return j->p < j->end ? *j->p : 0;
}

bool cored_json_expect(CoredJson *j, char c) {
  if (j->failed)
    return false;
  const char text[] = {'\'', c, '\'', '\0'};
  if (cored_json_peek(j) != c)
    return cored_json_fail(j, j->syntax, text);
  j->p++;
  return true;
}

bool cored_json_more(CoredJson *j, char close, bool *first) {
  const char c = cored_json_peek(j);
  if (j->failed)
    return false;
  const bool was_first = *first;
  *first = false;
  if (c == close) {
    j->p++;
    return false;
  }
  if (was_first)
    return true;
  const char text[] = {'\'', ',', '\'', ' ', 'o', 'r', ' ', '\'', close, '\'', '\0'};
  if (c != ',')
    return cored_json_fail(j, j->syntax, text);
  j->p++;
  if (cored_json_peek(j) == close)
    return cored_json_fail(j, j->syntax, "another member after ','");
  return true;
}

bool cored_json_key(CoredJson *j, CoredJsonString *key) {
  if (cored_json_peek(j) != '"')
    return j->failed ? false : cored_json_fail(j, j->syntax, "a string as key");
  return cored_json_string(j, key) && cored_json_expect(j, ':');
}

/* Four hex digits behind \u at p; -1 where they are not there. */
static int hex4(const char *p, const char *end) {
  if (end - p < 4)
    return -1;
  int v = 0;
  for (int i = 0; i < 4; i++) {
    const char c = p[i];
    const int d = c >= '0' && c <= '9'   ? c - '0'
                  : c >= 'a' && c <= 'f' ? c - 'a' + 10
                  : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                         : -1;
    if (d < 0)
      return -1;
    v = v << 4 | d;
  }
  return v;
}

/* \uXXXX with p behind the u; one code point from one or two escapes, never NUL, never half a
 * surrogate pair. */
static bool unescape_unicode(CoredJson *j, const char **p, char **out) {
  const int high = hex4(*p, j->end);
  if (high < 0)
    return fail_at(j, *p, j->syntax, "expected four hex digits after \\u");
  if (high == 0)
    return fail_at(j, *p, j->encoding, "NUL in a string");
  unsigned code = (unsigned)high;
  const char *q = *p + 4;
  if (code >= 0xd800 && code <= 0xdfff) {
    const int low = j->end - q >= 6 && q[0] == '\\' && q[1] == 'u' ? hex4(q + 2, j->end) : -1;
    if (code >= 0xdc00 || low < 0xdc00 || low > 0xdfff)
      return fail_at(j, *p, j->encoding, "half a surrogate pair in a string");
    code = 0x10000 + ((code - 0xd800) << 10) + ((unsigned)low - 0xdc00);
    q += 6;
  }
  *out += utf8_put(*out, code);
  *p = q;
  return true;
}

static bool unescape(CoredJson *j, const char **p, char **out) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  const char c = *p < j->end ? **p : '\0';
  if (c == 'u') {
    ++*p;
    return unescape_unicode(j, p, out);
  }
  const char *const known = c ? strchr(from, c) : NULL;
  if (!known)
    return fail_at(j, *p, j->syntax, "unknown escape in a string");
  *(*out)++ = to[known - from];
  ++*p;
  return true;
}

bool cored_json_string(CoredJson *j, CoredJsonString *string) {
  if (!cored_json_expect(j, '"'))
    return false;
  char *const begin = j->p;
  const char *p = begin;
  char *out = begin;
  while (p < j->end && *p != '"') {
    if ((unsigned char)*p < 0x20)
      return fail_at(j, p, j->syntax, "control character in a string");
    if (*p == '\\') {
      p++;
      if (!unescape(j, &p, &out))
        return false;
    } else {
      *out++ = *p++;
    }
  }
  if (p == j->end)
    return fail_at(j, begin, j->syntax, "expected the end of this string, found the end");
  *string = (CoredJsonString){begin, (size_t)(out - begin), cored_json_offset(j), out != p};
  *out = '\0';
  j->p += p - begin + 1;
  return true;
}

/* Copy the number at the cursor. 0 terminates; false with the syntax code where there is none. */
static bool take_number(CoredJson *j, char *copy, size_t size) {
  size_t n = 0;
  const char *p = j->p;
  while (p < j->end && *p && strchr("+-.0123456789eE", *p)) {
    if (n + 1 < size)
      copy[n++] = *p;
    p++;
  }
  copy[n] = '\0';
  const size_t length = (size_t)(p - j->p);
  if (length >= size)
    return fail_at(j, j->p, j->syntax, "number of more digits than any number needs");
  double ignored;
  const size_t digits = strspn(copy, "0123456789");
  const bool leading_zero = copy[0] == '0' && digits > 1;
  if (leading_zero || (digits != n && !cored_number_parse(copy, &ignored)))
    return fail_at(j, j->p, j->syntax, "malformed number");
  j->p += length;
  return true;
}

bool cored_json_uint(CoredJson *j, CoredErrorCode code, uint64_t *value) {
  const char c = cored_json_peek(j);
  if (j->failed)
    return false;
  if (strcmp(kind_of(c), "a number") != 0)
    return cored_json_fail(j, code, "a non-negative whole number");
  char *const at = j->p;
  char copy[64];
  if (!take_number(j, copy, sizeof copy))
    return false;
  if (copy[strspn(copy, "0123456789")])
    return fail_at(j, at, code, "expected a non-negative whole number of digits alone");
  if (!cored_uint_parse(copy, UINT64_MAX, value))
    *value = UINT64_MAX;
  return true;
}

bool cored_json_double(CoredJson *j, CoredErrorCode code, double *value) {
  const char c = cored_json_peek(j);
  if (j->failed)
    return false;
  if (strcmp(kind_of(c), "a number") != 0)
    return cored_json_fail(j, code, "a number");
  char *const at = j->p;
  char copy[64];
  if (!take_number(j, copy, sizeof copy))
    return false;
  if (!cored_number_parse(copy, value))
    return fail_at(j, at, code, "number out of range");
  return true;
}

bool cored_json_null(CoredJson *j) {
  if (cored_json_peek(j) != 'n' || j->end - j->p < 4 || memcmp(j->p, "null", 4) != 0)
    return false;
  j->p += 4;
  return true;
}

bool cored_json_end(CoredJson *j) {
  cored_json_peek(j);
  if (j->failed)
    return false;
  return j->p == j->end || cored_json_fail(j, j->syntax, "nothing after the JSON text");
}
