/* SPDX-License-Identifier: MIT */
#include "tools/convert/onnx-compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Pads { /* of a file: any numbers */
  int64_t top, left, bottom, right;
} Pads;

/* ---- Padding --------------------------------------------------------------------------------- */

static const CoredOnnxNode *maker_of(const CoredOnnx *onnx, CoredOnnxText value) {
  for (size_t i = 0; i < onnx->n_nodes; i++)
    for (size_t k = 0; k < onnx->nodes[i].n_outputs; k++)
      if (cored_onnx_same(onnx->nodes[i].outputs[k], value))
        return &onnx->nodes[i];
  return NULL;
}

static bool text_is(const CoredOnnxNode *node, const char *name, const char *expected) {
  const CoredOnnxAttribute *const a = cored_onnx_attribute(node, name);
  return a && a->kind == CORED_ONNX_STRING && cored_onnx_is(a->text, expected);
}

/* Of a Pad node: begin and end of each of four dimensions. False where the file computes them. */
static bool pad_amounts(const CoredOnnx *onnx, const CoredOnnxNode *pad, int64_t out[8]) {
  if (cored_onnx_ints(pad, "pads", out, 8))
    return true;
  const CoredLoose *const tensor =
      pad->n_inputs > 1 ? cored_onnx_tensor(onnx, pad->inputs[1]) : NULL;
  if (!tensor || tensor->scalar != CORED_SCALAR_I64 || tensor->count != 8)
    return false;
  int64_t *const values = cored_loose_copy(tensor);
  if (values)
    memcpy(out, values, 8 * sizeof *out);
  free(values);
  return values != NULL;
}

static bool same_pads(const Pads *a, const Pads *b) {
  return a->top == b->top && a->left == b->left && a->bottom == b->bottom && a->right == b->right;
}

/* What the window itself says; false where that is none of the ways that are known here. */
static bool own_pads(const CoredOnnxNode *window, Pads *pads) {
  int64_t values[4] = {0};
  if (cored_onnx_attribute(window, "auto_pad") && !text_is(window, "auto_pad", "NOTSET") &&
      !text_is(window, "auto_pad", "VALID"))
    return false;
  if (cored_onnx_attribute(window, "pads") && !cored_onnx_ints(window, "pads", values, 4))
    return false;
  *pads = (Pads){values[0], values[1], values[2], values[3]};
  return true;
}

bool cored_onnx_same_padding(const CoredOnnx *onnx, const CoredOnnxNode *window,
                             const CoredNode *node, const CoredShape *in) {
  static const Pads none = {0};
  const CoredPads wanted = cored_window_pads(node, *in);
  const Pads expected = {wanted.top, wanted.left, wanted.bottom, wanted.right};
  const CoredOnnxNode *const before = maker_of(onnx, window->inputs[0]);
  int64_t amounts[8];
  Pads pads;
  if (text_is(window, "auto_pad", "SAME_UPPER"))
    return node->pad_mode == CORED_PAD_SAME || same_pads(&expected, &none);
  if (!own_pads(window, &pads))
    return false;
  if (!before || !cored_onnx_is(before->op, "Pad"))
    return same_pads(&pads, &expected);
  if (cored_onnx_attribute(before, "mode") && !text_is(before, "mode", "constant"))
    return false;
  if (!pad_amounts(onnx, before, amounts))
    return (node->pad_mode == CORED_PAD_SAME || node->kernel == 1) && same_pads(&pads, &none);
  pads.top += amounts[2];
  pads.left += amounts[3];
  pads.bottom += amounts[6];
  pads.right += amounts[7];
  return amounts[0] == 0 && amounts[1] == 0 && amounts[4] == 0 && amounts[5] == 0 &&
         same_pads(&pads, &expected);
}

/* ---- Pooling --------------------------------------------------------------------------------- */

static bool same_pool(const CoredOnnx *onnx, const CoredOnnxNode *pool, const CoredNode *node,
                      const CoredShape *in) {
  int64_t kernel[2], strides[2] = {1, 1}, dilations[2] = {1, 1};
  cored_onnx_ints(pool, "strides", strides, 2);
  cored_onnx_ints(pool, "dilations", dilations, 2);
  return cored_onnx_ints(pool, "kernel_shape", kernel, 2) && kernel[0] == node->kernel &&
         kernel[1] == node->kernel && strides[0] == node->stride && strides[1] == node->stride &&
         dilations[0] == 1 && dilations[1] == 1 && cored_onnx_int(pool, "ceil_mode", 0) == 0 &&
         cored_onnx_same_padding(onnx, pool, node, in);
}

/* Both list them in order of execution. */
static bool same_pools(const CoredOnnx *onnx, const CoredGraph *graph, const CoredShape *shapes) {
  int at = 0;
  for (size_t i = 0; i < onnx->n_nodes; i++) {
    const CoredOnnxNode *const node = &onnx->nodes[i];
    if (cored_onnx_is(node->op, "AveragePool"))
      return false;
    if (!cored_onnx_is(node->op, "MaxPool"))
      continue;
    while (at < graph->n_nodes && graph->nodes[at].op != CORED_OP_MAX_POOL)
      at++;
    if (at == graph->n_nodes || node->n_inputs < 1 ||
        !same_pool(onnx, node, &graph->nodes[at], &shapes[graph->nodes[at].input[0]]))
      return false;
    at++;
  }
  while (at < graph->n_nodes && graph->nodes[at].op != CORED_OP_MAX_POOL)
    at++;
  return at == graph->n_nodes;
}

/* ---- Activations ----------------------------------------------------------------------------- */

/* Swish is written as x times its sigmoid. */
static const struct {
  const char *op;
  CoredAct kind; /* NONE: no network has it */
} activations[] = {{"Relu", CORED_ACT_CLAMP},
                   {"Sigmoid", CORED_ACT_SWISH},
                   {"LeakyRelu", CORED_ACT_LEAKY_RELU},
                   {"Clip", CORED_ACT_NONE},
                   {"PRelu", CORED_ACT_NONE},
                   {"Elu", CORED_ACT_NONE},
                   {"Selu", CORED_ACT_NONE},
                   {"Celu", CORED_ACT_NONE},
                   {"HardSwish", CORED_ACT_NONE},
                   {"HardSigmoid", CORED_ACT_NONE},
                   {"Mish", CORED_ACT_NONE},
                   {"Gelu", CORED_ACT_NONE},
                   {"Erf", CORED_ACT_NONE},
                   {"Tanh", CORED_ACT_NONE},
                   {"Softplus", CORED_ACT_NONE},
                   {"ThresholdedRelu", CORED_ACT_NONE}};

static bool is_output(const CoredOnnx *onnx, const CoredOnnxNode *node) {
  for (size_t i = 0; node->n_outputs > 0 && i < onnx->n_outputs; i++)
    if (cored_onnx_same(onnx->outputs[i].name, node->outputs[0]))
      return true;
  return false;
}

/* An activation of the output makes probabilities, which is no matter of the network's. */
static bool file_has(const CoredOnnx *onnx, const char *op) {
  for (size_t i = 0; i < onnx->n_nodes; i++)
    if (cored_onnx_is(onnx->nodes[i].op, op) && !is_output(onnx, &onnx->nodes[i]))
      return true;
  return false;
}

static bool graph_has(const CoredGraph *graph, CoredAct kind) {
  for (int i = 0; i < graph->n_nodes; i++)
    if (graph->nodes[i].op == CORED_OP_ACTIVATION &&
        (graph->nodes[i].act.kind == kind ||
         (kind == CORED_ACT_SWISH && graph->nodes[i].act.kind == CORED_ACT_SIGMOID)))
      return true;
  return false;
}

bool cored_onnx_same_operators(const CoredOnnx *onnx, const CoredGraph *graph,
                               const CoredShape *shapes, char why[CORED_ONNX_WHY_SIZE]) {
  for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
    const char *const op = activations[i].op;
    const CoredAct kind = activations[i].kind;
    const bool wanted = kind != CORED_ACT_NONE && graph_has(graph, kind);
    if (file_has(onnx, op) == wanted)
      continue;
    snprintf(why, CORED_ONNX_WHY_SIZE, "the file has %s activation %s", wanted ? "no" : "the", op);
    return false;
  }
  if (same_pools(onnx, graph, shapes))
    return true;
  snprintf(why, CORED_ONNX_WHY_SIZE, "the file pools in another way");
  return false;
}
