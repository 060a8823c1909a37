/* SPDX-License-Identifier: MIT
 * The entries of __metadata__ as an owned, sorted list, and CoredModelInfo to and from them. */
#ifndef CORED_MODEL_METADATA_H
#define CORED_MODEL_METADATA_H

#include "cored.h"
#include "model/safetensors.h"

typedef struct CoredPair {
  char *key, *value; /* owned */
} CoredPair;

typedef struct CoredMetadata {
  CoredPair *pairs; /* in the order of the bytes of their keys */
  size_t n, size;
} CoredMetadata;

void cored_metadata_clear(CoredMetadata *metadata);
/* Set or, with value NULL, remove. False without memory; then nothing changed. */
bool cored_metadata_set(CoredMetadata *metadata, const char *key, const char *value);
/* NULL where there is none. */
const char *cored_metadata_get(const CoredMetadata *metadata, const char *key);
/* Into a zeroed object; false without memory. */
bool cored_metadata_copy(CoredMetadata *to, const CoredMetadata *from);
bool cored_metadata_read(CoredMetadata *to, const CoredSafetensors *from);

/* Check every field of info against format.h. */
bool cored_info_check(const CoredModelInfo *info, CoredError *error);
/* Set the entries info stands for (all but hashes, self-test and signature). */
bool cored_info_write(const CoredModelInfo *info, CoredMetadata *metadata);
/* Read and check them, of a model of the wanted kind; name is for messages. The SHA-256 is taken as
 * it is. */
bool cored_info_read(CoredModelInfo *info, const CoredMetadata *metadata, CoredModelKind wanted,
                     const char *name, CoredError *error);
/* Is key one of those that cored_info_write sets, or computed by save? */
bool cored_info_owns_key(const char *key);

#endif /* CORED_MODEL_METADATA_H */
