/* SPDX-License-Identifier: MIT
 * The folder of a run: who holds it, and the files in it.
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
#ifndef CORED_TOOLS_TRAIN_RUN_FOLDER_H
#define CORED_TOOLS_TRAIN_RUN_FOLDER_H

#include "checkpoint.h"
#include "options.h"
#include "ui.h"

typedef struct RunFolder RunFolder;

/* Of several processes one writes: it makes the folder and holds its lock; an earlier run in it
 * that the options do not speak of is an error. options must stay. */
RunFolder *run_folder_open(const Options *options, bool writes, CoredError *error);
/* NULL is fine. Folders that were made for a run that did not begin go again. */
void run_folder_close(RunFolder *folder, bool began);
const char *run_folder_name(const RunFolder *folder);
/* Of a file in it; the caller frees it. NULL: no memory. */
char *run_folder_path(const RunFolder *folder, const char *name);
/* With --overwrite, what an earlier run left goes; else, and where this process does not write,
 * nothing. */
void run_folder_delete_earlier(const RunFolder *folder);

/* The state as the last checkpoint. */
bool run_folder_save(const RunFolder *folder, const CoredTrainer *trainer, const json_t *position,
                     const json_t *config, CoredError *error);
/* The last checkpoint, at the end of an epoch, under its other names: the best one's, every 20th's.
 */
bool run_folder_keep_epoch(const RunFolder *folder, int epoch, bool best, CoredError *error);

/* ---- What --resume names: nothing is written ---- */

/* Does this run go on with what is in its own folder? */
bool run_folder_goes_on(const RunFolder *folder);
/* The checkpoint to go on from; *is_last: it is the last one of the run's own folder. The error is
 * NOT_FOUND where there is none. */
Checkpoint *run_folder_find_checkpoint(const RunFolder *folder, Ui *ui, bool *is_last,
                                       CoredError *error);
/* Is there a best model, but no checkpoint, that starting anew would not give again? */
bool run_folder_has_later_best(const RunFolder *folder);

typedef struct BestWanted {
  int epoch; /* of the best model so far, as the checkpoint has it; 0: none */
  const char *network;
} BestWanted;

/* The best model so far is a file beside the checkpoint, and a run that goes on elsewhere takes it
 * along: *along, which is the caller's. *missing: it is not there. A model of a later epoch is not
 * given up for an earlier state. */
bool run_folder_find_best(const RunFolder *folder, const BestWanted *want, CoredModel **along,
                          bool *missing, CoredError *error);

#endif /* CORED_TOOLS_TRAIN_RUN_FOLDER_H */
