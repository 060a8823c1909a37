/* SPDX-License-Identifier: MIT
 * The student on the validation sets of its run. */
#ifndef CORED_TOOLS_TRAIN_VALIDATION_H
#define CORED_TOOLS_TRAIN_VALIDATION_H

#include "evaluate.h"
#include "options.h"
#include "sets.h"

typedef struct Validation {
  Prediction predictions[MAX_TASKS]; /* as DataSets orders them */
  CoredMetrics metrics[MAX_TASKS];
  int n;
  bool finite;   /* all outputs are; else the epoch is never the best one */
  double figure; /* by which models are selected; may be NAN */
} Validation;

typedef struct ValidationSetup {
  CoredTrainer *trainer;
  const CoredModelInfo *info; /* of the student */
  const DataSets *sets;
  const Options *options;
  Ui *ui;
} ValidationSetup;

/* validation is zero or filled before. */
bool validation_run(Validation *validation, const ValidationSetup *setup, CoredError *error);
void validation_clear(Validation *validation);
/* [{"name", "accuracy", "auc", "log_loss"}, ...], and "  NAME 93.1% AUC 0.9812  ...". */
json_t *validation_json(const Validation *validation, const DataSets *sets);
void validation_text(const Validation *validation, const DataSets *sets, char *out, size_t size);

#endif /* CORED_TOOLS_TRAIN_VALIDATION_H */
