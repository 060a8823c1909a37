/* SPDX-License-Identifier: MIT
 * Template (twice.h): batch norm with the activation that follows it (Ioffe and Szegedy 2015,
 * algorithm 1). x, y [m, c] where m = n*h*w.
 *
 *   forward   xh = (x - mean) / sqrt(var + eps),  z = w xh + b,  y = act(z)
 *             mean, var of the batch (biased) or the running ones. The running variance receives
 *             the unbiased one, m/(m-1) var, as in PyTorch.
 *   backward  dz = dy act'(z);  db += sum dz;  dw += sum dz xh
 *             batch:  dx = w r (dz - mean(dz) - xh mean(dz xh)),  r = 1/sqrt(var + eps)
 *             frozen: dx = w r dz
 * z is recomputed from x, so y need not be kept. Rows are shared out; sums over rows are made per
 * task about the first row as origin (no cancellation) and merged in double, in task order (Chan,
 * Golub, LeVeque 1983). saved: mean [c], r [c]. */

typedef struct REAL(Norm) {
  Pass *pass;
  size_t m, c;
  Split rows;
  real *scale, *shift; /* z = scale x + shift, [c] */
  real *mean, *r;      /* saved */
  real *k0, *k1;       /* mean(dz) and r mean(dz xh), [c] */
  real *partials;      /* [tasks][2][c] */
} REAL(Norm);

static REAL(Norm) REAL(norm_make)(Pass *pass) {
  const size_t c = (size_t)pass->out.c, m = (size_t)pass->n * pixels_of(pass->out);
  REAL(Norm) b = {.pass = pass, .m = m, .c = c, .rows = split_norm_rows(m)};
  b.scale = pass->scratch;
  b.shift = b.scale + c;
  b.k0 = b.shift + c;
  b.k1 = b.k0 + c;
  b.partials = b.k1 + c;
  b.mean = pass->saved;
  b.r = pass->saved + c;
  return b;
}

static void REAL(norm_fill_affine)(const REAL(Norm) * b) {
  for (size_t j = 0; j < b->c; j++) {
    b->scale[j] = b->pass->params[0][j] * b->r[j];
    b->shift[j] = b->pass->params[1][j] - b->mean[j] * b->scale[j];
  }
}

/* Sums of x - x[first row] and of its square over the task's rows. */
static void REAL(norm_sum_task)(void *context, int task, int thread) {
  (void)thread;
  const REAL(Norm) *const b = context;
  const size_t c = b->c, begin = split_begin(&b->rows, task), count = split_count(&b->rows, task);
  const real *const x = b->pass->x[0] + begin * c;
  real *const restrict sum = b->partials + (size_t)task * 2 * c, *const restrict square = sum + c;
  memset(sum, 0, 2 * c * sizeof *sum);
  size_t i = 1; /* row 0 is the origin */
  for (; i + 4 <= count; i += 4) {
    const real *const x0 = x + i * c, *const x1 = x0 + c, *const x2 = x1 + c, *const x3 = x2 + c;
    for (size_t j = 0; j < c; j++) {
      const real d0 = x0[j] - x[j], d1 = x1[j] - x[j], d2 = x2[j] - x[j], d3 = x3[j] - x[j];
      sum[j] += (d0 + d1) + (d2 + d3);
      square[j] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
    }
  }
  for (; i < count; i++)
    for (size_t j = 0; j < c; j++) {
      const real d = x[i * c + j] - x[j];
      sum[j] += d;
      square[j] += d * d;
    }
}

/* Mean and sum of squared deviations of channel j over all tasks, in double. */
static void REAL(norm_merge)(const REAL(Norm) * b, size_t j, double *mean, double *deviation) {
  double n = 0, mu = 0, m2 = 0;
  for (int t = 0; t < b->rows.tasks; t++) {
    const double nt = (double)split_count(&b->rows, t);
    const double sum = (double)b->partials[(size_t)t * 2 * b->c + j];
    const double square = (double)b->partials[((size_t)t * 2 + 1) * b->c + j];
    const double mut = (double)b->pass->x[0][split_begin(&b->rows, t) * b->c + j] + sum / nt;
    const double m2t = square - sum * sum / nt, delta = mut - mu;
    m2 += m2t + delta * delta * n * nt / (n + nt);
    mu += delta * nt / (n + nt);
    n += nt;
  }
  *mean = mu;
  *deviation = m2 > 0 ? m2 : m2 != m2 ? m2 : 0; /* rounding may go below 0; NaN stays */
}

static void REAL(norm_batch_statistics)(const REAL(Norm) * b) {
  const Pass *const pass = b->pass;
  const double momentum = (double)pass->node->momentum, m = (double)b->m;
  cored_thread_pool_tasks(pass->pool, REAL(norm_sum_task), (void *)b, b->rows.tasks);
  for (size_t j = 0; j < b->c; j++) {
    double mean, deviation;
    REAL(norm_merge)(b, j, &mean, &deviation);
    b->mean[j] = (real)mean;
    b->r[j] = (real)(1 / sqrt(deviation / m + (double)pass->node->epsilon));
    if (!pass->running[0])
      continue;
    const double unbiased = b->m > 1 ? deviation / (m - 1) : deviation;
    pass->running[0][j] = (real)((1 - momentum) * (double)pass->running[0][j] + momentum * mean);
    pass->running[1][j] =
        (real)((1 - momentum) * (double)pass->running[1][j] + momentum * unbiased);
  }
}

/* y = act(scale x + shift), one loop per activation. */
static inline __attribute__((always_inline)) void REAL(norm_apply)(const REAL(Norm) * b,
                                                                   const real *restrict x,
                                                                   real *restrict y, size_t rows,
                                                                   const CoredAct kind) {
  const size_t c = b->c; /* in a register: stores may alias *b */
  const real *const restrict scale = b->scale, *const restrict shift = b->shift;
  const REAL(Act) act = REAL(act_of)(b->pass->act);
  for (size_t i = 0; i < rows; i++, x += c, y += c)
    for (size_t j = 0; j < c; j++)
      y[j] = REAL(act_value)(kind, act, scale[j] * x[j] + shift[j]);
}

static void REAL(norm_apply_task)(void *context, int task, int thread) {
  (void)thread;
  const REAL(Norm) *const b = context;
  const size_t begin = split_begin(&b->rows, task), rows = split_count(&b->rows, task);
  const real *const x = b->pass->x[0] + begin * b->c;
  real *const y = b->pass->y + begin * b->c;
  switch (b->pass->act.kind) {
  case CORED_ACT_NONE:
    REAL(norm_apply)(b, x, y, rows, CORED_ACT_NONE);
    return;
  case CORED_ACT_CLAMP:
    REAL(norm_apply)(b, x, y, rows, CORED_ACT_CLAMP);
    return;
  case CORED_ACT_LEAKY_RELU:
    REAL(norm_apply)(b, x, y, rows, CORED_ACT_LEAKY_RELU);
    return;
  case CORED_ACT_SWISH:
    REAL(norm_apply)(b, x, y, rows, CORED_ACT_SWISH);
    return;
  case CORED_ACT_SIGMOID:
    REAL(norm_apply)(b, x, y, rows, CORED_ACT_SIGMOID);
    return;
  }
}

static void REAL(batch_norm_forward)(Pass *pass) {
  REAL(Norm) b = REAL(norm_make)(pass);
  if (pass->batch_stats)
    REAL(norm_batch_statistics)(&b);
  else
    for (size_t j = 0; j < b.c; j++) {
      b.mean[j] = pass->params[2][j];
      b.r[j] = (real)(1 / sqrt((double)pass->params[3][j] + (double)pass->node->epsilon));
    }
  REAL(norm_fill_affine)(&b);
  cored_thread_pool_tasks(pass->pool, REAL(norm_apply_task), &b, b.rows.tasks);
}

/* Sums of dz and of dz (x - mean) over the task's rows. */
static inline __attribute__((always_inline)) void
REAL(norm_dsum)(const REAL(Norm) * b, const real *x, const real *dy, size_t rows,
                real *restrict sum, real *restrict moment, const CoredAct kind) {
  const size_t c = b->c; /* in a register: stores may alias *b */
  const real *const restrict scale = b->scale, *const restrict shift = b->shift;
  const real *const restrict mean = b->mean;
  const REAL(Act) act = REAL(act_of)(b->pass->act);
  for (size_t i = 0; i < rows; i++, x += c, dy += c)
    for (size_t j = 0; j < c; j++) {
      const real dz = dy[j] * REAL(act_derivative)(kind, act, scale[j] * x[j] + shift[j]);
      sum[j] += dz;
      moment[j] += dz * (x[j] - mean[j]);
    }
}

static void REAL(norm_dsum_task)(void *context, int task, int thread) {
  (void)thread;
  const REAL(Norm) *const b = context;
  const size_t begin = split_begin(&b->rows, task), rows = split_count(&b->rows, task);
  const real *const x = b->pass->x[0] + begin * b->c, *const dy = b->pass->dy + begin * b->c;
  real *const sum = b->partials + (size_t)task * 2 * b->c, *const moment = sum + b->c;
  memset(sum, 0, 2 * b->c * sizeof *sum);
  switch (b->pass->act.kind) {
  case CORED_ACT_NONE:
    REAL(norm_dsum)(b, x, dy, rows, sum, moment, CORED_ACT_NONE);
    return;
  case CORED_ACT_CLAMP:
    REAL(norm_dsum)(b, x, dy, rows, sum, moment, CORED_ACT_CLAMP);
    return;
  case CORED_ACT_LEAKY_RELU:
    REAL(norm_dsum)(b, x, dy, rows, sum, moment, CORED_ACT_LEAKY_RELU);
    return;
  case CORED_ACT_SWISH:
    REAL(norm_dsum)(b, x, dy, rows, sum, moment, CORED_ACT_SWISH);
    return;
  case CORED_ACT_SIGMOID:
    REAL(norm_dsum)(b, x, dy, rows, sum, moment, CORED_ACT_SIGMOID);
    return;
  }
}

/* dx = scale (dz - k0 - (x - mean) k1); dx may be dy. */
static inline __attribute__((always_inline)) void REAL(norm_dx)(const REAL(Norm) * b, const real *x,
                                                                const real *dy, real *dx,
                                                                size_t rows, const CoredAct kind,
                                                                const bool add) {
  const size_t c = b->c; /* in a register: stores may alias *b */
  const real *const restrict scale = b->scale, *const restrict shift = b->shift;
  const real *const restrict mean = b->mean, *const restrict k0 = b->k0, *const restrict k1 = b->k1;
  const REAL(Act) act = REAL(act_of)(b->pass->act);
  for (size_t i = 0; i < rows; i++, x += c, dy += c, dx += c) {
    INDEPENDENT
    for (size_t j = 0; j < c; j++) {
      const real dz = dy[j] * REAL(act_derivative)(kind, act, scale[j] * x[j] + shift[j]);
      const real d = scale[j] * (dz - k0[j] - (x[j] - mean[j]) * k1[j]);
      dx[j] = add ? dx[j] + d : d;
    }
  }
}

static inline __attribute__((always_inline)) void REAL(norm_dx_act)(const REAL(Norm) * b,
                                                                    const real *x, const real *dy,
                                                                    real *dx, size_t rows,
                                                                    const CoredAct kind) {
  if (b->pass->add[0])
    REAL(norm_dx)(b, x, dy, dx, rows, kind, true);
  else
    REAL(norm_dx)(b, x, dy, dx, rows, kind, false);
}

static void REAL(norm_dx_task)(void *context, int task, int thread) {
  (void)thread;
  const REAL(Norm) *const b = context;
  const size_t begin = split_begin(&b->rows, task), rows = split_count(&b->rows, task);
  const real *const x = b->pass->x[0] + begin * b->c, *const dy = b->pass->dy + begin * b->c;
  real *const dx = b->pass->dx[0] + begin * b->c;
  switch (b->pass->act.kind) {
  case CORED_ACT_NONE:
    REAL(norm_dx_act)(b, x, dy, dx, rows, CORED_ACT_NONE);
    return;
  case CORED_ACT_CLAMP:
    REAL(norm_dx_act)(b, x, dy, dx, rows, CORED_ACT_CLAMP);
    return;
  case CORED_ACT_LEAKY_RELU:
    REAL(norm_dx_act)(b, x, dy, dx, rows, CORED_ACT_LEAKY_RELU);
    return;
  case CORED_ACT_SWISH:
    REAL(norm_dx_act)(b, x, dy, dx, rows, CORED_ACT_SWISH);
    return;
  case CORED_ACT_SIGMOID:
    REAL(norm_dx_act)(b, x, dy, dx, rows, CORED_ACT_SIGMOID);
    return;
  }
}

static void REAL(batch_norm_backward)(Pass *pass) {
  REAL(Norm) b = REAL(norm_make)(pass);
  REAL(norm_fill_affine)(&b);
  cored_thread_pool_tasks(pass->pool, REAL(norm_dsum_task), &b, b.rows.tasks);
  for (size_t j = 0; j < b.c; j++) {
    double sum = 0, moment = 0;
    for (int t = 0; t < b.rows.tasks; t++) {
      sum += (double)b.partials[(size_t)t * 2 * b.c + j];
      moment += (double)b.partials[((size_t)t * 2 + 1) * b.c + j];
    }
    const double r = (double)b.r[j], m = (double)b.m;
    pass->dparams[0][j] += (real)(moment * r);
    pass->dparams[1][j] += (real)sum;
    b.k0[j] = pass->batch_stats ? (real)(sum / m) : 0;
    b.k1[j] = pass->batch_stats ? (real)(moment * r * r / m) : 0;
  }
  if (pass->dx[0])
    cored_thread_pool_tasks(pass->pool, REAL(norm_dx_task), &b, b.rows.tasks);
}
