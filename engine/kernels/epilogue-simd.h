/* SPDX-License-Identifier: MIT
 * The epilogue over vectors (vec.h), for kernels of every family. */
#ifndef CORED_KERNELS_EPILOGUE_SIMD_H
#define CORED_KERNELS_EPILOGUE_SIMD_H

#include "kernels/epilogue.h"
#include "kernels/vec.h"

/* Vectors of channel c (offset from the start of a pixel), `part` floats of it when > 0. */
VF_INLINE vf load_at(const float *p, int c, int part) {
  return part ? vf_load_part(p + c, part) : vf_load(p + c);
}

VF_INLINE void store_at(float *p, int c, int part, vf v) {
  if (part)
    vf_store_part(p + c, v, part);
  else
    vf_store(p + c, v);
}

/* scale * act(x + residual) + shift; the bias is already in x. residual points at the pixel. kind
 * is that of e->act, apart so that it can be a constant. */
VF_INLINE vf finish(const CoredEpilogue *e, CoredAct kind, const float *residual, VfAct act, int c,
                    int part, vf x) {
  if (residual)
    x = x + load_at(residual, c, part);
  x = vf_act(kind, act, x);
  if (e->scale)
    x = vf_fma(x, load_at(e->scale, c, part), load_at(e->shift, c, part));
  return x;
}

VF_INLINE void pointwise_pixel(const CoredEpilogue *e, CoredAct kind, const float *residual,
                               const float *x, float *y, int channels) {
  const VfAct act = vf_act_of(e->act);
  int c = 0;
  for (; c + CORED_LANES <= channels; c += CORED_LANES) {
    const vf v = e->bias ? vf_load(x + c) + vf_load(e->bias + c) : vf_load(x + c);
    vf_store(y + c, finish(e, kind, residual, act, c, 0, v));
  }
  if (c < channels) {
    const int part = channels - c;
    const vf v = e->bias ? load_at(x, c, part) + load_at(e->bias, c, part) : load_at(x, c, part);
    store_at(y, c, part, finish(e, kind, residual, act, c, part, v));
  }
}

/* y[p, c] = epilogue(x[p, c]). */
static inline void pointwise_rows(const CoredEpilogue *e, const float *x, ptrdiff_t x_pixel,
                                  float *y, ptrdiff_t y_pixel, int pixels, int channels) {
  for (int p = 0; p < pixels; p++, x += x_pixel, y += y_pixel) {
    const float *const residual = e->residual ? e->residual + p * e->residual_pixel : NULL;
    if (e->act.kind == CORED_ACT_SWISH) /* worth a loop of its own */
      pointwise_pixel(e, CORED_ACT_SWISH, residual, x, y, channels);
    else if (e->act.kind == CORED_ACT_NONE)
      pointwise_pixel(e, CORED_ACT_NONE, residual, x, y, channels);
    else
      pointwise_pixel(e, e->act.kind, residual, x, y, channels);
  }
}

#endif /* CORED_KERNELS_EPILOGUE_SIMD_H */
