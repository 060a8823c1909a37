/* SPDX-License-Identifier: MIT
 * The HTML reports: of a run (how the losses and figures went, the matrix over all tasks so far,
 * the best model on every validation set) and of cored-eval. */
#ifndef CORED_TOOLS_TRAIN_REPORTS_H
#define CORED_TOOLS_TRAIN_REPORTS_H

#include "eval.h"
#include "options.h"
#include "progress.h"
#include "sets.h"

/* What a run's report tells of. */
typedef struct RunFacts {
  const Options *options;
  const DataSets *sets;
  const Progress *progress;
  const char *method;
} RunFacts;

/* best: judged here, as the element would run it. */
bool report_write_run(const RunFacts *run, const CoredModel *best, const char *path, Ui *ui,
                      CoredError *error);
bool report_write_eval(const EvalResult *result, const EvalOptions *options, CoredError *error);

#endif /* CORED_TOOLS_TRAIN_REPORTS_H */
