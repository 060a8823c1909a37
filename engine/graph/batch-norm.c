/* SPDX-License-Identifier: MIT
 * Batch normalisation: Ioffe and Szegedy 2015, algorithm 2 (inference). */
#include "graph/ops.h"

#include <math.h>

#define CORED_TEMPLATE "graph/batch-norm-forward.h"
#include "graph/twice.h"

static int batch_norm_params(const CoredNode *node, CoredParamSpec specs[CORED_MAX_LAYER_PARAMS]) {
  static const CoredParamSpec all[CORED_MAX_LAYER_PARAMS] = {
      {.suffix = "weight", .role = CORED_PARAM_BN_WEIGHT, .rank = 1},
      {.suffix = "bias", .role = CORED_PARAM_BN_BIAS, .rank = 1},
      {.suffix = "running_mean", .role = CORED_PARAM_BN_MEAN, .rank = 1},
      {.suffix = "running_var", .role = CORED_PARAM_BN_VAR, .rank = 1},
  };
  for (int i = 0; i < CORED_MAX_LAYER_PARAMS; i++) {
    specs[i] = all[i];
    specs[i].dims[0] = node->channels;
  }
  return CORED_MAX_LAYER_PARAMS;
}

const CoredLayer cored_layer_batch_norm = {
    .name = "batch_norm",
    .min_inputs = 1,
    .max_inputs = 1,
    .params = batch_norm_params,
    .shape = cored_layer_same_shape,
    .forward_f32 = batch_norm_f32,
    .forward_f64 = batch_norm_f64,
};
