/* SPDX-License-Identifier: MIT
 * Sharpness: of waves against the formula, whatever size, contrast and pixel format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cored.h"

#include <math.h>
#include <string.h>

enum { SIDE = 256 };

static uint8_t plane[SIDE * SIDE * 4];

static CoredImage gray(void) {
  return (CoredImage){.format = CORED_PIXEL_GRAY8,
                      .width = SIDE,
                      .height = SIDE,
                      .plane = {plane},
                      .stride = {SIDE}};
}

static void paint_wave(double period, double amplitude) {
  const double pi = 3.14159265358979323846;
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      plane[y * SIDE + x] = (uint8_t)lrint(128 + amplitude * sin(2 * pi * x / period));
}

/* A wave of `period` cells along x has L = (2 - 2 cos(2 pi / period)) Y. */
static double of_wave(double period, double amplitude) {
  const double pi = 3.14159265358979323846, power = amplitude * amplitude / 2;
  const double r = (2 - 2 * cos(2 * pi / period)) * sqrt(power / (power + 4));
  return fmin(1, r / 0.3);
}

static void waves_follow_the_formula(void **state) {
  (void)state;
  const CoredImage image = gray();
  const CoredBox box = {0, 0, 64, 64};
  for (double period = 4; period <= 16; period *= 2)
    for (double amplitude = 50; amplitude <= 120; amplitude += 50) {
      paint_wave(period, amplitude);
      const double wanted = of_wave(period, amplitude), found = cored_sharpness(&image, &box);
      if (fabs(found - wanted) > 0.03 + 0.1 * wanted) /* luma is rounded */
        fail_msg("period %g, amplitude %g: %g, not %g", period, amplitude, found, wanted);
    }
}

/* Four times the size is the same picture, so the same sharpness. */
static void size_does_not_count(void **state) {
  (void)state;
  const CoredImage image = gray();
  const CoredBox small = {10, 20, 64, 64}, large = {0, 0, 256, 256};
  paint_wave(16, 100);
  const double of_small = cored_sharpness(&image, &small);
  paint_wave(64, 100);
  assert_true(fabs(cored_sharpness(&image, &large) - of_small) < 0.02);
  assert_true(of_small > 0.4 && of_small < 0.6);
}

static void what_has_no_detail_has_none(void **state) {
  (void)state;
  const CoredImage image = gray();
  const CoredBox whole = {0, 0, SIDE, SIDE}, thin = {0, 0, 2, 200}, outside = {300, 0, 50, 50},
                 partly = {-20, -20, 60, 60};
  memset(plane, 90, sizeof plane);
  assert_true(cored_sharpness(&image, &whole) == 0);
  for (int i = 0; i < SIDE * SIDE; i++) /* one level of noise on a flat picture */
    plane[i] = (uint8_t)(90 + (i * 2654435761u >> 16) % 2);
  assert_true(cored_sharpness(&image, &whole) < 0.4);
  paint_wave(4, 100);
  assert_true(cored_sharpness(&image, &thin) == 0);
  assert_true(cored_sharpness(&image, &outside) == 0);
  assert_true(cored_sharpness(&image, &partly) == 1);
}

/* The same luma in every layout that stores it as it is. */
static void formats_agree(void **state) {
  (void)state;
  static const struct {
    CoredPixelFormat format;
    int step, offset, bytes, shift;
  } layouts[] = {{CORED_PIXEL_I420, 1, 0, 1, 0},      {CORED_PIXEL_NV12, 1, 0, 1, 0},
                 {CORED_PIXEL_YUY2, 2, 0, 1, 0},      {CORED_PIXEL_UYVY, 2, 1, 1, 0},
                 {CORED_PIXEL_I420_10LE, 2, 0, 2, 2}, {CORED_PIXEL_P010_10LE, 2, 0, 2, 8},
                 {CORED_PIXEL_RGB, 3, 0, 3, 0},       {CORED_PIXEL_XRGB, 4, 1, 3, 0}};
  static uint8_t luma[SIDE * SIDE];
  const CoredBox box = {7, 5, 150, 90};
  const CoredImage first = gray();
  paint_wave(11, 60);
  memcpy(luma, plane, sizeof luma);
  const double wanted = cored_sharpness(&first, &box);
  for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
    CoredImage image = gray();
    image.format = layouts[i].format;
    image.stride[0] = SIDE * layouts[i].step;
    for (int p = 0; p < SIDE * SIDE; p++) {
      uint8_t *const at = plane + p * layouts[i].step + layouts[i].offset;
      const unsigned value = (unsigned)luma[p] << layouts[i].shift;
      at[0] = layouts[i].bytes == 2 ? (uint8_t)value : luma[p];
      if (layouts[i].bytes == 2)
        at[1] = (uint8_t)(value >> 8);
      if (layouts[i].bytes == 3) /* grey: luma is any component */
        at[1] = at[2] = luma[p];
    }
    assert_true(fabs(cored_sharpness(&image, &box) - wanted) < 1e-12);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(waves_follow_the_formula),
      cmocka_unit_test(size_does_not_count),
      cmocka_unit_test(what_has_no_detail_has_none),
      cmocka_unit_test(formats_agree),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
