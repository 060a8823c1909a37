/* SPDX-License-Identifier: MIT
 * The steps of a run: its trainer, fed by its loader at the rates of its schedule. */
#ifndef CORED_TOOLS_TRAIN_TRAINING_H
#define CORED_TOOLS_TRAIN_TRAINING_H

#include "models.h"
#include "options.h"
#include "parallel.h"
#include "progress.h"
#include "status.h"
#include "ui.h"

typedef struct Training Training;

/* What it is made of; all of it stays the caller's and has to outlive it. */
typedef struct TrainingSetup {
  const Options *options;
  Parallel *parallel;
  Ui *ui;
  const StartModels *models;
  const CoredModelInfo *info; /* of the student */
  const CoredDataset *set;
} TrainingSetup;

Training *training_open(const TrainingSetup *setup, CoredError *error);
void training_close(Training *training); /* NULL is fine */
CoredTrainer *training_trainer(const Training *training);
/* Batches of an epoch, and samples of a batch, over all processes. */
uint64_t training_n_batches(const Training *training);
int training_batch(const Training *training);
/* The learning rate of the next step. */
double training_rate(const Training *training);

/* The teacher's stores, once before the first step. */
bool training_fill_stores(Training *training, CoredError *error);
/* The steps of one epoch, from the position on. RUN_INTERRUPTED between two steps. */
RunStatus training_epoch(Training *training, Progress *at, CoredError *error);

#endif /* CORED_TOOLS_TRAIN_TRAINING_H */
