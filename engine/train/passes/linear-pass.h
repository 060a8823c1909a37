/* SPDX-License-Identifier: MIT
 * Template (twice.h): y [m,o] = x [m,i] weight^T + bias, forward and backward. The core of dense
 * layers and of 1x1 convolutions, whose pixels are the rows.
 *
 *   forward   y = x w^T + b            rows are shared out; each task is one matrix product
 *   backward  dx = dy w                rows are shared out
 *             dw += dy^T x             large w: rows of w are shared out, no partial sums;
 *                                      small w: rows of x are, each task sums into its own
 *                                      partial w, and these are added in task order
 *             db += column sums of dy
 */

#ifndef CORED_LINEAR_SPLITS
#define CORED_LINEAR_SPLITS

/* A task is worth about this many multiply-adds: long enough to pay for packing the weights, short
 * enough to share the work of one layer evenly. */
static const double task_macs = 0.2e9;
/* Weights up to this many values are summed in partials. */
static const size_t small_weight = 65536;
enum { max_linear_tasks = 64, max_partials = 8, min_task_rows = 64 };

static inline Split split_rows(size_t m, size_t i, size_t o) {
  const double macs = (double)m * (double)i * (double)o;
  int tasks = (int)(macs / task_macs) + 1;
  tasks += tasks & 1; /* two threads share them evenly */
  return split_work(m, min_task_rows, tasks > max_linear_tasks ? max_linear_tasks : tasks);
}

static inline Split split_weight(size_t m, size_t i, size_t o) {
  if (i * o <= small_weight)
    return split_work(m, 512, max_partials);
  const double macs = (double)m * (double)i * (double)o;
  int tasks = (int)(macs / task_macs) + 1;
  tasks += tasks & 1;
  return split_work(o, 32, tasks > max_linear_tasks ? max_linear_tasks : tasks);
}

/* Values of scratch for the partial weights. */
static inline size_t linear_partials(size_t m, size_t i, size_t o) {
  return i * o <= small_weight ? (size_t)split_weight(m, i, o).tasks * i * o : 0;
}
#endif

typedef struct REAL(Linear) {
  Pass *pass;
  size_t m, i, o;
  const real *x; /* [m,i] */
  real *dx;      /* [m,i] or NULL */
  bool add;
  real *partials;
  Split rows, weight;
} REAL(Linear);

static REAL(Linear) REAL(linear_make)(Pass *pass, size_t m, const real *x) {
  const size_t i = (size_t)pass->in[0].c, o = (size_t)pass->out.c;
  return (REAL(Linear)){.pass = pass,
                        .m = m,
                        .i = i,
                        .o = o,
                        .x = x,
                        .rows = split_rows(m, i, o),
                        .weight = split_weight(m, i, o)};
}

static void REAL(linear_forward_task)(void *context, int task, int thread) {
  (void)thread;
  const REAL(Linear) *const l = context;
  const size_t begin = split_begin(&l->rows, task), count = split_count(&l->rows, task);
  real *const y = l->pass->y + begin * l->o;
  const bool bias = l->pass->node->bias;
  if (bias)
    for (size_t r = 0; r < count; r++)
      memcpy(y + r * l->o, l->pass->params[1], l->o * sizeof *y);
  REAL(gemm)
  (false, true, count, l->o, l->i, l->x + begin * l->i, l->i, l->pass->params[0], l->i,
   bias ? 1 : 0, y, l->o);
}

static void REAL(linear_forward)(Pass *pass, size_t m, const real *x) {
  REAL(Linear) l = REAL(linear_make)(pass, m, x);
  cored_thread_pool_tasks(pass->pool, REAL(linear_forward_task), &l, l.rows.tasks);
}

static void REAL(linear_weight_task)(const REAL(Linear) * l, int task) {
  const size_t begin = split_begin(&l->weight, task), count = split_count(&l->weight, task);
  const real *const dy = l->pass->dy;
  if (l->partials) {
    REAL(gemm)
    (true, false, l->o, l->i, count, dy + begin * l->o, l->o, l->x + begin * l->i, l->i, 0,
     l->partials + (size_t)task * l->o * l->i, l->i);
    return;
  }
  REAL(gemm)
  (true, false, count, l->i, l->m, dy + begin, l->o, l->x, l->i, 1,
   l->pass->dparams[0] + begin * l->i, l->i);
}

static void REAL(linear_backward_task)(void *context, int task, int thread) {
  (void)thread;
  const REAL(Linear) *const l = context;
  if (task < l->weight.tasks) {
    REAL(linear_weight_task)(l, task);
    return;
  }
  const size_t begin = split_begin(&l->rows, task - l->weight.tasks);
  const size_t count = split_count(&l->rows, task - l->weight.tasks);
  REAL(gemm)
  (false, false, count, l->i, l->o, l->pass->dy + begin * l->o, l->o, l->pass->params[0], l->i,
   l->add ? 1 : 0, l->dx + begin * l->i, l->i);
}

/* db += column sums of dy [m,o]; layers with a bias have few rows or few columns. */
static void REAL(add_bias_gradient)(Pass *pass, size_t m, size_t o) {
  for (size_t r = 0; r < m; r++)
    for (size_t c = 0; c < o; c++)
      pass->dparams[1][c] += pass->dy[r * o + c];
}

/* dx may be NULL. scratch: linear_partials() values. */
static void REAL(linear_backward)(Pass *pass, size_t m, const real *x, real *dx, bool add,
                                  real *scratch) {
  REAL(Linear) l = REAL(linear_make)(pass, m, x);
  const size_t count = l.i * l.o;
  l.dx = dx;
  l.add = add;
  l.partials = count <= small_weight ? scratch : NULL;
  cored_thread_pool_tasks(pass->pool, REAL(linear_backward_task), &l,
                          l.weight.tasks + (dx ? l.rows.tasks : 0));
  if (l.partials)
    for (int t = 0; t < l.weight.tasks; t++)
      for (size_t i = 0; i < count; i++)
        pass->dparams[0][i] += l.partials[(size_t)t * count + i];
  if (pass->node->bias)
    REAL(add_bias_gradient)(pass, m, l.o);
}
