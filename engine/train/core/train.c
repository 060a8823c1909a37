/* SPDX-License-Identifier: MIT
 * The parameters of a training: defaults and ranges. */
#include "train/core/train.h"

#include "base/error.h"

#include <math.h>

void cored_train_params_init(CoredTrainParams *params) {
  *params = (CoredTrainParams){.max_batch = 128,
                               .cpu = cored_cpu_flags(),
                               .seed = 2020,
                               .method = CORED_METHOD_CORED,
                               .alpha = 0.5,
                               .temperature = 20,
                               .n_stores = 5,
                               .representation = CORED_REPRESENTATION_SCALAR,
                               .dropout = -1,
                               .drop_connect = -1,
                               .optimizer = {.kind = CORED_OPTIMIZER_SGD,
                                             .momentum = 0.1,
                                             .beta1 = 0.9,
                                             .beta2 = 0.999,
                                             .epsilon = 1e-8}};
}

static bool check(bool good, const char *what, double value, CoredError *error) {
  return good || cored_error_set(error, CORED_ERROR_ARGUMENT, "training: %s is out of range: %g",
                                 what, value);
}

static bool within(double value, double low, double high) {
  return value >= low && value <= high; /* false for NaN */
}

bool cored_train_params_check(const CoredTrainParams *p, CoredError *error) {
  const CoredOptimizerParams *const o = &p->optimizer;
  const bool beta1 = within(o->beta1, 0, 1) && o->beta1 < 1;
  const bool beta2 = within(o->beta2, 0, 1) && o->beta2 < 1;
  return check(p->max_batch >= 1 && p->max_batch <= 4096, "batch size", p->max_batch, error) &&
         check(p->threads >= 0 && p->threads <= 64, "number of threads", p->threads, error) &&
         check(p->method >= CORED_METHOD_FT && p->method <= CORED_METHOD_CORED, "method", p->method,
               error) &&
         check(within(p->alpha, 0, 1), "alpha", p->alpha, error) &&
         check(p->temperature > 0 && isfinite(p->temperature), "temperature", p->temperature,
               error) &&
         check(p->n_stores >= 1 && p->n_stores <= CORED_MAX_STORES, "number of stores", p->n_stores,
               error) &&
         check(p->dropout < 1, "dropout", p->dropout, error) &&
         check(p->drop_connect < 1, "drop-connect", p->drop_connect, error) &&
         check(within(o->momentum, 0, 1), "momentum", o->momentum, error) &&
         check(beta1, "beta1", o->beta1, error) && check(beta2, "beta2", o->beta2, error) &&
         check(within(o->epsilon, 0, 1), "epsilon", o->epsilon, error) &&
         check(within(o->weight_decay, 0, 1e6), "weight decay", o->weight_decay, error) &&
         check(within(o->clip_norm, 0, 1e30), "gradient norm", o->clip_norm, error);
}
