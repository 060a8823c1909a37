/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"

enum { DRAWS = 200000 };

static void streams_depend_on_every_key(void **state) {
  (void)state;
  CoredRandom base = cored_random_init(2020, CORED_RANDOM_AUGMENT, 3, 4);
  CoredRandom same = cored_random_init(2020, CORED_RANDOM_AUGMENT, 3, 4);
  const uint64_t first = cored_random_u64(&base);
  assert_int_equal(first, cored_random_u64(&same));
  CoredRandom other[] = {cored_random_init(2021, CORED_RANDOM_AUGMENT, 3, 4),
                         cored_random_init(2020, CORED_RANDOM_CUTMIX, 3, 4),
                         cored_random_init(2020, CORED_RANDOM_AUGMENT, 4, 3),
                         cored_random_init(2020, CORED_RANDOM_AUGMENT, 3, 5)};
  for (int i = 0; i < 4; i++)
    assert_int_not_equal(first, cored_random_u64(&other[i]));
}

/* Six sigma of the mean of DRAWS values. */
static void assert_moments(const char *name, double mean, double square, double want_mean,
                           double want_variance) {
  const double variance = square - mean * mean;
  if (fabs(mean - want_mean) > 6.0 * sqrt(want_variance / DRAWS) ||
      fabs(variance / want_variance - 1.0) > 0.03)
    fail_msg("%s: mean %g (want %g), variance %g (want %g)", name, mean, want_mean, variance,
             want_variance);
}

static void moments(void **state) {
  (void)state;
  double sum[4] = {0}, square[4] = {0};
  CoredRandom random = cored_random_init(1, CORED_RANDOM_AUGMENT, 0, 0);
  for (int i = 0; i < DRAWS; i++) {
    const double x[4] = {cored_random_uniform(&random), cored_random_normal(&random),
                         cored_random_beta(&random, 0.5), cored_random_beta(&random, 1.0)};
    assert_true(x[0] >= 0.0 && x[0] < 1.0 && x[2] >= 0.0 && x[2] <= 1.0);
    for (int k = 0; k < 4; k++) {
      sum[k] += x[k] / DRAWS;
      square[k] += x[k] * x[k] / DRAWS;
    }
  }
  assert_moments("uniform", sum[0], square[0], 0.5, 1.0 / 12);
  assert_moments("normal", sum[1], square[1], 0.0, 1.0);
  assert_moments("beta(1/2)", sum[2], square[2], 0.5, 0.125); /* 1 / (4 (2a + 1)) */
  assert_moments("beta(1)", sum[3], square[3], 0.5, 1.0 / 12);
}

/* Every order of three equally often: chi-square with 5 degrees of freedom, p = 1e-6 at 35.9. */
static void shuffles_are_uniform(void **state) {
  (void)state;
  int count[6] = {0};
  CoredRandom random = cored_random_init(9, CORED_RANDOM_ORDER, 0, 0);
  for (int i = 0; i < 60000; i++) {
    uint32_t items[3] = {0, 1, 2};
    cored_random_shuffle(&random, items, 3);
    assert_int_equal(items[0] + items[1] + items[2], 3);
    count[items[0] * 2 + (items[1] > items[2])]++;
  }
  double chi = 0.0;
  for (int k = 0; k < 6; k++)
    chi += (count[k] - 10000.0) * (count[k] - 10000.0) / 10000.0;
  assert_true(chi < 35.9);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(streams_depend_on_every_key),
      cmocka_unit_test(moments),
      cmocka_unit_test(shuffles_are_uniform),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
