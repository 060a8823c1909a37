/* SPDX-License-Identifier: MIT
 * exp for loops that the compiler turns into vectors. */
#ifndef CORED_TRAIN_PASSES_EXP_H
#define CORED_TRAIN_PASSES_EXP_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* e^x within 2 ulp for -87 <= x <= 88, held at the ends outside; NaN stays NaN. Cody-Waite
 * reduction x = n ln 2 + r, |r| <= ln 2 / 2, then the polynomial of the Cephes library (Moshier),
 * then 2^n by the exponent field. */
static inline float exp_of_f32(float x) {
  const float low = x < -87.0f ? -87.0f : x, bounded = low > 88.0f ? 88.0f : low;
  const float scaled = bounded * 1.44269504088896341f;
  const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
  const float n = (scaled + magic) - magic;
  const float r = (bounded - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const float shifted = n + 12583039.0f; /* 1.5 * 2^23 + 127: the low bits are n + 127 */
  uint32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  bits <<= 23;
  float power;
  memcpy(&power, &bits, sizeof power);
  return p * power;
}

static inline double exp_of_f64(double x) {
  return exp(x);
}

#endif /* CORED_TRAIN_PASSES_EXP_H */
