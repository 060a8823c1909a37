/* SPDX-License-Identifier: MIT
 * The self-test of a model file: what is written in its entry, and what its weights make of the
 * pictures. The first byte of an input says what the rest is:
 *   0  text of the self-test's entry
 *   1  triples: 2 bytes which weight (of all), 1 byte which special value it gets
 *   2  triples: 1 byte which block of the weights, 2 bytes by how much it is scaled
 *   3  1 byte which setting that the pictures depend on, text of its value
 * Hashes are made anew. */
#include <math.h>
#include <string.h>

#include "cored.h"
#include "fuzz.h"
#include "model-seed.h"
#include "model/format.h"

enum { SIDE = 8, BLOCKS = 64, MAX_LOGIT = 64 };

static const ModelSeed *base(void) {
  return model_seed("cored-compact", SIDE);
}

/* A model that passed computes finite numbers, the same each time. */
static void use(CoredModel *model) {
  CoredPlan *const plan = cored_plan_new(model, NULL, NULL);
  const CoredSessionParams params = {.max_batch = 1, .threads = 1};
  CoredSession *const session = plan ? cored_session_new(plan, &params, NULL) : NULL;
  const CoredModelInfo *const info = cored_model_info(model);
  if (session && info->input_width * info->input_height <= SIDE * SIDE) {
    float *const input = cored_session_input(session);
    CoredOutput output;
    float first[MAX_LOGIT];
    for (int i = 0; i < 3 * info->input_width * info->input_height; i++)
      input[i] = (float)(i % 17) / 17;
    cored_session_run(session, input, 1, &output);
    memcpy(first, output.logits, (size_t)info->n_classes * sizeof *first);
    cored_session_run(session, input, 1, &output);
    fuzz_expect(memcmp(first, output.logits, (size_t)info->n_classes * sizeof *first) == 0);
  }
  cored_session_free(session);
  cored_plan_unref(plan);
}

static void load(const char *header, size_t n, const void *data, size_t data_size) {
  size_t size;
  uint8_t *const file = model_seed_file(header, n, data, data_size, &size);
  CoredError error = {0};
  CoredModel *const model = file ? cored_model_load_memory(file, size, "fuzz", NULL, &error) : NULL;
  fuzz_expect(model || !file || (error.code != CORED_ERROR_NONE && error.message[0]));
  if (model)
    use(model);
  cored_model_unref(model);
  free(file);
}

static void load_setting(const char *key, FuzzInput in) {
  CoredText header = {0};
  char *const value = fuzz_text(&in);
  if (model_seed_set(base(), key, value, &header))
    load(header.s, header.n, base()->data, base()->data_size);
  free(value);
  cored_text_clear(&header);
}

static float *copy_weights(size_t *n) {
  *n = base()->data_size / sizeof(float);
  float *const weights = malloc(base()->data_size);
  if (weights)
    memcpy(weights, base()->data, base()->data_size);
  return weights;
}

static void load_poked(FuzzInput in) {
  static const float special[] = {0,    -0.0f, 1,      -1,       1e-30f, 1e-40f,
                                  1e6f, 1e30f, -3e38f, INFINITY, NAN,    0.5f};
  size_t n;
  float *const weights = copy_weights(&n);
  while (weights && in.size >= 3) {
    const size_t at = (size_t)((double)fuzz_u16(&in) / 65536 * (double)n);
    weights[at] = special[fuzz_byte(&in) % (sizeof special / sizeof *special)];
  }
  if (weights)
    load(base()->header, base()->header_size, weights, base()->data_size);
  free(weights);
}

static void load_scaled(FuzzInput in) {
  size_t n;
  float *const weights = copy_weights(&n);
  while (weights && in.size >= 3) {
    const size_t block = fuzz_byte(&in) % BLOCKS;
    const float factor = (float)ldexp(1, (int)fuzz_u16(&in) % 301 - 150);
    for (size_t i = block * n / BLOCKS; i < (block + 1) * n / BLOCKS; i++)
      weights[i] *= factor;
  }
  if (weights)
    load(base()->header, base()->header_size, weights, base()->data_size);
  free(weights);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const settings[] = {CORED_KEY_INPUT_SIZE, CORED_KEY_MEAN,
                                         CORED_KEY_STD,        CORED_KEY_FAKE_CLASS,
                                         CORED_KEY_REAL_CLASS, CORED_KEY_TEMPERATURE};
  FuzzInput in = {data, size};
  switch (fuzz_byte(&in) & 3) {
  case 0:
    load_setting(CORED_KEY_SELF_TEST, in);
    break;
  case 1:
    load_poked(in);
    break;
  case 2:
    load_scaled(in);
    break;
  case 3: {
    const unsigned which = fuzz_byte(&in);
    load_setting(settings[which % (sizeof settings / sizeof *settings)], in);
    break;
  }
  }
  return 0;
}

size_t cored_fuzz_seed(size_t index, uint8_t *out, size_t max) {
  static const FuzzSeed seeds[] = {
      FUZZ_SEED("\0{\"seed\":2020,\"tolerance\":0.1,\"logits\":[0,0.5]}"),
      FUZZ_SEED("\0{\"logits\":[-1e29,3],\"seed\":18446744073709551615,\"tolerance\":1e-9}"),
      FUZZ_SEED("\1\20\1\0\40\7\12\100\0\11"),
      FUZZ_SEED("\1"),
      FUZZ_SEED("\2\77\100\1\77\0\0"),
      FUZZ_SEED("\2\0\226\0\3\1\1"),
      FUZZ_SEED("\3\0[8,8]"),
      FUZZ_SEED("\3\0[9,7]"),
      FUZZ_SEED("\3\1[0,0.25,-3]"),
      FUZZ_SEED("\3\2[1,0.0001,16]"),
      FUZZ_SEED("\3\5"
                "0.001"),
  };
  return fuzz_seed_of(seeds, sizeof seeds / sizeof *seeds, index, out, max);
}
