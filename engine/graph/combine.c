/* SPDX-License-Identifier: MIT
 * The input, and layers that join branches: add, scale, concat. */
#include "graph/ops.h"

#include <string.h>

#define CORED_TEMPLATE "graph/combine-forward.h"
#include "graph/twice.h"

static bool input_shape(const CoredNode *node, const CoredShape in[4], CoredShape *out) {
  *out = in[0];
  return in[0].c == node->channels;
}

static bool add_shape(const CoredNode *node, const CoredShape in[4], CoredShape *out) {
  (void)node;
  *out = in[0];
  return in[0].h == in[1].h && in[0].w == in[1].w && in[0].c == in[1].c;
}

static bool scale_shape(const CoredNode *node, const CoredShape in[4], CoredShape *out) {
  (void)node;
  *out = in[0];
  return in[1].h == 1 && in[1].w == 1 && in[0].c == in[1].c;
}

static bool concat_shape(const CoredNode *node, const CoredShape in[4], CoredShape *out) {
  *out = (CoredShape){in[0].h, in[0].w, 0};
  for (int i = 0; i < node->n_inputs; i++) {
    if (in[i].h != out->h || in[i].w != out->w)
      return false;
    out->c += in[i].c;
  }
  return out->c == node->channels;
}

const CoredLayer cored_layer_input = {
    .name = "input",
    .min_inputs = 0,
    .max_inputs = 0,
    .params = cored_layer_no_params,
    .shape = input_shape,
};

const CoredLayer cored_layer_add = {
    .name = "add",
    .min_inputs = 2,
    .max_inputs = 2,
    .params = cored_layer_no_params,
    .shape = add_shape,
    .forward_f32 = add_f32,
    .forward_f64 = add_f64,
};

const CoredLayer cored_layer_scale = {
    .name = "scale",
    .min_inputs = 2,
    .max_inputs = 2,
    .params = cored_layer_no_params,
    .shape = scale_shape,
    .forward_f32 = scale_f32,
    .forward_f64 = scale_f64,
};

const CoredLayer cored_layer_concat = {
    .name = "concat",
    .min_inputs = 2,
    .max_inputs = 4,
    .params = cored_layer_no_params,
    .shape = concat_shape,
    .forward_f32 = concat_f32,
    .forward_f64 = concat_f64,
};
