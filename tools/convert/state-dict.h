/* SPDX-License-Identifier: MIT
 * From the tree of a pickle to named tensors: storages, strides, the right dictionary. */
#ifndef CORED_CONVERT_STATE_DICT_H
#define CORED_CONVERT_STATE_DICT_H

#include "tools/convert/loose.h"
#include "tools/convert/pickle.h"

typedef struct CoredStorage {
  uint64_t key;
  CoredScalar scalar;
  uint64_t numel;
  size_t bytes;        /* numel times the size of an element */
  const uint8_t *data; /* to be filled in from the container; NULL: not there */
  uint64_t used;       /* elements of tensors on it so far */
} CoredStorage;

typedef struct CoredStorages {
  CoredStorage *storages; /* by key, each once */
  size_t n, capacity;
} CoredStorages;

/* All storages that a pickle names. Refused: one key with two types or sizes. */
bool cored_storages_collect(const CoredPickle *pickle, CoredStorages *storages,
                            CoredRefusal *refusal);
CoredStorage *cored_storages_find(const CoredStorages *storages, uint64_t key);
/* Every storage has got its data. */
bool cored_storages_check(const CoredStorages *storages, CoredRefusal *refusal);
void cored_storages_clear(CoredStorages *storages);

/* Find the dictionary of tensors (under `key` when it is not NULL) and append its tensors to
 * file; what is left out is noted there. */
bool cored_state_dict_read(const CoredPickle *pickle, CoredStorages *storages, bool swapped,
                           const char *key, CoredLooseFile *file, CoredRefusal *refusal);

#endif /* CORED_CONVERT_STATE_DICT_H */
