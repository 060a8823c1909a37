/* SPDX-License-Identifier: MIT
 * Template (twice.h): depthwise convolution in training. Images are shared out. Weights are turned
 * to taps [k*k, c] so that channels are contiguous, as in the activations.
 *
 *   forward   y[p,q,c] = sum_ij x[p*s - py + i*d, q*s - px + j*d, c] w[c,i,j]
 *   backward  dw[c,i,j] += sum_npq dy[p,q,c] x[p*s - py + i*d, q*s - px + j*d, c]
 *             dx is the transposed convolution. With stride 1 that is a convolution of dy with the
 *             turned filter and padding (k-1)*d - pad; else the taps of every dy are scattered.
 */

/* One convolution of one image. */
typedef struct REAL(Gather) {
  const real *x, *taps;
  real *y;
  CoredShape in, out;
  int kernel, stride, dilation, py, px;
  bool add;
} REAL(Gather);

#define Value REAL(vec)
#define VALUE(name) REAL(name##_vector)
#include "train/passes/depthwise-gather.h"
#undef Value
#undef VALUE
#define Value real
#define VALUE(name) REAL(name##_single)
#include "train/passes/depthwise-gather.h"
#undef Value
#undef VALUE

static void REAL(gather)(const REAL(Gather) * g) {
  const size_t lanes = sizeof(REAL(vec)) / sizeof(real), channels = (size_t)g->in.c;
  for (int p = 0; p < g->out.h; p++) {
    size_t c = 0;
    for (; c + lanes <= channels; c += lanes)
      REAL(gather_channels_vector)(g, p, c);
    for (; c < channels; c++)
      REAL(gather_channels_single)(g, p, c);
  }
}

typedef struct REAL(Depthwise) {
  Pass *pass;
  size_t taps, channels;
  REAL(Gather) forward; /* without x and y */
  real *turned;         /* taps, [k*k, c], turned by half a turn */
  real *partials;       /* [tasks][k*k, c] */
  Split images;
} REAL(Depthwise);

static REAL(Depthwise) REAL(depthwise_make)(Pass *pass) {
  const CoredNode *const node = pass->node;
  REAL(Depthwise)
  d = {.pass = pass,
       .taps = (size_t)(node->kernel * node->kernel),
       .channels = (size_t)pass->in[0].c,
       .images = split_work((size_t)pass->n, 1, max_depthwise_tasks)};
  real *const taps = pass->scratch;
  d.turned = taps + d.taps * d.channels;
  d.partials = d.turned + d.taps * d.channels;
  for (size_t c = 0; c < d.channels; c++)
    for (size_t t = 0; t < d.taps; t++) {
      const real w = pass->params[0][c * d.taps + t];
      taps[t * d.channels + c] = w;
      d.turned[(d.taps - 1 - t) * d.channels + c] = w;
    }
  d.forward = (REAL(Gather)){.taps = taps,
                             .in = pass->in[0],
                             .out = pass->out,
                             .kernel = node->kernel,
                             .stride = node->stride,
                             .dilation = node->dilation};
  cored_window_output(node, pass->in[0].h, &d.forward.py);
  cored_window_output(node, pass->in[0].w, &d.forward.px);
  return d;
}

static void REAL(depthwise_forward_task)(void *context, int n, int thread) {
  (void)thread;
  const REAL(Depthwise) *const d = context;
  REAL(Gather) g = d->forward;
  g.x = d->pass->x[0] + (size_t)n * pixels_of(g.in) * d->channels;
  g.y = d->pass->y + (size_t)n * pixels_of(g.out) * d->channels;
  REAL(gather)(&g);
}

static void REAL(depthwise_forward)(Pass *pass) {
  REAL(Depthwise) d = REAL(depthwise_make)(pass);
  cored_thread_pool_tasks(pass->pool, REAL(depthwise_forward_task), &d, pass->n);
}

/* dx of one image by scattering every dy over its window. */
static void REAL(depthwise_scatter)(const REAL(Depthwise) * d, const real *dy, real *dx) {
  const REAL(Gather) *const g = &d->forward;
  for (int p = 0; p < g->out.h; p++)
    for (int q = 0; q < g->out.w; q++, dy += d->channels)
      for (int i = 0; i < g->kernel; i++)
        for (int j = 0; j < g->kernel; j++) {
          const int iy = p * g->stride - g->py + i * g->dilation;
          const int ix = q * g->stride - g->px + j * g->dilation;
          if (iy < 0 || iy >= g->in.h || ix < 0 || ix >= g->in.w)
            continue;
          const real *const w = g->taps + (size_t)(i * g->kernel + j) * d->channels;
          real *const to = dx + ((size_t)iy * (size_t)g->in.w + (size_t)ix) * d->channels;
          for (size_t c = 0; c < d->channels; c++)
            to[c] += dy[c] * w[c];
        }
}

static void REAL(depthwise_input_gradient)(const REAL(Depthwise) * d, size_t n) {
  const Pass *const pass = d->pass;
  const CoredNode *const node = pass->node;
  const size_t image = pixels_of(pass->in[0]) * d->channels;
  const real *const dy = pass->dy + n * pixels_of(pass->out) * d->channels;
  real *const dx = pass->dx[0] + n * image;
  if (node->stride != 1) {
    if (!pass->add[0])
      memset(dx, 0, image * sizeof *dx);
    REAL(depthwise_scatter)(d, dy, dx);
    return;
  }
  const int reach = (node->kernel - 1) * node->dilation;
  const REAL(Gather) g = {.x = dy,
                          .taps = d->turned,
                          .y = dx,
                          .in = pass->out,
                          .out = pass->in[0],
                          .kernel = node->kernel,
                          .stride = 1,
                          .dilation = node->dilation,
                          .py = reach - d->forward.py,
                          .px = reach - d->forward.px,
                          .add = pass->add[0]};
  REAL(gather)(&g);
}

static void REAL(depthwise_weight_gradient)(const REAL(Depthwise) * d, size_t n, real *partial) {
  REAL(Gather) g = d->forward;
  const size_t lanes = sizeof(REAL(vec)) / sizeof(real);
  const real *const dy = d->pass->dy + n * pixels_of(g.out) * d->channels;
  g.x = d->pass->x[0] + n * pixels_of(g.in) * d->channels;
  size_t c = 0;
  for (; c + lanes <= d->channels; c += lanes)
    REAL(correlate_vector)(&g, dy, c, partial);
  for (; c < d->channels; c++)
    REAL(correlate_single)(&g, dy, c, partial);
}

static void REAL(depthwise_backward_task)(void *context, int task, int thread) {
  (void)thread;
  const REAL(Depthwise) *const d = context;
  real *const partial = d->partials + (size_t)task * d->taps * d->channels;
  const size_t begin = split_begin(&d->images, task), count = split_count(&d->images, task);
  memset(partial, 0, d->taps * d->channels * sizeof *partial);
  for (size_t n = begin; n < begin + count; n++) {
    REAL(depthwise_weight_gradient)(d, n, partial);
    if (d->pass->dx[0])
      REAL(depthwise_input_gradient)(d, n);
  }
}

static void REAL(depthwise_backward)(Pass *pass) {
  REAL(Depthwise) d = REAL(depthwise_make)(pass);
  cored_thread_pool_tasks(pass->pool, REAL(depthwise_backward_task), &d, d.images.tasks);
  for (int task = 0; task < d.images.tasks; task++) {
    const real *const partial = d.partials + (size_t)task * d.taps * d.channels;
    for (size_t c = 0; c < d.channels; c++)
      for (size_t t = 0; t < d.taps; t++)
        pass->dparams[0][c * d.taps + t] += partial[t * d.channels + c];
  }
}
