/* SPDX-License-Identifier: MIT */
#include "train/core/optimizer.h"

#include "base/block.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct CoredOptimizer {
  CoredOptimizerParams params;
  CoredThreadPool *pool;
  const CoredParamRange *ranges;
  int n_ranges;
  double *range_sums;
  size_t count; /* of each of the moments */
  CoredReal *moments[CORED_OPTIMIZER_MOMENTS];
};

/* One step, as its tasks see it. */
typedef struct Step {
  CoredOptimizer *optimizer;
  CoredReal *weights, *gradients;
  CoredReal lr, scale; /* of the gradients, for clipping */
  double bias1, bias2; /* AdamW: 1 - beta^t */
} Step;

CoredOptimizer *cored_optimizer_new(const CoredOptimizerParams *params, const CoredTrainNet *net) {
  CoredOptimizer *const optimizer = calloc(1, sizeof *optimizer);
  if (!optimizer)
    return NULL;
  optimizer->params = *params;
  optimizer->pool = cored_train_net_params(net)->pool;
  optimizer->count = cored_train_net_block_count(net);
  optimizer->ranges = cored_train_net_ranges(net, &optimizer->n_ranges);
  optimizer->range_sums = calloc((size_t)optimizer->n_ranges, sizeof *optimizer->range_sums);
  bool ok = optimizer->range_sums != NULL;
  const int n_moments = params->kind == CORED_OPTIMIZER_ADAMW ? 2 : params->momentum > 0;
  for (int i = 0; ok && i < n_moments; i++)
    ok = (optimizer->moments[i] = cored_block_new(optimizer->count, sizeof(CoredReal))) != NULL;
  if (ok)
    return optimizer;
  cored_optimizer_free(optimizer);
  return NULL;
}

void cored_optimizer_free(CoredOptimizer *optimizer) {
  if (!optimizer)
    return;
  for (int i = 0; i < CORED_OPTIMIZER_MOMENTS; i++)
    cored_block_free(optimizer->moments[i], optimizer->count, sizeof(CoredReal));
  free(optimizer->range_sums);
  free(optimizer);
}

CoredReal *cored_optimizer_moment(const CoredOptimizer *optimizer, int index) {
  return optimizer->moments[index];
}

static void norm_task(void *context, int task, int thread) {
  (void)thread;
  const Step *const step = context;
  const CoredParamRange *const range = &step->optimizer->ranges[task];
  const CoredReal *const g = step->gradients + range->offset;
  double sum[8] = {0};
  size_t i = 0;
  for (; i + 8 <= range->count; i += 8)
    for (int j = 0; j < 8; j++)
      sum[j] += (double)g[i + (size_t)j] * (double)g[i + (size_t)j];
  for (; i < range->count; i++)
    sum[0] += (double)g[i] * (double)g[i];
  step->optimizer->range_sums[task] =
      ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

static double gradient_norm(Step *step) {
  CoredOptimizer *const optimizer = step->optimizer;
  cored_thread_pool_tasks(optimizer->pool, norm_task, step, optimizer->n_ranges);
  double square = 0;
  for (int i = 0; i < optimizer->n_ranges; i++)
    square += optimizer->range_sums[i];
  return sqrt(square);
}

/* v = momentum v + scale g + decay w; w -= lr v */
static void step_sgd(const Step *step, size_t offset, size_t count) {
  const CoredOptimizerParams *const p = &step->optimizer->params;
  const CoredReal momentum = (CoredReal)p->momentum, decay = (CoredReal)p->weight_decay;
  const CoredReal lr = step->lr, scale = step->scale;
  CoredReal *const restrict w = step->weights + offset;
  const CoredReal *const restrict g = step->gradients + offset;
  if (!step->optimizer->moments[0]) {
    for (size_t i = 0; i < count; i++)
      w[i] -= lr * (scale * g[i] + decay * w[i]);
    return;
  }
  CoredReal *const restrict v = step->optimizer->moments[0] + offset;
  for (size_t i = 0; i < count; i++) {
    v[i] = momentum * v[i] + (scale * g[i] + decay * w[i]);
    w[i] -= lr * v[i];
  }
}

/* As in PyTorch: the decay is multiplied by lr. */
static void step_adamw(const Step *step, size_t offset, size_t count) {
  const CoredOptimizerParams *const p = &step->optimizer->params;
  const CoredReal b1 = (CoredReal)p->beta1, b2 = (CoredReal)p->beta2;
  const CoredReal keep = (CoredReal)(1 - (double)step->lr * p->weight_decay), scale = step->scale;
  const CoredReal rate = (CoredReal)((double)step->lr / step->bias1),
                  root = (CoredReal)(1 / sqrt(step->bias2));
  const CoredReal epsilon = (CoredReal)p->epsilon;
  CoredReal *const restrict w = step->weights + offset;
  const CoredReal *const restrict g = step->gradients + offset;
  CoredReal *const restrict m = step->optimizer->moments[0] + offset;
  CoredReal *const restrict v = step->optimizer->moments[1] + offset;
  for (size_t i = 0; i < count; i++) {
    const CoredReal d = scale * g[i];
    m[i] = b1 * m[i] + (1 - b1) * d;
    v[i] = b2 * v[i] + (1 - b2) * d * d;
    w[i] = keep * w[i] - rate * m[i] / (CORED_REAL_SQRT(v[i]) * root + epsilon);
  }
}

static void step_task(void *context, int task, int thread) {
  (void)thread;
  const Step *const step = context;
  const CoredParamRange *const range = &step->optimizer->ranges[task];
  switch (step->optimizer->params.kind) {
  case CORED_OPTIMIZER_SGD:
    step_sgd(step, range->offset, range->count);
    break;
  case CORED_OPTIMIZER_ADAMW:
    step_adamw(step, range->offset, range->count);
    break;
  }
  memset(step->gradients + range->offset, 0, range->count * sizeof(CoredReal));
}

bool cored_optimizer_step(CoredOptimizer *optimizer, uint64_t number, double lr, CoredReal *weights,
                          CoredReal *gradients, double *norm) {
  const CoredOptimizerParams *const p = &optimizer->params;
  Step step = {.optimizer = optimizer,
               .weights = weights,
               .gradients = gradients,
               .lr = (CoredReal)lr,
               .scale = 1,
               .bias1 = 1 - pow(p->beta1, (double)number),
               .bias2 = 1 - pow(p->beta2, (double)number)};
  const double length = gradient_norm(&step);
  if (norm)
    *norm = length;
  if (!isfinite(length))
    return false;
  if (p->clip_norm > 0 && length > p->clip_norm)
    step.scale = (CoredReal)(p->clip_norm / length);
  cored_thread_pool_tasks(optimizer->pool, step_task, &step, optimizer->n_ranges);
  return true;
}
