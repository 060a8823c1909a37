/* SPDX-License-Identifier: MIT
 * Convolution and depthwise convolution. */
#include "graph/ops.h"

#define CORED_TEMPLATE "graph/conv-forward.h"
#include "graph/twice.h"

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
  return 1;
}

const CoredLayer cored_layer_conv = {
    .name = "conv",
    .min_inputs = 1,
    .max_inputs = 1,
    .params = conv_params,
    .shape = cored_layer_window_shape,
    .forward_f32 = conv_f32,
    .forward_f64 = conv_f64,
};

const CoredLayer cored_layer_depthwise = {
    .name = "depthwise",
    .min_inputs = 1,
    .max_inputs = 1,
    .params = depthwise_params,
    .shape = cored_layer_window_shape,
    .forward_f32 = depthwise_f32,
    .forward_f64 = depthwise_f64,
};
