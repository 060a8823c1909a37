/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "train/data/augment.h"

enum { W = 31, H = 22, FLOATS = W * H * 3 };

static const float half[3] = {0.5F, 0.5F, 0.5F};

static void fill(float *x) {
  for (int i = 0; i < FLOATS; i++)
    x[i] = (float)sin(0.013 * i * (1 + i % 3));
}

static CoredAugmenter *make(void) {
  CoredAugmenter *augmenter = cored_augmenter_new(W, H, half, half, NULL);
  assert_non_null(augmenter);
  return augmenter;
}

static void flipping_mirrors_and_undoes(void **state) {
  (void)state;
  float x[FLOATS], y[FLOATS];
  fill(x);
  memcpy(y, x, sizeof y);
  cored_augment_flip(y, W, H);
  for (int i = 0; i < FLOATS; i++)
    assert_true(y[i] == x[(i / (W * 3) * W + W - 1 - i / 3 % W) * 3 + i % 3]);
  cored_augment_flip(y, W, H);
  assert_memory_equal(x, y, sizeof x);
}

/* Against the two-dimensional sum in double. */
static void blur_is_gaussian(void **state) {
  (void)state;
  const double sigmas[] = {0.3, 1.0, 2.9};
  CoredAugmenter *augmenter = make();
  for (int s = 0; s < 3; s++) {
    float x[FLOATS], y[FLOATS];
    const double sigma = sigmas[s];
    const int radius = (int)ceil(3.0 * sigma);
    fill(x);
    memcpy(y, x, sizeof y);
    cored_augment_blur(augmenter, y, sigma);
    for (int i = 0; i < FLOATS; i += 7) {
      const int row = i / (W * 3), column = i / 3 % W;
      double sum = 0.0, weight = 0.0;
      for (int dy = -radius; dy <= radius; dy++)
        for (int dx = -radius; dx <= radius; dx++) {
          const int r = row + dy < 0 ? 0 : row + dy >= H ? H - 1 : row + dy;
          const int c = column + dx < 0 ? 0 : column + dx >= W ? W - 1 : column + dx;
          const double g = exp(-0.5 * (dx * dx + dy * dy) / (sigma * sigma));
          sum += g * (double)x[(r * W + c) * 3 + i % 3];
          weight += g;
        }
      if (fabs((double)y[i] - sum / weight) > 2e-6)
        fail_msg("sigma %g at %d: got %g, want %g", sigma, i, (double)y[i], sum / weight);
    }
  }
  float x[FLOATS], y[FLOATS];
  fill(x);
  memcpy(y, x, sizeof y);
  cored_augment_blur(augmenter, y, 0.0);
  assert_memory_equal(x, y, sizeof x);
  cored_augmenter_free(augmenter);
}

static double distance(const float *x, const float *y) {
  double sum = 0.0;
  for (int i = 0; i < FLOATS; i++)
    sum += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
  return sqrt(sum / FLOATS);
}

static void compression_costs_more_at_lower_quality(void **state) {
  (void)state;
  CoredAugmenter *augmenter = make();
  double before = 0.0;
  for (int quality = 100; quality >= 10; quality -= 30) {
    float x[FLOATS], y[FLOATS], z[FLOATS];
    fill(x);
    memcpy(y, x, sizeof y);
    memcpy(z, x, sizeof z);
    assert_true(cored_augment_jpeg(augmenter, y, quality));
    assert_true(cored_augment_jpeg(augmenter, z, quality));
    assert_memory_equal(y, z, sizeof y);
    assert_true(distance(x, y) > before);
    before = distance(x, y);
    for (int i = 0; i < FLOATS; i++) {
      const float level = (y[i] * 0.5F + 0.5F) * 255.0F;
      assert_true(fabsf(level - rintf(level)) < 1e-3F && level > -0.1F && level < 255.1F);
    }
  }
  if (!(before > 0.05 && before < 0.6))
    fail_msg("quality 10 moves the picture by %g", before);
  cored_augmenter_free(augmenter);
}

/* Box area over picture area, without the clipped part, is 1 - lambda: its mean is 1/2 and its
 * quarters are those of the beta distribution. Centres reach every pixel. */
static void cut_boxes_follow_beta(void **state) {
  (void)state;
  enum { SIDE = 1000, DRAWS = 20000 };
  CoredRandom random = cored_random_init(4, CORED_RANDOM_CUTMIX, 0, 0);
  int below = 0, inside = 0, left = 0;
  for (int i = 0; i < DRAWS; i++) {
    const CoredCutBox box = cored_augment_cut_box(&random, SIDE, SIDE, 0.5);
    assert_true(box.x0 >= 0 && box.y0 >= 0 && box.x1 <= SIDE && box.y1 <= SIDE);
    assert_true(box.x0 <= box.x1 && box.y0 <= box.y1);
    if (box.x0 == 0 || box.y0 == 0 || box.x1 == SIDE || box.y1 == SIDE)
      continue;
    inside++;
    assert_in_range(abs((box.x1 - box.x0) - (box.y1 - box.y0)), 0, 0);
    below += box.x1 - box.x0 < SIDE / 4;
    left += box.x0 + box.x1 < SIDE;
  }
  /* A box of side s lies inside with probability about (1 - s)^2; with s^2 ~ Beta(1/2, 1/2), whose
   * density in s is 2 / (pi sqrt(1 - s^2)):  P(inside) = 2/pi int (1-s)^2/sqrt(1-s^2) ds
   * = 2/pi (3 pi/4 - 2) = 0.2268, and with s < 1/4 it is
   * 2/pi [3/2 asin s + 2 sqrt(1-s^2) - s sqrt(1-s^2) / 2] from 0 to 1/4 = 0.1241. */
  assert_true(fabs((double)inside / DRAWS - 0.2268) < 0.015);
  assert_true(fabs((double)below / DRAWS - 0.1241) < 0.015);
  assert_true(fabs((double)left / inside - 0.5) < 0.04);
}

static void rates_are_kept_and_streams_are_stable(void **state) {
  (void)state;
  enum { DRAWS = 4000 };
  CoredAugmenter *augmenter = make();
  CoredAugmentParams params = cored_augment_params_default(true);
  int flips = 0;
  for (uint64_t i = 0; i < DRAWS; i++) {
    float x[FLOATS], y[FLOATS];
    CoredRandom random = cored_random_init(1, CORED_RANDOM_AUGMENT, 0, i);
    fill(x);
    memcpy(y, x, sizeof y);
    params.blur = params.jpeg = 0.0;
    assert_true(cored_augment_sample(augmenter, &params, &random, y));
    const bool flipped = memcmp(x, y, sizeof x) != 0;
    flips += flipped;
    if (i >= 40)
      continue;
    /* Blur drawn next does not move the flip. */
    params.blur = 1.0;
    params.blur_sigma = 1e-6;
    random = cored_random_init(1, CORED_RANDOM_AUGMENT, 0, i);
    assert_true(cored_augment_sample(augmenter, &params, &random, x));
    assert_true((distance(x, y) < 1e-6));
  }
  assert_true(abs(flips - DRAWS / 2) < 200);
  cored_augmenter_free(augmenter);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(flipping_mirrors_and_undoes),
      cmocka_unit_test(blur_is_gaussian),
      cmocka_unit_test(compression_costs_more_at_lower_quality),
      cmocka_unit_test(cut_boxes_follow_beta),
      cmocka_unit_test(rates_are_kept_and_streams_are_stable),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
