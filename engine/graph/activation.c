/* SPDX-License-Identifier: MIT
 * Elementwise activations. */
#include "graph/ops.h"

#include <math.h>

#define CORED_TEMPLATE "graph/activation-forward.h"
#include "graph/twice.h"

const CoredLayer cored_layer_activation = {
    .name = "activation",
    .min_inputs = 1,
    .max_inputs = 1,
    .params = cored_layer_no_params,
    .shape = cored_layer_same_shape,
    .forward_f32 = activation_f32,
    .forward_f64 = activation_f64,
};
