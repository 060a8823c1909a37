/* SPDX-License-Identifier: MIT
 * Models times tasks: predictions, figures, the matrix, and what is written of them. */
#ifndef CORED_TOOLS_TRAIN_EVAL_H
#define CORED_TOOLS_TRAIN_EVAL_H

#include <jansson.h>

#include "eval-options.h"
#include "evaluate.h"

typedef struct EvalCell { /* one model on one task */
  Prediction prediction;
  CoredMetrics metrics;  /* per sample */
  CoredMetrics by_group; /* per video, photo or person; only where groups hold several samples */
  bool grouped;
} EvalCell;

typedef struct EvalResult {
  CoredModelInfo infos[MAX_TASKS]; /* [n_models] */
  const char *paths[MAX_TASKS];    /* of the models as they were given */
  char hashes[MAX_TASKS][65];      /* SHA-256 of the model files, whole */
  json_t *lineage[MAX_TASKS];      /* what each was after every task before; NULL: not told */
  CoredDataset *sets[MAX_TASKS * MAX_TASKS]; /* [n_models, n_tasks] as each model reads them */
  int reads_like[MAX_TASKS]; /* the first model of the same input and classes: it shares its sets */
  const char *names[MAX_TASKS];
  int n_models, n_tasks;
  EvalCell *cells;       /* [n_models, n_tasks] */
  FaceDetector detector; /* of the sets, where they cut out faces */
} EvalResult;

bool eval_run(EvalResult *result, const EvalOptions *options, Ui *ui, CoredError *error);
void eval_result_clear(EvalResult *result);
/* Fill the cells of model i on all sets of result. */
bool eval_judge(EvalResult *result, int i, const CoredModel *model, int threads, int loader_threads,
                int bootstrap, Ui *ui, CoredError *error);
/* Free what eval_judge filled in. */
void eval_clear_cells(EvalResult *result);

/* Does each model continue the one before it, by its history, and are they one after each of the
 * tasks judged? Only then forgetting has a meaning. */
bool eval_is_sequence(const EvalResult *result);
/* "after TASK" where the models are a lineage, else which model it is. The caller frees it. */
char *eval_label(const EvalResult *result, int i);

/* AUC of every cell, [n_models * n_tasks]. */
void eval_matrix(const EvalResult *result, double *auc);

void eval_print(const EvalResult *result);
bool eval_write_json(const EvalResult *result, const EvalOptions *options, CoredError *error);
bool eval_write_csv(const EvalResult *result, const EvalOptions *options, CoredError *error);

#endif /* CORED_TOOLS_TRAIN_EVAL_H */
