/* SPDX-License-Identifier: MIT
 * The inside of a trainer, shared by the files trainer*.c. */
#ifndef CORED_TRAIN_CORE_TRAINER_H
#define CORED_TRAIN_CORE_TRAINER_H

#include "train/core/losses.h"
#include "train/core/net.h"
#include "train/core/train.h"

/* A run of trained values within the parameter block: the unit of work of everything that goes
 * over all parameters. */
typedef struct CoredParamRange {
  size_t offset, count;
  bool classifier;
} CoredParamRange;

/* Numbers of one batch, in double. */
typedef struct CoredStepScratch {
  double *zs, *zt, *dz;     /* [max_batch, n_classes] logits of student and teacher, gradient */
  double *pooled, *dpooled; /* [max_batch, channels] features after the spatial maximum */
  int *winner;              /* [max_batch, channels] pixel of that maximum */
  int *store;               /* [max_batch] store of each sample, -1: none */
  double *sums;             /* what is summed over processes before the gradient */
} CoredStepScratch;

struct CoredTrainer {
  CoredTrainParams params;
  CoredModelInfo info; /* of the student it was made from */
  CoredGraph *graph;
  CoredThreadPool *pool;
  CoredNet *net;                          /* the student, forward and backward */
  CoredNet *eval;                         /* student or teacher, forward in evaluation mode */
  CoredReal *arena;                       /* both nets' memory */
  CoredReal *block, *gradients, *teacher; /* teacher: NULL without one */
  CoredSession *session;                  /* the teacher as inference runs it: faster than a net */
  CoredReal *moments[2]; /* SGD: velocity; AdamW: first and second moment; NULL where not used */
  CoredParamRange *ranges;
  int n_ranges;
  double *range_sums;
  int n_classes, channels; /* channels of the features */
  CoredStores teacher_stores, student_stores;
  CoredStepScratch scratch;
  /* Kept as one array so that a checkpoint sees them as one tensor. */
  int64_t counters[3]; /* steps, forward passes, teacher's stores are summed over processes */
  char nonfinite[CORED_NAME_SIZE + 32]; /* where the last batch broke; "": it did not */
  CoredTensorView *state;               /* views for cored_trainer_state */
  char *state_names;
  size_t n_state;
};

enum { CORED_COUNTER_STEPS, CORED_COUNTER_FORWARDS, CORED_COUNTER_SUMMED };

/* Does this trainer use the stores? */
bool cored_trainer_has_representation(const CoredTrainer *trainer);
/* Fill the table of views once everything is allocated; false without memory. */
bool cored_trainer_list_state(CoredTrainer *trainer);
/* graph->params[param], seen in `block`. */
CoredTensorView cored_trainer_view(const CoredTrainer *trainer, int param, const CoredReal *block);
/* trainer-teacher.c: make the session of the teacher's block as it is now; and logits [n,
 * n_classes] and, unless NULL, pooled features [n, channels] of n images. */
/* images as the nets take them. */
const CoredReal *cored_trainer_input(CoredTrainer *trainer, const float *images, int n);
bool cored_trainer_open_teacher(CoredTrainer *trainer, CoredError *error);
void cored_trainer_forward_teacher(CoredTrainer *trainer, const float *images, int n,
                                   double *logits, double *pooled);
/* Logits of `block` for n <= max_batch images, as doubles [n, n_classes]. */
void cored_trainer_forward_eval(CoredTrainer *trainer, const CoredReal *block, const float *images,
                                int n, double *logits);
/* Convert n rows of the net's output to class scores. */
void cored_trainer_class_scores(const CoredTrainer *trainer, const CoredReal *output, int n,
                                double *logits);
/* Spatial maximum of features [n, h, w, channels]; winner may be NULL. */
void cored_trainer_pool(const CoredTrainer *trainer, const CoredReal *features, CoredShape shape,
                        int n, double *pooled, int *winner);

#endif /* CORED_TRAIN_CORE_TRAINER_H */
