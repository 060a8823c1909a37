/* SPDX-License-Identifier: MIT */
#include "model/metadata.h"

#include <stdlib.h>
#include <string.h>

void cored_metadata_clear(CoredMetadata *metadata) {
  for (size_t i = 0; i < metadata->n; i++) {
    free(metadata->pairs[i].key);
    free(metadata->pairs[i].value);
  }
  free(metadata->pairs);
  *metadata = (CoredMetadata){0};
}

/* Index of key, or of where it belongs. */
static size_t find(const CoredMetadata *metadata, const char *key, bool *found) {
  size_t low = 0, high = metadata->n;
  *found = false;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    const int order = strcmp(metadata->pairs[middle].key, key);
    if (order == 0) {
      *found = true;
      return middle;
    }
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static void remove_at(CoredMetadata *metadata, size_t at) {
  free(metadata->pairs[at].key);
  free(metadata->pairs[at].value);
  metadata->n--;
  memmove(metadata->pairs + at, metadata->pairs + at + 1,
          (metadata->n - at) * sizeof *metadata->pairs);
}

static bool insert_at(CoredMetadata *metadata, size_t at, const char *key, char *value) {
  if (metadata->n == metadata->size) {
    const size_t size = metadata->size ? metadata->size * 2 : 32;
    CoredPair *const pairs = realloc(metadata->pairs, size * sizeof *pairs);
    if (!pairs)
      return false;
    metadata->pairs = pairs;
    metadata->size = size;
  }
  char *const owned = strdup(key);
  if (!owned)
    return false;
  memmove(metadata->pairs + at + 1, metadata->pairs + at,
          (metadata->n - at) * sizeof *metadata->pairs);
  metadata->pairs[at] = (CoredPair){owned, value};
  metadata->n++;
  return true;
}

bool cored_metadata_set(CoredMetadata *metadata, const char *key, const char *value) {
  bool found;
  const size_t at = find(metadata, key, &found);
  if (!value) {
    if (found)
      remove_at(metadata, at);
    return true;
  }
  char *const owned = strdup(value);
  if (!owned)
    return false;
  if (found) {
    free(metadata->pairs[at].value);
    metadata->pairs[at].value = owned;
    return true;
  }
  if (insert_at(metadata, at, key, owned))
    return true;
  free(owned);
  return false;
}

const char *cored_metadata_get(const CoredMetadata *metadata, const char *key) {
  bool found;
  const size_t at = find(metadata, key, &found);
  return found ? metadata->pairs[at].value : NULL;
}

bool cored_metadata_copy(CoredMetadata *to, const CoredMetadata *from) {
  for (size_t i = 0; i < from->n; i++) {
    if (!cored_metadata_set(to, from->pairs[i].key, from->pairs[i].value)) {
      cored_metadata_clear(to);
      return false;
    }
  }
  return true;
}

bool cored_metadata_read(CoredMetadata *to, const CoredSafetensors *from) {
  for (size_t i = 0; i < from->n_metadata; i++) {
    if (!cored_metadata_set(to, from->metadata[i].key, from->metadata[i].value)) {
      cored_metadata_clear(to);
      return false;
    }
  }
  return true;
}
