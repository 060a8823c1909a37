/* SPDX-License-Identifier: MIT
 * Elementwise and joining layers in training. */
#include "train/passes/isa.h"

#include "base/random.h"

#define CORED_TEMPLATE "train/passes/activation.h"
#include "graph/twice.h"
#define CORED_TEMPLATE "train/passes/elementwise-pass.h"
#include "graph/twice.h"

const CoredPasses CORED_PASS(activation) = {
    .needs_y = true,
    .in_place = true,
    .forward_f32 = activation_forward_f32,
    .backward_f32 = activation_backward_f32,
    .forward_f64 = activation_forward_f64,
    .backward_f64 = activation_backward_f64,
};

const CoredPasses CORED_PASS(activation_x) = {
    .needs_x = {true},
    .in_place = true,
    .forward_f32 = activation_forward_f32,
    .backward_f32 = activation_backward_f32,
    .forward_f64 = activation_forward_f64,
    .backward_f64 = activation_backward_f64,
};

const CoredPasses CORED_PASS(flatten) = {
    .in_place = true,
    .forward_f32 = flatten_forward_f32,
    .backward_f32 = flatten_backward_f32,
    .forward_f64 = flatten_forward_f64,
    .backward_f64 = flatten_backward_f64,
};

const CoredPasses CORED_PASS(add) = {
    .in_place = true,
    .forward_f32 = add_forward_f32,
    .backward_f32 = flatten_backward_f32,
    .forward_f64 = add_forward_f64,
    .backward_f64 = flatten_backward_f64,
};

const CoredPasses CORED_PASS(scale) = {
    .needs_x = {true, true},
    .in_place = true,
    .forward_f32 = scale_forward_f32,
    .backward_f32 = scale_backward_f32,
    .forward_f64 = scale_forward_f64,
    .backward_f64 = scale_backward_f64,
};

const CoredPasses CORED_PASS(concat) = {
    .forward_f32 = concat_forward_f32,
    .backward_f32 = concat_backward_f32,
    .forward_f64 = concat_forward_f64,
    .backward_f64 = concat_backward_f64,
};

const CoredPasses CORED_PASS(dropout) = {
    .in_place = true,
    .forward_f32 = dropout_forward_f32,
    .backward_f32 = dropout_backward_f32,
    .forward_f64 = dropout_forward_f64,
    .backward_f64 = dropout_backward_f64,
};

const CoredPasses CORED_PASS(drop_connect) = {
    .in_place = true,
    .forward_f32 = dropout_forward_f32,
    .backward_f32 = dropout_backward_f32,
    .forward_f64 = dropout_forward_f64,
    .backward_f64 = dropout_backward_f64,
};
