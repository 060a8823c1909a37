/* SPDX-License-Identifier: MIT
 * The parts of the preprocessor's resize: filter tables, which say which input samples make each
 * output sample along one axis, with a store that keeps the tables used last; and the inner loops.
 */
#ifndef CORED_VISION_IMAGE_RESIZE_H
#define CORED_VISION_IMAGE_RESIZE_H

#include "cored.h"

/* ---- Filter tables --------------------------------------------------------------------------- */

/* What a table is made for: output sample o of `out` covers [start + o*len/out,
 * start + (o+1)*len/out) of an axis on which input sample i of `in` covers [i, i+1). The filter
 * reaches as far as it would for output samples `widen` times as large. */
typedef struct CoredAxisKey {
  double start, len, widen;
  int in, out;
} CoredAxisKey;

/* value[o] = sum over t < count[o] of coef[o*padded + t] * input[lo + first[o] + t]
 * Each row of coef goes on with zeros up to `padded`, so that vector loops need no remainder: they
 * may then read as many as padded - 1 samples behind the last, which have to be finite. */
typedef struct CoredAxis {
  CoredAxisKey key;
  int lo, n;    /* the table reads the input samples lo .. lo+n-1 only */
  int padded;   /* row length of coef: 4 or a multiple of 8 */
  int *first;   /* [out rounded up to 4] */
  int *count;   /* [out] */
  float *coef;  /* [out rounded up to 4, padded] */
  unsigned age; /* of the store */
} CoredAxis;

enum { CORED_AXIS_STORE_SIZE = 32 };

typedef struct CoredAxisStore {
  CoredAxis *axis[CORED_AXIS_STORE_SIZE];
  unsigned clock;
} CoredAxisStore;

/* The table for a key, made when it is not there; the one unused longest makes room. A returned
 * table stays valid for the next CORED_AXIS_STORE_SIZE - 1 calls. NULL: no memory. */
const CoredAxis *cored_axis_store_get(CoredAxisStore *store, const CoredAxisKey *key);
void cored_axis_store_clear(CoredAxisStore *store);

/* ---- Inner loops ------------------------------------------------------------------------------
 */

/* One table of them per instruction set. They cannot fail, read and write exactly the elements
 * named, and never look at the picture's description. */

/* From component values to network input. YUV: y = ys*Y + yo and so on in the range 0..1,
 *   r = y + rv*V,  g = y + gu*U + gv*V,  b = y + bu*U,   out = clamp(rgb, 0, 1) * scale + bias.
 * RGB and gray take the first line's ys and yo for each component and skip the second. */
typedef struct CoredColorMap {
  float y_scale, y_offset;
  float c_scale, c_offset;
  float rv, gu, gv, bu;
  float scale[3], bias[3];
} CoredColorMap;

/* Places on a picture of RGB pixels whose first pixel's centre is at 0, 0: (x + i dx, y + i dy) for
 * i = 0, 1, 2, ... */
typedef struct CoredPlaces {
  double x, y, dx, dy;
} CoredPlaces;

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
  /* out[n, 3]: the values of pixels[rows, columns, 3] at n places, by bicubic interpolation
   * (Keys 1981, a = -1/2), clipped to map's 0..1. Each place has a whole pixel on its left and top,
   * and two on its right and bottom. May read one float behind the last pixel. */
  void (*sample)(float *out, const float *pixels, size_t columns, const CoredPlaces *places,
                 const CoredColorMap *map, size_t n);
} CoredResizeKernels;

extern const CoredResizeKernels cored_resize_kernels_c;
#ifdef __x86_64__
extern const CoredResizeKernels cored_resize_kernels_avx2;
extern const CoredResizeKernels cored_resize_kernels_avx512;
#endif

/* The best table for CoredCpu flags. */
const CoredResizeKernels *cored_resize_kernels(unsigned cpu);

#endif /* CORED_VISION_IMAGE_RESIZE_H */
