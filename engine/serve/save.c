/* SPDX-License-Identifier: MIT
 * From a model to a file. The same model gives the same bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "serve/self-test.h"
#include "base/file.h"
#include "model/format.h"
#include "model/hash.h"
#include "model/model.h"
#include "model/signature.h"

typedef struct CoredSave {
  const CoredSecretKey *key; /* NULL: not signed */
  bool follow_link;          /* as in CoredPlacement */
} CoredSave;

/* What is written besides the weights: the model's own entries, with fresh hash and self-test. The
 * digits of the header's hash are zeros until the header is there. */
static bool write_metadata(const CoredModel *model, const char *sha256, const CoredSecretKey *key,
                           CoredMetadata *metadata, CoredError *error) {
  char zeros[CORED_SHA256_HEX + 1], signature_zeros[CORED_SIGNATURE_HEX + 1];
  snprintf(zeros, sizeof zeros, "%0*d", CORED_SHA256_HEX, 0);
  snprintf(signature_zeros, sizeof signature_zeros, "%0*d", CORED_SIGNATURE_HEX, 0);
  CoredSelfTest self_test;
  bool ok = cored_metadata_copy(metadata, &model->metadata) &&
            cored_info_write(&model->info, metadata) &&
            cored_metadata_set(metadata, CORED_KEY_SHA256, sha256) &&
            cored_metadata_set(metadata, CORED_KEY_HEADER_SHA256, zeros) &&
            /* An old signature was of another file's bytes. */
            cored_metadata_set(metadata, CORED_KEY_KEY_ID, key ? key->id : NULL) &&
            cored_metadata_set(metadata, CORED_KEY_SIGNATURE, key ? signature_zeros : NULL);
  if (ok && !cored_metadata_get(metadata, CORED_KEY_SELF_TEST)) {
    if (!cored_self_test_compute(model, &self_test, error))
      return false;
    ok = cored_self_test_write(&self_test, metadata);
  }
  return ok || cored_error_set(error, CORED_ERROR_NO_MEMORY, "save: no memory for the metadata");
}

/* The digits behind `"name":"` in a header of our writer, where `name` is not the first key. The
 * comma and the quote tell the key from the same text in a string: there the quote is escaped. */
static char *find_digits(char *header, size_t size, const char *name) {
  char text[64];
  snprintf(text, sizeof text, ",\"%s\":\"", name);
  char *const at = memmem(header, size, text, strlen(text));
  return at ? at + strlen(text) : NULL;
}

/* Put the header's hash where its zeros are. */
static void seal_header(char *header, size_t size) {
  char *const digits = find_digits(header, size, CORED_KEY_HEADER_SHA256);
  const char *const signature = find_digits(header, size, CORED_KEY_SIGNATURE);
  char hex[CORED_HASH_SIZE];
  cored_hash_header((const uint8_t *)header, size, (uint64_t)(digits - header),
                    signature ? (uint64_t)(signature - header) : 0, hex);
  memcpy(digits, hex, CORED_SHA256_HEX);
}

/* Put the signature of all chunks, the header first, where its zeros are. */
static void sign_header(char *header, const CoredChunk *chunks, size_t n_chunks,
                        const CoredSecretKey *key) {
  char hex[CORED_SIGNATURE_HEX + 1];
  cored_sign(key, chunks, n_chunks, hex);
  memcpy(find_digits(header, chunks[0].size, CORED_KEY_SIGNATURE), hex, CORED_SIGNATURE_HEX);
}

static char *make_header(const CoredModel *model, const CoredTensorView *sorted,
                         const CoredSecretKey *key, size_t *size, CoredError *error) {
  char sha256[CORED_HASH_SIZE];
  CoredMetadata metadata = {0};
  char *header = NULL;
  if (!cored_hash_weights(model->weights, sha256)) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "save: no memory");
    return NULL;
  }
  if (write_metadata(model, sha256, key, &metadata, error)) {
    CoredEntry *const entries = calloc(metadata.n, sizeof *entries);
    for (size_t i = 0; entries && i < metadata.n; i++)
      entries[i] = (CoredEntry){.key = metadata.pairs[i].key, .value = metadata.pairs[i].value};
    if (entries)
      header =
          cored_safetensors_header(sorted, cored_model_n_tensors(model), entries, metadata.n, size);
    if (!header)
      cored_error_set(error, CORED_ERROR_NO_MEMORY, "save: no memory for the header");
    free(entries);
  }
  cored_metadata_clear(&metadata);
  if (header)
    seal_header(header, *size);
  return header;
}

/* Does the loader take it? Nothing that an element would refuse comes into its sight. */
static bool check_written(void *user, const char *temporary, CoredError *error) {
  const char *const path = user;
  CoredError reason = {0};
  const CoredModelLoadParams params = {.kind = CORED_MODEL_ANY};
  CoredModel *const model = cored_model_load(temporary, &params, &reason);
  if (!model) {
    const size_t n = strlen(temporary);
    const bool named = strncmp(reason.message, temporary, n) == 0 && reason.message[n] == ':';
    const bool disk = reason.code == CORED_ERROR_READ || reason.code == CORED_ERROR_OPEN;
    cored_error_set(error, disk ? CORED_ERROR_WRITE : reason.code,
                    "%s: not written, because it could not be loaded:%s%s", path, named ? "" : " ",
                    reason.message + (named ? n + 1 : 0));
  }
  cored_model_unref(model);
  return model != NULL;
}

static bool write_file(const CoredModel *model, const CoredTensorView *sorted, const char *path,
                       const CoredSave *how, CoredError *error) {
  const CoredSecretKey *const key = how->key;
  const size_t n = cored_model_n_tensors(model);
  size_t header_size = 0;
  char *const header = make_header(model, sorted, key, &header_size, error);
  if (!header)
    return false;
  CoredChunk *const chunks = calloc(n + 1, sizeof *chunks);
  bool ok = false;
  if (!chunks) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "save: no memory");
  } else if (header_size - 8 > CORED_HEADER_MAX) {
    cored_error_set(error, CORED_ERROR_HEADER_LENGTH,
                    "%s: metadata too large: expected at most %u bytes of header, found %zu", path,
                    CORED_HEADER_MAX, header_size - 8);
  } else {
    chunks[0] = (CoredChunk){header, header_size};
    for (size_t i = 0; i < n; i++)
      chunks[i + 1] = (CoredChunk){sorted[i].data, sorted[i].size};
    if (key)
      sign_header(header, chunks, n + 1, key);
    const CoredPlacement placement = {.mode = 0666,
                                      .follow_link = how->follow_link,
                                      .check = check_written,
                                      .user = (void *)path};
    ok = cored_file_place(path, &placement, chunks, n + 1, error);
  }
  free(chunks);
  free(header);
  return ok;
}

static bool save(const CoredModel *model, const char *path, const CoredSave *how,
                 CoredError *error) {
  CoredTensorView *const sorted = cored_weights_sorted(model->weights);
  if (!sorted)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory to write it", path);
  const bool ok = write_file(model, sorted, path, how, error);
  free(sorted);
  return ok;
}

bool cored_model_save(const CoredModel *model, const char *path, CoredError *error) {
  return save(model, path, &(CoredSave){.follow_link = true}, error);
}

bool cored_model_save_beside(const CoredModel *model, const char *path, CoredError *error) {
  return save(model, path, &(CoredSave){.follow_link = false}, error);
}

bool cored_model_save_signed(const CoredModel *model, const char *path, const char *secret_key_path,
                             CoredError *error) {
  CoredSecretKey key;
  if (!cored_secret_key_load(&key, secret_key_path, error))
    return false;
  const bool ok = save(model, path, &(CoredSave){.key = &key, .follow_link = true}, error);
  cored_secret_key_clear(&key);
  return ok;
}
