/* SPDX-License-Identifier: MIT
 * Dense layer, and the flattening before it. */
#include "graph/ops.h"

#include <string.h>

#define CORED_TEMPLATE "graph/dense-forward.h"
#include "graph/twice.h"

static int dense_params(const CoredNode *node, CoredParamSpec specs[CORED_MAX_LAYER_PARAMS]) {
  specs[0] = (CoredParamSpec){.suffix = "weight",
                              .role = CORED_PARAM_WEIGHT,
                              .rank = 2,
                              .dims = {node->channels, node->in_channels}};
  specs[1] = (CoredParamSpec){
      .suffix = "bias", .role = CORED_PARAM_BIAS, .rank = 1, .dims = {node->channels}};
  return node->bias ? 2 : 1;
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

const CoredLayer cored_layer_dense = {
    .name = "dense",
    .min_inputs = 1,
    .max_inputs = 1,
    .params = dense_params,
    .shape = dense_shape,
    .forward_f32 = dense_f32,
    .forward_f64 = dense_f64,
};

const CoredLayer cored_layer_flatten = {
    .name = "flatten",
    .min_inputs = 1,
    .max_inputs = 1,
    .params = cored_layer_no_params,
    .shape = flatten_shape,
    .forward_f32 = flatten_f32,
    .forward_f64 = flatten_f64,
};
