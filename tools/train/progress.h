/* SPDX-License-Identifier: MIT
 * How far a run is: the position that a checkpoint remembers beside the trainer, and the history of
 * its epochs, as CSV and as points of TensorBoard's curves. */
#ifndef CORED_TOOLS_TRAIN_PROGRESS_H
#define CORED_TOOLS_TRAIN_PROGRESS_H

#include <jansson.h>

#include "losses.h"
#include "tools/report/tensorboard.h"

typedef struct Progress {
  int epoch;           /* being trained, from 0 */
  uint64_t next_batch; /* of it */
  LossSums sums;       /* of it so far */
  double best;         /* score; -inf before the first */
  int best_epoch;      /* from 1; 0: none */
  json_t *history;     /* a row per finished epoch */
} Progress;

bool progress_init(Progress *at); /* false without memory */
void progress_clear(Progress *at);
void progress_next_epoch(Progress *at);

/* What a run of these settings can have come to. */
typedef struct ProgressLimits {
  uint64_t n_batches, accumulate; /* of an epoch; batches of a step */
  uint64_t steps;                 /* that the trainer made */
} ProgressLimits;

json_t *progress_json(const Progress *at);
/* What a run within these limits can have written, and nothing else. */
bool progress_read(Progress *at, const json_t *json, const ProgressLimits *limits,
                   CoredError *error);

/* The history as a file at path: a line per epoch, with two columns for each task. */
bool progress_write_csv(const Progress *at, const char *const *tasks, int n_tasks, const char *path,
                        CoredError *error);
CoredTensorboard *progress_open_events(const char *folder, CoredError *error);
/* The last row of the history. */
bool progress_write_events(const Progress *at, CoredTensorboard *board, CoredError *error);

#endif /* CORED_TOOLS_TRAIN_PROGRESS_H */
