/* SPDX-License-Identifier: MIT
 * The definition of every op: plain arithmetic written for being read, which accumulates in double
 * and with which everything faster is compared. It exists for float and for double (the latter for
 * gradient checks). And the plain executor, which runs a graph op by op with it: slow, and the
 * ground truth of this library, with which sessions and trainers are compared. */
#ifndef CORED_GRAPH_REFERENCE_H
#define CORED_GRAPH_REFERENCE_H

#include "graph/ops.h"

/* One evaluation of a node. x[i] is [n, in[i].h, in[i].w, in[i].c], y is [n, out.h, out.w, out.c],
 * never overlapping; params are the node's parameters in the order of its specs (ops.h). */
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

/* Inference semantics: running statistics, no dropout. NULL for the input. */
typedef struct CoredReferenceOp {
  void (*forward_f32)(const CoredForwardF32 *call);
  void (*forward_f64)(const CoredForwardF64 *call);
} CoredReferenceOp;

/* Never NULL for an op of the enum. */
const CoredReferenceOp *cored_reference_op(CoredOp op);

/* Evaluate the graph in inference mode on input [n, h, w, channels of node 0].
 *   params[i] is graph->params[i], params[i].count values
 *   wanted[n_wanted] are node indices; outputs[j] receives a malloc'ed copy of the output of
 *   wanted[j], [n, h', w', c'], which the caller frees
 * Activations are freed as soon as nobody needs them. On failure nothing is returned. */
bool cored_reference_run(const CoredGraph *graph, const float *const *params, const float *input,
                         int n, int h, int w, const int *wanted, int n_wanted, float **outputs,
                         CoredError *error);

#endif /* CORED_GRAPH_REFERENCE_H */
