/* SPDX-License-Identifier: MIT
 * The models a run begins with, and the one it ends with, which says everything of itself. */
#ifndef CORED_TOOLS_TRAIN_MODELS_H
#define CORED_TOOLS_TRAIN_MODELS_H

#include <jansson.h>

#include "evaluate.h"
#include "options.h"
#include "sets.h"

/* ---- Begin ----------------------------------------------------------------------------------- */

typedef struct StartModels {
  CoredModel *student;
  CoredModel *teacher; /* NULL in task 1 */
} StartModels;

/* The file that path names: itself, or in a folder its best.safetensors, model.safetensors or only
 * weight file. The caller frees it. */
char *weights_file(const char *path, CoredError *error);
/* For input of size x size pixels: the same weights with another description. size 0: as it is. */
CoredModel *weights_load_sized(const char *path, int size, CoredError *error);
/* The same for --test: the network, where the command line names one, has to be the model's. */
CoredModel *weights_load_test(const char *path, const NetworkOptions *options, CoredError *error);
/* Student and teacher as the options say. The network given on the command line must be that of
 * the weights. */
bool weights_start(StartModels *models, const Options *options, CoredError *error);
void weights_clear(StartModels *models);

/* ---- End ------------------------------------------------------------------------------------- */

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

#endif /* CORED_TOOLS_TRAIN_MODELS_H */
