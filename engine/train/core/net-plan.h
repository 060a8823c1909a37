/* SPDX-License-Identifier: MIT
 * Laying out a net; used by net.c alone. */
#ifndef CORED_TRAIN_CORE_NET_PLAN_H
#define CORED_TRAIN_CORE_NET_PLAN_H

#include "train/core/net.h"
#include "train/passes/pass.h"

typedef struct CoredNetStep {
  const CoredPasses *backward; /* NULL for the input */
  CoredPassShape shape;
  bool merged;            /* an activation that its batch norm does */
  CoredAct act;           /* batch norm: the activation it does */
  float slope;            /* of act */
  float rate;             /* dropout, drop-connect */
  int param;              /* index of its first parameter in the graph, if any */
  int value, grad, saved; /* buffers; -1: none */
  int scratch[2];         /* forward's and backward's */
  bool add[4];            /* backward adds to the gradient of input k */
} CoredNetStep;

/* A piece of the arena that is in use at times first..last. Node i runs forward at time i, the loss
 * comes at n_nodes, node i runs backward at 2 n_nodes - i. */
typedef struct CoredNetBuffer {
  size_t count, offset;
  int first, last;
} CoredNetBuffer;

typedef struct CoredNetPlan {
  const CoredNetParams *params;
  CoredShape *shapes;
  CoredNetStep *steps;
  CoredNetBuffer *buffers;
  int n_buffers;
  int *consumers; /* per node */
  size_t arena;   /* floats */
} CoredNetPlan;

/* Fill in everything; the arrays are allocated by cored_net_new: n_nodes entries, 5 n_nodes
 * buffers.
 */
bool cored_net_plan_make(CoredNetPlan *plan, CoredError *error);

#endif /* CORED_TRAIN_CORE_NET_PLAN_H */
