/* SPDX-License-Identifier: MIT
 * What kernels of every family do to a value on its way out, and its plain C. */
#ifndef CORED_KERNELS_EPILOGUE_H
#define CORED_KERNELS_EPILOGUE_H

#include <math.h>
#include <stddef.h>

#include "kernels/activation.h"

/* What happens to a value x of channel c at pixel p on its way out, in this order:
 *   y[p, c] = scale[c] * act(x + bias[c] + residual[p, c]) + shift[c]
 * A NULL pointer leaves its term out; scale and shift are given together or not at all. */
typedef struct CoredEpilogue {
  const float *bias;
  const float *residual;
  ptrdiff_t residual_pixel; /* floats from pixel to pixel */
  CoredActivation act;
  const float *scale, *shift;
} CoredEpilogue;

static inline float cored_activate_c(CoredActivation act, float x) {
  switch (act.kind) {
  case CORED_ACT_NONE:
    return x;
  case CORED_ACT_CLAMP:
    return x < act.low ? act.low : x > act.high ? act.high : x;
  case CORED_ACT_LEAKY_RELU:
    return x < 0.0f ? act.slope * x : x;
  case CORED_ACT_SWISH:
    return x / (1.0f + expf(-x));
  case CORED_ACT_SIGMOID:
    return 1.0f / (1.0f + expf(-x));
  }
  return x;
}

/* The epilogue of channel c, the bias already added. residual points at the pixel or is NULL. */
static inline float cored_epilogue_c(const CoredEpilogue *e, const float *residual, int c,
                                     float x) {
  if (residual)
    x += residual[c];
  x = cored_activate_c(e->act, x);
  return e->scale ? x * e->scale[c] + e->shift[c] : x;
}

/* Of the epilogue; NULL where it has none. */
static inline const float *cored_residual_at(const CoredEpilogue *e, ptrdiff_t pixel) {
  return e->residual ? e->residual + pixel * e->residual_pixel : NULL;
}

#endif /* CORED_KERNELS_EPILOGUE_H */
