/* SPDX-License-Identifier: MIT
 * Template (twice.h): activation, dropout, drop-connect, add, scale, concat, flatten in training.
 * Elements (or images) are shared out; every element has one writer. */

typedef struct REAL(Elements) {
  Pass *pass;
  Split split;
} REAL(Elements);

static REAL(Elements) REAL(elements_make)(Pass *pass) {
  const size_t count = (size_t)pass->n * pixels_of(pass->out) * (size_t)pass->out.c;
  return (REAL(Elements)){pass, split_work(count, 16384, 32)};
}

/* ---- Activation: y = act(x), dx = dy act'. What backward reads: x for swish, else y, from whose
 * sign or value act' follows. */

typedef struct REAL(Activate) { /* of one task */
  size_t n;
  REAL(Act) act;
  const real *x, *y, *dy;
  real *out; /* y forwards, dx backwards */
  bool add;  /* to dx */
} REAL(Activate);

static REAL(Activate) REAL(activate_of)(const REAL(Elements) * e, int task) {
  const Pass *const pass = e->pass;
  const size_t at = split_begin(&e->split, task);
  return (REAL(Activate)){.n = split_count(&e->split, task),
                          .act = REAL(act_of)(pass->node->act),
                          .x = pass->x[0] + at,
                          .y = pass->y + at,
                          .dy = pass->dy ? pass->dy + at : NULL,
                          .out = pass->dx[0] ? pass->dx[0] + at : NULL,
                          .add = pass->add[0]};
}

/* A loop for each kind: with the kind as a constant it becomes vectors. */
static inline __attribute__((always_inline)) void REAL(activate)(const REAL(Activate) * a,
                                                                 CoredAct kind) {
  const REAL(Act) act = a->act;
  const real *const x = a->x;
  real *const y = a->out;
  INDEPENDENT
  for (size_t i = 0; i < a->n; i++)
    y[i] = REAL(act_value)(kind, act, x[i]);
}

static void REAL(activation_forward_task)(void *context, int task, int thread) {
  (void)thread;
  const REAL(Elements) *const e = context;
  REAL(Activate) a = REAL(activate_of)(e, task);
  a.out = e->pass->y + split_begin(&e->split, task);
  switch (e->pass->node->act.kind) {
  case CORED_ACT_CLAMP:
    REAL(activate)(&a, CORED_ACT_CLAMP);
    break;
  case CORED_ACT_LEAKY_RELU:
    REAL(activate)(&a, CORED_ACT_LEAKY_RELU);
    break;
  case CORED_ACT_SWISH:
    REAL(activate)(&a, CORED_ACT_SWISH);
    break;
  case CORED_ACT_SIGMOID:
    REAL(activate)(&a, CORED_ACT_SIGMOID);
    break;
  case CORED_ACT_NONE:
    REAL(activate)(&a, CORED_ACT_NONE);
    break;
  }
}

/* act' from the output, but for swish, whose output does not tell. */
static inline real REAL(derivative_from_output)(CoredAct kind, REAL(Act) act, real y) {
  switch (kind) {
  case CORED_ACT_SIGMOID:
    return y * (1 - y);
  case CORED_ACT_CLAMP:
    return y > act.low && y < act.high ? 1 : 0;
  case CORED_ACT_LEAKY_RELU:
    return y > 0 ? 1 : act.slope;
  default:
    return 1;
  }
}

static inline __attribute__((always_inline)) void REAL(activate_backward)(const REAL(Activate) * a,
                                                                          CoredAct kind) {
  const REAL(Act) act = a->act;
  const real keep = a->add ? 1 : 0;
  const real *const x = a->x, *const y = a->y, *const dy = a->dy;
  real *const dx = a->out;
  INDEPENDENT
  for (size_t i = 0; i < a->n; i++) {
    const real d = kind == CORED_ACT_SWISH ? REAL(act_derivative)(kind, act, x[i])
                                           : REAL(derivative_from_output)(kind, act, y[i]);
    dx[i] = keep != 0 ? dx[i] + dy[i] * d : dy[i] * d;
  }
}

static void REAL(activation_backward_task)(void *context, int task, int thread) {
  (void)thread;
  const REAL(Elements) *const e = context;
  const REAL(Activate) a = REAL(activate_of)(e, task);
  switch (e->pass->node->act.kind) {
  case CORED_ACT_CLAMP:
    REAL(activate_backward)(&a, CORED_ACT_CLAMP);
    break;
  case CORED_ACT_LEAKY_RELU:
    REAL(activate_backward)(&a, CORED_ACT_LEAKY_RELU);
    break;
  case CORED_ACT_SWISH:
    REAL(activate_backward)(&a, CORED_ACT_SWISH);
    break;
  case CORED_ACT_SIGMOID:
    REAL(activate_backward)(&a, CORED_ACT_SIGMOID);
    break;
  case CORED_ACT_NONE:
    REAL(activate_backward)(&a, CORED_ACT_NONE);
    break;
  }
}

static void REAL(activation_forward)(Pass *pass) {
  REAL(Elements) e = REAL(elements_make)(pass);
  cored_thread_pool_tasks(pass->pool, REAL(activation_forward_task), &e, e.split.tasks);
}

static void REAL(activation_backward)(Pass *pass) {
  REAL(Elements) e = REAL(elements_make)(pass);
  if (pass->dx[0])
    cored_thread_pool_tasks(pass->pool, REAL(activation_backward_task), &e, e.split.tasks);
}

/* ---- Copying and adding ---- */

/* to = from, or to += from */
static void REAL(accumulate)(real *to, const real *from, size_t count, bool add) {
  if (add)
    for (size_t i = 0; i < count; i++)
      to[i] += from[i];
  else if (to != from)
    memcpy(to, from, count * sizeof *to);
}

static void REAL(pass_forward_task)(void *context, int task, int thread) {
  (void)thread;
  const REAL(Elements) *const e = context;
  const size_t begin = split_begin(&e->split, task);
  REAL(accumulate)(e->pass->y + begin, e->pass->x[0] + begin, split_count(&e->split, task), false);
}

static void REAL(pass_backward_task)(void *context, int task, int thread) {
  (void)thread;
  const REAL(Elements) *const e = context;
  const Pass *const pass = e->pass;
  const size_t begin = split_begin(&e->split, task), count = split_count(&e->split, task);
  for (int i = 0; i < pass->node->n_inputs; i++)
    if (pass->dx[i])
      REAL(accumulate)(pass->dx[i] + begin, pass->dy + begin, count, pass->add[i]);
}

/* Flatten: y = x, dx = dy. Also the backward of add: every dx[i] = dy. */
static void REAL(flatten_forward)(Pass *pass) {
  REAL(Elements) e = REAL(elements_make)(pass);
  if (pass->y != pass->x[0])
    cored_thread_pool_tasks(pass->pool, REAL(pass_forward_task), &e, e.split.tasks);
}

static void REAL(flatten_backward)(Pass *pass) {
  REAL(Elements) e = REAL(elements_make)(pass);
  cored_thread_pool_tasks(pass->pool, REAL(pass_backward_task), &e, e.split.tasks);
}

static void REAL(add_forward_task)(void *context, int task, int thread) {
  (void)thread;
  const REAL(Elements) *const e = context;
  const size_t begin = split_begin(&e->split, task), end = begin + split_count(&e->split, task);
  const real *const a = e->pass->x[0], *const b = e->pass->x[1];
  real *const y = e->pass->y;
  INDEPENDENT
  for (size_t i = begin; i < end; i++)
    y[i] = a[i] + b[i];
}

static void REAL(add_forward)(Pass *pass) {
  REAL(Elements) e = REAL(elements_make)(pass);
  cored_thread_pool_tasks(pass->pool, REAL(add_forward_task), &e, e.split.tasks);
}

/* ---- Scale: y[n,p,q,c] = x0[n,p,q,c] x1[n,c]; dx0 = dy x1, dx1[n,c] = sum_pq dy x0 ---- */

static void REAL(scale_forward_task)(void *context, int n, int thread) {
  (void)thread;
  const Pass *const pass = context;
  const size_t c = (size_t)pass->out.c, image = pixels_of(pass->out) * c;
  const real *const restrict s = pass->x[1] + (size_t)n * c;
  const real *const restrict x = pass->x[0] + (size_t)n * image;
  real *const restrict y = pass->y + (size_t)n * image;
  for (size_t i = 0; i < image; i += c)
    for (size_t j = 0; j < c; j++)
      y[i + j] = x[i + j] * s[j];
}

/* ds[c] += sum over pixels of dy x */
static void REAL(scale_factor_gradient)(const real *restrict dy, const real *restrict x,
                                        size_t image, size_t c, real *restrict ds) {
  for (size_t i = 0; i < image; i += c)
    for (size_t j = 0; j < c; j++)
      ds[j] += dy[i + j] * x[i + j];
}

static void REAL(scale_backward_task)(void *context, int n, int thread) {
  (void)thread;
  const Pass *const pass = context;
  const size_t c = (size_t)pass->out.c, image = pixels_of(pass->out) * c;
  const real *const s = pass->x[1] + (size_t)n * c, *const dy = pass->dy + (size_t)n * image;
  if (pass->dx[1]) { /* first, because dx[0] may be dy */
    real *const ds = pass->dx[1] + (size_t)n * c;
    if (!pass->add[1])
      memset(ds, 0, c * sizeof *ds);
    REAL(scale_factor_gradient)(dy, pass->x[0] + (size_t)n * image, image, c, ds);
  }
  if (!pass->dx[0])
    return;
  real *const dx = pass->dx[0] + (size_t)n * image;
  const bool add = pass->add[0];
  for (size_t i = 0; i < image; i += c) {
    INDEPENDENT
    for (size_t j = 0; j < c; j++)
      dx[i + j] = (add ? dx[i + j] : 0) + dy[i + j] * s[j];
  }
}

static void REAL(scale_forward)(Pass *pass) {
  cored_thread_pool_tasks(pass->pool, REAL(scale_forward_task), pass, pass->n);
}

static void REAL(scale_backward)(Pass *pass) {
  cored_thread_pool_tasks(pass->pool, REAL(scale_backward_task), pass, pass->n);
}

/* ---- Concat: channels of the inputs one after another ---- */

static void REAL(concat_forward_task)(void *context, int n, int thread) {
  (void)thread;
  const Pass *const pass = context;
  const size_t pixels = pixels_of(pass->out);
  real *y = pass->y + (size_t)n * pixels * (size_t)pass->out.c;
  for (size_t i = (size_t)n * pixels; i < ((size_t)n + 1) * pixels; i++)
    for (int j = 0; j < pass->node->n_inputs; j++) {
      const size_t c = (size_t)pass->in[j].c;
      memcpy(y, pass->x[j] + i * c, c * sizeof *y);
      y += c;
    }
}

static void REAL(concat_backward_task)(void *context, int n, int thread) {
  (void)thread;
  const Pass *const pass = context;
  const size_t pixels = pixels_of(pass->out);
  const real *dy = pass->dy + (size_t)n * pixels * (size_t)pass->out.c;
  for (size_t i = (size_t)n * pixels; i < ((size_t)n + 1) * pixels; i++)
    for (int j = 0; j < pass->node->n_inputs; j++) {
      const size_t c = (size_t)pass->in[j].c;
      if (pass->dx[j])
        REAL(accumulate)(pass->dx[j] + i * c, dy, c, pass->add[j]);
      dy += c;
    }
}

static void REAL(concat_forward)(Pass *pass) {
  cored_thread_pool_tasks(pass->pool, REAL(concat_forward_task), pass, pass->n);
}

static void REAL(concat_backward)(Pass *pass) {
  cored_thread_pool_tasks(pass->pool, REAL(concat_backward_task), pass, pass->n);
}

/* ---- Dropout: y = x m / (1 - rate), m = 0 with probability rate, else 1. Element by element, or
 * for drop-connect (Huang et al. 2016, stochastic depth) one m for a whole sample. The mask is a
 * function of the key and of sample and element, so backward draws it again. ---- */

static real REAL(keep_factor)(const Pass *pass, uint64_t counter) {
  return cored_philox_uniform(pass->key, counter) < pass->rate ? 0 : 1 / (1 - (real)pass->rate);
}

static void REAL(mask_sample)(const Pass *pass, size_t n, const real *from, real *to, bool add) {
  const size_t count = pixels_of(pass->out) * (size_t)pass->out.c;
  const bool whole = pass->node->op == CORED_OP_DROP_CONNECT;
  const uint64_t sample = pass->first + n;
  real factor = pass->rate > 0 ? REAL(keep_factor)(pass, sample) : 1;
  for (size_t i = n * count; i < (n + 1) * count; i++) {
    if (!whole && pass->rate > 0)
      factor = REAL(keep_factor)(pass, sample * count + (i - n * count));
    to[i] = add ? to[i] + from[i] * factor : from[i] * factor;
  }
}

static void REAL(dropout_forward_task)(void *context, int n, int thread) {
  (void)thread;
  const Pass *const pass = context;
  REAL(mask_sample)(pass, (size_t)n, pass->x[0], pass->y, false);
}

static void REAL(dropout_backward_task)(void *context, int n, int thread) {
  (void)thread;
  const Pass *const pass = context;
  REAL(mask_sample)(pass, (size_t)n, pass->dy, pass->dx[0], pass->add[0]);
}

static void REAL(dropout_forward)(Pass *pass) {
  if (pass->rate > 0 || pass->y != pass->x[0])
    cored_thread_pool_tasks(pass->pool, REAL(dropout_forward_task), pass, pass->n);
}

static void REAL(dropout_backward)(Pass *pass) {
  if (pass->dx[0] && (pass->rate > 0 || pass->dx[0] != pass->dy))
    cored_thread_pool_tasks(pass->pool, REAL(dropout_backward_task), pass, pass->n);
}
