/* SPDX-License-Identifier: MIT
 * Text out of untrusted files: checking it, showing it, collecting lines of it. */
#ifndef CORED_CONVERT_TEXT_H
#define CORED_CONVERT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF). */
bool cored_text_is_utf8(const uint8_t *bytes, size_t size);

/* Write text into out (size bytes, always terminated) with control characters and bytes that are
 * not UTF-8 as \xNN, and cut with "..." where it does not fit. Returns out. */
char *cored_text_escape(const void *text, size_t length, char *out, size_t size);

/* A growing list of lines. Zero-initialised is empty. */
typedef struct CoredLines {
  char **line;
  size_t n, capacity;
} CoredLines;

/* Append a formatted line. False when memory is lacking. */
bool cored_lines_add(CoredLines *lines, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool cored_lines_contain(const CoredLines *lines, const char *text);
void cored_lines_clear(CoredLines *lines);

/* Make room for `need` items of `size` bytes in *array, doubling. False when memory is lacking;
 * *array is then as before. */
bool cored_array_grow(void *array, size_t *capacity, size_t need, size_t size);

#endif /* CORED_CONVERT_TEXT_H */
