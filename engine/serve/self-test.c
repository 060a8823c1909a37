/* SPDX-License-Identifier: MIT */
#include "serve/self-test.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/format.h"
#include "base/json.h"
#include "model/model.h"
#include "plan/plan.h"
#include "base/text.h"

#define DEFAULT_SEED 2020
#define DEFAULT_TOLERANCE 0.001

/* ---- Pictures ------------------------------------------------------------------------------- */

static uint64_t splitmix64(uint64_t seed, uint64_t index) {
  uint64_t x = seed + (index + 1) * 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

uint8_t cored_self_test_byte(uint64_t seed, uint32_t y, uint32_t x, uint32_t c) {
  const uint64_t block = ((uint64_t)(y / 16) * 4096 + x / 16) * 3 + c;
  const uint64_t pixel = ((uint64_t)1 << 40) + ((uint64_t)y * 4096 + x) * 3 + c;
  return (uint8_t)((3 * (splitmix64(seed, block) >> 56) + (splitmix64(seed, pixel) >> 56)) / 4);
}

/* The picture as network input [input_height, input_width, 3]. */
static void fill_input(uint64_t seed, const CoredModelInfo *info, float *out) {
  for (int y = 0; y < info->input_height; y++)
    for (int x = 0; x < info->input_width; x++)
      for (int c = 0; c < 3; c++) {
        const float byte = (float)cored_self_test_byte(seed, (uint32_t)y, (uint32_t)x, (uint32_t)c);
        *out++ = (byte / 255.0f - info->mean[c]) / info->std[c];
      }
}

/* ---- Running -------------------------------------------------------------------------------- */

#define PICTURES 2

typedef struct Outputs {
  float logits[PICTURES][CORED_MAX_CLASSES];
} Outputs;

/* The numbers by which a model is compared: its logits, or of a locator the mean of every channel
 * of its outputs. */
static int n_outputs(const CoredModel *model) {
  const CoredGraph *const graph = cored_model_graph(model);
  int n = graph->n_classes;
  for (int i = 0; i < graph->n_named; i++)
    n += graph->nodes[graph->named[i].node].channels;
  assert(n <= CORED_MAX_CLASSES); /* of the networks of the registry */
  return n;
}

static void take_means(const CoredSession *session, const CoredPlan *plan, float *means) {
  for (int i = 0; i < plan->n_named; i++) {
    CoredShape shape;
    const float *const x = cored_session_named(session, plan->named[i].name, &shape);
    const size_t cells = (size_t)shape.h * (size_t)shape.w, channels = (size_t)shape.c;
    for (size_t c = 0; c < channels; c++) {
      double sum = 0.0;
      for (size_t p = 0; p < cells; p++)
        sum += (double)x[p * channels + c];
      *means++ = (float)(sum / (double)cells);
    }
  }
}

/* One session for both pictures; one thread, so that nothing but this is done meanwhile. */
static bool run_plan(CoredPlan *plan, uint64_t seed, Outputs *outputs, CoredError *error) {
  const CoredModelInfo *const info = cored_plan_info(plan);
  const CoredSessionParams params = {.max_batch = 1, .threads = 1};
  CoredSession *const session = cored_session_new(plan, &params, error);
  if (!session)
    return false;
  float *const input = cored_session_input(session);
  for (int i = 0; i < PICTURES; i++) {
    CoredOutput output;
    fill_input(seed + (uint64_t)i, info, input);
    cored_session_run(session, input, 1, &output);
    if (info->kind == CORED_MODEL_LOCATOR)
      take_means(session, plan, outputs->logits[i]);
    else
      memcpy(outputs->logits[i], output.logits, (size_t)info->n_classes * sizeof *output.logits);
  }
  cored_session_free(session);
  return true;
}

/* Can the pictures of the model's input size go through this plan? */
static bool fits(const CoredPlan *plan, const CoredModelInfo *info) {
  int width, height;
  cored_plan_input_size(plan, &width, &height);
  return width == info->input_width && height == info->input_height;
}

/* Logits of the pictures of seed and seed + 1; a plan that is NULL or of another input size is
 * replaced by one of its own. */
static bool run_pictures(const CoredModel *model, CoredPlan *plan, uint64_t seed, Outputs *outputs,
                         CoredError *error) {
  const bool usable = plan && fits(plan, &model->info);
  CoredPlan *const own = usable ? cored_plan_ref(plan) : cored_plan_new(model, NULL, error);
  const bool ok = own && run_plan(own, seed, outputs, error);
  cored_plan_unref(own);
  return ok;
}

/* Logits that differ by less than this part of their size (of 1, if that is more) are rounding, or
 * a head scaled down to nothing: p-fake is the same for every picture. */
static const double least_move = 1e-6;

static bool check_outputs(const CoredModel *model, const Outputs *outputs, const char *name,
                          CoredError *error) {
  const CoredModelInfo *const info = &model->info;
  const bool locator = info->kind == CORED_MODEL_LOCATOR;
  double moved = 0, scale = 1;
  for (int c = 0; c < n_outputs(model); c++) {
    double margins[PICTURES];
    for (int i = 0; i < PICTURES; i++) {
      const float z = outputs->logits[i][c];
      if (!isfinite(z))
        return cored_error_set(
            error, CORED_ERROR_SELF_TEST,
            "%s: self-test picture %d: logit %d: expected a finite number, found %f", name, i, c,
            (double)z);
      margins[i] = (double)z - (locator ? 0.0 : (double)outputs->logits[i][info->real_class]);
      scale = fmax(scale, fabs((double)z));
    }
    moved = fmax(moved, fabs(margins[0] - margins[1]));
  }
  return moved > least_move * scale ||
         cored_error_set(error, CORED_ERROR_CONSTANT_OUTPUT,
                         "%s: expected the logits of two pictures to differ by more than %.3g, "
                         "found %.3g: the network does not look at its input",
                         name, least_move * scale, moved);
}

bool cored_self_test_compute(const CoredModel *model, CoredSelfTest *self_test, CoredError *error) {
  Outputs outputs;
  if (!run_pictures(model, NULL, DEFAULT_SEED, &outputs, error) ||
      !check_outputs(model, &outputs, "new model", error))
    return false;
  *self_test = (CoredSelfTest){
      .seed = DEFAULT_SEED, .tolerance = DEFAULT_TOLERANCE, .n_logits = n_outputs(model)};
  memcpy(self_test->logits, outputs.logits[0], sizeof self_test->logits);
  return true;
}

static bool compare(const CoredSelfTest *self_test, const float *found, const char *name,
                    CoredError *error) {
  double scale = 1;
  for (int c = 0; c < self_test->n_logits; c++)
    scale = fmax(scale, fabs((double)self_test->logits[c]));
  for (int c = 0; c < self_test->n_logits; c++) {
    const double expected = (double)self_test->logits[c];
    if (!(fabs((double)found[c] - expected) <= self_test->tolerance * scale))
      return cored_error_set(error, CORED_ERROR_SELF_TEST,
                             "%s: self-test of seed %llu: logit %d: expected %.9g within %g, found "
                             "%.9g: this build does not compute what the trainer computed",
                             name, (unsigned long long)self_test->seed, c, expected,
                             self_test->tolerance * scale, (double)found[c]);
  }
  return true;
}

bool cored_self_test_verify(const CoredModel *model, CoredPlan *plan, const char *name,
                            CoredError *error) {
  CoredSelfTest self_test;
  Outputs outputs;
  return cored_self_test_read(&self_test, &model->metadata, n_outputs(model), name, error) &&
         run_pictures(model, plan, self_test.seed, &outputs, error) &&
         check_outputs(model, &outputs, name, error) &&
         compare(&self_test, outputs.logits[0], name, error);
}

/* ---- Metadata ------------------------------------------------------------------------------- */

bool cored_self_test_write(const CoredSelfTest *self_test, CoredMetadata *metadata) {
  CoredText text = {0};
  cored_text_add(&text, "{\"seed\":");
  cored_text_add_uint(&text, self_test->seed);
  cored_text_add(&text, ",\"tolerance\":");
  cored_text_add_double(&text, self_test->tolerance);
  cored_text_add(&text, ",\"logits\":");
  for (int c = 0; c < self_test->n_logits; c++) {
    cored_text_add(&text, c ? "," : "[");
    cored_text_add_float(&text, self_test->logits[c]);
  }
  cored_text_add(&text, "]}");
  const bool ok = !text.failed && cored_metadata_set(metadata, CORED_KEY_SELF_TEST, text.s);
  cored_text_clear(&text);
  return ok;
}

static bool parse_logits(CoredJson *j, CoredSelfTest *self_test, int n_logits) {
  if (!cored_json_expect(j, '['))
    return false;
  for (bool first = true; cored_json_more(j, ']', &first);) {
    double value;
    if (self_test->n_logits == n_logits)
      return cored_json_fail(j, CORED_ERROR_METADATA_VALUE, "one logit per class and no more");
    if (!cored_json_double(j, CORED_ERROR_METADATA_VALUE, &value))
      return false;
    if (!(fabs(value) < 1e30))
      return cored_json_fail(j, CORED_ERROR_METADATA_VALUE, "logits below 1e30 before this");
    self_test->logits[self_test->n_logits++] = (float)value;
  }
  if (!j->failed && self_test->n_logits < n_logits)
    return cored_json_fail(j, CORED_ERROR_METADATA_VALUE, "one logit per class before this");
  return !j->failed;
}

static bool parse_tolerance(CoredJson *j, double *tolerance) {
  if (!cored_json_double(j, CORED_ERROR_METADATA_VALUE, tolerance))
    return false;
  return (*tolerance > 0 && *tolerance <= 0.1) ||
         cored_json_fail(j, CORED_ERROR_METADATA_VALUE, "a tolerance in 0..0.1 before this");
}

static bool parse_self_test(CoredJson *j, CoredSelfTest *self_test, int n_logits) {
  static const char *const fields[] = {"seed", "tolerance", "logits"};
  unsigned seen = 0;
  if (!cored_json_expect(j, '{'))
    return false;
  for (bool first = true; cored_json_more(j, '}', &first);) {
    CoredJsonString key;
    if (!cored_json_key(j, &key))
      return false;
    unsigned field = 0;
    while (field < 3 && strcmp(key.s, fields[field]) != 0)
      field++;
    if (field == 3 || seen & 1u << field)
      return cored_json_fail(j, CORED_ERROR_METADATA_VALUE,
                             "seed, tolerance and logits, once each, before this");
    seen |= 1u << field;
    if (!(field == 0   ? cored_json_uint(j, CORED_ERROR_METADATA_VALUE, &self_test->seed)
          : field == 1 ? parse_tolerance(j, &self_test->tolerance)
                       : parse_logits(j, self_test, n_logits)))
      return false;
  }
  if (!j->failed && seen != 7)
    return cored_json_fail(j, CORED_ERROR_METADATA_VALUE, "seed, tolerance and logits before this");
  return cored_json_end(j);
}

bool cored_self_test_read(CoredSelfTest *self_test, const CoredMetadata *metadata, int n_logits,
                          const char *name, CoredError *error) {
  *self_test = (CoredSelfTest){0};
  const char *const value = cored_metadata_get(metadata, CORED_KEY_SELF_TEST);
  if (!value)
    return cored_error_set(error, CORED_ERROR_METADATA_MISSING,
                           "%s: metadata: expected an entry '%s', found none", name,
                           CORED_KEY_SELF_TEST);
  char *const copy = strdup(value);
  if (!copy)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory for its self-test", name);
  char what[256];
  snprintf(what, sizeof what, "%.160s: metadata: %s", name, CORED_KEY_SELF_TEST);
  CoredJson j = {.what = what,
                 .syntax = CORED_ERROR_METADATA_VALUE,
                 .encoding = CORED_ERROR_METADATA_VALUE,
                 .error = error,
                 .begin = copy,
                 .p = copy,
                 .end = copy + strlen(copy)};
  const bool ok = parse_self_test(&j, self_test, n_logits);
  free(copy);
  return ok;
}
