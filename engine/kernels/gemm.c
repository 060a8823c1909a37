/* SPDX-License-Identifier: MIT
 * Matrix product in plain C, straight loops without tricks: the definition of what it computes, the
 * fallback on any machine and the reference of the tests. And the packing, which differs among
 * instruction sets in its shape alone. */
#include "kernels/gemm.h"

#include <string.h>

#define C_COLUMNS 8

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
      const float *const residual = cored_residual_at(&g->epilogue, row);
      float sum[C_COLUMNS];
      for (int j = 0; j < width; j++)
        sum[j] = g->epilogue.bias[col + j];
      multiply_row(g, g->a + y * g->a_line + x * g->a_pixel, g->b + (size_t)col * (size_t)g->k,
                   width, sum);
      for (int j = 0; j < width; j++)
        g->c[row * g->c_pixel + col + j] =
            cored_epilogue_c(&g->epilogue, residual, col + j, sum[j]);
    }
  }
}

void cored_gemm_set_c(CoredGemmKernels *gemm) {
  gemm->shape = (CoredGemmShape){.rows = 1, .columns = C_COLUMNS, .lanes = 1};
  gemm->run = gemm_f32_c;
}

/* ---- Packing -------------------------------------------------------------------------------- */

/* Width of the panel that starts at column `col`. */
static int panel_width(const CoredGemmShape *shape, int n, int col) {
  const int left = (n - col + shape->lanes - 1) / shape->lanes * shape->lanes;
  return left < shape->columns ? left : shape->columns;
}

size_t cored_gemm_padded(const CoredGemmShape *shape, int n) {
  return ((size_t)n + (size_t)shape->lanes - 1) / (size_t)shape->lanes * (size_t)shape->lanes;
}

size_t cored_gemm_packed_size(const CoredGemmShape *shape, int k, int n) {
  return cored_gemm_padded(shape, n) * (size_t)k;
}

void cored_gemm_pack(const CoredGemmShape *shape, const float *b, ptrdiff_t ldb, int k, int n,
                     float *packed) {
  for (int col = 0; col < n; col += shape->columns) {
    const int width = panel_width(shape, n, col);
    const int used = n - col < width ? n - col : width;
    for (int i = 0; i < k; i++, packed += width) {
      memcpy(packed, b + i * ldb + col, (size_t)used * sizeof *packed);
      memset(packed + used, 0, (size_t)(width - used) * sizeof *packed);
    }
  }
}
