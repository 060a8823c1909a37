/* SPDX-License-Identifier: MIT
 * The publish gate: may a new model take the place of the live one?
 *
 * Both are judged on the same validation samples as they will run: from their files' weights, by
 * plan and session, each through its own preprocessing and at its own temperature and threshold. */
#ifndef CORED_TOOLS_TRAIN_GATE_H
#define CORED_TOOLS_TRAIN_GATE_H

#include "evaluate.h"
#include "options.h"
#include "sets.h"

typedef struct GateFigures {
  double auc;
  double false_alarms, misses; /* shares of the real and the fake samples, at the threshold */
} GateFigures;

typedef struct GateTask {
  const char *name;
  size_t n_real, n_fake; /* independent ones: samples of one group count once */
  GateFigures now, old;  /* old is of guessing where there is no old model */
  CoredAucGain over_old, over_guessing;
} GateTask;

typedef struct GateResult {
  const char *against;       /* what `old` is, for people */
  char live[65];             /* header hash of the live file that was judged, "" without one */
  GateTask tasks[MAX_TASKS]; /* the new one first */
  int n_tasks;
  bool passed;
  char reasons[4096]; /* one a line; "" when passed */
} GateResult;

/* Whom the gate judges. */
typedef struct GateJob {
  const CoredModel *candidate;
  const CoredModel *teacher; /* stands in for a live model that is not there yet; may be NULL */
  const DataSets *sets;      /* read for the candidate */
  const Options *options;
} GateJob;

/* The model at path, if the gate can read it; NULL in *live means that nothing is there. */
bool gate_open_live(const char *path, CoredModel **live, CoredError *error);
/* Before hours of training: can the file be published to, and can the validation data be read as
 * the live model there needs them? sets were read for the input of info. */
bool gate_check_live(const DataSets *sets, const CoredModelInfo *info, const Options *options,
                     Ui *ui, CoredError *error);
/* Measure candidate and live model (else teacher, else guessing) and compare. */
bool gate_judge(GateResult *result, const GateJob *job, Ui *ui, CoredError *error);
/* Fill passed and reasons from the figures. temperature is the candidate's. */
void gate_compare(GateResult *result, const GateOptions *options, double temperature);
/* Write the model where the element watches, one generation after what is there; or, rejected,
 * to PATH.rejected, with the reasons in PATH.rejected.txt and in its metadata. Fails when the live
 * file is not the one that was judged any more. */
bool gate_publish(const GateResult *result, const CoredModel *candidate, const char *path, Ui *ui,
                  CoredError *error);

#endif /* CORED_TOOLS_TRAIN_GATE_H */
