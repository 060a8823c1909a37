/* SPDX-License-Identifier: MIT
 * Max pooling and global average pooling. */
#include "graph/ops.h"

#include <math.h>

#define CORED_TEMPLATE "graph/pooling-forward.h"
#include "graph/twice.h"

static bool global_shape(const CoredNode *node, const CoredShape in[4], CoredShape *out) {
  (void)node;
  *out = (CoredShape){1, 1, in[0].c};
  return true;
}

const CoredLayer cored_layer_max_pool = {
    .name = "max_pool",
    .min_inputs = 1,
    .max_inputs = 1,
    .params = cored_layer_no_params,
    .shape = cored_layer_window_shape,
    .forward_f32 = max_pool_f32,
    .forward_f64 = max_pool_f64,
};

const CoredLayer cored_layer_global_avg_pool = {
    .name = "global_avg_pool",
    .min_inputs = 1,
    .max_inputs = 1,
    .params = cored_layer_no_params,
    .shape = global_shape,
    .forward_f32 = global_avg_pool_f32,
    .forward_f64 = global_avg_pool_f64,
};
