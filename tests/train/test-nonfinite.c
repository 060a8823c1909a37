/* SPDX-License-Identifier: MIT
 * Numbers that are not finite, in the input, a weight, a loss or a gradient: the step does not
 * happen and the place is named (T09, T10). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include <cmocka.h>

#include "tiny-trainer.h"

static float *state_values(const CoredTrainer *trainer, const char *name) {
  CoredTensorView view;
  for (size_t i = 0; cored_trainer_state(trainer, i, &view); i++)
    if (strcmp(view.name, name) == 0)
      return (float *)view.data;
  fail_msg("no state tensor %s", name);
  return NULL;
}

/* With `value` put into the state tensor `name`, no step is done and `where` is named. */
static void check_broken_weight(const char *name, float value, const char *where) {
  CoredTrainParams params = small_params(CORED_METHOD_KD, 1);
  params.batch_norm = CORED_BATCH_NORM_FROZEN;
  CoredTrainer *const trainer = open_trainer(&params);
  const CoredBatch batch = batch_at(0);
  CoredLosses losses;
  state_values(trainer, name)[1] = value;
  if (cored_trainer_accumulate(trainer, &batch, 1, &losses))
    fail_msg("%s = %g: the loss is %g", name, (double)value, losses.total);
  assert_string_equal(cored_trainer_find_nonfinite(trainer), where);
  assert_int_equal(cored_trainer_steps(trainer), 0);
  cored_trainer_free(trainer);
}

static void weights_that_are_not_finite_stop_the_step(void **state) {
  (void)state;
  check_broken_weight("student.stage2.1.pointwise.weight", NAN, "stage2.1.pointwise");
  check_broken_weight("student.classifier.bias", NAN, "classifier");
  check_broken_weight("student.stem_bn.weight", 3e38f, "stem_bn"); /* finite, its products not */
}

/* A teacher that is not finite comes to nobody's lessons. */
static void teachers_that_are_not_finite_are_refused(void **state) {
  (void)state;
  const CoredTrainParams params = small_params(CORED_METHOD_KD, 1);
  CoredTrainer *const trainer = open_trainer(&params);
  CoredError error = {0};
  state_values(trainer, "student.head.weight")[1] = NAN;
  assert_false(cored_trainer_replace_teacher(trainer, &error));
  assert_int_equal(error.code, CORED_ERROR_PARAMETER_VALUE);
  cored_trainer_free(trainer);
}

/* The student starts as its teacher: what the session makes of it is what training makes of it. */
static void the_session_of_the_teacher_agrees(void **state) {
  (void)state;
  CoredTrainParams params = small_params(CORED_METHOD_CORED, 2);
  params.dropout = 0;
  CoredError error = {0};
  CoredTrainer *const trainer = cored_trainer_new(first, first, &params, &error);
  assert_non_null(trainer);
  const CoredBatch batch = batch_at(0);
  CoredLosses losses;
  cored_trainer_add_representation(trainer, &batch);
  assert_true(cored_trainer_accumulate(trainer, &batch, 1, &losses));
  assert_true(losses.n_pairs > 0);
  assert_true(fabs(losses.student - losses.teacher) < 1e-5 * losses.student);
  assert_true(losses.representation < 1e-10);
  cored_trainer_free(trainer);
}

/* ReLU hides a channel at minus infinity from every step; the look before saving does not. */
static void hidden_weights_are_found(void **state) {
  (void)state;
  const CoredTrainParams params = small_params(CORED_METHOD_CORED, 1);
  CoredTrainer *const trainer = open_trainer(&params);
  const char *const name = "student.stage3.0.bn.running_mean";
  state_values(trainer, name)[3] = INFINITY;
  assert_string_equal(cored_trainer_find_nonfinite(trainer), "stage3.0.bn.running_mean");
  state_values(trainer, name)[3] = 0;
  assert_null(cored_trainer_find_nonfinite(trainer));
  state_values(trainer, "moment1.stem.weight")[3] = NAN;
  assert_string_equal(cored_trainer_find_nonfinite(trainer), "stem.weight");
  cored_trainer_free(trainer);
}

static void inputs_that_are_not_finite_stop_the_step(void **state) {
  (void)state;
  const CoredTrainParams params = small_params(CORED_METHOD_FT, 1);
  CoredTrainer *const trainer = open_trainer(&params);
  CoredLosses losses;
  CoredBatch batch = batch_at(0);
  float *const bad = malloc(sizeof(float) * batch_size * pixels);
  memcpy(bad, batch.images, sizeof(float) * batch_size * pixels);
  bad[17] = NAN;
  batch.images = bad;
  assert_null(cored_trainer_find_nonfinite(trainer));
  assert_false(cored_trainer_accumulate(trainer, &batch, 1, &losses));
  assert_true(isnan(losses.total));
  assert_string_equal(cored_trainer_find_nonfinite(trainer), "the input");
  free(bad);
  cored_trainer_free(trainer);
}

/* A norm that is not finite is seen before clipping multiplies by its inverse. */
static void gradients_that_are_not_finite_stop_the_step(void **state) {
  (void)state;
  static const float bad[] = {INFINITY, -INFINITY, NAN};
  CoredTrainParams params = small_params(CORED_METHOD_FT, 1);
  params.optimizer.clip_norm = 1;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    CoredTrainer *const trainer = open_trainer(&params);
    CoredTensorView view, before;
    assert_true(cored_trainer_gradient(trainer, 2, &view));
    ((float *)view.data)[0] = bad[i];
    assert_true(cored_trainer_parameter(trainer, 0, &before));
    float *const kept = malloc(before.size);
    memcpy(kept, before.data, before.size);
    double norm = 0;
    assert_string_equal(cored_trainer_find_nonfinite(trainer), view.name);
    assert_false(cored_trainer_update(trainer, 0.1, &norm));
    assert_false(isfinite(norm));
    assert_int_equal(cored_trainer_steps(trainer), 0);
    assert_memory_equal(kept, before.data, before.size);
    free(kept);
    cored_trainer_free(trainer);
  }
}

static void clipping_scales_to_the_norm_and_leaves_zero_alone(void **state) {
  (void)state;
  CoredTrainParams params = small_params(CORED_METHOD_FT, 1);
  params.optimizer.clip_norm = 0.5;
  params.optimizer.momentum = 0;
  CoredTrainer *const trainer = open_trainer(&params);
  CoredTensorView w, g;
  double norm = -1;
  assert_true(cored_trainer_parameter(trainer, 0, &w));
  const float start = ((const float *)w.data)[0];
  assert_true(cored_trainer_update(trainer, 1, &norm)); /* all gradients are zero */
  assert_true(norm == 0 && ((const float *)w.data)[0] == start);
  assert_true(cored_trainer_gradient(trainer, 0, &g));
  ((float *)g.data)[0] = 3;
  ((float *)g.data)[1] = 4;
  assert_true(cored_trainer_update(trainer, 1, &norm));
  assert_true(fabs(norm - 5) < 1e-6);
  assert_true(fabs((double)(start - ((const float *)w.data)[0]) - 0.3) < 1e-6);
  cored_trainer_free(trainer);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(weights_that_are_not_finite_stop_the_step),
      cmocka_unit_test(teachers_that_are_not_finite_are_refused),
      cmocka_unit_test(the_session_of_the_teacher_agrees),
      cmocka_unit_test(hidden_weights_are_found),
      cmocka_unit_test(inputs_that_are_not_finite_stop_the_step),
      cmocka_unit_test(gradients_that_are_not_finite_stop_the_step),
      cmocka_unit_test(clipping_scales_to_the_norm_and_leaves_zero_alone),
  };
  return cmocka_run_group_tests(tests, tiny_trainer_make, tiny_trainer_drop);
}
