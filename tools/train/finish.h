/* SPDX-License-Identifier: MIT
 * From the trainer's weights to a model that says everything of itself, and whether it may replace
 * the live one. */
#ifndef CORED_TOOLS_TRAIN_FINISH_H
#define CORED_TOOLS_TRAIN_FINISH_H

#include <jansson.h>

#include "evaluate.h"
#include "options.h"
#include "sets.h"

/* Metadata: [{"after": task, "auc": {task: auc, ...}}, ...], a row per task learned. */
#define KEY_MATRIX "train.matrix"

/* What the model was made of, besides its weights. */
typedef struct Lineage {
  const CoredModel *base;   /* of the tasks before; NULL in task 1 */
  const char *const *names; /* [n_tasks] target first */
  int n_tasks;
  const char *method;
  const char *manifest; /* of the training set */
  const json_t *config;
} Lineage;

/* The student with task history, AUCs of val[n_tasks], temperature and threshold fitted on all of
 * val, and the matrix of AUCs continued from the base's. */
CoredModel *finish_model(const CoredTrainer *trainer, const CoredModelInfo *info,
                         const Lineage *lineage, const Prediction *val, CoredError *error);

/* Compare two models task by task (target first) on validation data; old may be NULL (task 1). */
typedef struct GateResult {
  double old_auc[MAX_TASKS], new_auc[MAX_TASKS];
  bool passed;
  char reasons[2048]; /* one a line; "" when passed */
} GateResult;

bool gate_judge(GateResult *result, const CoredModel *old, const CoredModel *candidate,
                const DataSets *sets, double max_forgetting, int threads, int loader_threads,
                Ui *ui, CoredError *error);
/* Write the model where the element watches, one generation after what is there; or, rejected,
 * to PATH.rejected, with the reasons in PATH.rejected.txt and in its metadata. */
bool gate_publish(const GateResult *result, const CoredModel *candidate, const char *path, Ui *ui,
                  CoredError *error);

#endif /* CORED_TOOLS_TRAIN_FINISH_H */
