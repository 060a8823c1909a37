/* SPDX-License-Identifier: MIT
 * The numeric core of training: one student network, an optional frozen teacher, the losses of
 * continual learning (losses.h), gradients, an optimizer. No data, no files, no clock: the caller
 * brings batches and takes numbers away.
 *
 *   trainer = cored_trainer_new(student, teacher, &params, &error);
 *   for every batch of the target's training set:            CoReD only
 *     cored_trainer_add_representation(trainer, &batch);
 *   for every step:
 *     cored_trainer_accumulate(trainer, &batch, 1.0, &losses);   forward and backward
 *     cored_trainer_update(trainer, lr, &grad_norm);             optimizer
 *   model = cored_trainer_model(trainer, &info, &error);
 *
 * Numbers are float32; sums that decide something (losses, norms, store means) are double. Every
 * result is a pure function of weights, batches, seed and step number: the work is cut into
 * blocks that do not depend on the number of threads, and partial sums are added in block order. A
 * trainer belongs to one caller at a time. Matrix products are OpenBLAS', whose own threads are
 * switched off for the whole process (it has no other switch).
 */
#ifndef CORED_TRAIN_CORE_TRAINER_H
#define CORED_TRAIN_CORE_TRAINER_H

#include "train/core/train.h"

/* ---- Life ------------------------------------------------------------------------------------ */

typedef struct CoredTrainer CoredTrainer;

/* teacher may be NULL; it must be of the student's network and classes. Both are copied. All
 * memory is allocated here. */
CoredTrainer *cored_trainer_new(const CoredModel *student, const CoredModel *teacher,
                                const CoredTrainParams *params, CoredError *error);
void cored_trainer_free(CoredTrainer *trainer); /* NULL is fine */
/* Bytes allocated. */
size_t cored_trainer_memory(const CoredTrainer *trainer);
/* The parameters as understood (defaults resolved). */
const CoredTrainParams *cored_trainer_params(const CoredTrainer *trainer);
int cored_trainer_n_classes(const CoredTrainer *trainer);
/* The student as a model with this description. */
CoredModel *cored_trainer_model(const CoredTrainer *trainer, const CoredModelInfo *info,
                                CoredError *error);

/* ---- The teacher ----------------------------------------------------------------------------- */

/* Add a batch of the target's training set to the teacher's stores. With several processes every
 * one adds its part; the first step sums them. Does nothing without a teacher or for methods
 * other than CoReD. */
void cored_trainer_add_representation(CoredTrainer *trainer, const CoredBatch *batch);
/* Number of samples in the teacher's store (k, c). */
int cored_trainer_store_count(const CoredTrainer *trainer, int k, int c);
/* Values of one store's representation: 1 or, with vectors, the number of the features' channels; 0
 * where there are no stores. And that representation, zeros where the store is empty. */
int cored_trainer_store_width(const CoredTrainer *trainer);
void cored_trainer_store_mean(const CoredTrainer *trainer, int k, int c, double *mean);
/* Self-training: the student as it is now becomes the teacher. Does nothing without a teacher.
 * The stores' representations stay. False where memory is short or the student not finite. */
bool cored_trainer_replace_teacher(CoredTrainer *trainer, CoredError *error);

/* ---- A step ---------------------------------------------------------------------------------- */

/* Forward and backward; adds weight times the gradient of the objective to the gradients (call it k
 * times with 1/k to accumulate). losses must not be NULL. Returns false when a loss is not finite;
 * the gradients are then not to be used. */
bool cored_trainer_accumulate(CoredTrainer *trainer, const CoredBatch *batch, double weight,
                              CoredLosses *losses);
/* Sum over processes, clip, one optimizer step, clear the gradients. *norm (may be NULL) receives
 * the gradients' norm before clipping. Returns false, with nothing changed and the gradients kept,
 * when it is not finite. */
bool cored_trainer_update(CoredTrainer *trainer, double lr, double *norm);
/* Where numbers stopped being finite: after a failed accumulate the first layer of the student, or
 * of the teacher, with such an output ("the input" where the batch itself has them); else the name
 * of the first weight or statistic, of the gradient that backward came to first, or of an
 * optimizer's moment. (ReLU makes 0 of minus infinity, so that not everything shows in a loss.)
 * NULL when all are finite. */
const char *cored_trainer_find_nonfinite(const CoredTrainer *trainer);
/* Steps done by cored_trainer_update. */
uint64_t cored_trainer_steps(const CoredTrainer *trainer);

/* Class scores [n, n_classes] of the student, or of the teacher, in evaluation mode. */
void cored_trainer_evaluate(CoredTrainer *trainer, const float *images, int n, float *logits);
void cored_trainer_evaluate_teacher(CoredTrainer *trainer, const float *images, int n,
                                    float *logits);

/* ---- Looking inside -------------------------------------------------------------------------- */

/* Trained parameters and their gradients, in the order of the network; false past the end. Valid
 * as long as the trainer. */
bool cored_trainer_parameter(const CoredTrainer *trainer, size_t index, CoredTensorView *view);
bool cored_trainer_gradient(const CoredTrainer *trainer, size_t index, CoredTensorView *view);

/* Everything a continued run needs, as named tensors: weights, statistics, optimizer, stores,
 * teacher, counters. Views are of the trainer's own memory: false past the end. A run that goes on
 * from a restored state gives the same bits as one that was never interrupted. */
bool cored_trainer_state(const CoredTrainer *trainer, size_t index, CoredTensorView *view);
/* Copies tensors of the same names and shapes in; refuses missing, extra and misshapen ones with
 * nothing changed. The trainer must have been made with the same params. */
bool cored_trainer_restore(CoredTrainer *trainer, const CoredTensorView *tensors, size_t n,
                           CoredError *error);

#endif /* CORED_TRAIN_CORE_TRAINER_H */
