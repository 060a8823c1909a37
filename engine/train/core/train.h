/* SPDX-License-Identifier: MIT
 * What a training is described by: its parameters, its batches, the losses of a step. */
#ifndef CORED_TRAIN_CORE_TRAIN_H
#define CORED_TRAIN_CORE_TRAIN_H

#include "cored.h"

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

typedef enum CoredOptimizerKind {
  CORED_OPTIMIZER_SGD,  /* v = momentum v + g + decay w; w -= lr v */
  CORED_OPTIMIZER_ADAMW /* Loshchilov and Hutter 2019, algorithm 2, decay scaled by lr */
} CoredOptimizerKind;

typedef struct CoredOptimizerParams {
  CoredOptimizerKind kind;
  double momentum;              /* SGD, 0..1 */
  double beta1, beta2, epsilon; /* AdamW */
  double weight_decay;          /* 0..1e6 */
  double clip_norm;             /* gradients are scaled down to this norm; 0: off */
} CoredOptimizerParams;

/* With several processes, each holding a part of every batch: sums over all of them, in place, the
 * same result everywhere. */
typedef struct CoredReduce {
  void *user;
  void (*sum_f64)(void *user, double *values, size_t count);
  void (*sum_f32)(void *user, float *values, size_t count);
} CoredReduce;

/* teacher.h */
typedef struct CoredTeacher CoredTeacher;
typedef struct CoredTeacherParams CoredTeacherParams;
typedef CoredTeacher *CoredTeacherNew(const CoredTeacherParams *params, CoredError *error);

typedef struct CoredTrainParams {
  int input_width, input_height; /* 0: the student's */
  int max_batch;                 /* samples of one accumulate, 1..4096 */
  int threads;                   /* 1..64; 0 means one per CPU this process may use */
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

  CoredOptimizerParams optimizer;
  CoredReduce *reduce;          /* NULL: one process. Must outlive the trainer */
  CoredTeacherNew *new_teacher; /* how the teacher runs (teacher.h); NULL: as a session */
} CoredTrainParams;

#define CORED_MAX_STORES 64

/* The defaults of CoReD's recipe (Kim, Tariq, Woo 2021, and their released code). */
void cored_train_params_init(CoredTrainParams *params);
/* Every value is within its range; else the error names the first that is not. */
bool cored_train_params_check(const CoredTrainParams *params, CoredError *error);

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

#endif /* CORED_TRAIN_CORE_TRAIN_H */
