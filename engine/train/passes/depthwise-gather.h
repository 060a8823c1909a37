/* SPDX-License-Identifier: MIT
 * Template of depthwise-pass.h: the same loops for a vector of channels and for a single one (the
 * channels left over). `Value` is the type, VALUE(name) the name's suffix. */

/* One output pixel, looking up which taps lie inside. */
static inline Value VALUE(gather_pixel)(const REAL(Gather) * g, int y0, int x0, size_t c) {
  const size_t channels = (size_t)g->in.c;
  Value sum = {0};
  for (int i = 0; i < g->kernel; i++) {
    const int iy = y0 + i * g->dilation;
    if (iy < 0 || iy >= g->in.h)
      continue;
    for (int j = 0; j < g->kernel; j++) {
      const int ix = x0 + j * g->dilation;
      if (ix < 0 || ix >= g->in.w)
        continue;
      const size_t pixel = (size_t)iy * (size_t)g->in.w + (size_t)ix;
      sum += *(const Value *)(g->x + pixel * channels + c) *
             *(const Value *)(g->taps + (size_t)(i * g->kernel + j) * channels + c);
    }
  }
  return sum;
}

/* One output pixel all of whose columns lie inside; rows i0..i1-1 do. k is a constant. */
static inline __attribute__((always_inline)) Value VALUE(gather_inside)(const REAL(Gather) * g,
                                                                        int y0, int x0, int i0,
                                                                        int i1, size_t c,
                                                                        const int k) {
  const size_t channels = (size_t)g->in.c;
  const real *x =
      g->x + (((size_t)(y0 + i0 * g->dilation)) * (size_t)g->in.w + (size_t)x0) * channels + c;
  const real *taps = g->taps + (size_t)(i0 * k) * channels + c;
  Value sum = {0};
  for (int i = i0; i < i1; i++) {
    for (int j = 0; j < k; j++)
      sum += *(const Value *)(x + (size_t)(j * g->dilation) * channels) *
             *(const Value *)(taps + (size_t)j * channels);
    x += (size_t)(g->dilation * g->in.w) * channels;
    taps += (size_t)k * channels;
  }
  return sum;
}

/* Columns q0..q1-1 of an output row whose windows lie inside from left to right. With all rows
 * inside too the taps stay in registers. */
static inline __attribute__((always_inline)) void VALUE(gather_span)(const REAL(Gather) * g, int y0,
                                                                     int i0, int i1, int q0, int q1,
                                                                     size_t c, real *y,
                                                                     const int k) {
  const size_t channels = (size_t)g->in.c;
  const int stride = g->stride, left = g->px;
  const bool add = g->add;
  for (int q = q0; q < q1; q++) {
    Value sum = VALUE(gather_inside)(g, y0, q * stride - left, i0, i1, c, k);
    Value *const to = (Value *)(y + (size_t)q * channels);
    if (add)
      sum += *to;
    *to = sum;
  }
}

/* Columns whose windows stick out. */
static void VALUE(gather_edge)(const REAL(Gather) * g, int y0, int q0, int q1, size_t c, real *y) {
  for (int q = q0; q < q1; q++) {
    Value sum = VALUE(gather_pixel)(g, y0, q * g->stride - g->px, c);
    Value *const to = (Value *)(y + (size_t)q * (size_t)g->in.c);
    if (g->add)
      sum += *to;
    *to = sum;
  }
}

/* One output row of these channels. */
static inline __attribute__((always_inline)) void VALUE(gather_row)(const REAL(Gather) * g, int p,
                                                                    size_t c, const int k) {
  const int y0 = p * g->stride - g->py, extent = (k - 1) * g->dilation;
  int i0 = 0, i1 = k, q0 = 0, q1 = g->out.w;
  while (i0 < k && y0 + i0 * g->dilation < 0)
    i0++;
  while (i1 > i0 && y0 + (i1 - 1) * g->dilation >= g->in.h)
    i1--;
  while (q0 < q1 && q0 * g->stride - g->px < 0)
    q0++;
  while (q1 > q0 && (q1 - 1) * g->stride - g->px + extent >= g->in.w)
    q1--;
  real *const y = g->y + (size_t)p * (size_t)g->out.w * (size_t)g->out.c + c;
  VALUE(gather_edge)(g, y0, 0, q0, c, y);
  if (i0 == 0 && i1 == k)
    VALUE(gather_span)(g, y0, 0, k, q0, q1, c, y, k);
  else
    VALUE(gather_span)(g, y0, i0, i1, q0, q1, c, y, k);
  VALUE(gather_edge)(g, y0, q1, g->out.w, c, y);
}

static void VALUE(gather_channels)(const REAL(Gather) * g, int p, size_t c) {
  switch (g->kernel) {
  case 3:
    VALUE(gather_row)(g, p, c, 3);
    return;
  case 5:
    VALUE(gather_row)(g, p, c, 5);
    return;
  }
  VALUE(gather_row)(g, p, c, g->kernel);
}

/* sum += over one pair of rows of dy[q] x[q*s + offset]; two partial sums hide the latency of the
 * additions. */
static inline void VALUE(correlate_row)(const real *x, const real *dy, size_t step, size_t channels,
                                        int n, real *sum) {
  Value even = {0}, odd = {0};
  int q = 0;
  for (; q + 2 <= n; q += 2, x += 2 * step, dy += 2 * channels) {
    even += *(const Value *)x * *(const Value *)dy;
    odd += *(const Value *)(x + step) * *(const Value *)(dy + channels);
  }
  if (q < n)
    even += *(const Value *)x * *(const Value *)dy;
  *(Value *)sum += even + odd;
}

/* partial[t, c] += sum over one image of dy[p,q,c] x[p*s - py + i*d, q*s - px + j*d, c] for every
 * tap t = (i, j). Row by row, so that the rows stay in the first cache for all taps. */
static void VALUE(correlate)(const REAL(Gather) * g, const real *dy, size_t c, real *partial) {
  const size_t channels = (size_t)g->in.c, step = (size_t)g->stride * channels;
  for (int p = 0; p < g->out.h; p++)
    for (int i = 0; i < g->kernel; i++) {
      const int iy = p * g->stride - g->py + i * g->dilation;
      if (iy < 0 || iy >= g->in.h)
        continue;
      for (int j = 0; j < g->kernel; j++) {
        const int offset = j * g->dilation - g->px;
        int q0 = 0, q1 = g->out.w;
        while (q0 < q1 && q0 * g->stride + offset < 0)
          q0++;
        while (q1 > q0 && (q1 - 1) * g->stride + offset >= g->in.w)
          q1--;
        if (q0 == q1)
          continue;
        const size_t x = (size_t)iy * (size_t)g->in.w + (size_t)(q0 * g->stride + offset);
        const size_t d = (size_t)p * (size_t)g->out.w + (size_t)q0;
        VALUE(correlate_row)
        (g->x + x * channels + c, dy + d * channels + c, step, channels, q1 - q0,
         partial + (size_t)(i * g->kernel + j) * channels + c);
      }
    }
}
