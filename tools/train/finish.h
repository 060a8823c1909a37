/* SPDX-License-Identifier: MIT
 * From the trainer's weights to a model that says everything of itself. */
#ifndef CORED_TOOLS_TRAIN_FINISH_H
#define CORED_TOOLS_TRAIN_FINISH_H

#include <jansson.h>

#include "evaluate.h"
#include "options.h"
#include "sets.h"

/* Metadata: [{"after": task, "auc": {task: auc, ...}}, ...], a row per task learned. */
#define KEY_MATRIX "train.matrix"
/* Metadata: the epoch, from 1, whose end the model is of. */
#define KEY_EPOCH "train.epoch"
/* Metadata: what the temperature comes from, "validation" or, where those samples have no best one,
 * "prior". */
#define KEY_TEMPERATURE_FROM "train.temperature-from"

/* What the model was made of, besides its weights. */
typedef struct Lineage {
  const CoredModel *base;   /* of the tasks before; NULL in task 1 */
  const char *const *names; /* [n_tasks] target first */
  int n_tasks;
  const char *method;
  int epoch;            /* that has just ended, from 1 */
  const char *manifest; /* of the training set */
  const json_t *config;
} Lineage;

/* The student with task history, AUCs of val[n_tasks], temperature and threshold fitted on all of
 * val, and the matrix of AUCs continued from the base's. */
CoredModel *finish_model(const CoredTrainer *trainer, const CoredModelInfo *info,
                         const Lineage *lineage, const Prediction *val, CoredError *error);

#endif /* CORED_TOOLS_TRAIN_FINISH_H */
