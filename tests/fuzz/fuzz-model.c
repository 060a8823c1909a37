/* SPDX-License-Identifier: MIT
 * Model files. The first byte of an input says what the rest is:
 *   0  a whole file
 *   1  a header; the data part is zeros
 *   2  an edit of a valid file's header: 2 bytes place, 1 byte how many to take out, text to put in
 *   3  1 byte number of a metadata entry, text of its new value
 * With 1 to 3 the hashes are made anew, so that what lies behind them is reached. The self-test has
 * a target of its own. */
#include <stdlib.h>
#include <string.h>

#include "cored.h"
#include "fuzz.h"
#include "model-seed.h"
#include "model/format.h"
#include "model/signature.h"

/* Twice: as it is, and by a reader who trusts one key that signed nothing. */
static void load_as(const void *bytes, size_t size, const CoredTrust *trust) {
  const CoredModelLoadParams params = {.skip_self_test = true, .trust = trust};
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

static const ModelSeed *base(void) {
  return model_seed("meso4", 256);
}

/* Load text as the header of a file; hashes made anew where they can be found. */
static void load_header(const char *text, size_t n, const void *data, size_t data_size) {
  size_t size;
  uint8_t *const file = model_seed_file(text, n, data, data_size, &size);
  if (file)
    load(file, size);
  free(file);
}

static void load_edit(const uint8_t *data, size_t size) {
  if (size < 3)
    return;
  const size_t at = (size_t)(data[0] | data[1] << 8) % base()->header_size;
  const size_t left = base()->header_size - at;
  const size_t out = data[2] < left ? data[2] : left;
  CoredText text = {0};
  cored_text_add_bytes(&text, base()->header, at);
  cored_text_add_bytes(&text, (const char *)data + 3, size - 3);
  cored_text_add_bytes(&text, base()->header + at + out, left - out);
  if (!text.failed)
    load_header(text.s, text.n, base()->data, base()->data_size);
  cored_text_clear(&text);
}

static void load_value(const uint8_t *data, size_t size) {
  static const char *const keys[] = {
      CORED_KEY_FORMAT,     CORED_KEY_NETWORK,    CORED_KEY_CLASSES,     CORED_KEY_LABELS,
      CORED_KEY_FAKE_CLASS, CORED_KEY_REAL_CLASS, CORED_KEY_INPUT_SIZE,  CORED_KEY_MEAN,
      CORED_KEY_STD,        CORED_KEY_THRESHOLD,  CORED_KEY_TEMPERATURE, CORED_KEY_GENERATION,
      CORED_KEY_TASKS,      CORED_KEY_SELF_TEST,  CORED_KEY_STORES,
  };
  if (size < 1)
    return;
  char *const value = fuzz_text(&(FuzzInput){data + 1, size - 1});
  CoredText header = {0};
  if (model_seed_set(base(), keys[data[0] % (sizeof keys / sizeof *keys)], value, &header))
    load_header(header.s, header.n, base()->data, base()->data_size);
  free(value);
  cored_text_clear(&header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const uint8_t zeros[4096];
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
  if (index == n) { /* the valid file itself */
    size_t size;
    uint8_t *const file = model_seed_file(base()->header, base()->header_size, base()->data,
                                          base()->data_size, &size);
    if (!file || 1 + size > max) {
      free(file);
      return 0;
    }
    out[0] = 0;
    memcpy(out + 1, file, size);
    free(file);
    return 1 + size;
  }
  if (index > n)
    return 0;
  /* \000 may be inside: the place of an edit. */
  const size_t size = index == 5 ? 11 : strlen(seeds[index]);
  memcpy(out, seeds[index], size);
  return size;
}
