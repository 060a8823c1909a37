/* SPDX-License-Identifier: MIT
 * The inner loops of the preprocessor, one table per instruction set. Kernels cannot fail, read
 * and write exactly the elements named, and never look at the picture's description. */
#ifndef CORED_VISION_IMAGE_RESIZE_KERNELS_H
#define CORED_VISION_IMAGE_RESIZE_KERNELS_H

#include "vision/image/resize-axis.h"

/* From component values to network input. YUV: y = ys*Y + yo and so on in the range 0..1,
 *   r = y + rv*V,  g = y + gu*U + gv*V,  b = y + bu*U,   out = clamp(rgb, 0, 1) * scale + bias.
 * RGB and gray take the first line's ys and yo for each component and skip the second. */
typedef struct CoredColorMap {
  float y_scale, y_offset;
  float c_scale, c_offset;
  float rv, gu, gv, bu;
  float scale[3], bias[3];
} CoredColorMap;

typedef struct CoredResizeKernels {
  const char *name;
  /* dst[i] = sum over t < taps of coef[t] * sample i of row t, for i < n; rows are stride bytes
   * apart, of bytes or unaligned little-endian 16-bit words. */
  void (*vertical_u8)(float *dst, const uint8_t *rows, ptrdiff_t stride, const float *coef,
                      int taps, size_t n);
  void (*vertical_u16)(float *dst, const uint8_t *rows, ptrdiff_t stride, const float *coef,
                       int taps, size_t n);
  /* dst[i] = src[i * step], for i < n; step is 2, 3 or 4. */
  void (*unpack)(float *dst, const float *src, int step, size_t n);
  /* One row through a table: src[axis->n + axis->padded], finite; dst[out rounded up to 4]. */
  void (*horizontal)(float *dst, const float *src, const CoredAxis *axis);
  /* out[n, 3] from three rows of n. */
  void (*store_yuv)(float *out, const float *const row[3], const CoredColorMap *map, size_t n);
  void (*store_rgb)(float *out, const float *const row[3], const CoredColorMap *map, size_t n);
} CoredResizeKernels;

extern const CoredResizeKernels cored_resize_kernels_c;
#ifdef __x86_64__
extern const CoredResizeKernels cored_resize_kernels_avx2;
extern const CoredResizeKernels cored_resize_kernels_avx512;
#endif

/* The best table for CoredCpu flags. */
const CoredResizeKernels *cored_resize_kernels(unsigned cpu);

#endif /* CORED_VISION_IMAGE_RESIZE_KERNELS_H */
