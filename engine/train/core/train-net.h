/* SPDX-License-Identifier: MIT
 * A graph laid out for training or for plain evaluation: which layers merge, which values are kept
 * for the backward pass, and where everything lies in one arena.
 *
 * Batch norm takes the activation after it along; layers that may work in place do; values and
 * gradients share memory as soon as their lifetimes allow. Parameters are one block of floats in
 * the order of the graph, gradients another of the same layout.
 */
#ifndef CORED_TRAIN_CORE_TRAIN_NET_H
#define CORED_TRAIN_CORE_TRAIN_NET_H

#include "graph/graph.h"
#include "train/core/real.h"
#include "base/thread-pool.h"

typedef struct CoredTrainNet CoredTrainNet;

/* A run of trained values within the parameter block: the unit of work of everything that goes
 * over all parameters. */
typedef struct CoredParamRange {
  size_t offset, count; /* count: at most 65536 */
  bool classifier;      /* of the layer that only the classes have */
} CoredParamRange;

typedef struct CoredTrainNetParams {
  const CoredGraph *graph; /* must outlive the net */
  int h, w, max_batch;
  bool training;         /* lay out for a backward pass too */
  unsigned cpu;          /* CoredCpu flags */
  double dropout;        /* < 0: the graph's rates */
  double drop_connect;   /* < 0: the graph's rates; else the largest, the others in proportion */
  CoredThreadPool *pool; /* may be NULL */
} CoredTrainNetParams;

/* One forward pass. */
typedef struct CoredTrainNetRun {
  const CoredReal *block; /* parameters */
  CoredReal *running;     /* block whose batch norm statistics are updated, or NULL */
  const float *images;    /* [n, h, w, channels] */
  int n;
  bool batch_stats; /* batch norm by the batch instead of the running statistics */
  bool dropout;     /* dropout and drop-connect act */
  uint64_t key;     /* of their random numbers */
  uint64_t first;   /* index of sample 0 in the whole batch */
} CoredTrainNetRun;

CoredTrainNet *cored_train_net_new(const CoredTrainNetParams *params, CoredError *error);
void cored_train_net_free(CoredTrainNet *net); /* NULL is fine */

/* The arena is the caller's, so that nets that run one after another can share it: this many
 * numbers, 64-byte aligned. Outputs are valid until another net runs in it. */
size_t cored_train_net_arena_count(const CoredTrainNet *net);
void cored_train_net_set_arena(CoredTrainNet *net, CoredReal *arena);

/* Offset of graph->params[i] in a block, and a block's size in numbers. Parameters begin on 64-byte
 * boundaries; the floats between them stay 0. */
size_t cored_train_net_offset(const CoredTrainNet *net, int param);
size_t cored_train_net_block_count(const CoredTrainNet *net);

const CoredTrainNetParams *cored_train_net_params(const CoredTrainNet *net);
/* The trained parameters in ranges of a block, in its order; *n their number. None of a net that
 * is not laid out for training. */
const CoredParamRange *cored_train_net_ranges(const CoredTrainNet *net, int *n);

void cored_train_net_forward(CoredTrainNet *net, const CoredTrainNetRun *run);
/* Output of the features or logits node of the last forward, and its shape. Other nodes, the
 * graph's named outputs among them, are not kept. */
const CoredReal *cored_train_net_output(const CoredTrainNet *net, int node, CoredShape *shape);
/* Where the loss puts its gradient with respect to that output, to be filled in between forward
 * and backward: every value of logits', while features' is cleared by forward. */
CoredReal *cored_train_net_output_gradient(const CoredTrainNet *net, int node);
/* Runs forward again, statistics untouched, and returns the first node whose output is not finite
 * (0: the input), or -1. For messages: it costs a forward pass. */
int cored_train_net_find_nonfinite(CoredTrainNet *net, const CoredTrainNetRun *run);
/* Adds to the gradients of all trained parameters. run is that of the forward pass. */
void cored_train_net_backward(CoredTrainNet *net, const CoredTrainNetRun *run,
                              CoredReal *gradients);

#endif /* CORED_TRAIN_CORE_TRAIN_NET_H */
