/* SPDX-License-Identifier: MIT
 * The table of ops: for every op of a graph its name, its parameters, its output shape and the
 * initial values of its parameters. What an op computes is in reference.h.
 *
 * Adding an op: a line in the enum of graph.h and in the tables of ops.c and reference.c, its plain
 * arithmetic in reference-ops.h, a pass in train/passes, a way through plan/fuse.c and plan/emit.c,
 * a case in tests/gradients.
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

typedef struct CoredOpInfo {
  const char *name; /* "conv" */
  /* Writes the specs in file order and returns their number. */
  int (*params)(const CoredNode *node, CoredParamSpec specs[CORED_MAX_LAYER_PARAMS]);
  /* Output shape of the node; false when the input is too small or does not fit. */
  bool (*shape)(const CoredNode *node, const CoredShape in[4], CoredShape *out);
} CoredOpInfo;

/* Never NULL for an op of the enum. */
const CoredOpInfo *cored_op_info(CoredOp op);

/* Fill data[param->count] with the initial value of a parameter: convolutions and dense layers
 * before a non-linearity He-normal (He et al. 2015, eq. 10, fan-in), classifiers uniform within
 * 1/sqrt(fan-in) (PyTorch's default), biases 0, batch norm 1 and 0. A pure function of seed and
 * name: neither order nor threads matter. */
void cored_param_init(const CoredGraph *graph, const CoredParam *param, uint64_t seed, float *data);

#endif /* CORED_GRAPH_OPS_H */
