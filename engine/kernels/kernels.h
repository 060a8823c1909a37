/* SPDX-License-Identifier: MIT
 * The arithmetic of inference behind one table of function pointers.
 *
 * Every row has a plain C twin (kernels-c.c) and one vector version written over vec.h and compiled
 * once per instruction set (kernels-simd.c). cored_kernels() picks a table by CPU flags; nothing
 * here allocates, locks, prints or knows of networks. All data are float32, activations are
 * [pixel][channel] with a free pixel stride; no pointer needs more alignment than a float.
 *
 * Every output element is computed by one fixed chain of operations that depends neither on the
 * range of rows and columns asked for nor on its neighbours, so a result does not depend on how
 * work is split among threads or images.
 */
#ifndef CORED_KERNELS_KERNELS_H
#define CORED_KERNELS_KERNELS_H

#include <stdbool.h>
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

/* ---- Matrix product ------------------------------------------------------------------------- */

/* A stretch of the summation index: `length` consecutive floats at `offset` from the row's start.
 * A 1x1 convolution is one stretch (cut for the cache); a kh x kw convolution over [pixel][channel]
 * is kh stretches of kw * channels floats, or kh * kw of `channels` when dilated. */
typedef struct CoredGemmChunk {
  ptrdiff_t offset;
  int length;
} CoredGemmChunk;

/* c[r, j] = epilogue(sum over k of a[r, k] * b[k, j]), r an output pixel, j an output channel.
 *   a       row r = y * line + x starts at a + y * a_line + x * a_pixel
 *   chunks  n_chunks stretches, together k floats; block s covers chunks
 *           [blocks[s], blocks[s + 1]); a block is summed in registers, partial sums between blocks
 *           are kept in c
 *   b       packed by cored_gemm_pack() for this table
 *   c       row r at c + r * c_pixel; must not overlap a, b or residual
 *   bias    epilogue.bias holds cored_gemm_padded(n) floats and is never NULL here
 * Order of summation: bias, residual, then k ascending, one fused multiply-add each (the C twin
 * rounds twice). */
typedef struct CoredGemm {
  const float *a;
  ptrdiff_t a_pixel, a_line;
  int line;
  const CoredGemmChunk *chunks;
  const int *blocks;
  int n_blocks;
  int k, n;
  const float *b;
  float *c;
  ptrdiff_t c_pixel;
  CoredEpilogue epilogue;
} CoredGemm;

/* Geometry of the packed matrix: panels of `columns` output channels, the last one cut to a
 * multiple of `lanes`; within a panel [k][width]. `rows` pixels are computed at a time. */
typedef struct CoredGemmShape {
  int rows, columns, lanes;
} CoredGemmShape;

/* ---- Depthwise convolution ------------------------------------------------------------------ */

/* out[y, x, c] = epilogue(sum over i, j of weight[i, j, c] * in(v)) with
 *   v      x[y * stride - pad_top + i * dilation, x * stride - pad_left + j * dilation, c], or 0
 *          outside; in(v) is max(v, 0) when relu_in, else v
 *   x      [h, w] pixels, row after row without gaps, x_pixel floats apart
 *   weight [kernel * kernel][channels]
 *   zeros  [channels] zeros, read instead of pixels outside
 *   out    output row y at out + (y - out_row0) * out_w * out_pixel
 * Summation over i, then j, ascending, starting from bias. */
typedef struct CoredDepthwise {
  const float *x;
  int h, w, channels;
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
  int h, w, channels;
  int kernel, stride, pad_top, pad_left;
  float *out;
  int out_w;
  CoredEpilogue epilogue;
} CoredMaxPool;

#define CORED_MAX_POOL_KERNEL 8
#define CORED_DEPTHWISE_KERNEL 7 /* largest kernel of a depthwise convolution */

/* ---- The table ------------------------------------------------------------------------------ */

typedef struct CoredKernels {
  const char *isa; /* "c", "avx2", "avx512" */
  CoredGemmShape gemm_shape;
  /* Rows [row0, row1), columns [col0, col1) of g; col0 is a multiple of gemm_shape.columns, col1
   * too or g->n. */
  void (*gemm)(const CoredGemm *g, int row0, int row1, int col0, int col1);
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
} CoredKernels;

/* The best table for CoredCpu flags that this build has. Thread-safe. */
const CoredKernels *cored_kernels(unsigned cpu);
/* Every table in the build, from plain C on, and the flags it needs; NULL past the end. The
 * "wide-test" table is the AVX-512 source on two AVX2 registers per vector: cored_kernels() never
 * returns it, tests run it on machines without AVX-512. */
const CoredKernels *cored_kernels_at(int index, unsigned *cpu);

extern const CoredKernels cored_kernels_c;
#ifdef CORED_HAVE_AVX2
extern const CoredKernels cored_kernels_avx2;
extern const CoredKernels cored_kernels_wide_test;
#endif
#ifdef CORED_HAVE_AVX512
extern const CoredKernels cored_kernels_avx512;
#endif

/* Floats of an n-vector read by whole vectors of the last panel. */
size_t cored_gemm_padded(const CoredGemmShape *shape, int n);
/* Floats of a packed k x n matrix. */
size_t cored_gemm_packed_size(const CoredGemmShape *shape, int k, int n);
/* Pack row-major b[k][n] (row stride ldb); columns beyond n become zero. */
void cored_gemm_pack(const CoredGemmShape *shape, const float *b, ptrdiff_t ldb, int k, int n,
                     float *packed);

#endif /* CORED_KERNELS_KERNELS_H */
