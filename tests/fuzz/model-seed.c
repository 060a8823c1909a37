/* SPDX-License-Identifier: MIT
 * Valid model files in memory. */
#include "model-seed.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "serve/self-test.h"
#include "model/format.h"
#include "model/hash.h"
#include "model/model.h"
#include "model/safetensors.h"

enum { MAX_SEEDS = 4, MAX_ENTRIES = 64 };

static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";

static CoredModel *random_model(const char *network, int side) {
  CoredModelInfo info;
  CoredModel *made = NULL, *model = NULL;
  if (cored_model_info_init(&info, network, 2, NULL)) {
    info.input_width = info.input_height = side;
    made = cored_model_new_random(&info, 1, NULL);
    model = made ? cored_model_with_metadata(made, "cored.stores", "{}", NULL) : NULL;
  }
  cored_model_unref(made);
  return model;
}

static bool make(const char *network, int side, ModelSeed *seed) {
  CoredModel *const model = random_model(network, side);
  CoredTensorView *const sorted = model ? cored_weights_sorted(model->weights) : NULL;
  CoredMetadata metadata = {0};
  CoredSelfTest self_test;
  CoredEntry entries[MAX_ENTRIES];
  CoredText data = {0};
  size_t size;
  if (!sorted || !cored_metadata_copy(&metadata, &model->metadata) ||
      !cored_self_test_compute(model, &self_test, NULL) ||
      !cored_self_test_write(&self_test, &metadata) ||
      !cored_metadata_set(&metadata, CORED_KEY_SHA256, cored_model_info(model)->sha256) ||
      !cored_metadata_set(&metadata, CORED_KEY_HEADER_SHA256, zeros) || metadata.n > MAX_ENTRIES)
    return false;
  for (size_t i = 0; i < metadata.n; i++)
    entries[i] = (CoredEntry){.key = metadata.pairs[i].key, .value = metadata.pairs[i].value};
  const size_t n = cored_model_n_tensors(model);
  char *const header = cored_safetensors_header(sorted, n, entries, metadata.n, &size);
  for (size_t i = 0; i < n; i++)
    cored_text_add_bytes(&data, sorted[i].data, sorted[i].size);
  *seed = (ModelSeed){header ? header + 8 : NULL, size - 8, (uint8_t *)data.s, data.n};
  cored_metadata_clear(&metadata);
  free(sorted);
  cored_model_unref(model);
  return header && !data.failed;
}

const ModelSeed *model_seed(const char *network, int side) {
  static struct {
    const char *network;
    ModelSeed seed;
  } made[MAX_SEEDS];
  int i = 0;
  while (i < MAX_SEEDS && made[i].network && strcmp(made[i].network, network) != 0)
    i++;
  fuzz_expect(i < MAX_SEEDS);
  if (!made[i].network) {
    fuzz_expect(make(network, side, &made[i].seed));
    made[i].network = network;
  }
  return &made[i].seed;
}

bool model_seed_set(const ModelSeed *seed, const char *key, const char *value, CoredText *header) {
  CoredText quoted = {0};
  cored_text_add_json_string(&quoted, key);
  cored_text_add(&quoted, ":");
  const char *const at =
      quoted.failed ? NULL : memmem(seed->header, seed->header_size, quoted.s, quoted.n);
  if (at) {
    const char *end = at + quoted.n + 1;
    while (*end != '"')
      end += *end == '\\' ? 2 : 1;
    cored_text_add_bytes(header, seed->header, (size_t)(at - seed->header));
    cored_text_add(header, quoted.s);
    cored_text_add_json_string(header, value);
    cored_text_add_bytes(header, end + 1, (size_t)(seed->header + seed->header_size - end - 1));
  }
  cored_text_clear(&quoted);
  return at && !header->failed;
}

/* Where the 64 digits of an entry stand in a file's header; NULL where there are none. */
static uint8_t *find_digits(uint8_t *file, size_t header_end, const char *entry) {
  uint8_t *const found = memmem(file, header_end, entry, strlen(entry));
  return found && (size_t)(file + header_end - found) > strlen(entry) + 64 ? found + strlen(entry)
                                                                           : NULL;
}

uint8_t *model_seed_file(const char *header, size_t n, const void *data, size_t data_size,
                         size_t *size) {
  char hex[CORED_HASH_SIZE];
  uint8_t *const file = malloc(8 + n + data_size);
  if (!file)
    return NULL;
  *size = 8 + n + data_size;
  for (int i = 0; i < 8; i++)
    file[i] = (uint8_t)((uint64_t)n >> 8 * i);
  if (n)
    memcpy(file + 8, header, n);
  if (data_size)
    memcpy(file + 8 + n, data, data_size);
  uint8_t *digits = find_digits(file, 8 + n, "\"" CORED_KEY_SHA256 "\":\"");
  if (digits) {
    cored_hash_bytes(file + 8 + n, data_size, hex);
    memcpy(digits, hex, 64);
  }
  digits = find_digits(file, 8 + n, "\"" CORED_KEY_HEADER_SHA256 "\":\"");
  if (digits) {
    cored_hash_header(file, 8 + n, (uint64_t)(digits - file), 0, hex);
    memcpy(digits, hex, 64);
  }
  return file;
}
