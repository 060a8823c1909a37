/* SPDX-License-Identifier: MIT
 * From a model to a file. The same model gives the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "model/canary.h"
#include "model/file.h"
#include "model/format.h"
#include "model/hash.h"
#include "model/model.h"

/* What is written besides the weights: the model's own entries, with fresh hash and canary. The
 * digits of the header's hash are zeros until the header is there. */
static bool write_metadata(const CoredModel *model, const char *sha256, CoredMetadata *metadata,
                           CoredError *error) {
  char zeros[CORED_SHA256_HEX + 1];
  memset(zeros, '0', CORED_SHA256_HEX);
  zeros[CORED_SHA256_HEX] = '\0';
  CoredCanary canary;
  bool ok = cored_metadata_copy(metadata, &model->metadata) &&
            cored_info_write(&model->info, metadata) &&
            cored_metadata_set(metadata, CORED_KEY_SHA256, sha256) &&
            cored_metadata_set(metadata, CORED_KEY_HEADER_SHA256, zeros);
  if (ok && !cored_metadata_get(metadata, CORED_KEY_CANARY)) {
    if (!cored_canary_compute(model, &canary, error))
      return false;
    ok = cored_canary_write(&canary, metadata);
  }
  /* A signature is of the bytes of one file; whoever writes another signs again. */
  cored_metadata_set(metadata, CORED_KEY_KEY_ID, NULL);
  cored_metadata_set(metadata, CORED_KEY_SIGNATURE, NULL);
  return ok || cored_error_set(error, CORED_ERROR_NO_MEMORY, "save: no memory for the metadata");
}

/* Put the header's hash where its zeros are. The key with its quotes cannot appear elsewhere: in
 * a string the quotes would be escaped. */
static void seal_header(char *header, size_t size) {
  static const char key[] = "\"" CORED_KEY_HEADER_SHA256 "\":\"";
  char *const digits = (char *)memmem(header, size, key, sizeof key - 1) + sizeof key - 1;
  char hex[CORED_HASH_SIZE];
  cored_hash_header((const uint8_t *)header, size, (uint64_t)(digits - header), 0, hex);
  memcpy(digits, hex, CORED_SHA256_HEX);
}

static char *make_header(const CoredModel *model, const CoredTensorView *sorted, size_t *size,
                         CoredError *error) {
  char sha256[CORED_HASH_SIZE];
  CoredMetadata metadata = {0};
  char *header = NULL;
  if (!cored_hash_weights(model->weights, sha256)) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "save: no memory");
    return NULL;
  }
  if (write_metadata(model, sha256, &metadata, error)) {
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

static bool write_file(const CoredModel *model, const CoredTensorView *sorted, const char *path,
                       CoredError *error) {
  const size_t n = cored_model_n_tensors(model);
  size_t header_size = 0;
  char *const header = make_header(model, sorted, &header_size, error);
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
    ok = cored_file_replace(path, chunks, n + 1, 0666, error);
  }
  free(chunks);
  free(header);
  return ok;
}

bool cored_model_save(const CoredModel *model, const char *path, CoredError *error) {
  CoredTensorView *const sorted = cored_weights_sorted(model->weights);
  if (!sorted)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory to write it", path);
  const bool ok = write_file(model, sorted, path, error);
  free(sorted);
  return ok;
}
