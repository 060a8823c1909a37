/* SPDX-License-Identifier: MIT
 * Template (twice.h): convolution in training.
 *
 * 1x1 with stride 1 is linear-pass.h on the pixels. 1x1 with a larger stride first gathers the
 * pixels it looks at. Everything else unfolds patches, one image at a time:
 *   col [oh*ow, k*k*c]   col[(p,q), (i,j,c)] = x[p*s - pad + i*d, q*s - pad + j*d, c], outside 0
 *   y = col w'^T + b     w' [o, k*k*c] is the weight [o,c,k,k] with channels last
 *   dw' = dy^T col,  dcol = dy w', and dx gathers dcol back (the transpose of unfolding)
 * (Chellapilla, Puri, Simard 2006). Images are shared out; weight gradients are summed per task
 * and added in task order. */

/* Copy the pixels that a strided 1x1 convolution looks at: x [h,w,c] -> small [oh,ow,c]. */
typedef struct REAL(Strided) {
  Pass *pass;
  real *small; /* [n, oh, ow, c] */
} REAL(Strided);

static void REAL(strided_gather)(void *context, int n, int thread) {
  (void)thread;
  const REAL(Strided) *const s = context;
  const CoredShape in = s->pass->in[0], out = s->pass->out;
  const size_t c = (size_t)in.c, stride = (size_t)s->pass->node->stride;
  const real *const x = s->pass->x[0] + (size_t)n * pixels_of(in) * c;
  real *to = s->small + (size_t)n * pixels_of(out) * c;
  for (size_t p = 0; p < (size_t)out.h; p++)
    for (size_t q = 0; q < (size_t)out.w; q++, to += c)
      memcpy(to, x + (p * stride * (size_t)in.w + q * stride) * c, c * sizeof *to);
}

static void REAL(strided_scatter)(void *context, int n, int thread) {
  (void)thread;
  const REAL(Strided) *const s = context;
  const CoredShape in = s->pass->in[0], out = s->pass->out;
  const size_t c = (size_t)in.c, stride = (size_t)s->pass->node->stride;
  real *const dx = s->pass->dx[0] + (size_t)n * pixels_of(in) * c;
  const real *from = s->small + (size_t)n * pixels_of(out) * c;
  if (!s->pass->add[0])
    memset(dx, 0, pixels_of(in) * c * sizeof *dx);
  for (size_t p = 0; p < (size_t)out.h; p++)
    for (size_t q = 0; q < (size_t)out.w; q++, from += c) {
      real *const to = dx + (p * stride * (size_t)in.w + q * stride) * c;
      for (size_t k = 0; k < c; k++)
        to[k] += from[k];
    }
}

typedef struct REAL(Unfold) {
  Pass *pass;
  size_t rows, depth; /* of col */
  int py, px;         /* padding before the first row and column */
  real *packed;       /* weight, channels last [o, depth] */
  real *partials;     /* [tasks][o*depth + o] gradients of packed weight and bias */
  real *columns;      /* [threads][2][rows*depth] */
  Split images;
} REAL(Unfold);

static REAL(Unfold) REAL(unfold_make)(Pass *pass) {
  const CoredNode *const node = pass->node;
  REAL(Unfold)
  u = {.pass = pass,
       .rows = pixels_of(pass->out),
       .depth = (size_t)(node->kernel * node->kernel) * (size_t)pass->in[0].c,
       .images = split_work((size_t)pass->n, 1, max_partials)};
  cored_window_output(node, pass->in[0].h, &u.py);
  cored_window_output(node, pass->in[0].w, &u.px);
  const size_t o = (size_t)pass->out.c;
  u.packed = pass->scratch;
  u.partials = u.packed + o * u.depth;
  u.columns = u.partials + (size_t)u.images.tasks * (o * u.depth + o);
  return u;
}

/* weight [o,c,k,k] -> packed [o,k,k,c] */
static void REAL(pack_weight)(const REAL(Unfold) * u) {
  const size_t taps = (size_t)(u->pass->node->kernel * u->pass->node->kernel);
  const size_t c = (size_t)u->pass->in[0].c;
  for (size_t o = 0; o < (size_t)u->pass->out.c; o++)
    for (size_t t = 0; t < taps; t++)
      for (size_t k = 0; k < c; k++)
        u->packed[(o * taps + t) * c + k] = u->pass->params[0][(o * c + k) * taps + t];
}

/* Unfold one image into col. */
static void REAL(unfold)(const REAL(Unfold) * u, const real *x, real *col) {
  const CoredNode *const node = u->pass->node;
  const CoredShape in = u->pass->in[0], out = u->pass->out;
  const size_t c = (size_t)in.c;
  for (int p = 0; p < out.h; p++)
    for (int q = 0; q < out.w; q++)
      for (int i = 0; i < node->kernel; i++)
        for (int j = 0; j < node->kernel; j++, col += c) {
          const int iy = p * node->stride - u->py + i * node->dilation;
          const int ix = q * node->stride - u->px + j * node->dilation;
          if (iy >= 0 && iy < in.h && ix >= 0 && ix < in.w)
            for (size_t k = 0; k < c; k++)
              col[k] = x[((size_t)iy * (size_t)in.w + (size_t)ix) * c + k];
          else
            for (size_t k = 0; k < c; k++)
              col[k] = 0;
        }
}

/* Add the patches of dcol to the image dx. */
static void REAL(fold)(const REAL(Unfold) * u, const real *dcol, real *dx) {
  const CoredNode *const node = u->pass->node;
  const CoredShape in = u->pass->in[0], out = u->pass->out;
  const size_t c = (size_t)in.c;
  for (int p = 0; p < out.h; p++)
    for (int q = 0; q < out.w; q++)
      for (int i = 0; i < node->kernel; i++)
        for (int j = 0; j < node->kernel; j++, dcol += c) {
          const int iy = p * node->stride - u->py + i * node->dilation;
          const int ix = q * node->stride - u->px + j * node->dilation;
          if (iy < 0 || iy >= in.h || ix < 0 || ix >= in.w)
            continue;
          real *const to = dx + ((size_t)iy * (size_t)in.w + (size_t)ix) * c;
          for (size_t k = 0; k < c; k++)
            to[k] += dcol[k];
        }
}

static void REAL(unfold_forward_task)(void *context, int n, int thread) {
  const REAL(Unfold) *const u = context;
  const Pass *const pass = u->pass;
  const size_t o = (size_t)pass->out.c;
  real *const col = u->columns + (size_t)thread * 2 * u->rows * u->depth;
  real *const y = pass->y + (size_t)n * u->rows * o;
  REAL(unfold)(u, pass->x[0] + (size_t)n * pixels_of(pass->in[0]) * (size_t)pass->in[0].c, col);
  if (pass->node->bias)
    for (size_t r = 0; r < u->rows; r++)
      memcpy(y + r * o, pass->params[1], o * sizeof *y);
  REAL(gemm)
  (false, true, u->rows, o, u->depth, col, u->depth, u->packed, u->depth, pass->node->bias ? 1 : 0,
   y, o);
}

/* One image's share of all gradients. */
static void REAL(unfold_backward_image)(const REAL(Unfold) * u, size_t n, real *partial,
                                        real *columns) {
  const Pass *const pass = u->pass;
  const size_t o = (size_t)pass->out.c;
  const size_t image = pixels_of(pass->in[0]) * (size_t)pass->in[0].c;
  const real *const dy = pass->dy + n * u->rows * o;
  REAL(unfold)(u, pass->x[0] + n * image, columns);
  REAL(gemm)(true, false, o, u->depth, u->rows, dy, o, columns, u->depth, 1, partial, u->depth);
  for (size_t r = 0; r < u->rows; r++)
    for (size_t k = 0; k < o; k++)
      partial[o * u->depth + k] += dy[r * o + k];
  if (!pass->dx[0])
    return;
  real *const dx = pass->dx[0] + n * image, *const dcol = columns + u->rows * u->depth;
  REAL(gemm)(false, false, u->rows, u->depth, o, dy, o, u->packed, u->depth, 0, dcol, u->depth);
  if (!pass->add[0])
    memset(dx, 0, image * sizeof *dx);
  REAL(fold)(u, dcol, dx);
}

static void REAL(unfold_backward_task)(void *context, int task, int thread) {
  const REAL(Unfold) *const u = context;
  const size_t o = (size_t)u->pass->out.c, size = o * u->depth + o;
  real *const partial = u->partials + (size_t)task * size;
  const size_t begin = split_begin(&u->images, task), count = split_count(&u->images, task);
  memset(partial, 0, size * sizeof *partial);
  for (size_t n = begin; n < begin + count; n++)
    REAL(unfold_backward_image)
  (u, n, partial, u->columns + (size_t)thread * 2 * u->rows * u->depth);
}

/* Add the partial gradients, task by task, back in the weight's own layout. */
static void REAL(unfold_reduce)(const REAL(Unfold) * u) {
  const Pass *const pass = u->pass;
  const size_t taps = (size_t)(pass->node->kernel * pass->node->kernel);
  const size_t c = (size_t)pass->in[0].c, o = (size_t)pass->out.c;
  for (int task = 0; task < u->images.tasks; task++) {
    const real *const partial = u->partials + (size_t)task * (o * u->depth + o);
    for (size_t i = 0; i < o; i++)
      for (size_t t = 0; t < taps; t++)
        for (size_t k = 0; k < c; k++)
          pass->dparams[0][(i * c + k) * taps + t] += partial[(i * taps + t) * c + k];
    if (pass->node->bias)
      for (size_t i = 0; i < o; i++)
        pass->dparams[1][i] += partial[o * u->depth + i];
  }
}

static void REAL(conv_forward)(Pass *pass) {
  const size_t m = (size_t)pass->n * pixels_of(pass->out);
  switch (conv_kind(pass->node)) {
  case CONV_POINTWISE:
    REAL(linear_forward)(pass, m, pass->x[0]);
    return;
  case CONV_STRIDED: {
    REAL(Strided) s = {pass, pass->scratch};
    cored_thread_pool_tasks(pass->pool, REAL(strided_gather), &s, pass->n);
    REAL(linear_forward)(pass, m, s.small);
    return;
  }
  case CONV_UNFOLD: {
    REAL(Unfold) u = REAL(unfold_make)(pass);
    REAL(pack_weight)(&u);
    cored_thread_pool_tasks(pass->pool, REAL(unfold_forward_task), &u, pass->n);
    return;
  }
  }
}

static void REAL(strided_backward)(Pass *pass, size_t m) {
  const size_t count = m * (size_t)pass->in[0].c;
  real *const x = pass->scratch, *const dx = x + count;
  REAL(Strided) s = {pass, x};
  cored_thread_pool_tasks(pass->pool, REAL(strided_gather), &s, pass->n);
  REAL(linear_backward)(pass, m, x, pass->dx[0] ? dx : NULL, false, dx + count);
  if (!pass->dx[0])
    return;
  s.small = dx;
  cored_thread_pool_tasks(pass->pool, REAL(strided_scatter), &s, pass->n);
}

static void REAL(conv_backward)(Pass *pass) {
  const size_t m = (size_t)pass->n * pixels_of(pass->out);
  switch (conv_kind(pass->node)) {
  case CONV_POINTWISE:
    REAL(linear_backward)(pass, m, pass->x[0], pass->dx[0], pass->add[0], pass->scratch);
    return;
  case CONV_STRIDED:
    REAL(strided_backward)(pass, m);
    return;
  case CONV_UNFOLD: {
    REAL(Unfold) u = REAL(unfold_make)(pass);
    REAL(pack_weight)(&u);
    cored_thread_pool_tasks(pass->pool, REAL(unfold_backward_task), &u, u.images.tasks);
    REAL(unfold_reduce)(&u);
    return;
  }
  }
}

static void REAL(dense_forward)(Pass *pass) {
  REAL(linear_forward)(pass, (size_t)pass->n, pass->x[0]);
}

static void REAL(dense_backward)(Pass *pass) {
  REAL(linear_backward)
  (pass, (size_t)pass->n, pass->x[0], pass->dx[0], pass->add[0], pass->scratch);
}
