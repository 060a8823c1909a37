/* SPDX-License-Identifier: MIT */
#include "model/hash.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/error.h"
#include "base/file.h"
#include "model/format.h"
#include "base/text.h"

static void finish(crypto_hash_sha256_state *state, char hex[CORED_HASH_SIZE]) {
  uint8_t hash[crypto_hash_sha256_BYTES];
  crypto_hash_sha256_final(state, hash);
  cored_hex_format(hash, sizeof hash, hex);
}

void cored_hash_bytes(const void *data, size_t size, char hex[CORED_HASH_SIZE]) {
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  crypto_hash_sha256_update(&state, data, size);
  finish(&state, hex);
}

bool cored_hash_weights(const CoredWeights *weights, char hex[CORED_HASH_SIZE]) {
  CoredTensorView *const sorted = cored_weights_sorted(weights);
  if (!sorted)
    return false;
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  for (int i = 0; i < weights->graph->n_params; i++)
    crypto_hash_sha256_update(&state, sorted[i].data, sorted[i].size);
  finish(&state, hex);
  free(sorted);
  return true;
}

typedef struct Span {
  uint64_t begin;
  size_t size;
} Span;

void cored_hash_header(const uint8_t *header, size_t size, uint64_t own_offset,
                       uint64_t signature_offset, char hex[CORED_HASH_SIZE]) {
  Span spans[2] = {{own_offset, CORED_SHA256_HEX}, {signature_offset, CORED_SIGNATURE_HEX}};
  if (spans[0].begin > spans[1].begin) {
    const Span first = spans[1];
    spans[1] = spans[0];
    spans[0] = first;
  }
  uint8_t zeros[CORED_SIGNATURE_HEX];
  memset(zeros, '0', sizeof zeros);
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  size_t done = 0;
  for (int i = 0; i < 2; i++) {
    if (spans[i].begin == 0)
      continue;
    crypto_hash_sha256_update(&state, header + done, spans[i].begin - done);
    crypto_hash_sha256_update(&state, zeros, spans[i].size);
    done = spans[i].begin + spans[i].size;
  }
  crypto_hash_sha256_update(&state, header + done, size - done);
  finish(&state, hex);
}

static bool fail_hash(CoredError *error, const char *name, const char *of, const char *declared,
                      const char *found) {
  return cored_error_set(error, CORED_ERROR_HASH, "%s: SHA-256 of the %s: expected %s, found %s",
                         name, of, declared, found);
}

/* An entry of n digits, written without escapes. */
static const CoredEntry *digits_entry(const CoredSafetensors *st, const char *key, size_t n,
                                      const char *name, CoredError *error) {
  const CoredEntry *const entry = cored_safetensors_entry(st, key);
  uint8_t bytes[CORED_SIGNATURE_HEX / 2];
  if (!entry) {
    cored_error_set(error, CORED_ERROR_METADATA_MISSING,
                    "%s: metadata: expected an entry '%s', found none", name, key);
  } else if (entry->length != n || !cored_hex_parse(entry->value, n / 2, bytes)) {
    cored_error_set(error, CORED_ERROR_METADATA_VALUE,
                    "%s: byte %llu: %s: expected %zu lower-case hex digits, found '%.40s'", name,
                    (unsigned long long)entry->offset, key, n, entry->value);
    return NULL;
  }
  return entry;
}

#define HASHED_AT_ONCE ((size_t)1 << 20) /* bytes between two looks at cancel: some ms */

/* False when the caller gave up. */
static bool hash_data(const CoredSafetensors *st, const int *cancel, char hex[CORED_HASH_SIZE]) {
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  for (size_t done = 0; done < st->data_size; done += HASHED_AT_ONCE) {
    const size_t left = st->data_size - done;
    if (cored_cancelled(cancel))
      return false;
    crypto_hash_sha256_update(&state, st->data + done,
                              left < HASHED_AT_ONCE ? left : HASHED_AT_ONCE);
  }
  finish(&state, hex);
  return true;
}

bool cored_hash_verify(const CoredSafetensors *st, const uint8_t *bytes, const char *name,
                       const int *cancel, CoredError *error) {
  const CoredEntry *const header =
      digits_entry(st, CORED_KEY_HEADER_SHA256, CORED_SHA256_HEX, name, error);
  const CoredEntry *const data =
      header ? digits_entry(st, CORED_KEY_SHA256, CORED_SHA256_HEX, name, error) : NULL;
  if (!data)
    return false;
  const CoredEntry *signature = cored_safetensors_entry(st, CORED_KEY_SIGNATURE);
  if (signature) {
    signature = digits_entry(st, CORED_KEY_SIGNATURE, CORED_SIGNATURE_HEX, name, error);
    if (!signature)
      return false;
  }
  char hex[CORED_HASH_SIZE];
  cored_hash_header(bytes, st->header_size, header->offset, signature ? signature->offset : 0, hex);
  if (strcmp(hex, header->value) != 0)
    return fail_hash(error, name, "header", header->value, hex);
  if (!hash_data(st, cancel, hex))
    return cored_fail_cancelled(name, error);
  if (strcmp(hex, data->value) != 0)
    return fail_hash(error, name, "data part", data->value, hex);
  return true;
}
