/* SPDX-License-Identifier: MIT
 * Growing lists; how text out of untrusted files is checked and shown is in escape.h. */
#ifndef CORED_CONVERT_LINES_H
#define CORED_CONVERT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/escape.h"

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

#endif /* CORED_CONVERT_LINES_H */
