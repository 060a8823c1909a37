/* SPDX-License-Identifier: MIT
 * The table of layers, what they share, and the initial values of parameters. */
#include "graph/ops.h"

#include "base/random.h"

#include <assert.h>
#include <math.h>

static const CoredLayer *const layers[CORED_N_OPS] = {
    [CORED_OP_INPUT] = &cored_layer_input,
    [CORED_OP_CONV] = &cored_layer_conv,
    [CORED_OP_DEPTHWISE] = &cored_layer_depthwise,
    [CORED_OP_BATCH_NORM] = &cored_layer_batch_norm,
    [CORED_OP_ACTIVATION] = &cored_layer_activation,
    [CORED_OP_MAX_POOL] = &cored_layer_max_pool,
    [CORED_OP_GLOBAL_AVG_POOL] = &cored_layer_global_avg_pool,
    [CORED_OP_FLATTEN] = &cored_layer_flatten,
    [CORED_OP_DENSE] = &cored_layer_dense,
    [CORED_OP_ADD] = &cored_layer_add,
    [CORED_OP_SCALE] = &cored_layer_scale,
    [CORED_OP_CONCAT] = &cored_layer_concat,
    [CORED_OP_DROPOUT] = &cored_layer_dropout,
    [CORED_OP_DROP_CONNECT] = &cored_layer_drop_connect,
};

const CoredLayer *cored_layer_get(CoredOp op) {
  assert((unsigned)op < CORED_N_OPS);
  return layers[op];
}

int cored_layer_no_params(const CoredNode *node, CoredParamSpec specs[CORED_MAX_LAYER_PARAMS]) {
  (void)node;
  (void)specs;
  return 0;
}

bool cored_layer_same_shape(const CoredNode *node, const CoredShape in[4], CoredShape *out) {
  (void)node;
  *out = in[0];
  return true;
}

bool cored_layer_window_shape(const CoredNode *node, const CoredShape in[4], CoredShape *out) {
  int pad;
  *out = (CoredShape){.h = cored_window_output(node, in[0].h, &pad),
                      .w = cored_window_output(node, in[0].w, &pad),
                      .c = node->channels};
  return out->h > 0 && out->w > 0;
}

static void init_weight(const CoredGraph *graph, const CoredParam *param, uint64_t seed,
                        float *data) {
  const CoredNode *const node = &graph->nodes[param->node];
  const uint64_t key = cored_philox_key(seed, param->name);
  const size_t fan_in = param->count / (size_t)param->dims[0];
  const float bound = (float)(1.0 / sqrt((double)fan_in));
  const float deviation = (float)sqrt(2.0 / (double)fan_in);
  const bool last = node->classifier && param->node == graph->logits;
  for (size_t i = 0; i < param->count; i++)
    data[i] = last ? (2.0f * cored_philox_uniform(key, i) - 1.0f) * bound
                   : cored_philox_normal(key, i) * deviation;
}

void cored_param_init(const CoredGraph *graph, const CoredParam *param, uint64_t seed,
                      float *data) {
  switch (param->role) {
  case CORED_PARAM_WEIGHT:
    init_weight(graph, param, seed, data);
    return;
  case CORED_PARAM_BIAS:
  case CORED_PARAM_BN_BIAS:
  case CORED_PARAM_BN_MEAN:
    for (size_t i = 0; i < param->count; i++)
      data[i] = 0.0f;
    return;
  case CORED_PARAM_BN_WEIGHT:
  case CORED_PARAM_BN_VAR:
    for (size_t i = 0; i < param->count; i++)
      data[i] = 1.0f;
    return;
  }
}
