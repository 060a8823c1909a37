/* SPDX-License-Identifier: MIT
 * The registry of layers: for every op of the graph its parameters, its output shape, its
 * initialisation and its plain arithmetic.
 *
 * The plain arithmetic is the definition of the layer: it is written for being read, accumulates
 * in double, and everything faster is compared with it. It exists for float and for double (the
 * latter for gradient checks). Adding a layer: an op in graph.h, one file here, one line in
 * registry.c, a backward pass in train/, a case in tests/gradients.
 */
#ifndef CORED_GRAPH_OPS_H
#define CORED_GRAPH_OPS_H

#include "graph/graph.h"

#define CORED_MAX_LAYER_PARAMS 4

typedef struct CoredParamSpec {
  const char *suffix; /* "weight" */
  CoredParamRole role;
  int rank;
  int64_t dims[4];
} CoredParamSpec;

/* One evaluation of a node. x[i] is [n, in[i].h, in[i].w, in[i].c], y is [n, out.h, out.w, out.c],
 * never overlapping; params are the node's parameters in the order of its specs. */
typedef struct CoredForwardF32 {
  const CoredNode *node;
  int n;
  CoredShape in[4], out;
  const float *x[4];
  const float *params[CORED_MAX_LAYER_PARAMS];
  float *y;
} CoredForwardF32;

typedef struct CoredForwardF64 {
  const CoredNode *node;
  int n;
  CoredShape in[4], out;
  const double *x[4];
  const double *params[CORED_MAX_LAYER_PARAMS];
  double *y;
} CoredForwardF64;

typedef struct CoredLayer {
  const char *name;
  int min_inputs, max_inputs;
  /* Writes the specs in file order and returns their number. */
  int (*params)(const CoredNode *node, CoredParamSpec specs[CORED_MAX_LAYER_PARAMS]);
  /* Output shape of the node; false when the input is too small or does not fit. */
  bool (*shape)(const CoredNode *node, const CoredShape in[4], CoredShape *out);
  /* Inference semantics: running statistics, no dropout. NULL for the input. */
  void (*forward_f32)(const CoredForwardF32 *call);
  void (*forward_f64)(const CoredForwardF64 *call);
} CoredLayer;

/* Never NULL for an op of the enum. */
const CoredLayer *cored_layer_get(CoredOp op);

/* Fill data[param->count] with the initial value of a parameter: convolutions and dense layers
 * before a non-linearity He-normal (He et al. 2015, eq. 10, fan-in), classifiers uniform within
 * 1/sqrt(fan-in) (PyTorch's default), biases 0, batch norm 1 and 0. A pure function of seed and
 * name: neither order nor threads matter. */
void cored_param_init(const CoredGraph *graph, const CoredParam *param, uint64_t seed, float *data);

/* Layers without parameters share this. */
int cored_layer_no_params(const CoredNode *node, CoredParamSpec specs[CORED_MAX_LAYER_PARAMS]);
/* out = in[0]. */
bool cored_layer_same_shape(const CoredNode *node, const CoredShape in[4], CoredShape *out);
/* Window ops: h and w by cored_window_output, c = node->channels. */
bool cored_layer_window_shape(const CoredNode *node, const CoredShape in[4], CoredShape *out);

extern const CoredLayer cored_layer_input, cored_layer_conv, cored_layer_depthwise,
    cored_layer_batch_norm, cored_layer_activation, cored_layer_max_pool,
    cored_layer_global_avg_pool, cored_layer_flatten, cored_layer_dense, cored_layer_add,
    cored_layer_scale, cored_layer_concat, cored_layer_dropout, cored_layer_drop_connect;

#endif /* CORED_GRAPH_OPS_H */
