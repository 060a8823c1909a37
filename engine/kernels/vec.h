/* SPDX-License-Identifier: MIT
 * Vectors of CORED_LANES floats over GCC's vector extension: 8 lanes are one AVX2 register, 16 one
 * AVX-512 register or, to test the 16-lane source on a machine without it, two AVX2 registers.
 * Included by the files compiled per instruction set only, each with CORED_ISA, its name,
 * CORED_LANES and the flags that the compiler needs. */
#ifndef CORED_KERNELS_VEC_H
#define CORED_KERNELS_VEC_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/activation.h"

#define VF_BYTES (CORED_LANES * 4)
#define VF_INLINE static inline __attribute__((always_inline))

/* prefix_ISA */
#define VF_PASTE_(prefix, isa) prefix##_##isa
#define VF_PASTE(prefix, isa) VF_PASTE_(prefix, isa)
#define VF_NAME(prefix) VF_PASTE(prefix, CORED_ISA)

typedef float vf __attribute__((vector_size(VF_BYTES)));
typedef int32_t vi __attribute__((vector_size(VF_BYTES)));
typedef float vf_unaligned __attribute__((vector_size(VF_BYTES), aligned(4), may_alias));

VF_INLINE vf vf_load(const float *p) {
  return *(const vf_unaligned *)p;
}

VF_INLINE void vf_store(float *p, vf v) {
  *(vf_unaligned *)p = v;
}

/* load_part: the first n < CORED_LANES floats, zeros behind them; nothing beyond them is read.
 * store_part: the first n lanes. */
#if CORED_LANES == 16 && defined(__AVX512F__)

VF_INLINE vf vf_splat(float x) {
  return (vf)_mm512_set1_ps(x);
}
VF_INLINE vf vf_load_part(const float *p, int n) {
  return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1u), p);
}
VF_INLINE void vf_store_part(float *p, vf v, int n) {
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1u), (__m512)v);
}
VF_INLINE vf vf_fma(vf a, vf b, vf c) {
  return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
/* max and min return b where a lane of either is NaN. */
VF_INLINE vf vf_max(vf a, vf b) {
  return (vf)_mm512_max_ps((__m512)a, (__m512)b);
}
VF_INLINE vf vf_min(vf a, vf b) {
  return (vf)_mm512_min_ps((__m512)a, (__m512)b);
}

#elif CORED_LANES == 8

VF_INLINE vf vf_splat(float x) {
  return (vf)_mm256_set1_ps(x);
}
VF_INLINE vf vf_load_part(const float *p, int n) {
  static const int32_t mask[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return (vf)_mm256_maskload_ps(p,
                                _mm256_loadu_si256((const __m256i *)(const void *)(mask + 8 - n)));
}
/* In halves: masked stores are slow on many CPUs. */
VF_INLINE void vf_store_part(float *p, vf v, int n) {
  __m128 x = _mm256_castps256_ps128((__m256)v);
  if (n & 4) {
    _mm_storeu_ps(p, x);
    x = _mm256_extractf128_ps((__m256)v, 1);
    p += 4;
  }
  if (n & 2) {
    _mm_storel_pi((__m64 *)(void *)p, x);
    x = _mm_movehl_ps(x, x);
    p += 2;
  }
  if (n & 1)
    _mm_store_ss(p, x);
}
VF_INLINE vf vf_fma(vf a, vf b, vf c) {
  return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
VF_INLINE vf vf_max(vf a, vf b) {
  return (vf)_mm256_max_ps((__m256)a, (__m256)b);
}
VF_INLINE vf vf_min(vf a, vf b) {
  return (vf)_mm256_min_ps((__m256)a, (__m256)b);
}

#else /* 16 lanes on AVX2: for tests */

typedef union VfPair {
  vf v;
  __m256 half[2];
} VfPair;

VF_INLINE vf vf_load_part(const float *p, int n) {
  vf v = {0};
  memcpy(&v, p, (size_t)n * sizeof(float));
  return v;
}
VF_INLINE void vf_store_part(float *p, vf v, int n) {
  memcpy(p, &v, (size_t)n * sizeof(float));
}
VF_INLINE vf vf_splat(float x) {
  const VfPair r = {.half = {_mm256_set1_ps(x), _mm256_set1_ps(x)}};
  return r.v;
}
VF_INLINE vf vf_fma(vf a, vf b, vf c) {
  const VfPair x = {a}, y = {b}, z = {c};
  const VfPair r = {.half = {_mm256_fmadd_ps(x.half[0], y.half[0], z.half[0]),
                             _mm256_fmadd_ps(x.half[1], y.half[1], z.half[1])}};
  return r.v;
}
VF_INLINE vf vf_max(vf a, vf b) {
  const VfPair x = {a}, y = {b};
  const VfPair r = {
      .half = {_mm256_max_ps(x.half[0], y.half[0]), _mm256_max_ps(x.half[1], y.half[1])}};
  return r.v;
}
VF_INLINE vf vf_min(vf a, vf b) {
  const VfPair x = {a}, y = {b};
  const VfPair r = {
      .half = {_mm256_min_ps(x.half[0], y.half[0]), _mm256_min_ps(x.half[1], y.half[1])}};
  return r.v;
}

#endif

/* max(x, 0), NaN stays NaN. */
VF_INLINE vf vf_relu(vf x) {
  return vf_max(vf_splat(0.0f), x);
}

/* e^x to about 2 ulp for -87 <= x <= 88, clamped outside. x = n ln2 + r, |r| <= ln2 / 2 (ln2 in two
 * parts, so that n ln2 is exact), e^r by its Taylor polynomial of degree 6 (remainder below
 * 2^-24 of the result there). */
VF_INLINE vf vf_exp(vf x) {
  const vf round = vf_splat(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer */
  x = vf_min(vf_splat(88.0f), vf_max(vf_splat(-87.0f), x));
  const vf n = vf_fma(x, vf_splat(1.44269504088896341f), round) - round;
  vf r = vf_fma(n, vf_splat(-0.693359375f), x);
  r = vf_fma(n, vf_splat(2.12194440e-4f), r);
  vf p = vf_fma(r, vf_splat(1.0f / 720.0f), vf_splat(1.0f / 120.0f));
  p = vf_fma(p, r, vf_splat(1.0f / 24.0f));
  p = vf_fma(p, r, vf_splat(1.0f / 6.0f));
  p = vf_fma(p, r, vf_splat(0.5f));
  p = vf_fma(p, r, vf_splat(1.0f));
  p = vf_fma(p, r, vf_splat(1.0f));
  const vi exponent = (__builtin_convertvector(n, vi) + 127) << 23;
  return p * (vf)exponent;
}

/* An activation with its numbers in vectors. kind is apart so that it can be a constant. */
typedef struct VfAct {
  vf low, high, slope;
} VfAct;

VF_INLINE VfAct vf_act_of(CoredActivation a) {
  return (VfAct){vf_splat(a.low), vf_splat(a.high), vf_splat(a.slope)};
}

VF_INLINE vf vf_act(CoredAct kind, VfAct a, vf x) {
  const vf one = vf_splat(1.0f);
  switch (kind) {
  case CORED_ACT_NONE:
    return x;
  case CORED_ACT_CLAMP:
    return vf_min(a.high, vf_max(a.low, x));
  case CORED_ACT_LEAKY_RELU: {
    const vf zero = vf_splat(0.0f);
    return vf_fma(vf_min(x, zero), a.slope, vf_max(zero, x));
  }
  case CORED_ACT_SWISH:
    return x / (one + vf_exp(-x));
  case CORED_ACT_SIGMOID:
    return one / (one + vf_exp(-x));
  }
  return x;
}

#endif /* CORED_KERNELS_VEC_H */
