/* SPDX-License-Identifier: MIT
 * The state of reading a cascade file, between its parts: the document (cascade-parse.c), what its
 * elements mean (cascade-elements.c), texts, numbers and arrays (cascade-reader.c). */
#ifndef CORED_VISION_FACES_CASCADE_READER_H
#define CORED_VISION_FACES_CASCADE_READER_H

#include "vision/faces/cascade.h"

#include <expat.h>
#include <locale.h>

enum {
  CORED_READER_MAX_PATH = 160,
  CORED_READER_MAX_TEXT = 1 << 16,
  CORED_READER_MAX_NUMBERS = 4096,
};

typedef struct CoredReader {
  XML_Parser xml;
  locale_t locale; /* "C" */
  const char *name;
  CoredError *error;
  bool failed;
  char path[CORED_READER_MAX_PATH]; /* "/opencv_storage/cascade/..." */
  size_t ignored;                   /* depth inside an element whose content does not matter */
  char *text;                       /* [CORED_READER_MAX_TEXT + 1] of the innermost element */
  size_t text_size;
  double *numbers; /* [CORED_READER_MAX_NUMBERS] */
  CoredCascade *cascade;
  int stage_trees; /* maxWeakCount of the open stage */
  int stage_num;   /* 0 until read */
  bool has_kind, has_threshold;
} CoredReader;

/* The first error counts; it ends the parsing. */
void cored_reader_refuse(CoredReader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Room for one more item in an array of n, zeroed. Capacities are powers of two, so that no other
 * state is needed. */
bool cored_reader_grow(CoredReader *r, void **items, int n, size_t item_size, int max,
                       const char *what);
/* The element's text as decimal numbers apart by white space, into r->numbers; how many, -1 when it
 * is anything else. */
int cored_reader_numbers(CoredReader *r);
/* One whole number: a value, or the element's text. */
bool cored_reader_to_int(CoredReader *r, double value, int low, int high, int *out);
bool cored_reader_int(CoredReader *r, int low, int high, int *out);
bool cored_reader_text_is(const CoredReader *r, const char *want);

typedef struct CoredCascadeElement {
  const char *path;
  void (*begin)(CoredReader *);
  void (*end)(CoredReader *);
  bool ignored; /* what is inside describes the training */
} CoredCascadeElement;

/* NULL for a path that no cascade has. */
const CoredCascadeElement *cored_cascade_element(const char *path);

#endif /* CORED_VISION_FACES_CASCADE_READER_H */
