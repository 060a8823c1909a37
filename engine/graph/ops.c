/* SPDX-License-Identifier: MIT
 * The table of ops: their parameters and shapes, and the initial values of parameters. */
#include "graph/ops.h"

#include "base/random.h"

#include <assert.h>
#include <math.h>

/* ---- Parameters ------------------------------------------------------------------------------ */

static int no_params(const CoredNode *node, CoredParamSpec specs[CORED_MAX_LAYER_PARAMS]) {
  (void)node;
  (void)specs;
  return 0;
}

static int conv_params(const CoredNode *node, CoredParamSpec specs[CORED_MAX_LAYER_PARAMS]) {
  specs[0] =
      (CoredParamSpec){.suffix = "weight",
                       .role = CORED_PARAM_WEIGHT,
                       .rank = 4,
                       .dims = {node->channels, node->in_channels, node->kernel, node->kernel}};
  specs[1] = (CoredParamSpec){
      .suffix = "bias", .role = CORED_PARAM_BIAS, .rank = 1, .dims = {node->channels}};
  return node->bias ? 2 : 1;
}

static int depthwise_params(const CoredNode *node, CoredParamSpec specs[CORED_MAX_LAYER_PARAMS]) {
  specs[0] = (CoredParamSpec){.suffix = "weight",
                              .role = CORED_PARAM_WEIGHT,
                              .rank = 4,
                              .dims = {node->channels, 1, node->kernel, node->kernel}};
  specs[1] = (CoredParamSpec){
      .suffix = "bias", .role = CORED_PARAM_BIAS, .rank = 1, .dims = {node->channels}};
  return node->bias ? 2 : 1;
}

static int dense_params(const CoredNode *node, CoredParamSpec specs[CORED_MAX_LAYER_PARAMS]) {
  specs[0] = (CoredParamSpec){.suffix = "weight",
                              .role = CORED_PARAM_WEIGHT,
                              .rank = 2,
                              .dims = {node->channels, node->in_channels}};
  specs[1] = (CoredParamSpec){
      .suffix = "bias", .role = CORED_PARAM_BIAS, .rank = 1, .dims = {node->channels}};
  return node->bias ? 2 : 1;
}

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

/* ---- Shapes ---------------------------------------------------------------------------------- */

static bool same_shape(const CoredNode *node, const CoredShape in[4], CoredShape *out) {
  (void)node;
  *out = in[0];
  return true;
}

/* h and w by cored_window_output. */
static bool window_shape(const CoredNode *node, const CoredShape in[4], CoredShape *out) {
  int pad;
  *out = (CoredShape){.h = cored_window_output(node, in[0].h, &pad),
                      .w = cored_window_output(node, in[0].w, &pad),
                      .c = node->channels};
  return out->h > 0 && out->w > 0;
}

static bool upsample_shape(const CoredNode *node, const CoredShape in[4], CoredShape *out) {
  if (node->stride < 1 || in[0].h > CORED_MAX_INPUT_SIZE / node->stride ||
      in[0].w > CORED_MAX_INPUT_SIZE / node->stride)
    return false;
  *out = (CoredShape){in[0].h * node->stride, in[0].w * node->stride, in[0].c};
  return true;
}

static bool input_shape(const CoredNode *node, const CoredShape in[4], CoredShape *out) {
  *out = in[0];
  return in[0].c == node->channels;
}

static bool dense_shape(const CoredNode *node, const CoredShape in[4], CoredShape *out) {
  *out = (CoredShape){1, 1, node->channels};
  return in[0].h == 1 && in[0].w == 1 && in[0].c == node->in_channels;
}

/* The layer after a flatten was made for one number of values, so only sizes that give it fit. */
static bool flatten_shape(const CoredNode *node, const CoredShape in[4], CoredShape *out) {
  *out = (CoredShape){1, 1, node->channels};
  return (int64_t)in[0].h * in[0].w * in[0].c == node->channels;
}

static bool global_shape(const CoredNode *node, const CoredShape in[4], CoredShape *out) {
  (void)node;
  *out = (CoredShape){1, 1, in[0].c};
  return true;
}

static bool add_shape(const CoredNode *node, const CoredShape in[4], CoredShape *out) {
  (void)node;
  *out = in[0];
  return in[0].h == in[1].h && in[0].w == in[1].w && in[0].c == in[1].c;
}

static bool scale_shape(const CoredNode *node, const CoredShape in[4], CoredShape *out) {
  (void)node;
  *out = in[0];
  return in[1].h == 1 && in[1].w == 1 && in[0].c == in[1].c;
}

static bool concat_shape(const CoredNode *node, const CoredShape in[4], CoredShape *out) {
  *out = (CoredShape){in[0].h, in[0].w, 0};
  for (int i = 0; i < node->n_inputs; i++) {
    if (in[i].h != out->h || in[i].w != out->w)
      return false;
    out->c += in[i].c;
  }
  return out->c == node->channels;
}

/* ---- The table ------------------------------------------------------------------------------- */

static const CoredOpInfo ops[CORED_N_OPS] = {
    [CORED_OP_INPUT] = {"input", no_params, input_shape},
    [CORED_OP_CONV] = {"conv", conv_params, window_shape},
    [CORED_OP_DEPTHWISE] = {"depthwise", depthwise_params, window_shape},
    [CORED_OP_BATCH_NORM] = {"batch_norm", batch_norm_params, same_shape},
    [CORED_OP_ACTIVATION] = {"activation", no_params, same_shape},
    [CORED_OP_MAX_POOL] = {"max_pool", no_params, window_shape},
    [CORED_OP_UPSAMPLE] = {"upsample", no_params, upsample_shape},
    [CORED_OP_GLOBAL_AVG_POOL] = {"global_avg_pool", no_params, global_shape},
    [CORED_OP_FLATTEN] = {"flatten", no_params, flatten_shape},
    [CORED_OP_DENSE] = {"dense", dense_params, dense_shape},
    [CORED_OP_ADD] = {"add", no_params, add_shape},
    [CORED_OP_SCALE] = {"scale", no_params, scale_shape},
    [CORED_OP_CONCAT] = {"concat", no_params, concat_shape},
    [CORED_OP_DROPOUT] = {"dropout", no_params, same_shape},
    [CORED_OP_DROP_CONNECT] = {"drop_connect", no_params, same_shape},
};

const CoredOpInfo *cored_op_info(CoredOp op) {
  assert((unsigned)op < CORED_N_OPS);
  return &ops[op];
}

/* ---- Initial values -------------------------------------------------------------------------- */

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
