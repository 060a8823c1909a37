/* SPDX-License-Identifier: MIT
 * The optimizer: sum over processes, clip, step. Parameters are shared out in ranges; sums are
 * added in range order. */
#include "train/core/trainer.h"

#include <math.h>
#include <string.h>

typedef struct Update {
  CoredTrainer *trainer;
  CoredReal lr, scale; /* of the gradients, for clipping */
  double bias1, bias2; /* AdamW: 1 - beta^t */
} Update;

static void norm_task(void *context, int task, int thread) {
  (void)thread;
  CoredTrainer *const trainer = context;
  const CoredParamRange *const range = &trainer->ranges[task];
  const CoredReal *const g = trainer->gradients + range->offset;
  double sum[8] = {0};
  size_t i = 0;
  for (; i + 8 <= range->count; i += 8)
    for (int j = 0; j < 8; j++)
      sum[j] += (double)g[i + (size_t)j] * (double)g[i + (size_t)j];
  for (; i < range->count; i++)
    sum[0] += (double)g[i] * (double)g[i];
  trainer->range_sums[task] =
      ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

/* v = momentum v + scale g + decay w; w -= lr v (PyTorch's SGD without dampening). */
static void step_sgd(const Update *u, size_t offset, size_t count) {
  const CoredTrainParams *const p = &u->trainer->params;
  const CoredReal momentum = (CoredReal)p->momentum, decay = (CoredReal)p->weight_decay;
  const CoredReal lr = u->lr, scale = u->scale;
  CoredReal *const restrict w = u->trainer->block + offset;
  const CoredReal *const restrict g = u->trainer->gradients + offset;
  if (!u->trainer->moments[0]) {
    for (size_t i = 0; i < count; i++)
      w[i] -= lr * (scale * g[i] + decay * w[i]);
    return;
  }
  CoredReal *const restrict v = u->trainer->moments[0] + offset;
  for (size_t i = 0; i < count; i++) {
    v[i] = momentum * v[i] + (scale * g[i] + decay * w[i]);
    w[i] -= lr * v[i];
  }
}

/* Loshchilov and Hutter 2019, algorithm 2, as in PyTorch: the decay is multiplied by lr. */
static void step_adamw(const Update *u, size_t offset, size_t count) {
  const CoredTrainParams *const p = &u->trainer->params;
  const CoredReal b1 = (CoredReal)p->beta1, b2 = (CoredReal)p->beta2;
  const CoredReal keep = (CoredReal)(1 - (double)u->lr * p->weight_decay), scale = u->scale;
  const CoredReal rate = (CoredReal)((double)u->lr / u->bias1),
                  root = (CoredReal)(1 / sqrt(u->bias2));
  const CoredReal epsilon = (CoredReal)p->adam_epsilon;
  CoredReal *const restrict w = u->trainer->block + offset;
  const CoredReal *const restrict g = u->trainer->gradients + offset;
  CoredReal *const restrict m = u->trainer->moments[0] + offset;
  CoredReal *const restrict v = u->trainer->moments[1] + offset;
  for (size_t i = 0; i < count; i++) {
    const CoredReal d = scale * g[i];
    m[i] = b1 * m[i] + (1 - b1) * d;
    v[i] = b2 * v[i] + (1 - b2) * d * d;
    w[i] = keep * w[i] - rate * m[i] / (CORED_REAL_SQRT(v[i]) * root + epsilon);
  }
}

static void update_task(void *context, int task, int thread) {
  (void)thread;
  const Update *const u = context;
  const CoredParamRange *const range = &u->trainer->ranges[task];
  switch (u->trainer->params.optimizer) {
  case CORED_OPTIMIZER_SGD:
    step_sgd(u, range->offset, range->count);
    break;
  case CORED_OPTIMIZER_ADAMW:
    step_adamw(u, range->offset, range->count);
    break;
  }
  memset(u->trainer->gradients + range->offset, 0, range->count * sizeof(CoredReal));
}

bool cored_trainer_update(CoredTrainer *trainer, double lr, double *norm) {
  const CoredTrainParams *const p = &trainer->params;
  if (p->reduce)
    p->reduce->CORED_REAL(sum)(p->reduce->user, trainer->gradients,
                               cored_net_block_count(trainer->net));
  cored_thread_pool_tasks(trainer->pool, norm_task, trainer, trainer->n_ranges);
  double square = 0;
  for (int i = 0; i < trainer->n_ranges; i++)
    square += trainer->range_sums[i];
  const double length = sqrt(square);
  if (norm)
    *norm = length;
  if (!isfinite(length))
    return false;
  const double t = (double)++trainer->counters[CORED_COUNTER_STEPS];
  Update update = {
      .trainer = trainer,
      .lr = (CoredReal)lr,
      .scale = p->clip_norm > 0 && length > p->clip_norm ? (CoredReal)(p->clip_norm / length) : 1,
      .bias1 = 1 - pow(p->beta1, t),
      .bias2 = 1 - pow(p->beta2, t)};
  cored_thread_pool_tasks(trainer->pool, update_task, &update, trainer->n_ranges);
  return true;
}

uint64_t cored_trainer_steps(const CoredTrainer *trainer) {
  return (uint64_t)trainer->counters[CORED_COUNTER_STEPS];
}

static bool is_finite(const CoredTrainer *trainer, const CoredReal *block, int param) {
  const CoredReal *const values = block + cored_net_offset(trainer->net, param);
  for (size_t i = 0; i < trainer->graph->params[param].count; i++)
    if (!isfinite(values[i]))
      return false;
  return true;
}

const char *cored_trainer_find_nonfinite(const CoredTrainer *trainer) {
  const CoredParam *const params = trainer->graph->params;
  const int n = trainer->graph->n_params;
  if (trainer->nonfinite[0])
    return trainer->nonfinite;
  for (int i = 0; i < n; i++)
    if (!is_finite(trainer, trainer->block, i))
      return params[i].name;
  for (int i = n - 1; i >= 0; i--) /* backward begins at the end */
    if (!is_finite(trainer, trainer->gradients, i))
      return params[i].name;
  for (int m = 0; m < 2; m++)
    for (int i = 0; trainer->moments[m] && i < n; i++)
      if (!is_finite(trainer, trainer->moments[m], i))
        return params[i].name;
  return NULL;
}
