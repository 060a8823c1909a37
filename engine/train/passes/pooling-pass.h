/* SPDX-License-Identifier: MIT
 * Template (twice.h): pooling in training. Images are shared out. */

/* ---- Max pool. saved holds for every output which tap won (one byte each): the first of equals,
 * as PyTorch. dx[that tap] += dy. ---- */

/* One output pixel, `count` (at most pool_block) channels. */
static inline void REAL(max_pool_channels)(const Pass *pass, const real *image, int y0, int x0,
                                           size_t c, size_t count, real *y, uint8_t *winner) {
  const CoredNode *const node = pass->node;
  const CoredShape in = pass->in[0];
  real best[pool_block];
  REAL(index) which[pool_block];
  for (size_t k = 0; k < count; k++) {
    best[k] = (real)-INFINITY;
    which[k] = 0;
  }
  for (int i = 0; i < node->kernel; i++)
    for (int j = 0; j < node->kernel; j++) {
      const int iy = y0 + i * node->dilation, ix = x0 + j * node->dilation;
      if (iy < 0 || iy >= in.h || ix < 0 || ix >= in.w)
        continue;
      const real *const x = image + ((size_t)iy * (size_t)in.w + (size_t)ix) * (size_t)in.c + c;
      const REAL(index) tap = i * node->kernel + j;
      for (size_t k = 0; k < count; k++) {
        const bool wins = (x[k] > best[k]) | (x[k] != x[k]);
        best[k] = wins ? x[k] : best[k];
        which[k] = wins ? tap : which[k];
      }
    }
  for (size_t k = 0; k < count; k++) {
    y[k] = best[k];
    winner[k] = (uint8_t)which[k];
  }
}

static void REAL(max_pool_forward_task)(void *context, int n, int thread) {
  (void)thread;
  const Pass *const pass = context;
  const CoredShape in = pass->in[0], out = pass->out;
  const size_t channels = (size_t)in.c, first = (size_t)n * pixels_of(out) * channels;
  const real *const image = pass->x[0] + (size_t)n * pixels_of(in) * channels;
  real *y = pass->y + first;
  uint8_t *winner = (uint8_t *)pass->saved + first;
  int py, px;
  cored_window_output(pass->node, in.h, &py);
  cored_window_output(pass->node, in.w, &px);
  for (int p = 0; p < out.h; p++)
    for (int q = 0; q < out.w; q++, y += channels, winner += channels) {
      const int y0 = p * pass->node->stride - py, x0 = q * pass->node->stride - px;
      for (size_t c = 0; c < channels; c += pool_block) {
        const size_t count = channels - c < pool_block ? channels - c : pool_block;
        REAL(max_pool_channels)(pass, image, y0, x0, c, count, y + c, winner + c);
      }
    }
}

static void REAL(max_pool_backward_task)(void *context, int n, int thread) {
  (void)thread;
  const Pass *const pass = context;
  const CoredNode *const node = pass->node;
  const CoredShape in = pass->in[0], out = pass->out;
  const size_t channels = (size_t)in.c, image = pixels_of(out) * channels;
  const real *dy = pass->dy + (size_t)n * image;
  const uint8_t *winner = (const uint8_t *)pass->saved + (size_t)n * image;
  real *const dx = pass->dx[0] + (size_t)n * pixels_of(in) * channels;
  int py, px;
  cored_window_output(node, in.h, &py);
  cored_window_output(node, in.w, &px);
  if (!pass->add[0])
    memset(dx, 0, pixels_of(in) * channels * sizeof *dx);
  for (int p = 0; p < out.h; p++)
    for (int q = 0; q < out.w; q++, dy += channels, winner += channels)
      for (size_t c = 0; c < channels; c++) {
        const int iy = p * node->stride - py + winner[c] / node->kernel * node->dilation;
        const int ix = q * node->stride - px + winner[c] % node->kernel * node->dilation;
        dx[((size_t)iy * (size_t)in.w + (size_t)ix) * channels + c] += dy[c];
      }
}

static void REAL(max_pool_forward)(Pass *pass) {
  cored_thread_pool_tasks(pass->pool, REAL(max_pool_forward_task), pass, pass->n);
}

static void REAL(max_pool_backward)(Pass *pass) {
  if (pass->dx[0])
    cored_thread_pool_tasks(pass->pool, REAL(max_pool_backward_task), pass, pass->n);
}

/* ---- Global average pool: y[n,c] = mean over pixels of x; dx = dy / pixels ---- */

static void REAL(average_forward_task)(void *context, int n, int thread) {
  (void)thread;
  const Pass *const pass = context;
  const size_t c = (size_t)pass->in[0].c, pixels = pixels_of(pass->in[0]);
  const real *const x = pass->x[0] + (size_t)n * pixels * c;
  real *const y = pass->y + (size_t)n * c;
  memset(y, 0, c * sizeof *y);
  for (size_t i = 0; i < pixels; i++)
    for (size_t j = 0; j < c; j++)
      y[j] += x[i * c + j];
  for (size_t j = 0; j < c; j++)
    y[j] /= (real)pixels;
}

static void REAL(average_backward_task)(void *context, int n, int thread) {
  (void)thread;
  const Pass *const pass = context;
  const size_t c = (size_t)pass->in[0].c, pixels = pixels_of(pass->in[0]);
  const real *const dy = pass->dy + (size_t)n * c, share = 1 / (real)pixels;
  real *const dx = pass->dx[0] + (size_t)n * pixels * c;
  const bool add = pass->add[0];
  for (size_t i = 0; i < pixels; i++) {
    INDEPENDENT
    for (size_t j = 0; j < c; j++)
      dx[i * c + j] = (add ? dx[i * c + j] : 0) + dy[j] * share;
  }
}

static void REAL(average_forward)(Pass *pass) {
  cored_thread_pool_tasks(pass->pool, REAL(average_forward_task), pass, pass->n);
}

static void REAL(average_backward)(Pass *pass) {
  if (pass->dx[0])
    cored_thread_pool_tasks(pass->pool, REAL(average_backward_task), pass, pass->n);
}
