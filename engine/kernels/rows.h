/* SPDX-License-Identifier: MIT
 * Kernels that go over rows of pixels, channel by channel: depthwise convolution, pooling and
 * elementwise operations. Their weights are not packed. */
#ifndef CORED_KERNELS_ROWS_H
#define CORED_KERNELS_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/epilogue.h"

/* ---- Depthwise convolution ------------------------------------------------------------------ */

/* out[y, x, c] = epilogue(sum over i, j of weight[i, j, c] * in(v)) with
 *   v      x[y * stride - pad_top + i * dilation, x * stride - pad_left + j * dilation, c], or 0
 *          outside; in(v) is max(v, 0) when relu_in, else v
 *   x      [h, w] pixels, row after row without gaps, x_pixel floats apart
 *   ring   lines that there are in memory, of which the last ones written are read: line y is where
 *          line y % ring would be; 0: all h
 *   weight [kernel * kernel][channels]
 *   zeros  [channels] zeros, read instead of pixels outside
 *   out    output row y at out + (y - out_row0) * out_w * out_pixel
 * Summation over i, then j, ascending, starting from bias. */
typedef struct CoredDepthwise {
  const float *x;
  int h, w, channels, ring;
  ptrdiff_t x_pixel;
  const float *weight, *zeros;
  int kernel, stride, dilation, pad_top, pad_left;
  bool relu_in;
  float *out;
  int out_row0, out_w;
  ptrdiff_t out_pixel;
  CoredEpilogue epilogue;
} CoredDepthwise;

/* ---- Pooling -------------------------------------------------------------------------------- */

/* out[y, x, c] = epilogue(max over taps inside the picture). Layout as in CoredDepthwise. Windows
 * lie at least partly inside. Exact for every variant (before the epilogue). */
typedef struct CoredMaxPool {
  const float *x;
  int h, w, channels, ring;
  int kernel, stride, pad_top, pad_left;
  float *out;
  int out_row0, out_w;
  CoredEpilogue epilogue;
} CoredMaxPool;

#define CORED_MAX_POOL_KERNEL 8
#define CORED_DEPTHWISE_KERNEL 7 /* largest kernel of a depthwise convolution */

/* Start of line y of a map of which `ring` lines are in memory, or all where it is 0. */
static inline const float *cored_ring_line(const float *x, int y, int ring, ptrdiff_t line) {
  return x + (ring > 0 ? y % ring : y) * line;
}

/* ---- The family ----------------------------------------------------------------------------- */

typedef struct CoredRowKernels {
  /* Output rows [y0, y1), channels [c0, c1). */
  void (*depthwise)(const CoredDepthwise *d, int y0, int y1, int c0, int c1);
  /* Output rows [y0, y1). */
  void (*max_pool)(const CoredMaxPool *p, int y0, int y1);
  /* y[p, c] = epilogue(x[p, c]) for pixels x channels; y may be x. */
  void (*pointwise)(const CoredEpilogue *e, const float *x, ptrdiff_t x_pixel, float *y,
                    ptrdiff_t y_pixel, int pixels, int channels);
  /* out[c] = factor * sum over p, ascending, of act(x[p, c]), c in [c0, c1). */
  void (*sum_pixels)(const float *x, ptrdiff_t x_pixel, int pixels, int c0, int c1,
                     CoredActivation act, float factor, float *out);
} CoredRowKernels;

/* Set what an instruction set is better at than those before it; cored_kernels_init() calls them in
 * this order. */
void cored_rows_set_c(CoredRowKernels *rows);
void cored_rows_set_avx2(CoredRowKernels *rows);
void cored_rows_set_avx512(CoredRowKernels *rows);
void cored_rows_set_wide_test(CoredRowKernels *rows); /* kernels.h */

#endif /* CORED_KERNELS_ROWS_H */
