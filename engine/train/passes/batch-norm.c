/* SPDX-License-Identifier: MIT
 * Batch norm in training, fused with the activation after it. */
#include "train/passes/isa.h"

static inline Split split_norm_rows(size_t m) {
  return split_work(m, 32, 32);
}

#define CORED_TEMPLATE "train/passes/activation.h"
#include "graph/twice.h"
#define CORED_TEMPLATE "train/passes/batch-norm-pass.h"
#include "graph/twice.h"

static size_t batch_norm_saved(const CoredPassShape *s) {
  return 2 * (size_t)s->out.c;
}

static size_t batch_norm_scratch(const CoredPassShape *s) {
  const size_t m = (size_t)s->n * pixels_of(s->out);
  return (4 + 2 * (size_t)split_norm_rows(m).tasks) * (size_t)s->out.c;
}

const CoredPasses CORED_PASS(batch_norm) = {
    .needs_x = {true},
    .in_place = true,
    .saved_count = batch_norm_saved,
    .scratch_count = batch_norm_scratch,
    .forward_f32 = batch_norm_forward_f32,
    .backward_f32 = batch_norm_backward_f32,
    .forward_f64 = batch_norm_forward_f64,
    .backward_f64 = batch_norm_backward_f64,
};
