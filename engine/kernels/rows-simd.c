/* SPDX-License-Identifier: MIT
 * Depthwise convolution, pooling and elementwise operations, vectorised over channels, for any
 * vector width. Compiled once per instruction set (vec.h). */
#include "kernels/rows.h"

#include <math.h>

#include "kernels/epilogue-simd.h"

/* ---- Depthwise convolution ------------------------------------------------------------------ */

#define DW_GROUP 8 /* output pixels of one row computed together */
#define DW_MAX_COLUMNS ((DW_GROUP - 1) * 2 + CORED_DEPTHWISE_KERNEL)

/* What a group of neighbouring output pixels reads: taps[i][j] is the input pixel in kernel row i
 * and column j, counted from the left column of the first output pixel; or the zeros. Where no
 * column lies outside, taps[i][0] is enough, and column j is j * pixel[i] behind it. */
typedef struct DwGroup {
  const float *taps[CORED_DEPTHWISE_KERNEL][DW_MAX_COLUMNS];
  const float *line[CORED_DEPTHWISE_KERNEL]; /* that each kernel row reads; or the zeros */
  ptrdiff_t pixel[CORED_DEPTHWISE_KERNEL];   /* 0: of the zeros */
  bool even; /* no column lies outside; not told of what reads through a rectifier */
  const float *residual;
  float *out;
  bool clamp;  /* behind the bias there is a clamp, and nothing else */
  bool finish; /* there is more than a bias and a clamp to apply */
} DwGroup;

/* even is that of g, apart so that it can be a constant. */
VF_INLINE const float *dw_tap(const DwGroup *g, int i, int column, const bool even) {
  return even ? g->taps[i][0] + column * g->pixel[i] : g->taps[i][column];
}

/* The epilogue of one vector of n pixels; kept out of line, or its activations would be copied into
 * every variant of the function below. */
static __attribute__((noinline)) void dw_finish(const CoredDepthwise *d, const DwGroup *g, int n,
                                                int c, const vf *sums) {
  const CoredEpilogue *const e = &d->epilogue;
  const VfAct act = vf_act_of(e->act);
  float *out = g->out + c;
  for (int q = 0; q < n; q++, out += d->out_pixel) {
    const float *const residual = g->residual ? g->residual + q * e->residual_pixel : NULL;
    if (e->act.kind == CORED_ACT_SWISH && !residual && !e->scale)
      vf_store(out, vf_act(CORED_ACT_SWISH, act, sums[q]));
    else
      vf_store(out, finish(e, e->act.kind, residual, act, c, 0, sums[q]));
  }
}

/* k x k, stride s, n output pixels, channels [c, c + lanes). Output pixel q reads columns
 * q * s + j. relu and even are those of d and g, apart so that they can be constants. */
VF_INLINE void dw_vector(const int k, const int s, const int n, const bool relu, const bool even,
                         const CoredDepthwise *d, const DwGroup *g, int c) {
  vf acc[DW_GROUP];
#pragma GCC unroll 8
  for (int q = 0; q < n; q++)
    acc[q] = d->epilogue.bias ? vf_load(d->epilogue.bias + c) : vf_splat(0.0f);
#pragma GCC unroll 5
  for (int i = 0; i < k; i++) {
    vf w[CORED_DEPTHWISE_KERNEL];
#pragma GCC unroll 5
    for (int j = 0; j < k; j++)
      w[j] = vf_load(d->weight + (ptrdiff_t)(i * k + j) * d->channels + c);
    const int columns = (n - 1) * s + k;
#pragma GCC unroll 24
    for (int col = 0; col < columns; col++) {
      vf x = vf_load(dw_tap(g, i, col, even) + c);
      if (relu)
        x = vf_relu(x);
#pragma GCC unroll 8
      for (int q = 0; q < n; q++) {
        const int j = col - q * s;
        if (j >= 0 && j < k)
          acc[q] = vf_fma(x, w[j], acc[q]);
      }
    }
  }
  if (g->finish) {
    vf sums[DW_GROUP];
#pragma GCC unroll 8
    for (int q = 0; q < n; q++)
      sums[q] = acc[q];
    dw_finish(d, g, n, c, sums);
    return;
  }
  if (g->clamp) {
    const VfAct act = vf_act_of(d->epilogue.act);
#pragma GCC unroll 8
    for (int q = 0; q < n; q++)
      acc[q] = vf_act(CORED_ACT_CLAMP, act, acc[q]);
  }
  float *const out = g->out + c;
  const ptrdiff_t out_pixel = d->out_pixel;
#pragma GCC unroll 8
  for (int q = 0; q < n; q++)
    vf_store(out + q * out_pixel, acc[q]);
}

/* Any kernel size, any number of channels, pixel by pixel in loops: the common shapes use it for
 * the channels that do not fill a vector. The same chain of operations as above. */
static void dw_plain(const CoredDepthwise *d, const DwGroup *g, int n, int c0, int c1) {
  const VfAct act = vf_act_of(d->epilogue.act);
  for (int q = 0; q < n; q++)
    for (int c = c0; c < c1; c += CORED_LANES) {
      const int part = c1 - c < CORED_LANES ? c1 - c : 0;
      vf acc = d->epilogue.bias ? load_at(d->epilogue.bias, c, part) : vf_splat(0.0f);
      for (int i = 0; i < d->kernel; i++)
        for (int j = 0; j < d->kernel; j++) {
          const vf x = load_at(dw_tap(g, i, q * d->stride + j, g->even), c, part);
          const float *const w = d->weight + (ptrdiff_t)(i * d->kernel + j) * d->channels;
          acc = vf_fma(d->relu_in ? vf_relu(x) : x, load_at(w, c, part), acc);
        }
      const float *const residual =
          g->residual ? g->residual + q * d->epilogue.residual_pixel : NULL;
      store_at(g->out + q * d->out_pixel, c, part,
               finish(&d->epilogue, d->epilogue.act.kind, residual, act, c, part, acc));
    }
}

VF_INLINE void dw_channels(const int k, const int s, const int n, const CoredDepthwise *d,
                           const DwGroup *g, int c0, int c1) {
  int c = c0;
  if (d->relu_in && k > 3) { /* in no network: not worth its code */
  } else if (d->relu_in) {
    for (; c + CORED_LANES <= c1; c += CORED_LANES)
      dw_vector(k, s, n, true, false, d, g, c);
  } else if (g->even) {
    for (; c + CORED_LANES <= c1; c += CORED_LANES)
      dw_vector(k, s, n, false, true, d, g, c);
  } else {
    for (; c + CORED_LANES <= c1; c += CORED_LANES)
      dw_vector(k, s, n, false, false, d, g, c);
  }
  if (c < c1)
    dw_plain(d, g, n, c, c1);
}

typedef void DwFn(const CoredDepthwise *d, const DwGroup *g, int c0, int c1);

#define DW_FN(k, s, n)                                                                             \
  static __attribute__((noinline)) void dw_##k##_##s##_##n(const CoredDepthwise *d,                \
                                                           const DwGroup *g, int c0, int c1) {     \
    dw_channels(k, s, n, d, g, c0, c1);                                                            \
  }
#define DW_FNS(k, s)                                                                               \
  DW_FN(k, s, 1)                                                                                   \
  DW_FN(k, s, 2)                                                                                   \
  DW_FN(k, s, 3)                                                                                   \
  DW_FN(k, s, 4)                                                                                   \
  DW_FN(k, s, 5)                                                                                   \
  DW_FN(k, s, 6)                                                                                   \
  DW_FN(k, s, 7)                                                                                   \
  DW_FN(k, s, 8)
DW_FNS(3, 1)
DW_FNS(3, 2)
DW_FNS(5, 1)
DW_FNS(5, 2)
#define DW_NAME(k, s, n) dw_##k##_##s##_##n
#define DW_ROW(k, s)                                                                               \
  {                                                                                                \
    DW_NAME(k, s, 1), DW_NAME(k, s, 2), DW_NAME(k, s, 3), DW_NAME(k, s, 4), DW_NAME(k, s, 5),      \
        DW_NAME(k, s, 6), DW_NAME(k, s, 7), DW_NAME(k, s, 8)                                       \
  }

static DwFn *choose_depthwise(const CoredDepthwise *d, int n) {
  static DwFn *const table[2][2][DW_GROUP] = {{DW_ROW(3, 1), DW_ROW(3, 2)},
                                              {DW_ROW(5, 1), DW_ROW(5, 2)}};
  return table[d->kernel == 5][d->stride - 1][n - 1];
}

/* Groups larger than one exist for the common shapes; any other runs pixel by pixel. */
static bool has_groups(const CoredDepthwise *d) {
  return (d->kernel == 3 || d->kernel == 5) && (d->stride == 1 || d->stride == 2) &&
         d->dilation == 1;
}

static void set_lines(const CoredDepthwise *d, DwGroup *g, int y) {
  for (int i = 0; i < d->kernel; i++) {
    const int iy = y * d->stride - d->pad_top + i * d->dilation;
    const bool inside = iy >= 0 && iy < d->h;
    g->line[i] = inside ? cored_ring_line(d->x, iy, d->ring, d->w * d->x_pixel) : d->zeros;
    g->pixel[i] = inside ? d->x_pixel : 0;
  }
}

static void set_taps(const CoredDepthwise *d, DwGroup *g, int x, int columns) {
  const int first = x * d->stride - d->pad_left;
  g->even = !d->relu_in && d->dilation == 1 && first >= 0 && first + columns <= d->w;
  for (int i = 0; i < d->kernel; i++)
    for (int j = 0; j < (g->even ? 1 : columns); j++) {
      const int ix = first + j * d->dilation;
      g->taps[i][j] = ix >= 0 && ix < d->w ? g->line[i] + ix * g->pixel[i] : d->zeros;
    }
}

/* One output line, in groups of nearly equal size. */
static void dw_line(const CoredDepthwise *d, int y, int c0, int c1) {
  const int most = has_groups(d) ? DW_GROUP : 1;
  const int groups = (d->out_w + most - 1) / most;
  const CoredEpilogue *const e = &d->epilogue;
  const bool plain = !e->scale && !e->residual;
  DwGroup g = {.clamp = plain && e->act.kind == CORED_ACT_CLAMP,
               .finish =
                   !plain || (e->act.kind != CORED_ACT_NONE && e->act.kind != CORED_ACT_CLAMP)};
  set_lines(d, &g, y);
  for (int i = 0, x = 0, n; i < groups; i++, x += n) {
    n = (int)((long long)d->out_w * (i + 1) / groups) - x;
    set_taps(d, &g, x, (n - 1) * d->stride + d->kernel);
    const ptrdiff_t pixel = (ptrdiff_t)(y - d->out_row0) * d->out_w + x;
    g.out = d->out + pixel * d->out_pixel;
    g.residual = e->residual ? e->residual + pixel * e->residual_pixel : NULL;
    if (most > 1)
      choose_depthwise(d, n)(d, &g, c0, c1);
    else
      dw_plain(d, &g, n, c0, c1);
  }
}

static void depthwise(const CoredDepthwise *d, int y0, int y1, int c0, int c1) {
  for (int y = y0; y < y1; y++)
    dw_line(d, y, c0, c1);
}

/* ---- Pooling -------------------------------------------------------------------------------- */

static void pool_pixel(const CoredMaxPool *p, const float *const *taps, int n_taps, float *out,
                       const float *residual) {
  const CoredEpilogue *const e = &p->epilogue;
  const VfAct act = vf_act_of(e->act);
  const bool plain = e->act.kind == CORED_ACT_NONE && !e->scale && !residual && !e->bias;
  int whole = 0; /* channels that are done: all whole vectors where nothing follows */
  for (; plain && n_taps == 4 && whole + CORED_LANES <= p->channels; whole += CORED_LANES) {
    const vf m = vf_max(vf_load(taps[0] + whole), vf_load(taps[1] + whole));
    vf_store(out + whole, vf_max(vf_max(m, vf_load(taps[2] + whole)), vf_load(taps[3] + whole)));
  }
  for (; plain && whole + CORED_LANES <= p->channels; whole += CORED_LANES) {
    vf m = vf_load(taps[0] + whole);
    for (int i = 1; i < n_taps; i++)
      m = vf_max(m, vf_load(taps[i] + whole));
    vf_store(out + whole, m);
  }
  for (int c = whole; c < p->channels; c += CORED_LANES) {
    const int part = p->channels - c < CORED_LANES ? p->channels - c : 0;
    vf m = load_at(taps[0], c, part);
    for (int i = 1; i < n_taps; i++)
      m = vf_max(m, load_at(taps[i], c, part));
    if (p->epilogue.bias)
      m = m + load_at(p->epilogue.bias, c, part);
    store_at(out, c, part, finish(&p->epilogue, p->epilogue.act.kind, residual, act, c, part, m));
  }
}

/* The lines that an output line reads; NULL: none there. */
static void pool_lines(const CoredMaxPool *p, int y, const float **lines) {
  for (int i = 0; i < p->kernel; i++) {
    const int iy = y * p->stride - p->pad_top + i;
    lines[i] = iy >= 0 && iy < p->h
                   ? cored_ring_line(p->x, iy, p->ring, (ptrdiff_t)p->w * p->channels)
                   : NULL;
  }
}

static int pool_taps(const CoredMaxPool *p, const float *const *lines, int x, const float **taps) {
  const int first = x * p->stride - p->pad_left;
  const int from = first > 0 ? first : 0;
  const int to = first + p->kernel < p->w ? first + p->kernel : p->w;
  int n = 0;
  for (int i = 0; i < p->kernel; i++)
    for (int ix = from; lines[i] && ix < to; ix++)
      taps[n++] = lines[i] + (ptrdiff_t)ix * p->channels;
  return n;
}

static void max_pool(const CoredMaxPool *p, int y0, int y1) {
  const float *taps[CORED_MAX_POOL_KERNEL * CORED_MAX_POOL_KERNEL];
  const float *lines[CORED_MAX_POOL_KERNEL];
  for (int y = y0; y < y1; y++) {
    pool_lines(p, y, lines);
    for (int x = 0; x < p->out_w; x++) {
      const ptrdiff_t pixel = (ptrdiff_t)(y - p->out_row0) * p->out_w + x;
      const int n = pool_taps(p, lines, x, taps);
      const float *const residual =
          p->epilogue.residual ? p->epilogue.residual + pixel * p->epilogue.residual_pixel : NULL;
      pool_pixel(p, taps, n, p->out + pixel * p->channels, residual);
    }
  }
}

static void sum_pixels(const float *x, ptrdiff_t x_pixel, int pixels, int c0, int c1,
                       CoredActivation act, float factor, float *out) {
  const VfAct numbers = vf_act_of(act);
  const vf factors = vf_splat(factor);
  for (int c = c0; c < c1; c += CORED_LANES) {
    const int part = c1 - c < CORED_LANES ? c1 - c : 0;
    vf sum = vf_splat(0.0f);
    for (int p = 0; p < pixels; p++)
      sum = sum + vf_act(act.kind, numbers, load_at(x + p * x_pixel, c, part));
    store_at(out, c, part, sum * factors);
  }
}

void VF_NAME(cored_rows_set)(CoredRowKernels *kernels) {
  kernels->depthwise = depthwise;
  kernels->max_pool = max_pool;
  kernels->pointwise = pointwise_rows;
  kernels->sum_pixels = sum_pixels;
}
