/* SPDX-License-Identifier: MIT
 * The container of model files: format.h says what it is. Knows nothing of networks, and takes any
 * safetensors file, with our metadata or without. */
#ifndef CORED_MODEL_SAFETENSORS_H
#define CORED_MODEL_SAFETENSORS_H

#include "cored.h"

typedef struct CoredEntry { /* of __metadata__ */
  const char *key;
  const char *value;
  uint64_t offset; /* of the value's first character in the file */
  size_t length;   /* of the value's text in the file; 0 where it held escapes */
} CoredEntry;

typedef struct CoredSafetensors {
  CoredTensorView *tensors; /* in the order of the bytes of their names */
  size_t n_tensors;
  CoredEntry *metadata; /* in the order of the bytes of their keys */
  size_t n_metadata;
  const uint8_t *data;           /* the data part, inside the bytes that were parsed */
  size_t data_size, header_size; /* header_size counts the 8 bytes of the length */
  char *text;                    /* the header, unescaped in place; names and values are in it */
} CoredSafetensors;

/* Check everything that can be said without a network and list what is there. Tensors point into
 * bytes, which have to stay. What is allocated is bounded by CORED_HEADER_MAX, CORED_TENSORS_MAX
 * and CORED_METADATA_MAX. name is for messages. */
bool cored_safetensors_parse(CoredSafetensors *st, const uint8_t *bytes, size_t size,
                             const char *name, CoredError *error);
/* Free the lists; fine on a zeroed object. */
void cored_safetensors_clear(CoredSafetensors *st);
/* NULL where there is none. */
const CoredEntry *cored_safetensors_entry(const CoredSafetensors *st, const char *key);

/* The header (with the 8 bytes of its length) of a file that holds these tensors in this order,
 * padded so that the data start at a multiple of CORED_DATA_ALIGN. Of the entries only key and
 * value are looked at. NULL without memory; the caller frees it. */
char *cored_safetensors_header(const CoredTensorView *tensors, size_t n_tensors,
                               const CoredEntry *metadata, size_t n_metadata, size_t *size);

#endif /* CORED_MODEL_SAFETENSORS_H */
