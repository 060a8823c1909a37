/* SPDX-License-Identifier: MIT
 * Compiled once per instruction set with CORED_ISA naming it; the loops are written so that the
 * compiler vectorizes them for whatever that set offers. Sums are in float, of at most a few
 * hundred products of values <= 65535 with weights that sum to 1: the error stays below 1e-4 of a
 * step of 1/255. Sets with FMA round once per product, so variants differ by that much. */
#include "vision/image/resize.h"

#include <string.h>

#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define STRING2(a) #a
#define STRING(a) STRING2(a)
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Rows of 10-bit formats may start at odd addresses. */
typedef uint16_t Word __attribute__((aligned(1), may_alias));

typedef float Vec4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef float Vec8 __attribute__((vector_size(32), aligned(4), may_alias));

/* Up to four rows at a time: with `taps` and `add` known to the compiler each call is one loop
 * without branches, and dst is loaded and stored once per four rows. */
#define DEFINE_VERTICAL(TYPE, SUFFIX)                                                              \
  ALWAYS_INLINE void blend_##SUFFIX(float *restrict dst, const TYPE *const row[4],                 \
                                    const float *coef, const int taps, const bool add, size_t n) { \
    const TYPE *const r0 = row[0], *const r1 = row[1], *const r2 = row[2], *const r3 = row[3];     \
    const float c0 = coef[0], c1 = taps > 1 ? coef[1] : 0.f, c2 = taps > 2 ? coef[2] : 0.f,        \
                c3 = taps > 3 ? coef[3] : 0.f;                                                     \
    for (size_t i = 0; i < n; i++) {                                                               \
      float sum = add ? dst[i] + c0 * (float)r0[i] : c0 * (float)r0[i];                            \
      if (taps > 1)                                                                                \
        sum += c1 * (float)r1[i];                                                                  \
      if (taps > 2)                                                                                \
        sum += c2 * (float)r2[i];                                                                  \
      if (taps > 3)                                                                                \
        sum += c3 * (float)r3[i];                                                                  \
      dst[i] = sum;                                                                                \
    }                                                                                              \
  }                                                                                                \
  static void vertical_##SUFFIX(float *dst, const uint8_t *rows, ptrdiff_t stride,                 \
                                const float *coef, int taps, size_t n) {                           \
    for (int t = 0; t < taps; t += 4) {                                                            \
      const int left = taps - t < 4 ? taps - t : 4;                                                \
      const TYPE *row[4];                                                                          \
      for (int k = 0; k < 4; k++)                                                                  \
        row[k] = (const TYPE *)(const void *)(rows + stride * (t + (k < left ? k : 0)));           \
      if (left == 4 && t)                                                                          \
        blend_##SUFFIX(dst, row, coef + t, 4, true, n);                                            \
      else if (left == 4)                                                                          \
        blend_##SUFFIX(dst, row, coef + t, 4, false, n);                                           \
      else if (left == 3 && t)                                                                     \
        blend_##SUFFIX(dst, row, coef + t, 3, true, n);                                            \
      else if (left == 3)                                                                          \
        blend_##SUFFIX(dst, row, coef + t, 3, false, n);                                           \
      else if (left == 2 && t)                                                                     \
        blend_##SUFFIX(dst, row, coef + t, 2, true, n);                                            \
      else if (left == 2)                                                                          \
        blend_##SUFFIX(dst, row, coef + t, 2, false, n);                                           \
      else                                                                                         \
        blend_##SUFFIX(dst, row, coef + t, 1, t > 0, n);                                           \
    }                                                                                              \
  }

DEFINE_VERTICAL(uint8_t, u8)
DEFINE_VERTICAL(Word, u16)

ALWAYS_INLINE void unpack_step(float *restrict dst, const float *restrict src, const int step,
                               size_t n) {
  for (size_t i = 0; i < n; i++)
    dst[i] = src[i * (size_t)step];
}

static void unpack(float *dst, const float *src, int step, size_t n) {
  if (step == 2)
    unpack_step(dst, src, 2, n);
  else if (step == 3)
    unpack_step(dst, src, 3, n);
  else
    unpack_step(dst, src, 4, n);
}

/* Four horizontal sums of four vectors at once: a 4x4 transposition folded with the additions. */
ALWAYS_INLINE Vec4 sum4(Vec4 a, Vec4 b, Vec4 c, Vec4 d) {
  const Vec4 ab =
      __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Vec4 cd =
      __builtin_shufflevector(c, d, 0, 4, 1, 5) + __builtin_shufflevector(c, d, 2, 6, 3, 7);
  return __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

#define LOAD(TYPE, pointer) (*(const TYPE *)(const void *)(pointer))

ALWAYS_INLINE Vec4 fold(const Vec8 *v) {
  return __builtin_shufflevector(*v, *v, 0, 1, 2, 3) + __builtin_shufflevector(*v, *v, 4, 5, 6, 7);
}

/* Rows of at most four weights, as in every enlargement. */
static void horizontal_short(float *restrict dst, const float *restrict src,
                             const CoredAxis *axis) {
  for (int o = 0; o < axis->key.out; o += 4) {
    const float *const c = axis->coef + (size_t)o * 4;
    const int *const f = axis->first + o;
    const Vec4 sum = sum4(
        LOAD(Vec4, src + f[0]) * LOAD(Vec4, c), LOAD(Vec4, src + f[1]) * LOAD(Vec4, c + 4),
        LOAD(Vec4, src + f[2]) * LOAD(Vec4, c + 8), LOAD(Vec4, src + f[3]) * LOAD(Vec4, c + 12));
    memcpy(dst + o, &sum, sizeof sum);
  }
}

static void horizontal(float *restrict dst, const float *restrict src, const CoredAxis *axis) {
  if (axis->padded == 4) {
    horizontal_short(dst, src, axis);
    return;
  }
  const size_t padded = (size_t)axis->padded;
  for (int o = 0; o < axis->key.out; o += 4) {
    const float *const c0 = axis->coef + (size_t)o * padded;
    const float *const c1 = c0 + padded, *const c2 = c1 + padded, *const c3 = c2 + padded;
    const float *const s0 = src + axis->first[o], *const s1 = src + axis->first[o + 1];
    const float *const s2 = src + axis->first[o + 2], *const s3 = src + axis->first[o + 3];
    Vec8 a0 = LOAD(Vec8, s0) * LOAD(Vec8, c0), a1 = LOAD(Vec8, s1) * LOAD(Vec8, c1);
    Vec8 a2 = LOAD(Vec8, s2) * LOAD(Vec8, c2), a3 = LOAD(Vec8, s3) * LOAD(Vec8, c3);
    for (size_t t = 8; t < padded; t += 8) {
      a0 += LOAD(Vec8, s0 + t) * LOAD(Vec8, c0 + t);
      a1 += LOAD(Vec8, s1 + t) * LOAD(Vec8, c1 + t);
      a2 += LOAD(Vec8, s2 + t) * LOAD(Vec8, c2 + t);
      a3 += LOAD(Vec8, s3 + t) * LOAD(Vec8, c3 + t);
    }
    const Vec4 sum = sum4(fold(&a0), fold(&a1), fold(&a2), fold(&a3));
    memcpy(dst + o, &sum, sizeof sum);
  }
}

ALWAYS_INLINE float clamp_unit(float x) {
  x = x > 0.f ? x : 0.f;
  return x < 1.f ? x : 1.f;
}

static void store_yuv(float *restrict out, const float *const row[3], const CoredColorMap *map,
                      size_t n) {
  const float *const ys = row[0], *const us = row[1], *const vs = row[2];
  const CoredColorMap m = *map;
  for (size_t i = 0; i < n; i++) {
    const float y = ys[i] * m.y_scale + m.y_offset;
    const float u = us[i] * m.c_scale + m.c_offset;
    const float v = vs[i] * m.c_scale + m.c_offset;
    out[3 * i] = clamp_unit(y + m.rv * v) * m.scale[0] + m.bias[0];
    out[3 * i + 1] = clamp_unit(y + m.gu * u + m.gv * v) * m.scale[1] + m.bias[1];
    out[3 * i + 2] = clamp_unit(y + m.bu * u) * m.scale[2] + m.bias[2];
  }
}

static void store_rgb(float *restrict out, const float *const row[3], const CoredColorMap *map,
                      size_t n) {
  const float *const rs = row[0], *const gs = row[1], *const bs = row[2];
  const CoredColorMap m = *map;
  for (size_t i = 0; i < n; i++) {
    out[3 * i] = clamp_unit(rs[i] * m.y_scale + m.y_offset) * m.scale[0] + m.bias[0];
    out[3 * i + 1] = clamp_unit(gs[i] * m.y_scale + m.y_offset) * m.scale[1] + m.bias[1];
    out[3 * i + 2] = clamp_unit(bs[i] * m.y_scale + m.y_offset) * m.scale[2] + m.bias[2];
  }
}

/* What the pixels before a place, around it and behind it count, t pixels behind the second. */
ALWAYS_INLINE void cubic_weights(float weight[4], float t) {
  weight[0] = ((1.f - 0.5f * t) * t - 0.5f) * t;
  weight[1] = (1.5f * t - 2.5f) * t * t + 1.f;
  weight[2] = ((2.f - 1.5f * t) * t + 0.5f) * t;
  weight[3] = (0.5f * t - 0.5f) * t * t;
}

/* A pixel's three values and the next one's first are a vector: its last lane is not used. */
ALWAYS_INLINE Vec4 sample_row(const float *pixel, const float weight[4]) {
  return LOAD(Vec4, pixel) * weight[0] + LOAD(Vec4, pixel + 3) * weight[1] +
         LOAD(Vec4, pixel + 6) * weight[2] + LOAD(Vec4, pixel + 9) * weight[3];
}

/* The sixteen pixels around a place. */
ALWAYS_INLINE Vec4 sample_one(const float *pixels, size_t columns, double x, double y) {
  const int left = (int)x, top = (int)y; /* both positive */
  const size_t row = columns * 3;
  const float *const first = pixels + (size_t)(top - 1) * row + (size_t)(left - 1) * 3;
  float across[4], down[4];
  cubic_weights(across, (float)(x - left));
  cubic_weights(down, (float)(y - top));
  return sample_row(first, across) * down[0] + sample_row(first + row, across) * down[1] +
         sample_row(first + 2 * row, across) * down[2] +
         sample_row(first + 3 * row, across) * down[3];
}

ALWAYS_INLINE float clamp_to(float x, float low, float high) {
  x = x > low ? x : low;
  return x < high ? x : high;
}

static void sample(float *restrict out, const float *restrict pixels, size_t columns,
                   const CoredPlaces *places, const CoredColorMap *map, size_t n) {
  const CoredPlaces p = *places;
  float low[3], high[3];
  for (int c = 0; c < 3; c++) {
    low[c] = map->bias[c];
    high[c] = map->scale[c] + map->bias[c];
  }
  for (size_t i = 0; i < n; i++) {
    const Vec4 sum = sample_one(pixels, columns, p.x + (double)i * p.dx, p.y + (double)i * p.dy);
    float value[4];
    memcpy(value, &sum, sizeof value);
    out[3 * i] = clamp_to(value[0], low[0], high[0]);
    out[3 * i + 1] = clamp_to(value[1], low[1], high[1]);
    out[3 * i + 2] = clamp_to(value[2], low[2], high[2]);
  }
}

const CoredResizeKernels JOIN(cored_resize_kernels_, CORED_ISA) = {
    .name = STRING(CORED_ISA),
    .vertical_u8 = vertical_u8,
    .vertical_u16 = vertical_u16,
    .unpack = unpack,
    .horizontal = horizontal,
    .store_yuv = store_yuv,
    .store_rgb = store_rgb,
    .sample = sample,
};
