/* SPDX-License-Identifier: MIT
 * A growing text, and numbers as text in any locale.
 *
 * Appending to a text whose memory ran out does nothing; look at `failed` once, at the end. */
#ifndef CORED_BASE_TEXT_H
#define CORED_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct CoredText {
  char *s; /* NUL-terminated once something was appended; owned */
  size_t n, size;
  bool failed; /* memory ran out */
} CoredText;

void cored_text_clear(CoredText *text);
void cored_text_add(CoredText *text, const char *s);
void cored_text_add_bytes(CoredText *text, const char *s, size_t n);
void cored_text_add_uint(CoredText *text, uint64_t value);
/* Shortest digits that read back as the same double; JSON's null where not finite. */
void cored_text_add_double(CoredText *text, double value);
/* The same for a float: shortest digits that read back as the same float. */
void cored_text_add_float(CoredText *text, float value);
/* s as a JSON string with its quotes. */
void cored_text_add_json_string(CoredText *text, const char *s);

/* Siblings of cored_escape (escape.h), whose rule says what is harmful, for text of any length.
 * s as a terminal may show it. */
void cored_text_add_shown(CoredText *text, const char *s);
/* The same with &, <, >, " and ' as entities: text and attributes of HTML. */
void cored_text_add_html(CoredText *text, const char *s);
/* One cell of CSV (RFC 4180), escaped, quoted where it must be. A spreadsheet runs what begins with
 * = + - or @: such a cell begins with ' instead. For texts; numbers are written as numbers. */
void cored_text_add_csv(CoredText *text, const char *s);
/* A whole JSON text, the same for a parser: harmful characters in its strings become \uXXXX. */
void cored_text_add_json(CoredText *text, const char *json);

/* Room for any number of cored_number_format. */
#define CORED_NUMBER_SIZE 32
/* Shortest of up to `digits` (17 for double, 9 for float) significant digits that read back as the
 * same number, with "." in every locale. value must be finite. */
void cored_number_format(double value, bool single, char out[CORED_NUMBER_SIZE]);
/* All of s is one JSON number: its value. False otherwise, also where it is out of range. */
bool cored_number_parse(const char *s, double *value);
/* All of s is decimal digits without a leading zero, and not over max. */
bool cored_uint_parse(const char *s, uint64_t max, uint64_t *value);

/* 2n digits and a NUL. */
void cored_hex_format(const uint8_t *bytes, size_t n, char *out);
/* False unless s is exactly 2n lower-case digits. */
bool cored_hex_parse(const char *s, size_t n, uint8_t *bytes);

#endif /* CORED_BASE_TEXT_H */
