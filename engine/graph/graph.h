/* SPDX-License-Identifier: MIT
 * The graph of a network: what to compute, free of input size, of weights and of how.
 *
 * A network (networks/) builds a graph out of ops; the table of ops (ops.h) knows for every op its
 * parameters and its output shape, the reference (reference.h) its plain arithmetic. Inference
 * lowers the graph (plan/), training walks it forwards and backwards (train/).
 *
 * Nodes are stored in order of execution: inputs of a node precede it. Node 0 is the input image.
 * Activations are [N, H, W, C]. Parameters have the published names and the published (PyTorch)
 * layouts: convolution [out, in, kh, kw], depthwise [c, 1, kh, kw], dense [out, in], vectors [c].
 */
#ifndef CORED_GRAPH_GRAPH_H
#define CORED_GRAPH_GRAPH_H

#include "cored.h"
#include "kernels/activation.h"

#define CORED_NAME_SIZE 96
#define CORED_NO_NODE (-1)

typedef enum CoredOp {
  CORED_OP_INPUT,           /* [N, H, W, channels] */
  CORED_OP_CONV,            /* cross-correlation; weight, optional bias */
  CORED_OP_DEPTHWISE,       /* one filter per channel; weight, optional bias */
  CORED_OP_BATCH_NORM,      /* weight, bias, running_mean, running_var */
  CORED_OP_ACTIVATION,      /* elementwise */
  CORED_OP_MAX_POOL,        /* padding never wins */
  CORED_OP_UPSAMPLE,        /* nearest neighbour, `stride` times as high and as wide */
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

typedef enum CoredPad {
  CORED_PAD_EXPLICIT, /* pad rows and columns on every side */
  CORED_PAD_SAME      /* out = ceil(in / stride); the extra pixel at the bottom and right */
} CoredPad;

typedef struct CoredNode {
  CoredOp op;
  int n_inputs, input[4];       /* node indices */
  char name[CORED_NAME_SIZE];   /* prefix of its parameters ("block1.rep.0.conv1"); "" without */
  int in_channels, channels;    /* of input 0 and of the output; dense and flatten: see ops.c */
  int kernel, stride, dilation; /* CONV, DEPTHWISE, MAX_POOL; square. UPSAMPLE: stride */
  CoredPad pad_mode;
  int pad;             /* CORED_PAD_EXPLICIT */
  bool bias;           /* CONV, DEPTHWISE, DENSE */
  CoredActivation act; /* ACTIVATION */
  float epsilon;       /* BATCH_NORM */
  float momentum;      /* BATCH_NORM, PyTorch's sense: new = (1-m) old + m batch */
  float rate;          /* DROPOUT, DROP_CONNECT: probability of zero */
  bool classifier;     /* belongs to the classifier (L_CLS), not to the backbone (L_SP) */
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

#define CORED_MAX_NAMED_OUTPUTS 8
#define CORED_OUTPUT_NAME_SIZE 32

/* An output beside features and logits. */
typedef struct CoredNamedOutput {
  char name[CORED_OUTPUT_NAME_SIZE];
  int node;
} CoredNamedOutput;

typedef struct CoredGraph {
  CoredNode *nodes;
  int n_nodes;
  CoredParam *params; /* in node order; the order of the training parameter block */
  int n_params;
  int features;       /* node whose output is "the features" (docs/training.md) */
  int logits;         /* node whose output is the network's output */
  int logit_channels; /* 1 means a sigmoid network */
  int n_classes;      /* 0: no classifier. Features and logits are then CORED_NO_NODE */
  CoredNamedOutput named[CORED_MAX_NAMED_OUTPUTS];
  int n_named;
  /* While being built: */
  int capacity;
  bool in_classifier; /* nodes added now belong to the head */
  bool failed;        /* told by cored_graph_finish */
  char mistake[192];  /* the first of the network's file; "": memory ran out */
} CoredGraph;

typedef struct CoredShape {
  int h, w, c;
} CoredShape;

#define CORED_MAX_INPUT_SIZE 4096 /* pixels a side: keeps every element count far from wrapping */

/* ---- Building -------------------------------------------------------------------------------
 * Each function adds one node and returns its index. Running out of memory and mistakes (a name
 * that is too long, an input that is no node) are remembered and told once, by cored_graph_finish;
 * until then the returned indices are valid arguments. Names are printf formats, so that networks
 * can number their blocks. */

typedef struct CoredConvArgs {
  int channels, kernel; /* depthwise: channels is ignored */
  int stride, dilation; /* 0 means 1 */
  CoredPad pad_mode;
  int pad;
  bool bias;
} CoredConvArgs;

CoredGraph *cored_graph_new(void);        /* NULL without memory */
void cored_graph_free(CoredGraph *graph); /* NULL is fine */

int cored_graph_input(CoredGraph *graph, int channels);
int cored_graph_conv(CoredGraph *graph, int x, CoredConvArgs args, const char *name, ...)
    __attribute__((format(printf, 4, 5)));
int cored_graph_depthwise(CoredGraph *graph, int x, CoredConvArgs args, const char *name, ...)
    __attribute__((format(printf, 4, 5)));
int cored_graph_batch_norm(CoredGraph *graph, int x, float epsilon, float momentum,
                           const char *name, ...) __attribute__((format(printf, 5, 6)));
int cored_graph_activation(CoredGraph *graph, int x, CoredActivation act);
/* Two that networks use over and over. */
int cored_graph_relu(CoredGraph *graph, int x);
int cored_graph_swish(CoredGraph *graph, int x);
int cored_graph_max_pool(CoredGraph *graph, int x, int kernel, int stride, CoredPad pad_mode,
                         int pad);
int cored_graph_upsample(CoredGraph *graph, int x, int factor);
int cored_graph_global_avg_pool(CoredGraph *graph, int x);
/* channels: H*W*C the next dense layer was made for; other input sizes are refused. */
int cored_graph_flatten(CoredGraph *graph, int x, int channels);
int cored_graph_dense(CoredGraph *graph, int x, int channels, const char *name, ...)
    __attribute__((format(printf, 4, 5)));
int cored_graph_add(CoredGraph *graph, int a, int b);
int cored_graph_scale(CoredGraph *graph, int x, int scale);
int cored_graph_concat(CoredGraph *graph, int n_inputs, const int inputs[]);
int cored_graph_dropout(CoredGraph *graph, int x, float rate);
int cored_graph_drop_connect(CoredGraph *graph, int x, float rate);
/* x is "the features" of docs/training.md. */
void cored_graph_set_features(CoredGraph *graph, int x);
/* x is an output of this name, beside features and logits: sessions keep it (plan/plan.h). Names
 * are unique; a node may have several. */
void cored_graph_set_output(CoredGraph *graph, int x, const char *name);
/* Nodes added from now on are the classifier (docs/training.md: L_CLS instead of L_SP). */
void cored_graph_begin_classifier(CoredGraph *graph);
/* x is the network's output; CORED_NO_NODE, with 0 classes, of one whose outputs all have names.
 * Lists the parameters. False without memory, or with ARGUMENT for a mistake of the network's file.
 */
bool cored_graph_finish(CoredGraph *graph, int x, int n_classes, CoredError *error);

/* ---- Looking -------------------------------------------------------------------------------- */

/* Output shape of every node for an input of h x w; shapes has n_nodes places. Fails when the
 * input is too small or does not fit a flattened layer; the message names the node. */
bool cored_graph_shapes(const CoredGraph *graph, int h, int w, CoredShape *shapes,
                        CoredError *error);
/* Is the node the features, the logits or a named output? Somebody outside looks at those. */
bool cored_graph_is_output(const CoredGraph *graph, int node);
/* Index into params of the node's parameter of this role, -1 when it has none. */
int cored_graph_param(const CoredGraph *graph, int node, CoredParamRole role);
/* Sum of the counts of parameters that are trained (statistics left out), or of all. */
size_t cored_graph_param_total(const CoredGraph *graph, bool with_statistics);
/* BN_MEAN and BN_VAR are not trained by gradient. */
bool cored_param_is_statistic(const CoredParam *param);

/* Output rows for in rows, and the padding before the first, of a window op along one axis;
 * <= 0 when the window does not fit. */
int cored_window_output(const CoredNode *node, int in, int *pad_before);

typedef struct CoredPads { /* rows and columns of zeros on each side */
  int top, left, bottom, right;
} CoredPads;

/* Those of a window op for an input of this shape. Of CORED_PAD_SAME rows that no window reaches
 * are no padding. */
CoredPads cored_window_pads(const CoredNode *node, CoredShape in);

#endif /* CORED_GRAPH_GRAPH_H */
