/* SPDX-License-Identifier: MIT
 * The optimizer: clipping by the norm of all gradients, then a step of SGD (as PyTorch's, without
 * dampening) or AdamW (Loshchilov and Hutter 2019, algorithm 2). It owns its moments. The work is
 * cut into the net's parameter ranges, sums are added in their order: results do not depend on the
 * number of threads. One caller at a time. */
#ifndef CORED_TRAIN_CORE_OPTIMIZER_H
#define CORED_TRAIN_CORE_OPTIMIZER_H

#include "train/core/train-net.h"
#include "train/core/train.h"

typedef struct CoredOptimizer CoredOptimizer;

enum { CORED_OPTIMIZER_MOMENTS = 2 };

/* For blocks of this net, which must outlive the optimizer. NULL: no memory. */
CoredOptimizer *cored_optimizer_new(const CoredOptimizerParams *params, const CoredTrainNet *net);
void cored_optimizer_free(CoredOptimizer *optimizer); /* NULL is fine */

/* Step number `step`, from 1: changes the weights and clears the gradients. *norm (may be NULL)
 * receives the gradients' norm before clipping. False, with nothing changed, when that is not
 * finite. */
bool cored_optimizer_step(CoredOptimizer *optimizer, uint64_t step, double lr, CoredReal *weights,
                          CoredReal *gradients, double *norm);

/* A block of its state, 0..CORED_OPTIMIZER_MOMENTS-1: SGD's velocity; AdamW's first and second
 * moment. NULL where the method has none. The caller may read it and restore it. */
CoredReal *cored_optimizer_moment(const CoredOptimizer *optimizer, int index);

#endif /* CORED_TRAIN_CORE_OPTIMIZER_H */
