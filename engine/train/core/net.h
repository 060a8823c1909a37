/* SPDX-License-Identifier: MIT
 * A graph laid out for training or for plain evaluation: which layers merge, which values are kept
 * for the backward pass, and where everything lies in one arena.
 *
 * Batch norm takes the activation after it along; layers that may work in place do; values and
 * gradients share memory as soon as their lifetimes allow. Parameters are one block of floats in
 * the order of the graph, gradients another of the same layout.
 */
#ifndef CORED_TRAIN_CORE_NET_H
#define CORED_TRAIN_CORE_NET_H

#include "graph/graph.h"
#include "train/core/real.h"
#include "base/thread-pool.h"

typedef struct CoredNet CoredNet;

typedef struct CoredNetParams {
  const CoredGraph *graph; /* must outlive the net */
  int h, w, max_batch;
  bool training;         /* lay out for a backward pass too */
  unsigned cpu;          /* CoredCpu flags */
  double dropout;        /* < 0: the graph's rates */
  double drop_connect;   /* < 0: the graph's rates; else the largest, the others in proportion */
  CoredThreadPool *pool; /* may be NULL */
} CoredNetParams;

/* One forward pass. */
typedef struct CoredNetRun {
  const CoredReal *block; /* parameters */
  CoredReal *running;     /* block whose batch norm statistics are updated, or NULL */
  const CoredReal *input; /* [n, h, w, channels] */
  int n;
  bool batch_stats; /* batch norm by the batch instead of the running statistics */
  bool dropout;     /* dropout and drop-connect act */
  uint64_t key;     /* of their random numbers */
  uint64_t first;   /* index of sample 0 in the whole batch */
} CoredNetRun;

CoredNet *cored_net_new(const CoredNetParams *params, CoredError *error);
void cored_net_free(CoredNet *net); /* NULL is fine */

/* The arena is the caller's, so that nets that run one after another can share it: this many
 * numbers, 64-byte aligned. Outputs are valid until another net runs in it. */
size_t cored_net_arena_count(const CoredNet *net);
void cored_net_set_arena(CoredNet *net, CoredReal *arena);

/* Place of graph->params[i] in a block, and a block's size in numbers. Parameters begin on 64-byte
 * boundaries; the floats between them stay 0. */
size_t cored_net_offset(const CoredNet *net, int param);
size_t cored_net_block_count(const CoredNet *net);

void cored_net_forward(CoredNet *net, const CoredNetRun *run);
/* Output of the features or logits node of the last forward, and its shape. */
const CoredReal *cored_net_output(const CoredNet *net, int node, CoredShape *shape);
/* Where the loss puts its gradient with respect to that output, to be filled in between forward
 * and backward: every value of logits', while features' is cleared by forward. */
CoredReal *cored_net_output_gradient(const CoredNet *net, int node);
/* Runs forward again, statistics untouched, and returns the first node whose output is not finite
 * (0: the input), or -1. For messages: it costs a forward pass. */
int cored_net_find_nonfinite(CoredNet *net, const CoredNetRun *run);
/* Adds to the gradients of all trained parameters. run is that of the forward pass. */
void cored_net_backward(CoredNet *net, const CoredNetRun *run, CoredReal *gradients);

#endif /* CORED_TRAIN_CORE_NET_H */
