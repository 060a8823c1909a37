/* SPDX-License-Identifier: MIT
 * The data sets of a run: where they are, whether they are fit to learn from. */
#ifndef CORED_TOOLS_TRAIN_SETS_H
#define CORED_TOOLS_TRAIN_SETS_H

#include "face-detector.h"
#include "options.h"
#include "train/data/dataset.h"
#include "ui.h"

#define MAX_TASKS (MAX_SOURCES + 1)

typedef struct DataSets {
  CoredDataset *train;          /* of the target */
  CoredDataset *val[MAX_TASKS]; /* the target's, then the sources' in the order given */
  const char *names[MAX_TASKS];
  int n_tasks;
  FaceDetector detector; /* opened where faces are cut out in one of them */
  bool train_has_crops;  /* faces are cut out in train */
} DataSets;

/* What a set is read for. */
typedef struct SetNeeds {
  const DataOptions *options;
  const CoredModelInfo *info; /* labels, input size, normalization */
  int threads;
  FaceDetector *detector; /* the first set that needs it opens it */
} SetNeeds;

/* Scan and check one folder; bad files are listed, too many of them are an error. */
CoredDataset *set_open(const char *root, const SetNeeds *needs, Ui *ui, CoredError *error);
/* Are faces cut out in some of its files? */
bool set_has_crops(const CoredDataset *set, const DataOptions *options);

/* Is there a folder for every task that the options name? If not, the error lists those there are.
 * Looks at names only, so that it can be asked first. */
bool data_check_tasks(const DataOptions *options, CoredError *error);
bool data_sets_open(DataSets *sets, const DataOptions *options, const CoredModelInfo *info,
                    int threads, Ui *ui, CoredError *error);
/* The validation sets of `like` once more, for the input of info. */
bool data_sets_open_val(DataSets *sets, const DataSets *like, const DataOptions *options,
                        const CoredModelInfo *info, int threads, Ui *ui, CoredError *error);
void data_sets_close(DataSets *sets);
/* The folder with the training data of the target; the caller frees it. */
char *data_train_root(const DataOptions *options);
/* With more than two classes they are the sub-folders of root, sorted; exactly n of them. */
bool data_find_classes(const char *root, int n, CoredModelInfo *info, CoredError *error);

#endif /* CORED_TOOLS_TRAIN_SETS_H */
