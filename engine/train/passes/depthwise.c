/* SPDX-License-Identifier: MIT
 * Depthwise convolution in training. */
#include "train/passes/isa.h"

enum { max_depthwise_tasks = 16 };

#define CORED_TEMPLATE "train/passes/depthwise-pass.h"
#include "graph/twice.h"

static size_t depthwise_scratch(const CoredPassShape *s) {
  const size_t taps = (size_t)(s->node->kernel * s->node->kernel) * (size_t)s->in[0].c;
  return taps * (2 + (size_t)split_work((size_t)s->n, 1, max_depthwise_tasks).tasks);
}

const CoredPasses CORED_PASS(depthwise) = {
    .needs_x = {true},
    .scratch_count = depthwise_scratch,
    .forward_f32 = depthwise_forward_f32,
    .backward_f32 = depthwise_backward_f32,
    .forward_f64 = depthwise_forward_f64,
    .backward_f64 = depthwise_backward_f64,
};
