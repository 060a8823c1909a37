/* SPDX-License-Identifier: MIT
 * Class activation maps: their mean and the biases give back the difference of the logits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cored.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES = 3, MAX_PLACES = 1024 };

static CoredModel *model_new(const char *network, int side) {
  CoredModelInfo *const info = malloc(sizeof *info);
  CoredError error;
  assert_non_null(info);
  assert_true(cored_model_info_init(info, network, 2, &error));
  info->input_width = info->input_height = side;
  CoredModel *const model = cored_model_new_random(info, 9, &error);
  if (!model)
    fail_msg("%s", error.message);
  free(info);
  return model;
}

static CoredSession *session_new(const CoredModel *model, bool features) {
  CoredError error;
  CoredPlan *const plan = cored_plan_new(model, NULL, &error);
  const CoredSessionParams params = {.max_batch = IMAGES, .threads = 1, .features = features};
  CoredSession *const session = plan ? cored_session_new(plan, &params, &error) : NULL;
  if (!session)
    fail_msg("%s", error.message);
  cored_plan_unref(plan); /* the session holds it */
  return session;
}

static void fill_input(CoredSession *session, int side) {
  float *const input = cored_session_input(session);
  uint32_t seed = 4;
  for (int i = 0; i < IMAGES * side * side * 3; i++) {
    seed = seed * 1664525u + 1013904223u;
    input[i] = (float)(seed >> 8) / 8388608.f - 1.f;
  }
}

static double bias_difference(const CoredModel *model, const char *name) {
  const CoredModelInfo *const info = cored_model_info(model);
  CoredTensorView view;
  for (size_t i = 0; cored_model_tensor(model, i, &view); i++)
    if (!strcmp(view.name, name)) {
      const float *const bias = view.data;
      return (double)bias[info->fake_class] - (double)bias[info->real_class];
    }
  fail_msg("no %s", name);
  return (double)NAN;
}

static void check_network(const char *network, int side, const char *bias) {
  CoredError error;
  CoredModel *const model = model_new(network, side);
  const CoredModelInfo *const info = cored_model_info(model);
  CoredPlan *const plan = cored_plan_new(model, NULL, &error);
  CoredSession *const session = session_new(model, true);
  const double constant = bias_difference(model, bias);
  float map[MAX_PLACES];
  CoredOutput out;
  fill_input(session, side);
  cored_session_run(session, cored_session_input(session), IMAGES, &out);
  const int places = out.feature_h * out.feature_w;
  assert_in_range(places, 4, MAX_PLACES);
  for (int i = 0; i < IMAGES; i++) {
    const float *const logits = out.logits + i * out.n_classes;
    const double want =
        (double)logits[info->fake_class] - (double)logits[info->real_class] - constant;
    double mean = 0;
    assert_true(cored_plan_activation_map(plan, &out, i, map));
    for (int p = 0; p < places; p++)
      mean += (double)map[p] / places;
    if (fabs(mean - want) > 1e-4 * (fabs(want) + 1))
      fail_msg("%s image %d: the map's mean is %g, the logits say %g", network, i, mean, want);
    assert_true(fabs(want) > 1e-6 && map[0] != map[1]);
  }
  assert_false(cored_plan_activation_map(plan, &out, -1, map));
  assert_false(cored_plan_activation_map(plan, &out, IMAGES, map));
  cored_session_free(session);
  cored_plan_unref(plan);
  cored_model_unref(model);
}

/* A feature that is not a number shows in its cell, and there alone. */
static void check_nan(const char *network, int side) {
  CoredError error;
  CoredModel *const model = model_new(network, side);
  CoredPlan *const plan = cored_plan_new(model, NULL, &error);
  CoredSession *const session = session_new(model, true);
  float map[MAX_PLACES], broken[MAX_PLACES];
  CoredOutput out;
  fill_input(session, side);
  cored_session_run(session, cored_session_input(session), 1, &out);
  const int places = out.feature_h * out.feature_w, channels = out.feature_c;
  assert_in_range(places, 4, MAX_PLACES);
  assert_true(cored_plan_activation_map(plan, &out, 0, map));
  float *const features = malloc((size_t)(places * channels) * sizeof *features);
  assert_non_null(features);
  memcpy(features, out.features, (size_t)(places * channels) * sizeof *features);
  features[2 * channels + 1] = NAN;
  out.features = features;
  assert_true(cored_plan_activation_map(plan, &out, 0, broken));
  for (int p = 0; p < places; p++)
    assert_true(p == 2 ? isnan(broken[p]) : broken[p] == map[p]);
  free(features);
  cored_session_free(session);
  cored_plan_unref(plan);
  cored_model_unref(model);
}

static void test_nan(void **state) {
  (void)state;
  check_nan("xception", 96);
  check_nan("efficientnet-b0", 128);
  check_nan("cored-compact", 96);
}

static void test_maps(void **state) {
  (void)state;
  check_network("xception", 96, "last_linear.bias");
  check_network("efficientnet-b0", 128, "_fc.bias");
  check_network("cored-compact", 96, "classifier.bias");
}

static void test_without_map(void **state) {
  (void)state;
  static const struct {
    const char *network;
    int side;
    bool features;
  } cases[] = {{"meso4", 256, true}, {"cored-compact", 64, false}};
  for (int i = 0; i < 2; i++) {
    CoredError error;
    CoredModel *const model = model_new(cases[i].network, cases[i].side);
    CoredPlan *const plan = cored_plan_new(model, NULL, &error);
    CoredSession *const session = session_new(model, cases[i].features);
    float map[1] = {7.f};
    CoredOutput out;
    fill_input(session, cases[i].side);
    cored_session_run(session, cored_session_input(session), 1, &out);
    assert_false(cored_plan_activation_map(plan, &out, 0, map));
    assert_true(map[0] == 7.f);
    cored_session_free(session);
    cored_plan_unref(plan);
    cored_model_unref(model);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_maps),
      cmocka_unit_test(test_nan),
      cmocka_unit_test(test_without_map),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
