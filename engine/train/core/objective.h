/* SPDX-License-Identifier: MIT
 * The objective of a step: from what student and teacher put out to the losses, and back to the
 * gradients with respect to the student's logits, features and weights (docs/training.md, Methods;
 * losses.h has the terms). It owns the stores of both sides. With several processes, each with a
 * part of the batch, sums are joined in the middle, in cored_objective_measure(). One caller at a
 * time. */
#ifndef CORED_TRAIN_CORE_OBJECTIVE_H
#define CORED_TRAIN_CORE_OBJECTIVE_H

#include "train/core/losses.h"
#include "train/core/teacher.h"
#include "train/core/train-net.h"
#include "train/core/train.h"

typedef struct CoredObjective CoredObjective;

/* Of the outputs of this net, the student. params and net must outlive it. NULL: no memory. */
CoredObjective *cored_objective_new(const CoredTrainParams *params, CoredTrainNet *student,
                                    int n_classes, bool has_teacher);
void cored_objective_free(CoredObjective *objective);           /* NULL is fine */
size_t cored_objective_memory(const CoredObjective *objective); /* bytes that grow with the batch */

/* Does it compare features with the teacher's stores? */
bool cored_objective_has_representation(const CoredObjective *objective);
/* The teacher's stores: views for checkpoints and reports, to be read and restored. */
CoredStores *cored_objective_teacher_stores(CoredObjective *objective);
/* Put a batch into the teacher's stores. */
void cored_objective_add_representation(CoredObjective *objective, CoredTeacher *teacher,
                                        const CoredBatch *batch);

/* Blocks of the student's and the teacher's parameters; teacher may be NULL. */
typedef struct CoredObjectiveBlocks {
  const CoredReal *student, *teacher;
} CoredObjectiveBlocks;

/* The losses of a batch, after the student's forward pass over it; the teacher (may be NULL) is
 * asked here. With several processes, join_stores says that the teacher's stores hold only this
 * process' part and are to be summed. */
void cored_objective_measure(CoredObjective *objective, CoredTeacher *teacher,
                             const CoredBatch *batch, const CoredObjectiveBlocks *blocks,
                             bool join_stores, CoredLosses *losses);
/* After measure: the gradients with respect to logits and features, times weight, for the student's
 * backward pass. */
void cored_objective_set_output_gradients(CoredObjective *objective, const CoredBatch *batch,
                                          double weight);
/* After measure: what terms on the weights themselves add to the gradients. */
void cored_objective_add_weight_gradients(const CoredObjective *objective, const CoredBatch *batch,
                                          const CoredObjectiveBlocks *blocks,
                                          const CoredLosses *losses, double weight,
                                          CoredReal *gradients);

#endif /* CORED_TRAIN_CORE_OBJECTIVE_H */
