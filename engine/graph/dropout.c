/* SPDX-License-Identifier: MIT
 * Dropout and drop-connect. They act in training only; in inference they pass their input on. */
#include "graph/ops.h"

#include <string.h>

#define CORED_TEMPLATE "graph/dropout-forward.h"
#include "graph/twice.h"

const CoredLayer cored_layer_dropout = {
    .name = "dropout",
    .min_inputs = 1,
    .max_inputs = 1,
    .params = cored_layer_no_params,
    .shape = cored_layer_same_shape,
    .forward_f32 = pass_f32,
    .forward_f64 = pass_f64,
};

const CoredLayer cored_layer_drop_connect = {
    .name = "drop_connect",
    .min_inputs = 1,
    .max_inputs = 1,
    .params = cored_layer_no_params,
    .shape = cored_layer_same_shape,
    .forward_f32 = pass_f32,
    .forward_f64 = pass_f64,
};
