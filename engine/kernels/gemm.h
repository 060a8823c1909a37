/* SPDX-License-Identifier: MIT
 * Matrix product on packed weights, which is every convolution but the depthwise ones, and every
 * fully connected layer. */
#ifndef CORED_KERNELS_GEMM_H
#define CORED_KERNELS_GEMM_H

#include <stddef.h>

#include "kernels/epilogue.h"

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
 *   b       packed by cored_gemm_pack() for these kernels
 *   c       row r at c + r * c_pixel; must not overlap a, b or residual
 *   bias    epilogue.bias holds cored_gemm_padded(n) floats and is never NULL here
 * Order of summation: bias, residual, then k ascending, one fused multiply-add each (plain C
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

/* Rows [row0, row1), columns [col0, col1) of g; col0 is a multiple of the shape's columns, col1 too
 * or g->n. */
typedef void CoredGemmFn(const CoredGemm *g, int row0, int row1, int col0, int col1);

typedef struct CoredGemmKernels {
  CoredGemmShape shape;
  CoredGemmFn *run;
} CoredGemmKernels;

/* Set what an instruction set is better at than those before it; cored_kernels_init() calls them in
 * this order. */
void cored_gemm_set_c(CoredGemmKernels *gemm);
void cored_gemm_set_avx2(CoredGemmKernels *gemm);
void cored_gemm_set_avx512(CoredGemmKernels *gemm);
void cored_gemm_set_wide_test(CoredGemmKernels *gemm); /* kernels.h */

/* Floats of an n-vector read by whole vectors of the last panel. */
size_t cored_gemm_padded(const CoredGemmShape *shape, int n);
/* Floats of a packed k x n matrix. */
size_t cored_gemm_packed_size(const CoredGemmShape *shape, int k, int n);
/* Pack row-major b[k][n] (row stride ldb); columns beyond n become zero. */
void cored_gemm_pack(const CoredGemmShape *shape, const float *b, ptrdiff_t ldb, int k, int n,
                     float *packed);

#endif /* CORED_KERNELS_GEMM_H */
