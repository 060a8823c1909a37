/* SPDX-License-Identifier: MIT
 * The graph of a network: what to compute, free of input size, of weights and of how.
 *
 * A network (networks/) builds a graph out of ops; the registry of layers (layers/registry.h) knows
 * for every op its parameters, its output shape and its plain arithmetic. Inference lowers the
 * graph (session/lower.c), training walks it forwards and backwards (train/).
 *
 * Nodes are stored in order of execution: inputs of a node precede it. Node 0 is the input image.
 * Activations are [N, H, W, C]. Parameters have the published names and the published (PyTorch)
 * layouts: convolution [out, in, kh, kw], depthwise [c, 1, kh, kw], dense [out, in], vectors [c].
 */
#ifndef CORED_LAYERS_GRAPH_H
#define CORED_LAYERS_GRAPH_H

#include "cored.h"

#define CORED_NAME_SIZE 96

typedef enum CoredOp {
  CORED_OP_INPUT,           /* [N, H, W, channels] */
  CORED_OP_CONV,            /* cross-correlation; weight, optional bias */
  CORED_OP_DEPTHWISE,       /* one filter per channel; weight, no bias */
  CORED_OP_BATCH_NORM,      /* weight, bias, running_mean, running_var */
  CORED_OP_ACTIVATION,      /* elementwise */
  CORED_OP_MAX_POOL,        /* padding never wins */
  CORED_OP_GLOBAL_AVG_POOL, /* -> [N, 1, 1, C] */
  CORED_OP_FLATTEN,         /* -> [N, 1, 1, H*W*C], channels last */
  CORED_OP_DENSE,           /* [N,1,1,in] -> [N,1,1,out]; weight, bias */
  CORED_OP_ADD,             /* two inputs of one shape */
  CORED_OP_SCALE,           /* input 0 [N,H,W,C] times input 1 [N,1,1,C] (squeeze-excite) */
  CORED_OP_CONCAT,          /* 2..4 inputs along C */
  CORED_OP_DROPOUT,         /* training only: elementwise, inverted */
  CORED_OP_DROP_CONNECT,    /* training only: whole samples of a residual branch */
  CORED_N_OPS
} CoredOp;

typedef enum CoredAct {
  CORED_ACT_NONE,
  CORED_ACT_RELU,
  CORED_ACT_LEAKY_RELU, /* negative slope in CoredNode.slope */
  CORED_ACT_SWISH,      /* x * sigmoid(x) */
  CORED_ACT_SIGMOID
} CoredAct;

typedef enum CoredPad {
  CORED_PAD_EXPLICIT, /* pad rows and columns on every side */
  CORED_PAD_SAME      /* out = ceil(in / stride); the extra pixel at the bottom and right */
} CoredPad;

typedef struct CoredNode {
  CoredOp op;
  int n_inputs, input[4];       /* node indices */
  char name[CORED_NAME_SIZE];   /* prefix of its parameters ("block1.rep.0.conv1"); "" without */
  int in_channels, channels;    /* of input 0 and of the output; dense and flatten: see registry */
  int kernel, stride, dilation; /* CONV, DEPTHWISE, MAX_POOL; square */
  CoredPad pad_mode;
  int pad;         /* CORED_PAD_EXPLICIT */
  bool bias;       /* CONV, DENSE */
  CoredAct act;    /* ACTIVATION */
  float slope;     /* CORED_ACT_LEAKY_RELU */
  float epsilon;   /* BATCH_NORM */
  float momentum;  /* BATCH_NORM, PyTorch's sense: new = (1-m) old + m batch */
  float rate;      /* DROPOUT, DROP_CONNECT: probability of zero */
  bool classifier; /* belongs to the head (method.md: L_CLS), not to the backbone (L_SP) */
} CoredNode;

typedef enum CoredParamRole {
  CORED_PARAM_WEIGHT,
  CORED_PARAM_BIAS,
  CORED_PARAM_BN_WEIGHT,
  CORED_PARAM_BN_BIAS,
  CORED_PARAM_BN_MEAN, /* statistics, not trained by gradient */
  CORED_PARAM_BN_VAR
} CoredParamRole;

typedef struct CoredParam {
  char name[CORED_NAME_SIZE + 16]; /* node name + ".weight" etc. */
  CoredParamRole role;
  int node;
  int rank;
  int64_t dims[4];
  size_t count; /* elements */
} CoredParam;

typedef struct CoredGraph {
  CoredNode *nodes;
  int n_nodes;
  CoredParam *params; /* in node order; the order of the training parameter block */
  int n_params;
  int features; /* node whose output is "the features" (method.md section 1) */
  int logits;   /* node whose output is the network's output */
  int outputs;  /* channels of logits; 1 means a sigmoid network */
  int n_classes;
} CoredGraph;

typedef struct CoredShape {
  int h, w, c;
} CoredShape;

#endif /* CORED_LAYERS_GRAPH_H */
