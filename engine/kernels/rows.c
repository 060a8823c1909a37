/* SPDX-License-Identifier: MIT
 * Depthwise convolution, pooling and elementwise operations in plain C, straight loops without
 * tricks: the definition of what each computes, the fallback on any machine and the reference of
 * the tests. */
#include "kernels/rows.h"

#include <math.h>

static float depthwise_value(const CoredDepthwise *d, int y, int x, int c) {
  float sum = d->epilogue.bias ? d->epilogue.bias[c] : 0.0f;
  for (int i = 0; i < d->kernel; i++)
    for (int j = 0; j < d->kernel; j++) {
      const int iy = y * d->stride - d->pad_top + i * d->dilation;
      const int ix = x * d->stride - d->pad_left + j * d->dilation;
      if (iy < 0 || iy >= d->h || ix < 0 || ix >= d->w)
        continue;
      const float *const line = cored_ring_line(d->x, iy, d->ring, d->w * d->x_pixel);
      const float v = line[ix * d->x_pixel + c];
      sum += (d->relu_in && v < 0.0f ? 0.0f : v) * d->weight[(i * d->kernel + j) * d->channels + c];
    }
  return sum;
}

static void depthwise_f32_c(const CoredDepthwise *d, int y0, int y1, int c0, int c1) {
  for (int y = y0; y < y1; y++)
    for (int x = 0; x < d->out_w; x++) {
      const ptrdiff_t pixel = (ptrdiff_t)(y - d->out_row0) * d->out_w + x;
      for (int c = c0; c < c1; c++)
        d->out[pixel * d->out_pixel + c] = cored_epilogue_c(
            &d->epilogue, cored_residual_at(&d->epilogue, pixel), c, depthwise_value(d, y, x, c));
    }
}

static float max_value(const CoredMaxPool *p, int y, int x, int c) {
  float m = -INFINITY;
  for (int i = 0; i < p->kernel; i++)
    for (int j = 0; j < p->kernel; j++) {
      const int iy = y * p->stride - p->pad_top + i, ix = x * p->stride - p->pad_left + j;
      if (iy < 0 || iy >= p->h || ix < 0 || ix >= p->w)
        continue;
      const ptrdiff_t width = (ptrdiff_t)p->w * p->channels;
      const float v = cored_ring_line(p->x, iy, p->ring, width)[(ptrdiff_t)ix * p->channels + c];
      m = m > v ? m : v;
    }
  return m;
}

static void max_pool_f32_c(const CoredMaxPool *p, int y0, int y1) {
  for (int y = y0; y < y1; y++)
    for (int x = 0; x < p->out_w; x++) {
      const ptrdiff_t pixel = (ptrdiff_t)(y - p->out_row0) * p->out_w + x;
      for (int c = 0; c < p->channels; c++) {
        const float bias = p->epilogue.bias ? p->epilogue.bias[c] : 0.0f;
        p->out[pixel * p->channels + c] = cored_epilogue_c(
            &p->epilogue, cored_residual_at(&p->epilogue, pixel), c, max_value(p, y, x, c) + bias);
      }
    }
}

static void pointwise_f32_c(const CoredEpilogue *e, const float *x, ptrdiff_t x_pixel, float *y,
                            ptrdiff_t y_pixel, int pixels, int channels) {
  for (int p = 0; p < pixels; p++)
    for (int c = 0; c < channels; c++) {
      const float v = x[p * x_pixel + c] + (e->bias ? e->bias[c] : 0.0f);
      y[p * y_pixel + c] = cored_epilogue_c(e, cored_residual_at(e, p), c, v);
    }
}

static void sum_pixels_f32_c(const float *x, ptrdiff_t x_pixel, int pixels, int c0, int c1,
                             CoredActivation act, float factor, float *out) {
  for (int c = c0; c < c1; c++) {
    float sum = 0.0f;
    for (int p = 0; p < pixels; p++)
      sum += cored_activate_c(act, x[p * x_pixel + c]);
    out[c] = sum * factor;
  }
}

void cored_rows_set_c(CoredRowKernels *rows) {
  *rows = (CoredRowKernels){
      .depthwise = depthwise_f32_c,
      .max_pool = max_pool_f32_c,
      .pointwise = pointwise_f32_c,
      .sum_pixels = sum_pixels_f32_c,
  };
}
