/* SPDX-License-Identifier: MIT
 * Pooling in training. */
#include "train/passes/isa.h"

#include <math.h>

enum { pool_block = 64 };
/* As wide as the values beside them, so that the loop over channels becomes vectors. */
typedef int32_t index_f32;
typedef int64_t index_f64;

#define CORED_TEMPLATE "train/passes/pooling-pass.h"
#include "graph/twice.h"

/* One byte per output, in units of the smaller real. */
static size_t max_pool_saved(const CoredPassShape *s) {
  return ((size_t)s->n * pixels_of(s->out) * (size_t)s->out.c + sizeof(float) - 1) / sizeof(float);
}

const CoredPasses CORED_PASS(max_pool) = {
    .saved_count = max_pool_saved,
    .forward_f32 = max_pool_forward_f32,
    .backward_f32 = max_pool_backward_f32,
    .forward_f64 = max_pool_forward_f64,
    .backward_f64 = max_pool_backward_f64,
};

const CoredPasses CORED_PASS(global_avg_pool) = {
    .forward_f32 = average_forward_f32,
    .backward_f32 = average_backward_f32,
    .forward_f64 = average_forward_f64,
    .backward_f64 = average_backward_f64,
};
