/* SPDX-License-Identifier: MIT
 * Model files. The first byte of an input says what the rest is:
 *   0  a whole file
 *   1  a header; the data part is zeros
 *   2  an edit of a valid file's header: 2 bytes place, 1 byte how many to take out, text to put in
 *   3  1 byte number of a metadata entry, text of its new value
 * With 2 and 3 the hashes are made anew, so that what lies behind them is reached. */
#include <stdlib.h>
#include <string.h>

#include "cored.h"
#include "fuzz.h"
#include "model/file.h"
#include "model/format.h"
#include "model/hash.h"
#include "model/model.h"
#include "model/safetensors.h"
#include "model/text.h"
#include "model/trust.h"

/* A valid file of random weights, made once: its header's text and its data part. */
static struct {
  char *header;
  size_t header_size;
  uint8_t *data;
  size_t data_size;
} base;

static void make_base(void) {
  CoredModelInfo info;
  if (base.header || !cored_model_info_init(&info, "meso4", 2, NULL))
    return;
  CoredModel *const made = cored_model_new_random(&info, 1, NULL);
  CoredModel *const model =
      made ? cored_model_with_metadata(made, "cored.stores", "{}", NULL) : NULL;
  CoredTensorView *const sorted = model ? cored_weights_sorted(model->weights) : NULL;
  CoredMetadata metadata = {0};
  if (!sorted || !cored_metadata_copy(&metadata, &model->metadata))
    abort();
  const char *const zeros = "0000000000000000000000000000000000000000000000000000000000000000";
  cored_metadata_set(&metadata, CORED_KEY_CANARY,
                     "{\"seed\":2020,\"tolerance\":0.001,\"logits\":[0,0.5]}");
  cored_metadata_set(&metadata, CORED_KEY_SHA256, cored_model_info(model)->sha256);
  cored_metadata_set(&metadata, CORED_KEY_HEADER_SHA256, zeros);
  CoredEntry entries[64];
  for (size_t i = 0; i < metadata.n; i++)
    entries[i] = (CoredEntry){.key = metadata.pairs[i].key, .value = metadata.pairs[i].value};
  const size_t n = cored_model_n_tensors(model);
  size_t size;
  char *const header = cored_safetensors_header(sorted, n, entries, metadata.n, &size);
  CoredText data = {0};
  for (size_t i = 0; i < n; i++)
    cored_text_add_bytes(&data, sorted[i].data, sorted[i].size);
  base.header = header + 8;
  base.header_size = size - 8;
  base.data = (uint8_t *)data.s;
  base.data_size = data.n;
  cored_metadata_clear(&metadata);
  free(sorted);
  cored_model_unref(model);
  cored_model_unref(made);
}

/* Twice: as it is, and by a reader who trusts one key that signed nothing. */
static void load_as(const void *bytes, size_t size, const CoredTrust *trust) {
  const CoredModelLoadParams params = {.skip_canary = true, .trust = trust};
  CoredError error = {0};
  CoredModel *const model = cored_model_load_memory(bytes, size, "fuzz", &params, &error);
  if (!model && (error.code == CORED_ERROR_NONE || !error.message[0]))
    abort(); /* every refusal has a code and a message */
  if (model && trust)
    abort();
  cored_model_unref(model);
}

static void load(const void *bytes, size_t size) {
  static const CoredTrust trust = {.refs = 1, .n_keys = 1, .keys = {{.id = "0123456789abcdef"}}};
  load_as(bytes, size, NULL);
  load_as(bytes, size, &trust);
}

/* Load text as the header of a file; hashes made anew where they can be found. */
static void load_header(const char *text, size_t n, const void *data, size_t data_size) {
  static const char key[] = "\"" CORED_KEY_HEADER_SHA256 "\":\"";
  uint8_t *const file = malloc(8 + n + data_size);
  if (!file)
    return;
  for (int i = 0; i < 8; i++)
    file[i] = (uint8_t)((uint64_t)n >> 8 * i);
  memcpy(file + 8, text, n);
  if (data_size)
    memcpy(file + 8 + n, data, data_size);
  uint8_t *const found = memmem(file, 8 + n, key, sizeof key - 1);
  if (found && (size_t)(file + 8 + n - found) > sizeof key + 64) {
    uint8_t *const digits = found + sizeof key - 1;
    char hex[CORED_HASH_SIZE];
    cored_hash_header(file, 8 + n, (uint64_t)(digits - file), 0, hex);
    memcpy(digits, hex, 64);
  }
  load(file, 8 + n + data_size);
  free(file);
}

static void load_edit(const uint8_t *data, size_t size) {
  if (size < 3)
    return;
  const size_t at = (size_t)(data[0] | data[1] << 8) % base.header_size;
  const size_t left = base.header_size - at;
  const size_t out = data[2] < left ? data[2] : left;
  CoredText text = {0};
  cored_text_add_bytes(&text, base.header, at);
  cored_text_add_bytes(&text, (const char *)data + 3, size - 3);
  cored_text_add_bytes(&text, base.header + at + out, left - out);
  if (!text.failed)
    load_header(text.s, text.n, base.data, base.data_size);
  cored_text_clear(&text);
}

static void load_value(const uint8_t *data, size_t size) {
  static const char *const keys[] = {
      CORED_KEY_FORMAT,     CORED_KEY_NETWORK,    CORED_KEY_CLASSES,     CORED_KEY_LABELS,
      CORED_KEY_FAKE_CLASS, CORED_KEY_REAL_CLASS, CORED_KEY_INPUT_SIZE,  CORED_KEY_MEAN,
      CORED_KEY_STD,        CORED_KEY_THRESHOLD,  CORED_KEY_TEMPERATURE, CORED_KEY_GENERATION,
      CORED_KEY_TASKS,      CORED_KEY_CANARY,     CORED_KEY_STORES,
  };
  if (size < 1)
    return;
  char *const value = strndup((const char *)data + 1, size - 1);
  CoredText key = {0}, text = {0};
  cored_text_add_json_string(&key, keys[data[0] % (sizeof keys / sizeof *keys)]);
  cored_text_add(&key, ":");
  const char *const at = memmem(base.header, base.header_size, key.s, key.n);
  if (at && value) {
    const char *end = at + key.n + 1;
    while (*end != '"')
      end += *end == '\\' ? 2 : 1;
    cored_text_add_bytes(&text, base.header, (size_t)(at - base.header));
    cored_text_add(&text, key.s);
    cored_text_add_json_string(&text, value);
    cored_text_add_bytes(&text, end + 1, (size_t)(base.header + base.header_size - end - 1));
    load_header(text.s, text.n, base.data, base.data_size);
  }
  free(value);
  cored_text_clear(&key);
  cored_text_clear(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const uint8_t zeros[4096];
  make_base();
  if (size < 1)
    return 0;
  switch (data[0] & 3) {
  case 0:
    load(data + 1, size - 1);
    break;
  case 1:
    load_header((const char *)data + 1, size - 1, zeros, (size_t)(data[0] >> 2) * 64);
    break;
  case 2:
    load_edit(data + 1, size - 1);
    break;
  case 3:
    load_value(data + 1, size - 1);
    break;
  }
  return 0;
}

static const char *const seeds[] = {
    "\001{}",
    "\005{\"a\":{\"dtype\":\"F32\",\"shape\":[2,8],\"data_offsets\":[0,64]}}",
    "\005{\"a\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[0,2]},\"b\\u0041\\ud83d\\ude00\":"
    "{\"shape\":[31],\"data_offsets\":[2,64],\"dtype\":\"BF16\"},\"__metadata__\":{\"k\":\"v\"}}",
    "\002xx\001\"",
    "\002\100\001\020,\"cored.key-id\":\"0123456789abcdef\",\"cored.signature\":\"0000000000000000"
    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "00"
    "0000000000000000\"",
    "\002\100\000\020cored.x",
    "\003\001xception",
    "\003\002"
    "3",
    "\003\003[\"a\",\"b\"]",
    "\003\006[300,256]",
    "\003\007[0.5,0.25,1e-3]",
    "\003\011"
    "0.75",
    "\003\014[{\"name\":\"Deepfakes\",\"auc\":0.93},{\"auc\":null,\"name\":\"x\"}]",
    "\003\015{\"seed\":1,\"tolerance\":0.01,\"logits\":[0,-1.5]}",
};

size_t cored_fuzz_seed(size_t index, uint8_t *out, size_t max) {
  const size_t n = sizeof seeds / sizeof *seeds;
  make_base();
  if (index == n) { /* the valid file itself */
    const size_t size = 9 + base.header_size + base.data_size;
    if (size > max)
      return 0;
    memset(out, 0, 9);
    for (int i = 0; i < 8; i++)
      out[1 + i] = (uint8_t)((uint64_t)base.header_size >> 8 * i);
    memcpy(out + 9, base.header, base.header_size);
    memcpy(out + 9 + base.header_size, base.data, base.data_size);
    return size;
  }
  if (index > n)
    return 0;
  /* \000 may be inside: the place of an edit. */
  const size_t size = index == 5 ? 11 : strlen(seeds[index]);
  memcpy(out, seeds[index], size);
  return size;
}
