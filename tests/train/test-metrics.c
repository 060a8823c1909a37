/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "train/core/metrics.h"

static void assert_near(double got, double want, double within) {
  if (!(fabs(got - want) <= within))
    fail_msg("got %.17g, want %.17g within %g", got, want, within);
}

static void ties_count_one_half(void **state) {
  (void)state;
  const double scores[] = {0.9, 0.5, 0.5, 0.1};
  const uint8_t positive[] = {1, 1, 0, 0};
  CoredRocPoint *points;
  size_t n;
  assert_true(cored_metrics_roc(scores, positive, 4, &points, &n, NULL));
  assert_int_equal(n, 4);
  assert_true(isinf(points[0].threshold));
  assert_near(cored_roc_auc(points, n), 0.875, 1e-15);
  assert_near(cored_roc_eer(points, n), 0.25, 1e-15);
  free(points);
}

static void empty_data_give_nan(void **state) {
  (void)state;
  CoredMetrics m;
  CoredPredictions none = {.n_classes = 2, .real_class = 1};
  assert_true(cored_metrics_compute(&m, &none, 1.0, 0.5, 10, 1, NULL));
  assert_true(isnan(m.auc) && isnan(m.accuracy) && isnan(m.eer) && isnan(m.ap) && isnan(m.ece));
  assert_true(isnan(m.auc_low) && isnan(m.log_loss) && isnan(m.brier));
  cored_metrics_clear(&m);
  assert_near(cored_metrics_fit_temperature(&none, NULL), 1.0, 0.0);
}

/* Twelve copies of each of two samples are still two groups: the interval stays as wide as that of
 * the two, whatever the number of files. */
static void copies_do_not_narrow_the_interval(void **state) {
  (void)state;
  enum { COPIES = 12, GROUPS = 20, N = COPIES * GROUPS };
  double scores[N], low, high, one_low, one_high;
  uint8_t positive[N];
  uint32_t groups[N];
  for (uint32_t i = 0; i < N; i++) {
    groups[i] = 1000 + (i % GROUPS) * 7;
    positive[i] = i % 2;
    scores[i] = (double)((i % GROUPS) * 7919 % 101) / 101.0 + (i % 2 ? 0.1 : 0.0);
  }
  assert_true(cored_metrics_auc_interval(scores, positive, groups, N, 500, 3, &low, &high, NULL));
  assert_true(cored_metrics_auc_interval(scores, positive, groups, GROUPS, 500, 3, &one_low,
                                         &one_high, NULL));
  assert_near(low, one_low, 1e-12);
  assert_near(high, one_high, 1e-12);
  assert_true(high - low > 0.2);
  assert_true(
      cored_metrics_auc_interval(scores, positive, NULL, N, 500, 3, &one_low, &one_high, NULL));
  assert_true(one_high - one_low < 0.6 * (high - low));
}

static void videos_are_means_of_their_frames(void **state) {
  (void)state;
  const float z[] = {2, 0, 4, 2, 0, 1, -1, 5, 0, 3};
  const uint32_t labels[] = {0, 0, 1, 1, 0}, groups[] = {7, 7, 9, 9, 9};
  const CoredPredictions p = {5, 2, 1, z, labels, groups};
  float *logits;
  uint32_t *means;
  size_t n;
  assert_true(cored_metrics_aggregate(&p, &logits, &means, &n, NULL));
  assert_int_equal(n, 3); /* group 9 holds both classes */
  assert_near((double)logits[0], 3, 0);
  assert_near((double)logits[1], 1, 0);
  assert_int_equal(means[0], 0);
  assert_near((double)logits[2], 0, 0);
  assert_near((double)logits[3], 3, 0);
  assert_int_equal(means[1], 0);
  assert_near((double)logits[4], -0.5, 0);
  assert_near((double)logits[5], 3, 0);
  assert_int_equal(means[2], 1);
  free(logits);
  free(means);
}

static void threshold_is_in_the_middle_of_the_gap(void **state) {
  (void)state;
  const float z[] = {logf(0.8F / 0.2F), 0, logf(0.7F / 0.3F), 0,
                     logf(0.5F / 0.5F), 0, logf(0.1F / 0.9F), 0};
  const uint32_t labels[] = {0, 0, 1, 1};
  const CoredPredictions p = {4, 2, 1, z, labels, NULL};
  double threshold;
  assert_true(cored_metrics_fit_threshold(&p, 1.0, &threshold, NULL));
  assert_near(threshold, 0.6, 1e-6);
  const uint32_t all_real[] = {1, 1, 1, 1};
  const CoredPredictions q = {4, 2, 1, z, all_real, NULL};
  assert_true(cored_metrics_fit_threshold(&q, 1.0, &threshold, NULL));
  assert_near(threshold, 0.5, 0.0);
}

/* Slope of the objective in log T at z = 2 for four samples of two classes, one of them wrong or
 * not: 0 at the minimum. */
static double objective_slope(double temperature, int n_wrong) {
  const double x = 2.0 / temperature, p = 1.0 / (1.0 + exp(-x));
  return x * ((4 - n_wrong) * (1.0 - p) - n_wrong * p) + log(temperature);
}

static void temperature_is_bounded_and_exact(void **state) {
  (void)state;
  const float z[] = {2, 0, 2, 0, 2, 0, 2, 0};
  const uint32_t labels[] = {0, 0, 0, 1};
  const CoredPredictions p = {4, 2, 1, z, labels, NULL};
  bool told = false;
  /* Three of four right: the likelihood alone has 2/T = log 3, T 1.82; the prior draws towards 1.
   */
  const double fit = cored_metrics_fit_temperature(&p, &told);
  assert_true(told && fit > 1.0 && fit < 2.0 / log(3.0));
  assert_near(objective_slope(fit, 1), 0.0, 1e-9);
  /* A thousand times the same evidence: next to nothing is left of the prior. */
  enum { MANY = 4000 };
  float *many = malloc(2 * MANY * sizeof *many);
  uint32_t *many_labels = malloc(MANY * sizeof *many_labels);
  for (int i = 0; i < MANY; i++) {
    memcpy(many + 2 * i, z, 2 * sizeof *z);
    many_labels[i] = labels[i % 4];
  }
  const CoredPredictions all = {MANY, 2, 1, many, many_labels, NULL};
  assert_near(cored_metrics_fit_temperature(&all, &told), 2.0 / log(3.0), 3e-3);
  assert_true(told);
  free(many);
  free(many_labels);
}

static void temperature_of_separable_samples_stays_off_its_bound(void **state) {
  (void)state;
  const float z[] = {2, 0, 2, 0, 2, 0, 2, 0};
  const uint32_t right[] = {0, 0, 0, 0}, wrong[] = {1, 1, 1, 1};
  const CoredPredictions q = {4, 2, 1, z, right, NULL}, r = {4, 2, 1, z, wrong, NULL};
  bool told = true;
  double fit = cored_metrics_fit_temperature(&q, &told);
  assert_false(told);
  assert_true(fit > 0.5 && fit < 1.0);
  assert_near(objective_slope(fit, 0), 0.0, 1e-9);
  told = true;
  fit = cored_metrics_fit_temperature(&r, &told);
  assert_false(told);
  assert_true(fit > 1.0 && fit < 10.0);
  assert_near(objective_slope(fit, 4), 0.0, 1e-9);
}

static void gains_are_judged_in_pairs(void **state) {
  (void)state;
  enum { N = 60 };
  double old[N], now[N];
  uint8_t positive[N];
  uint32_t groups[N], one_group_each_class[N];
  for (int i = 0; i < N; i++) {
    positive[i] = i % 2;
    old[i] = 0.25 * positive[i] + 0.01 * ((i * 37) % N); /* overlaps */
    now[i] = old[i] + (i % 8 == 5 ? 0.03 : 0);           /* some fakes a little higher */
    groups[i] = (uint32_t)i;
    one_group_each_class[i] = positive[i];
  }
  CoredAucGain gain, guess, few;
  assert_true(cored_metrics_auc_gain(now, old, positive, groups, N, 500, 1, 0.95, &gain, NULL));
  assert_true(gain.gain > 0 && gain.gain < 0.02);
  assert_true(gain.low >= 0 && gain.low <= gain.gain && gain.high >= gain.gain);
  assert_true(cored_metrics_auc_gain(now, NULL, positive, groups, N, 500, 1, 0.95, &guess, NULL));
  assert_true(guess.low > 0.2 && guess.high <= 0.5);
  /* A score that is no number has no place in a ranking, but does not hold it up. */
  double broken[N];
  memcpy(broken, now, sizeof broken);
  broken[7] = (double)NAN;
  assert_true(cored_metrics_auc_gain(broken, old, positive, groups, N, 20, 1, 0.95, &few, NULL));
  /* In pairs the interval is far narrower than that of either AUC. */
  assert_true(gain.high - gain.low < 0.5 * (guess.high - guess.low));
  assert_true(cored_metrics_auc_gain(now, now, positive, groups, N, 500, 1, 0.95, &gain, NULL));
  assert_near(gain.gain, 0, 0);
  assert_near(gain.low, 0, 0);
  assert_near(gain.high, 0, 0);
  assert_true(cored_metrics_auc_gain(now, old, positive, one_group_each_class, N, 500, 1, 0.95,
                                     &few, NULL));
  assert_near(few.high - few.low, 0, 1e-12); /* every draw with both groups is the same */
  memset(positive, 1, sizeof positive);
  assert_true(cored_metrics_auc_gain(now, old, positive, groups, N, 50, 1, 0.95, &few, NULL));
  assert_true(isnan(few.gain) && isnan(few.low));
}

static void continual_figures(void **state) {
  (void)state;
  const double a[] = {0.9, 0.5, (double)NAN, /**/ 0.8, 0.95, 0.6, /**/ 0.7, 0.85, 0.9};
  CoredContinual c = cored_metrics_continual(a, 3, 0);
  assert_near(c.average, 0.9, 1e-12);
  assert_true(isnan(c.forgetting) && isnan(c.backward));
  c = cored_metrics_continual(a, 3, 2);
  assert_near(c.average, (0.7 + 0.85 + 0.9) / 3, 1e-12);
  assert_near(c.forgetting, ((0.9 - 0.7) + (0.95 - 0.85)) / 2, 1e-12);
  assert_near(c.backward, ((0.7 - 0.9) + (0.85 - 0.95)) / 2, 1e-12);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ties_count_one_half),
      cmocka_unit_test(empty_data_give_nan),
      cmocka_unit_test(copies_do_not_narrow_the_interval),
      cmocka_unit_test(videos_are_means_of_their_frames),
      cmocka_unit_test(threshold_is_in_the_middle_of_the_gap),
      cmocka_unit_test(temperature_is_bounded_and_exact),
      cmocka_unit_test(temperature_of_separable_samples_stays_off_its_bound),
      cmocka_unit_test(gains_are_judged_in_pairs),
      cmocka_unit_test(continual_figures),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
