/* SPDX-License-Identifier: MIT
 * Convolution and dense layer in training. */
#include "train/passes/isa.h"

typedef enum ConvKind { CONV_POINTWISE, CONV_STRIDED, CONV_UNFOLD } ConvKind;

static ConvKind conv_kind(const CoredNode *node) {
  if (node->kernel != 1 || (node->pad_mode == CORED_PAD_EXPLICIT && node->pad != 0))
    return CONV_UNFOLD;
  return node->stride == 1 ? CONV_POINTWISE : CONV_STRIDED;
}

#define CORED_TEMPLATE "train/passes/linear-pass.h"
#include "graph/twice.h"
#define CORED_TEMPLATE "train/passes/conv-pass.h"
#include "graph/twice.h"

static size_t conv_scratch(const CoredPassShape *s) {
  const size_t o = (size_t)s->out.c, c = (size_t)s->in[0].c;
  const size_t m = (size_t)s->n * pixels_of(s->out);
  const size_t depth = (size_t)(s->node->kernel * s->node->kernel) * c;
  switch (conv_kind(s->node)) {
  case CONV_POINTWISE:
    return linear_partials(m, c, o);
  case CONV_STRIDED:
    return 2 * m * c + linear_partials(m, c, o);
  case CONV_UNFOLD:
    break;
  }
  return o * depth + (size_t)split_work((size_t)s->n, 1, max_partials).tasks * (o * depth + o) +
         (size_t)s->threads * 2 * pixels_of(s->out) * depth;
}

static size_t dense_scratch(const CoredPassShape *s) {
  return linear_partials((size_t)s->n, (size_t)s->in[0].c, (size_t)s->out.c);
}

const CoredPasses CORED_PASS(conv) = {
    .needs_x = {true},
    .scratch_count = conv_scratch,
    .forward_f32 = conv_forward_f32,
    .backward_f32 = conv_backward_f32,
    .forward_f64 = conv_forward_f64,
    .backward_f64 = conv_backward_f64,
};

const CoredPasses CORED_PASS(dense) = {
    .needs_x = {true},
    .scratch_count = dense_scratch,
    .forward_f32 = dense_forward_f32,
    .backward_f32 = dense_backward_f32,
    .forward_f64 = dense_forward_f64,
    .backward_f64 = dense_backward_f64,
};
