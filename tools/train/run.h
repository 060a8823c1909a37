/* SPDX-License-Identifier: MIT
 * One training run from its options to its files.
 *
 *   FOLDER/best.safetensors       the best model so far, complete; rewritten whenever one is better
 *   FOLDER/last.checkpoint        after every epoch, and when interrupted; previous.checkpoint is
 *                                 the one before it
 *   FOLDER/best.checkpoint        the state that the best model is of
 *   FOLDER/epoch-0020.checkpoint  every 20th
 *   FOLDER/history.csv            a line per epoch
 *   FOLDER/report.html            what was learned and forgotten, when the run has ended
 *   FOLDER/.lock                  held while a run is going on
 */
#ifndef CORED_TOOLS_TRAIN_RUN_H
#define CORED_TOOLS_TRAIN_RUN_H

#include "finish.h"
#include "gate.h"
#include "losses.h"
#include "options.h"
#include "parallel.h"
#include "sets.h"
#include "tools/report/tensorboard.h"
#include "ui.h"
#include "weights.h"

typedef enum RunStatus { /* exit codes */
                         RUN_OK = 0,
                         RUN_FAILED = 1,
                         RUN_USAGE = 2,
                         RUN_NOT_FINITE = 3,
                         RUN_REJECTED = 4,
                         RUN_DISK = 74,
                         RUN_INTERRUPTED = 130
} RunStatus;

/* Where a run is; what a checkpoint remembers besides the trainer. */
typedef struct RunPosition {
  int epoch;           /* being trained, from 0 */
  uint64_t next_batch; /* of it */
  LossSums sums;       /* of it so far */
  double best;         /* score; -inf before the first */
  int best_epoch;
  json_t *history; /* a row per finished epoch */
} RunPosition;

/* What --resume found, until the first file is written. */
typedef struct Resumed {
  bool found;
  bool is_last;     /* it is the last checkpoint of the run's own folder */
  bool is_best;     /* with the best model missing, the state itself is the best so far */
  CoredModel *best; /* to be taken along from another folder; NULL: none */
} Resumed;

/* How fast this process trains, since its first batch. */
typedef struct RunPace {
  double began;
  uint64_t batches;
  int first_epoch;
  bool told; /* how long it will take */
} RunPace;

typedef struct Run {
  const Options *options;
  Parallel *parallel;
  Ui ui;
  char *folder;
  int lock;
  int n_made; /* of the folder and those above it */
  StartModels models;
  CoredModelInfo info;
  DataSets sets;
  char manifest[65];
  json_t *config;
  CoredTrainer *trainer;
  CoredLoader *loader;
  CoredSchedule schedule;
  RunPace pace;
  Prediction val[MAX_TASKS]; /* of the last validation */
  RunPosition at;
  Resumed resumed;
  bool began;              /* nothing can refuse the run any more, and its folder is its own */
  CoredTensorboard *board; /* NULL: no event file */
} Run;

RunStatus run_train(const Options *options, Parallel *parallel);
/* The exit code that an error stands for. */
RunStatus run_status_of(const CoredError *error);
/* What all processes leave with: an error, of whichever process, outranks an interruption. */
RunStatus run_agree(const Parallel *parallel, RunStatus status);

/* run-files.c: the folder and what is in it. */
bool run_open_folder(Run *run, CoredError *error);
/* The first writing: with --overwrite, what an earlier run left goes; what was resumed comes. */
bool run_begin_files(Run *run, CoredError *error);
/* Folders that were made for a run that did not begin go again. */
void run_close_folder(Run *run);
bool run_save_checkpoint(Run *run, CoredError *error);
/* The last checkpoint, at the end of an epoch, under its other names: the best one's, every 20th's.
 */
bool run_keep_epoch(Run *run, CoredError *error);
/* Reads only: run_begin_files writes. */
bool run_resume(Run *run, CoredError *error);
bool run_write_history(const Run *run, CoredError *error);
char *run_path(const Run *run, const char *name);
json_t *run_config(const Run *run);

/* run-epoch.c: the steps of one epoch, from the position on. */
RunStatus run_epoch(Run *run, CoredError *error);
/* The teacher's stores, once before the first step. */
bool run_fill_stores(Run *run, CoredError *error);

/* run-report.c: of the best model, on all validation sets. */
bool run_write_report(Run *run, const CoredModel *best, CoredError *error);

/* run-events.c: the last row of the history as points of TensorBoard's curves. */
bool run_open_events(Run *run, CoredError *error);
bool run_write_events(Run *run, CoredError *error);

/* run.c: the model of the epoch at.best_epoch, judged by val. */
bool run_save_best(Run *run, CoredError *error);

/* run-validate.c: all sets, a row of the history, and whether the model is the best so far. */
bool run_validate(Run *run, bool *better, CoredError *error);
/* Is the state that was resumed, at the end of an epoch, fit to be the best so far? */
bool run_judge_resumed(Run *run, bool *better, CoredError *error);

#endif /* CORED_TOOLS_TRAIN_RUN_H */
