/* SPDX-License-Identifier: MIT
 * The numeric core of training: one student network, an optional frozen teacher, the losses of
 * continual learning (method.md), gradients, an optimizer. No data, no files, no clock: the caller
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
#ifndef CORED_TRAIN_CORE_TRAIN_H
#define CORED_TRAIN_CORE_TRAIN_H

#include "cored.h"

/* ---- What is trained, and how --------------------------------------------------------------- */

typedef enum CoredMethod {
  CORED_METHOD_FT,   /* L_S */
  CORED_METHOD_KD,   /* L_S + L_D */
  CORED_METHOD_TG,   /* L_S + gate (L_SP + L_CLS) */
  CORED_METHOD_CORED /* L_S + L_D + L_R */
} CoredMethod;

typedef enum CoredRepresentation {
  CORED_REPRESENTATION_SCALAR, /* one number per store: mean over channels, as released */
  CORED_REPRESENTATION_VECTOR  /* one vector per store, distance averaged over channels */
} CoredRepresentation;

typedef enum CoredBatchNormMode {
  CORED_BATCH_NORM_DEFAULT, /* frozen for CoReD with a teacher, else train */
  CORED_BATCH_NORM_TRAIN,   /* batch statistics, running ones are updated */
  CORED_BATCH_NORM_FROZEN   /* running statistics, not updated; weight and bias still learn */
} CoredBatchNormMode;

typedef enum CoredOptimizer {
  CORED_OPTIMIZER_SGD,  /* v = momentum v + g + decay w; w -= lr v */
  CORED_OPTIMIZER_ADAMW /* Loshchilov and Hutter 2019, algorithm 2, decay scaled by lr */
} CoredOptimizer;

/* With several processes, each holding a part of every batch: sums over all of them, in place, the
 * same result everywhere. */
typedef struct CoredReduce {
  void *user;
  void (*sum_f64)(void *user, double *values, size_t count);
  void (*sum_f32)(void *user, float *values, size_t count);
} CoredReduce;

typedef struct CoredTrainParams {
  int input_width, input_height; /* 0: the student's */
  int max_batch;                 /* samples of one accumulate, 1..4096 */
  int threads;                   /* 1..64; 0 means one per online CPU */
  unsigned cpu;                  /* CoredCpu flags to use at most */
  uint64_t seed;                 /* of dropout and drop-connect */

  CoredMethod method; /* without a teacher every method is L_S */
  double alpha;       /* of L_D, 0..1 */
  double temperature; /* of L_D, > 0 */
  int n_stores;       /* K, 1..CORED_MAX_STORES */
  CoredRepresentation representation;
  CoredBatchNormMode batch_norm;
  double dropout;      /* before the classifier, 0..<1; < 0: the network's own */
  double drop_connect; /* largest rate, scaled as the network does; < 0: the network's own */

  CoredOptimizer optimizer;
  double momentum;                   /* SGD */
  double beta1, beta2, adam_epsilon; /* AdamW */
  double weight_decay;
  double clip_norm;    /* gradients are scaled down to this norm; 0: off */
  CoredReduce *reduce; /* NULL: one process. Must outlive the trainer */
} CoredTrainParams;

#define CORED_MAX_STORES 64

/* The recipe's defaults (method.md, section 3). */
void cored_train_params_init(CoredTrainParams *params);

typedef struct CoredBatch {
  int n;               /* 1..max_batch; 0 only where another process has samples of the batch */
  const float *images; /* [n, h, w, 3], normalized */
  const int *labels;   /* [n], 0..n_classes-1 */
  uint64_t first;      /* index of sample 0 in the whole batch of all processes */
} CoredBatch;

/* Every term of a step, before its weight in the objective. Terms that a method does not use are
 * 0. All are means or sums over the whole batch of all processes. */
typedef struct CoredLosses {
  double total;          /* the objective */
  double student;        /* L_S */
  double distillation;   /* L_D, without the released code's constant */
  double representation; /* L_R */
  double starting_point; /* L_SP */
  double classifier;     /* L_CLS */
  double gate;           /* gamma */
  double teacher;        /* mean CE of the teacher */
  int n, n_correct;      /* samples, and those whose arg max is their label */
  int n_pairs;           /* non-empty (store, class) pairs on both sides */
  int stores[CORED_MAX_STORES * CORED_MAX_CLASSES]; /* [k * n_classes + c] samples of this step */
} CoredLosses;

/* ---- Life ----------------------------------------------------------------------------------- */

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

/* ---- The teacher ---------------------------------------------------------------------------- */

/* Add a batch of the target's training set to the teacher's stores. With several processes every
 * one adds its part; the first step sums them. Does nothing without a teacher or for methods
 * other than CoReD. */
void cored_trainer_add_representation(CoredTrainer *trainer, const CoredBatch *batch);
/* Number of samples in the teacher's store (k, c), and forget all of them. */
int cored_trainer_store_count(const CoredTrainer *trainer, int k, int c);
/* Values of one store's representation: 1 or, with vectors, the number of the features' channels; 0
 * where there are no stores. And that representation, zeros where the store is empty. */
int cored_trainer_store_width(const CoredTrainer *trainer);
void cored_trainer_store_mean(const CoredTrainer *trainer, int k, int c, double *mean);
void cored_trainer_clear_representation(CoredTrainer *trainer);
/* Self-training: the student as it is now becomes the teacher. Does nothing without a teacher.
 * The stores' representations stay. False where memory is short or the student not finite. */
bool cored_trainer_replace_teacher(CoredTrainer *trainer, CoredError *error);

/* ---- A step --------------------------------------------------------------------------------- */

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
 * optimizer's moment. (ReLU makes 0 of minus infinity, so
 * that not everything shows in a loss.) NULL when all are finite. */
const char *cored_trainer_find_nonfinite(const CoredTrainer *trainer);
/* Steps done by cored_trainer_update. */
uint64_t cored_trainer_steps(const CoredTrainer *trainer);

/* Class scores [n, n_classes] of the student, or of the teacher, in evaluation mode. */
void cored_trainer_evaluate(CoredTrainer *trainer, const float *images, int n, float *logits);
void cored_trainer_evaluate_teacher(CoredTrainer *trainer, const float *images, int n,
                                    float *logits);

/* ---- Looking inside ------------------------------------------------------------------------- */

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

/* ---- Learning rate -------------------------------------------------------------------------- */

typedef enum CoredScheduleKind {
  CORED_SCHEDULE_CONSTANT,
  CORED_SCHEDULE_STEP,  /* times gamma after every `period` */
  CORED_SCHEDULE_COSINE /* down to `floor` times the base at `length` */
} CoredScheduleKind;

typedef struct CoredSchedule {
  CoredScheduleKind kind;
  double base;   /* learning rate */
  double warmup; /* steps of linear growth from base/warmup to base; 0: none */
  double period, gamma;
  double length; /* steps in all, warm-up included */
  double floor;  /* fraction of base, 0..1 */
} CoredSchedule;

/* The rate of step `step` (from 0). */
double cored_schedule_rate(const CoredSchedule *schedule, uint64_t step);

#endif /* CORED_TRAIN_CORE_TRAIN_H */
