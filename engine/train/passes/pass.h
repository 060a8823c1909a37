/* SPDX-License-Identifier: MIT
 * Training arithmetic of a layer: forward as training wants it, and backward.
 *
 * The vtables mirror the table of ops (graph/ops.h). They exist once per instruction set (the flags
 * are on those objects alone) and, within each, for float and for double; the double ones are what
 * the gradient checks differentiate. Work is cut into tasks whose number and extent follow from
 * shapes only; sums over tasks are added in task order.
 */
#ifndef CORED_TRAIN_PASSES_PASS_H
#define CORED_TRAIN_PASSES_PASS_H

#include "graph/ops.h"
#include "base/thread-pool.h"

#define real float
#define Pass CoredPassF32
#include "train/passes/pass-type.h"
#undef real
#undef Pass

#define real double
#define Pass CoredPassF64
#include "train/passes/pass-type.h"
#undef real
#undef Pass

/* What a node's buffers are sized by. */
typedef struct CoredPassShape {
  const CoredNode *node;
  int n, threads;
  CoredShape in[4], out;
} CoredPassShape;

typedef struct CoredPasses {
  bool needs_x[4]; /* backward reads x[i] */
  bool needs_y;    /* backward reads y */
  bool in_place;   /* dx[0] may be dy, and y may be x[0] if backward reads neither x[0] nor, in
                      the layer before, its y */
  /* Values (reals) in saved and in scratch; NULL: none. */
  size_t (*saved_count)(const CoredPassShape *shape);
  size_t (*scratch_count)(const CoredPassShape *shape);
  void (*forward_f32)(CoredPassF32 *pass);
  void (*backward_f32)(CoredPassF32 *pass);
  void (*forward_f64)(CoredPassF64 *pass);
  void (*backward_f64)(CoredPassF64 *pass);
} CoredPasses;

/* The vtable of a node for these CPU flags; NULL for the input. By node, because what an
 * activation needs depends on its kind. */
const CoredPasses *cored_passes_get(const CoredNode *node, unsigned cpu);

#endif /* CORED_TRAIN_PASSES_PASS_H */
