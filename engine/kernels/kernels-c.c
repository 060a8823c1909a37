/* SPDX-License-Identifier: MIT
 * Plain C twins of the kernels: the definition of what each row of the table computes, the fallback
 * on any machine and the reference of the tests. Straight loops, no tricks. */
#include "kernels/kernels.h"

#include <math.h>

#define C_COLUMNS 8

static float act_value(CoredActivation act, float x) {
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
static float finish(const CoredEpilogue *e, const float *residual, int c, float x) {
  if (residual)
    x += residual[c];
  x = act_value(e->act, x);
  return e->scale ? x * e->scale[c] + e->shift[c] : x;
}

static const float *residual_at(const CoredEpilogue *e, ptrdiff_t pixel) {
  return e->residual ? e->residual + pixel * e->residual_pixel : NULL;
}

/* One row times one panel: out[j] = sum over k of row[k] * b[k, j], `width` columns. */
static void multiply_row(const CoredGemm *g, const float *row, const float *b, int width,
                         float *sum) {
  for (int s = 0; s < g->blocks[g->n_blocks]; s++) {
    const float *const a = row + g->chunks[s].offset;
    for (int k = 0; k < g->chunks[s].length; k++, b += width)
      for (int j = 0; j < width; j++)
        sum[j] += a[k] * b[j];
  }
}

static void gemm_f32_c(const CoredGemm *g, int row0, int row1, int col0, int col1) {
  for (int col = col0; col < col1; col += C_COLUMNS) {
    const int width = g->n - col < C_COLUMNS ? g->n - col : C_COLUMNS;
    for (int row = row0; row < row1; row++) {
      const int y = row / g->line, x = row % g->line;
      const float *const residual = residual_at(&g->epilogue, row);
      float sum[C_COLUMNS];
      for (int j = 0; j < width; j++)
        sum[j] = g->epilogue.bias[col + j];
      multiply_row(g, g->a + y * g->a_line + x * g->a_pixel, g->b + (size_t)col * (size_t)g->k,
                   width, sum);
      for (int j = 0; j < width; j++)
        g->c[row * g->c_pixel + col + j] = finish(&g->epilogue, residual, col + j, sum[j]);
    }
  }
}

static float depthwise_value(const CoredDepthwise *d, int y, int x, int c) {
  float sum = d->epilogue.bias ? d->epilogue.bias[c] : 0.0f;
  for (int i = 0; i < d->kernel; i++)
    for (int j = 0; j < d->kernel; j++) {
      const int iy = y * d->stride - d->pad_top + i * d->dilation;
      const int ix = x * d->stride - d->pad_left + j * d->dilation;
      if (iy < 0 || iy >= d->h || ix < 0 || ix >= d->w)
        continue;
      const float v = d->x[((ptrdiff_t)iy * d->w + ix) * d->x_pixel + c];
      sum += (d->relu_in && v < 0.0f ? 0.0f : v) * d->weight[(i * d->kernel + j) * d->channels + c];
    }
  return sum;
}

static void depthwise_f32_c(const CoredDepthwise *d, int y0, int y1, int c0, int c1) {
  for (int y = y0; y < y1; y++)
    for (int x = 0; x < d->out_w; x++) {
      const ptrdiff_t pixel = (ptrdiff_t)(y - d->out_row0) * d->out_w + x;
      for (int c = c0; c < c1; c++)
        d->out[pixel * d->out_pixel + c] =
            finish(&d->epilogue, residual_at(&d->epilogue, pixel), c, depthwise_value(d, y, x, c));
    }
}

static float max_value(const CoredMaxPool *p, int y, int x, int c) {
  float m = -INFINITY;
  for (int i = 0; i < p->kernel; i++)
    for (int j = 0; j < p->kernel; j++) {
      const int iy = y * p->stride - p->pad_top + i, ix = x * p->stride - p->pad_left + j;
      if (iy < 0 || iy >= p->h || ix < 0 || ix >= p->w)
        continue;
      const float v = p->x[((ptrdiff_t)iy * p->w + ix) * p->channels + c];
      m = m > v ? m : v;
    }
  return m;
}

static void max_pool_f32_c(const CoredMaxPool *p, int y0, int y1) {
  for (int y = y0; y < y1; y++)
    for (int x = 0; x < p->out_w; x++) {
      const ptrdiff_t pixel = (ptrdiff_t)y * p->out_w + x;
      for (int c = 0; c < p->channels; c++) {
        const float bias = p->epilogue.bias ? p->epilogue.bias[c] : 0.0f;
        p->out[pixel * p->channels + c] =
            finish(&p->epilogue, residual_at(&p->epilogue, pixel), c, max_value(p, y, x, c) + bias);
      }
    }
}

static void pointwise_f32_c(const CoredEpilogue *e, const float *x, ptrdiff_t x_pixel, float *y,
                            ptrdiff_t y_pixel, int pixels, int channels) {
  for (int p = 0; p < pixels; p++)
    for (int c = 0; c < channels; c++) {
      const float v = x[p * x_pixel + c] + (e->bias ? e->bias[c] : 0.0f);
      y[p * y_pixel + c] = finish(e, residual_at(e, p), c, v);
    }
}

static void sum_pixels_f32_c(const float *x, ptrdiff_t x_pixel, int pixels, int c0, int c1,
                             CoredActivation act, float factor, float *out) {
  for (int c = c0; c < c1; c++) {
    float sum = 0.0f;
    for (int p = 0; p < pixels; p++)
      sum += act_value(act, x[p * x_pixel + c]);
    out[c] = sum * factor;
  }
}

const CoredKernels cored_kernels_c = {
    .isa = "c",
    .gemm_shape = {.rows = 1, .columns = C_COLUMNS, .lanes = 1},
    .gemm = gemm_f32_c,
    .depthwise = depthwise_f32_c,
    .max_pool = max_pool_f32_c,
    .pointwise = pointwise_f32_c,
    .sum_pixels = sum_pixels_f32_c,
};
