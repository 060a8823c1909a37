/* SPDX-License-Identifier: MIT
 * Fusing: from the nodes of a graph to the ops that a plan computes, each with what went into it.
 *
 * Nodes are visited in their order. A convolution, depthwise convolution, pooling or sum takes the
 * batch norms, the activation and the residual behind it along, as far as nobody else needs what
 * lies between; an activation, a scaling or a depthwise convolution in front of an op that can do
 * it while reading is done there. Ops that read lines and whose value would leave the second cache
 * before it is read are chained: a few lines go through all of them at a time. A pure function of
 * graph and input size: no weights are looked at, no memory is laid out, no CPU is known.
 * `cored-convert inspect --plan` prints the list.
 */
#ifndef CORED_PLAN_FUSE_H
#define CORED_PLAN_FUSE_H

#include "graph/graph.h"

#define CORED_FUSED_NODES 8                 /* that one op takes along behind its own */
#define CORED_CHAIN_OPS 8                   /* in one chain, at most */
#define CORED_CHAIN_BYTES ((size_t)1 << 19) /* of a value: more than a second cache holds */

/* What became of a node behind an op's own: y = post(act(fold(op(x)) + residual)). */
typedef enum CoredFusedRole {
  CORED_FUSED_FOLD, /* batch norm, into the op's weights */
  CORED_FUSED_ADD,  /* the residual */
  CORED_FUSED_ACT,  /* the activation */
  CORED_FUSED_POST, /* batch norm behind the activation or the residual */
} CoredFusedRole;

typedef struct CoredFusedNode {
  int node;
  CoredFusedRole role;
} CoredFusedNode;

/* One op of a plan. Values are named by nodes: that of the node whose output they are. */
typedef struct CoredFusedOp {
  CoredOp op; /* of `node`; BATCH_NORM, ADD, ACTIVATION and SCALE: elementwise, fused nowhere */
  int node;   /* the op's own node: its name, its window, its weights */
  int last;   /* the value it computes; == node where it takes nothing along */
  int in[4], n_in;
  /* Done while reading in[0]; CORED_NO_NODE: nothing. */
  int in_act;  /* an activation */
  int factors; /* the value whose factors, one per channel, in[0] is multiplied by */
  int inlined; /* index of the depthwise convolution whose rows are made while this op reads */
  /* This op has no value: it is computed row by row inside the one that reads it. */
  bool is_inlined;
  /* The value goes to the op that follows a band of lines at a time and is nowhere whole. */
  bool in_bands;
  int residual; /* the value that is added; CORED_NO_NODE: none */
  int act;      /* the activation behind it */
  CoredFusedNode fused[CORED_FUSED_NODES];
  int n_fused;
  double macs; /* multiply-adds of one image; matrix products and depthwise convolutions */
} CoredFusedOp;

typedef struct CoredFusedGraph {
  const CoredGraph *graph; /* must outlive this */
  CoredShape *shapes;      /* of every node */
  CoredFusedOp *ops;       /* in order of execution */
  int n_ops;
  int features, logits; /* the values of the graph's outputs; CORED_NO_NODE: none */
  int named[CORED_MAX_NAMED_OUTPUTS];
} CoredFusedGraph;

/* For an input of h x w. Fails without memory and when the size does not fit the network. */
bool cored_fuse(CoredFusedGraph *fused, const CoredGraph *graph, int h, int w, CoredError *error);
/* Set in_bands of every op anew, as cored_fuse() does with CORED_CHAIN_BYTES: true where the op
 * that follows alone reads the value, both go line by line and have no large matrix, and the value
 * has more than `bytes`. */
void cored_fused_chain(CoredFusedGraph *fused, size_t bytes);
void cored_fused_clear(CoredFusedGraph *fused); /* fine on a zeroed one */

/* Floats of the op's weights, those of nodes fused into it counted as they end up: a matrix and
 * one bias per channel, or taps and their biases, and two factors per channel of a batch norm that
 * could not be folded. Without what a kernel's packing adds. */
size_t cored_fused_weights(const CoredFusedGraph *fused, const CoredFusedOp *op);

#endif /* CORED_PLAN_FUSE_H */
