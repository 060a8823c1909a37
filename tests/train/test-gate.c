/* SPDX-License-Identifier: MIT
 * The rules of the publish gate, on figures. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "gate.h"

static const GateOptions usual = {.max_forgetting = 2.0,
                                  .max_false_alarms = 5.0,
                                  .max_misses = 5.0,
                                  .confidence = 95.0,
                                  .min_samples = 20};

static GateTask new_task(double old, double now, double low) {
  return (GateTask){.name = "new",
                    .n_real = 60,
                    .n_fake = 40,
                    .now = {now, 0.1, 0.1},
                    .old = {old, 0.1, 0.1},
                    .over_old = {now - old, low, 2 * (now - old) - low},
                    .over_guessing = {now - 0.5, low, 2 * (now - 0.5) - low}};
}

static GateTask old_task(double fall, double alarms, double misses) {
  return (GateTask){.name = "old",
                    .n_real = 60,
                    .n_fake = 40,
                    .now = {0.9 - fall, 0.1 + alarms, 0.2 + misses},
                    .old = {0.9, 0.1, 0.2}};
}

static GateResult *judge(GateTask first, GateTask second, double temperature) {
  static GateResult result;
  result = (GateResult){.against = "the live model", .tasks = {first, second}, .n_tasks = 2};
  gate_compare(&result, &usual, temperature);
  assert_int_equal(result.passed, result.reasons[0] == '\0');
  return &result;
}

static void assert_refused(const GateResult *result, const char *text) {
  assert_false(result->passed);
  if (!strstr(result->reasons, text))
    fail_msg("'%s' does not say '%s'", result->reasons, text);
}

static void a_better_model_passes(void **state) {
  (void)state;
  assert_true(judge(new_task(0.6, 0.8, 0.1), old_task(0, 0, 0), 1.2)->passed);
  assert_true(judge(new_task(0.6, 0.8, 0.1), old_task(-0.1, -0.1, -0.1), 1.2)->passed);
  assert_true(judge(new_task(1.0, 1.0, 0.0), old_task(0, 0, 0), 1.2)->passed);
}

static void the_new_task_beats_the_old_model_and_guessing(void **state) {
  (void)state;
  const GateTask same = old_task(0, 0, 0);
  assert_refused(judge(new_task(0.8, 0.7, -0.2), same, 1),
                 "not better than the 0.8000 of the live");
  assert_refused(judge(new_task(0.8, 0.8, 0), same, 1), "not better than the 0.8000 of the live");
  assert_refused(judge(new_task(0.47, 0.488, 0.01), same, 1),
                 "not better than the 0.5 of guessing");
  assert_refused(judge(new_task(0.7, (double)NAN, 0), same, 1), "not better");
  /* An old model below guessing is no yardstick. */
  GateTask poor = new_task(0.3, 0.6, 0.2);
  poor.over_guessing = (CoredAucGain){0.1, -0.02, 0.2};
  assert_refused(judge(poor, same, 1), "above the 0.5 of guessing by 0.1000");
  poor.over_guessing.low = 0.02;
  assert_true(judge(poor, same, 1)->passed);
}

static void what_may_be_chance_says_how_many_would_tell(void **state) {
  (void)state;
  GateTask task = new_task(0.6, 0.7, -0.1); /* the interval reaches twice as far as the gain */
  task.over_guessing.low = 0.1;
  const GateResult *result = judge(task, old_task(0, 0, 0), 1);
  assert_refused(result, "above the 0.6000 of the live model by 0.1000, which 100 samples");
  assert_refused(result, "some 44"); /* 100 times 2 squared, and a tenth */
  GateOptions any = usual;
  any.confidence = 0;
  GateResult plain = *result;
  gate_compare(&plain, &any, 1);
  assert_true(plain.passed);
}

static void old_tasks_stay_within_the_tolerances(void **state) {
  (void)state;
  const GateTask better = new_task(0.6, 0.8, 0.1);
  /* Exactly the tolerance, though 0.9 - 0.88 is not 0.02 in binary. */
  assert_true(judge(better, old_task(0.02, 0.05, 0.05), 1)->passed);
  assert_refused(judge(better, old_task(0.0201, 0, 0), 1), "AUC fell from 0.9000 to 0.8799");
  assert_refused(judge(better, old_task(0, 0.051, 0), 1),
                 "false alarms rose from 10.0 % to 15.1 %");
  assert_refused(judge(better, old_task(0, 0, 0.051), 1), "misses rose from 20.0 % to 25.1 %");
  assert_refused(judge(better, old_task((double)NAN, 0, 0), 1), "AUC fell");
}

static void too_few_samples_are_a_refusal(void **state) {
  (void)state;
  GateTask few = new_task(0.5, 0.9, 0.2), old = old_task(0, 0, 0);
  few.n_real = 3;
  assert_refused(judge(few, old, 1),
                 "task new: 3 real and 40 fake validation samples (those of one");
  assert_refused(judge(few, old, 1), "20 real and 20 fake ones are needed");
  old.n_fake = 19;
  assert_refused(judge(new_task(0.5, 0.9, 0.2), old, 1), "task old: 60 real and 19 fake");
  /* Steps of 1/60 are coarser than one point. */
  old.n_fake = 40;
  GateOptions strict = usual;
  strict.max_false_alarms = 1;
  GateResult result = *judge(new_task(0.5, 0.9, 0.2), old, 1);
  assert_true(result.passed);
  gate_compare(&result, &strict, 1);
  assert_refused(&result, "100 real and 20 fake ones are needed");
}

static void a_temperature_at_its_bound_is_a_refusal(void **state) {
  (void)state;
  const GateTask better = new_task(0.6, 0.8, 0.1), same = old_task(0, 0, 0);
  assert_refused(judge(better, same, CORED_TEMPERATURE_MAX), "temperature 20 is at its bound");
  assert_refused(judge(better, same, CORED_TEMPERATURE_MIN), "temperature 0.05 is at its bound");
  assert_refused(judge(better, same, (double)NAN), "at its bound");
}

static void a_name_does_not_forge_a_reason(void **state) {
  (void)state;
  GateTask task = new_task(0.8, 0.7, -0.2);
  task.name = "x\npublished\x1b[2K";
  const GateResult *result = judge(task, old_task(0, 0, 0), 1);
  assert_refused(result, "new task x\\x0apublished\\x1b[2K: AUC");
  assert_null(strchr(result->reasons, '\x1b'));
  assert_ptr_equal(strchr(result->reasons, '\n'), result->reasons + strlen(result->reasons) - 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_better_model_passes),
      cmocka_unit_test(the_new_task_beats_the_old_model_and_guessing),
      cmocka_unit_test(what_may_be_chance_says_how_many_would_tell),
      cmocka_unit_test(old_tasks_stay_within_the_tolerances),
      cmocka_unit_test(too_few_samples_are_a_refusal),
      cmocka_unit_test(a_name_does_not_forge_a_reason),
      cmocka_unit_test(a_temperature_at_its_bound_is_a_refusal),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
