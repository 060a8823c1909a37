/* SPDX-License-Identifier: MIT
 * What the pass files share: the name of their instruction set, the cutting of work into tasks,
 * vectors, matrix products, an exp that becomes vectors. Compiled once per instruction set
 * (CORED_ISA, CORED_VECTOR_BYTES). */
#ifndef CORED_TRAIN_PASSES_ISA_H
#define CORED_TRAIN_PASSES_ISA_H

#include "train/passes/pass.h"

#include <cblas.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define CORED_CAT2(a, b) a##b
#define CORED_CAT(a, b) CORED_CAT2(a, b)
#define CORED_PASS(name) CORED_CAT(cored_pass_##name##_, CORED_ISA)

/* Before a loop: no iteration depends on another, so that it may become vectors. */
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

/* Unaligned vectors of the width that this instruction set does best. */
typedef float vec_f32 __attribute__((vector_size(CORED_VECTOR_BYTES), aligned(4), may_alias));
typedef double vec_f64 __attribute__((vector_size(CORED_VECTOR_BYTES), aligned(8), may_alias));

/* One passes table per instruction set; activation_x is the activation that needs its input. */
extern const CoredPasses CORED_PASS(conv), CORED_PASS(depthwise), CORED_PASS(batch_norm),
    CORED_PASS(activation), CORED_PASS(activation_x), CORED_PASS(max_pool),
    CORED_PASS(global_avg_pool), CORED_PASS(flatten), CORED_PASS(dense), CORED_PASS(add),
    CORED_PASS(scale), CORED_PASS(concat), CORED_PASS(dropout), CORED_PASS(drop_connect);

/* n things in at most `most` tasks of at least `least` things. */
typedef struct Split {
  size_t n, per_task;
  int tasks;
} Split;

static inline Split split_work(size_t n, size_t least, int most) {
  Split split = {.n = n};
  split.per_task = (n + (size_t)most - 1) / (size_t)most;
  if (split.per_task < least)
    split.per_task = least;
  split.tasks = (int)((n + split.per_task - 1) / split.per_task);
  return split;
}

static inline size_t split_begin(const Split *split, int task) {
  return (size_t)task * split->per_task;
}

static inline size_t split_count(const Split *split, int task) {
  const size_t begin = split_begin(split, task);
  return begin + split->per_task > split->n ? split->n - begin : split->per_task;
}

static inline size_t pixels_of(CoredShape shape) {
  return (size_t)shape.h * (size_t)shape.w;
}

/* c [m,n] = op(a) op(b) + beta c, row-major; op is the transpose where ta or tb. Single-threaded
 * OpenBLAS; safe to call from several threads. */
static inline void gemm_f32(bool ta, bool tb, size_t m, size_t n, size_t k, const float *a,
                            size_t lda, const float *b, size_t ldb, float beta, float *c,
                            size_t ldc) {
  cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (int)m,
              (int)n, (int)k, 1.0f, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
}

static inline void gemm_f64(bool ta, bool tb, size_t m, size_t n, size_t k, const double *a,
                            size_t lda, const double *b, size_t ldb, double beta, double *c,
                            size_t ldc) {
  cblas_dgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (int)m,
              (int)n, (int)k, 1.0, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
}

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

#endif /* CORED_TRAIN_PASSES_ISA_H */
