/* SPDX-License-Identifier: MIT
 * Choice of a kernel table, and the packing of weights that all tables share. */
#include "kernels/kernels.h"

#include <string.h>

#include "cored.h"

typedef struct KernelRow {
  const CoredKernels *kernels;
  unsigned cpu;
  bool test_only;
} KernelRow;

/* From the plainest to the best. */
static const KernelRow rows[] = {
    {&cored_kernels_c, CORED_CPU_C, false},
#ifdef CORED_HAVE_AVX2
    {&cored_kernels_wide_test, CORED_CPU_AVX2, true},
    {&cored_kernels_avx2, CORED_CPU_AVX2, false},
#endif
#ifdef CORED_HAVE_AVX512
    {&cored_kernels_avx512, CORED_CPU_AVX2 | CORED_CPU_AVX512, false},
#endif
};

const CoredKernels *cored_kernels(unsigned cpu) {
  const CoredKernels *best = &cored_kernels_c;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (!rows[i].test_only && (rows[i].cpu & cpu) == rows[i].cpu)
      best = rows[i].kernels;
  return best;
}

const CoredKernels *cored_kernels_at(int index, unsigned *cpu) {
  if (index < 0 || index >= (int)(sizeof rows / sizeof *rows))
    return NULL;
  *cpu = rows[index].cpu;
  return rows[index].kernels;
}

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
