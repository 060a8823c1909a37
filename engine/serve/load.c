/* SPDX-License-Identifier: MIT
 * From a file to a model. The order of the checks is the order of trust: signature, structure,
 * version, hashes, what the metadata say, what the network needs, what it computes. */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/block.h"
#include "base/error.h"
#include "serve/self-test.h"
#include "base/file.h"
#include "model/format.h"
#include "model/hash.h"
#include "model/model.h"
#include "model/signature.h"

static bool check_version(const CoredSafetensors *st, const char *name, CoredError *error) {
  const CoredEntry *const version = cored_safetensors_entry(st, CORED_KEY_FORMAT);
  if (!version)
    return cored_error_set(error, CORED_ERROR_METADATA_MISSING,
                           "%s: expected a cored model with an entry '%s' in __metadata__, found a "
                           "plain safetensors file: use cored-convert import to make it one",
                           name, CORED_KEY_FORMAT);
  if (strcmp(version->value, "1") != 0)
    return cored_error_set(error, CORED_ERROR_VERSION,
                           "%s: byte %llu: %s: expected version %d, found '%.32s'", name,
                           (unsigned long long)version->offset, CORED_KEY_FORMAT,
                           CORED_FORMAT_VERSION, version->value);
  return true;
}

/* A model of a checked file; the file's memory goes over to it or stays with bytes. */
static CoredModel *assemble(const CoredSafetensors *st, CoredBytes *bytes, CoredModelKind kind,
                            const char *name, CoredError *error) {
  CoredMetadata metadata = {0};
  if (!cored_metadata_read(&metadata, st)) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory for its metadata", name);
    return NULL;
  }
  CoredModelInfo info;
  CoredWeights *weights = NULL;
  if (cored_info_read(&info, &metadata, kind, name, error))
    weights = cored_weights_new(info.network, info.n_classes, st->tensors, st->n_tensors, bytes,
                                name, error);
  if (!weights) {
    cored_metadata_clear(&metadata);
    return NULL;
  }
  return cored_model_assemble(&info, &metadata, weights, name, error);
}

/* With trusted keys the signature is checked before anything is parsed; what it was found in must
 * then be the entry the parser finds. */
static bool check_signature(const CoredSafetensors *st, uint64_t offset, const char *name,
                            CoredError *error) {
  const CoredEntry *const signature = cored_safetensors_entry(st, CORED_KEY_SIGNATURE);
  if (signature && signature->offset == offset)
    return true;
  return cored_error_set(error, CORED_ERROR_SIGNATURE,
                         "%s: expected the signature in the entry '%s', found it elsewhere", name,
                         CORED_KEY_SIGNATURE);
}

static CoredModel *parse_and_assemble(CoredBytes *bytes, const char *name,
                                      const CoredModelLoadParams *params, CoredError *error) {
  uint64_t signature = 0;
  if (params->trust &&
      !cored_signature_verify(params->trust, bytes, name, params->cancel, &signature, error))
    return NULL;
  CoredSafetensors st;
  if (!cored_safetensors_parse(&st, bytes->data, bytes->size, name, error))
    return NULL;
  CoredModel *model = NULL;
  if ((!params->trust || check_signature(&st, signature, name, error)) &&
      check_version(&st, name, error) &&
      cored_hash_verify(&st, bytes->data, name, params->cancel, error))
    model = assemble(&st, bytes, params->kind, name, error);
  cored_safetensors_clear(&st);
  return model;
}

/* bytes are taken over in any case. */
static CoredModel *load_bytes(CoredBytes *bytes, const char *name,
                              const CoredModelLoadParams *params, CoredError *error) {
  static const CoredModelLoadParams defaults = {0};
  const CoredModelLoadParams *const p = params ? params : &defaults;
  CoredModel *const model = parse_and_assemble(bytes, name, p, error);
  cored_bytes_clear(bytes);
  if (model && !p->skip_self_test && !cored_self_test_verify(model, NULL, name, error)) {
    cored_model_unref(model);
    return NULL;
  }
  return model;
}

static uint64_t max_bytes(const CoredModelLoadParams *params) {
  return params && params->max_bytes ? params->max_bytes : CORED_FILE_MAX;
}

CoredModel *cored_model_load(const char *path, const CoredModelLoadParams *params,
                             CoredError *error) {
  CoredBytes bytes;
  if (!cored_file_read(path, 8, max_bytes(params), params ? params->cancel : NULL, &bytes, error))
    return NULL;
  return load_bytes(&bytes, path, params, error);
}

CoredModel *cored_model_load_memory(const void *bytes, size_t size, const char *name,
                                    const CoredModelLoadParams *params, CoredError *error) {
  if (size < 8) {
    cored_error_set(error, CORED_ERROR_FILE_TOO_SMALL, "%s: expected at least 8 bytes, found %zu",
                    name, size);
    return NULL;
  }
  if (size > max_bytes(params)) {
    cored_error_set(error, CORED_ERROR_FILE_TOO_LARGE, "%s: expected at most %llu bytes, found %zu",
                    name, (unsigned long long)max_bytes(params), size);
    return NULL;
  }
  uint8_t *const copy = cored_block_new(size, 1);
  if (!copy) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory for its %zu bytes", name, size);
    return NULL;
  }
  if (size)
    memcpy(copy, bytes, size);
  CoredBytes own = {copy, size};
  return load_bytes(&own, name, params, error);
}
