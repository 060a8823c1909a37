/* SPDX-License-Identifier: MIT */
#include "run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "gate.h"
#include "model/hash.h"
#include "model/model.h"
#include "models.h"
#include "progress.h"
#include "reports.h"
#include "run-folder.h"
#include "tools/convert/import.h"
#include "tools/convert/pth-write.h"
#include "trace.h"
#include "training.h"
#include "validation.h"

/* What --resume found, until the first file is written. */
typedef struct Resumed {
  bool found;
  bool is_last;     /* it is the last checkpoint of the run's own folder */
  bool is_best;     /* with the best model missing, the state itself is the best so far */
  CoredModel *best; /* to be taken along from another folder; NULL: none */
} Resumed;

typedef struct Run {
  const Options *options;
  Parallel *parallel;
  Ui ui;
  RunFolder *folder;
  StartModels models;
  CoredModelInfo info;
  DataSets sets;
  char manifest[65];
  json_t *config;
  Training *training;
  Validation validation; /* the last one */
  Progress at;
  Resumed resumed;
  bool began;              /* nothing can refuse the run any more, and its folder is its own */
  CoredTensorboard *board; /* NULL: no event file */
} Run;

static bool writes(const Run *run) {
  return run->parallel->rank == 0;
}

/* ---- The best model -------------------------------------------------------------------------- */

static bool validate(Run *run, CoredError *error) {
  const ValidationSetup setup = {training_trainer(run->training), &run->info, &run->sets,
                                 run->options, &run->ui};
  return validation_run(&run->validation, &setup, error);
}

/* Is this the best so far, as the state at the end of that epoch (from 1)? */
static bool note_best(Run *run, int epoch) {
  const Validation *v = &run->validation;
  const bool better = v->finite && v->figure > run->at.best; /* false for NAN */
  if (better) {
    run->at.best = v->figure;
    run->at.best_epoch = epoch;
  }
  return better;
}

/* The model of the epoch at.best_epoch, judged by the last validation. */
static bool save_best(Run *run, CoredError *error) {
  const Lineage lineage = {.base = run->models.teacher,
                           .names = run->sets.names,
                           .n_tasks = run->sets.n_tasks,
                           .epoch = run->at.best_epoch,
                           .method = json_string_value(json_object_get(run->config, "method")),
                           .manifest = run->manifest,
                           .config = run->config};
  char *path = run_folder_path(run->folder, "best.safetensors");
  CoredModel *model = path ? finish_model(training_trainer(run->training), &run->info, &lineage,
                                          run->validation.predictions, error)
                           : NULL;
  const bool ok = model && cored_model_save_beside(model, path, error);
  cored_model_unref(model);
  free(path);
  return ok;
}

/* ---- Going on from a checkpoint -------------------------------------------------------------- */

static bool save_checkpoint(Run *run, CoredError *error) {
  if (!writes(run))
    return true;
  json_t *position = progress_json(&run->at);
  const bool ok =
      run_folder_save(run->folder, training_trainer(run->training), position, run->config, error);
  json_decref(position);
  return ok;
}

/* The last checkpoint under its other names. */
static bool keep_epoch(Run *run, CoredError *error) {
  return !writes(run) || run_folder_keep_epoch(run->folder, run->at.epoch,
                                               run->at.best_epoch == run->at.epoch, error);
}

/* The state that was resumed may be the best there is. */
static bool look_anew(Run *run, CoredError *error) {
  ui_line(&run->ui,
          "the best model so far, of epoch %d, is not beside the checkpoint: the best is "
          "looked for anew",
          run->at.best_epoch);
  run->at.best = -(double)INFINITY;
  run->at.best_epoch = 0;
  if (run->at.next_batch > 0)
    return true;
  if (!validate(run, error))
    return false;
  run->resumed.is_best = note_best(run, run->at.epoch);
  return true;
}

/* Without the best model the best is looked for anew, beginning with the state that was resumed. */
static bool find_best(Run *run, CoredError *error) {
  const BestWanted want = {run->at.best_epoch, run->info.network};
  bool missing;
  return run_folder_find_best(run->folder, &want, &run->resumed.best, &missing, error) &&
         (!missing || look_anew(run, error));
}

static bool restore(Run *run, const Checkpoint *checkpoint, CoredError *error) {
  CoredTrainer *trainer = training_trainer(run->training);
  if (!checkpoint_check_config(checkpoint, run->config, error) ||
      !checkpoint_restore(checkpoint, trainer, error))
    return false;
  const ProgressLimits limits = {.n_batches = training_n_batches(run->training),
                                 .accumulate = (uint64_t)run->options->recipe.accumulate,
                                 .steps = cored_trainer_steps(trainer)};
  return progress_read(&run->at, checkpoint_position(checkpoint), &limits, error) &&
         find_best(run, error);
}

/* Reads only: begin_files writes. */
static bool resume(Run *run, CoredError *error) {
  const char *path = run->options->output.resume;
  if (!path)
    return true;
  const char *name = run_folder_name(run->folder);
  Checkpoint *checkpoint =
      run_folder_find_checkpoint(run->folder, &run->ui, &run->resumed.is_last, error);
  if (!checkpoint && error->code == CORED_ERROR_NOT_FOUND && !path[0]) {
    if (run_folder_has_later_best(run->folder))
      return cored_error_set(error, CORED_ERROR_NOT_FOUND,
                             "'%s' holds best.safetensors but no checkpoint to go on from; "
                             "--overwrite begins anew",
                             name);
    ui_line(&run->ui, "nothing to resume in '%s': starting anew", name);
    *error = (CoredError){0};
    return true;
  }
  const bool ok = checkpoint && restore(run, checkpoint, error);
  run->resumed.found = ok;
  checkpoint_free(checkpoint);
  if (ok)
    ui_line(&run->ui, "resuming in epoch %d at batch %llu", run->at.epoch + 1,
            (unsigned long long)run->at.next_batch);
  return ok;
}

static bool write_resumed(Run *run, CoredError *error) {
  const Resumed *resumed = &run->resumed;
  char *path = run_folder_path(run->folder, "best.safetensors");
  bool ok = path || cored_error_set(error, CORED_ERROR_NO_MEMORY, "best model");
  ok = ok && (!resumed->best || cored_model_save_beside(resumed->best, path, error)) &&
       (!resumed->is_best || save_best(run, error)) &&
       (run_folder_goes_on(run->folder) || save_checkpoint(run, error));
  free(path);
  if (ok && resumed->is_last && run->at.epoch > 0 && run->at.next_batch == 0)
    ok = keep_epoch(run, error); /* should the run have died before it came to that */
  return ok;
}

/* The first writing: with --overwrite, what an earlier run left goes; what was resumed comes. */
static bool begin_files(Run *run, CoredError *error) {
  run_folder_delete_earlier(run->folder);
  return !run->resumed.found || write_resumed(run, error);
}

/* ---- Begin ----------------------------------------------------------------------------------- */

static bool publishes(const Run *run) {
  return run->options->output.publish && writes(run);
}

/* Hours of training should not end at a live file that cannot be read. */
static bool check_live(const Run *run, CoredError *error) {
  CoredModel *live = NULL;
  if (!publishes(run))
    return true;
  const bool ok = gate_open_live(run->options->output.publish, &live, error);
  cored_model_unref(live);
  return ok;
}

static bool open_events(Run *run, CoredError *error) {
  const char *folder = run->options->output.tensorboard;
  if (folder && writes(run))
    run->board = progress_open_events(folder, error);
  return run->board || !folder || !writes(run);
}

static bool open_training(Run *run, CoredError *error) {
  const TrainingSetup setup = {run->options, run->parallel, &run->ui,
                               &run->models, &run->info,    run->sets.train};
  cored_dataset_manifest(run->sets.train, run->manifest);
  json_t *crop = run->sets.train_has_crops
                     ? face_detector_json(&run->sets.detector, &run->options->data)
                     : json_null();
  run->config = checkpoint_config(&run->options->recipe, &run->info, run->manifest, crop);
  if (!progress_init(&run->at) || !run->config)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "settings");
  run->training = training_open(&setup, error);
  return run->training != NULL;
}

/* What the new model learns from, beside what the models that it comes from have learned. */
static void note_crop(Run *run) {
  const NetworkOptions *network = &run->options->network;
  const StartModels *models = &run->models;
  if (!run->sets.train_has_crops)
    return; /* the pictures may have been cut out in any way: what the student said stays */
  if (network->init || network->weights)
    face_detector_compare(&run->sets.detector, models->student,
                          network->init ? network->init : network->weights, &run->ui);
  if (models->teacher && models->teacher != models->student)
    face_detector_compare(&run->sets.detector, models->teacher, network->weights, &run->ui);
  run->info.crop = run->sets.detector.crop;
}

/* Training normalizes by statistics that such a model does not have, unless batch norms are frozen.
 */
static void warn_of_folded(Run *run) {
  const NetworkOptions *network = &run->options->network;
  const char *norms = cored_model_metadata(run->models.student, CORED_METADATA_BATCH_NORMS);
  if (norms && strcmp(norms, CORED_BATCH_NORMS_FOLDED) == 0)
    ui_line(&run->ui,
            "warning: '%s' came from an ONNX file with folded batch norms, which hold no "
            "statistics: training that changes batch norms begins far from what it computes; say "
            "--batch-norm=frozen, or import the weights that the file was exported from",
            network->init ? network->init : network->weights);
}

static bool set_up(Run *run, CoredError *error) {
  const Options *options = run->options;
  if (!data_check_tasks(&options->data, error) || !check_live(run, error))
    return false;
  run->folder = run_folder_open(options, writes(run), error);
  if (!run->folder || !weights_start(&run->models, options, error))
    return false;
  run->info = *cored_model_info(run->models.student);
  warn_of_folded(run);
  if (!data_sets_open(&run->sets, &options->data, &run->info, options->loader_threads, &run->ui,
                      error))
    return false;
  note_crop(run);
  if (publishes(run) && !gate_check_live(&run->sets, &run->info, options, &run->ui, error))
    return false;
  return open_training(run, error) && resume(run, error) && open_events(run, error);
}

static void tear_down(Run *run) {
  validation_clear(&run->validation);
  training_close(run->training);
  data_sets_close(&run->sets);
  weights_clear(&run->models);
  cored_model_unref(run->resumed.best);
  json_decref(run->config);
  progress_clear(&run->at);
  cored_tensorboard_close(run->board, NULL); /* every epoch was flushed */
  run_folder_close(run->folder, run->began);
}

/* What comes before the very first step. */
static bool prepare(Run *run, CoredError *error) {
  const char *trace = run->options->output.trace;
  if (run->at.epoch > 0 || run->at.next_batch > 0)
    return true;
  return training_fill_stores(run->training, error) &&
         (!trace || !writes(run) || trace_start(trace, run->models.student, error));
}

/* The folder is touched once no process has anything against the run any more. */
static RunStatus begin(Run *run, CoredError *error) {
  RunStatus status = run_agree(run->parallel, prepare(run, error) ? RUN_OK : run_status_of(error));
  if (status != RUN_OK)
    return status;
  run->began = true;
  status = begin_files(run, error) ? RUN_OK : run_status_of(error);
  return run_agree(run->parallel, status);
}

/* ---- Epochs ---------------------------------------------------------------------------------- */

static void print_row(Run *run, bool better) {
  char losses[192], tasks[1024];
  loss_means_text(&run->at.sums, losses, sizeof losses);
  validation_text(&run->validation, &run->sets, tasks, sizeof tasks);
  ui_line(&run->ui, "%4d  %s |%s%s", run->at.epoch + 1, losses, tasks, better ? "  *" : "");
}

static json_t *make_row(const Run *run) {
  return json_pack("{s:i,s:f,s:o,s:o,s:o}", "epoch", run->at.epoch + 1, "rate",
                   training_rate(run->training), "train", loss_means_json(&run->at.sums), "tasks",
                   validation_json(&run->validation, &run->sets), "score",
                   json_figure(run->validation.figure));
}

static bool write_history(const Run *run, CoredError *error) {
  char *path = run_folder_path(run->folder, "history.csv");
  const bool ok =
      path ? progress_write_csv(&run->at, run->sets.names, run->sets.n_tasks, path, error)
           : cored_error_set(error, CORED_ERROR_NO_MEMORY, "history");
  free(path);
  return ok && (!run->board || progress_write_events(&run->at, run->board, error));
}

/* What the first process does at the end of an epoch while the others wait. */
static bool close_epoch(Run *run, CoredError *error) {
  if (!validate(run, error))
    return false;
  const bool better = note_best(run, run->at.epoch + 1);
  print_row(run, better);
  json_array_append_new(run->at.history, make_row(run));
  if (better && !save_best(run, error))
    return false;
  progress_next_epoch(&run->at);
  return write_history(run, error) && save_checkpoint(run, error) && keep_epoch(run, error);
}

static RunStatus end_epoch(Run *run, CoredError *error) {
  const RecipeOptions *recipe = &run->options->recipe;
  RunStatus status = RUN_OK;
  /* Before the checkpoint, which holds the teacher too. */
  if (recipe->self_training && (run->at.epoch + 1) % recipe->self_training == 0 &&
      !cored_trainer_replace_teacher(training_trainer(run->training), error)) {
    status = run_status_of(error);
  } else if (writes(run)) {
    if (!close_epoch(run, error))
      status = run_status_of(error);
  } else {
    progress_next_epoch(&run->at);
  }
  return run_agree(run->parallel, status);
}

/* Between two steps; what fails in the middle of an epoch's end leaves the checkpoint before. */
static RunStatus save_interrupted(Run *run, CoredError *error) {
  if (!save_checkpoint(run, error))
    return run_status_of(error);
  ui_line(&run->ui, "interrupted in epoch %d; go on with --resume", run->at.epoch + 1);
  return RUN_INTERRUPTED;
}

static RunStatus train(Run *run, CoredError *error) {
  RunStatus status = begin(run, error);
  while (status == RUN_OK && run->at.epoch < run->options->recipe.epochs) {
    status = training_epoch(run->training, &run->at, error);
    if (status == RUN_OK)
      status = end_epoch(run, error);
    else if (status == RUN_INTERRUPTED)
      status = save_interrupted(run, error);
  }
  return status;
}

/* ---- The best model is delivered ------------------------------------------------------------- */

static RunStatus publish(Run *run, const CoredModel *best, CoredError *error) {
  const Options *options = run->options;
  const GateJob job = {best, run->models.teacher, &run->sets, options};
  GateResult *result = malloc(sizeof *result);
  RunStatus status = RUN_OK;
  if (!result)
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "the publish gate");
  if (!result || !gate_judge(result, &job, &run->ui, error) ||
      !gate_publish(result, best, options->output.publish, &run->ui, error))
    status = run_status_of(error);
  else if (!result->passed)
    status = RUN_REJECTED;
  free(result);
  return status;
}

/* What is made of the best model besides its file. */
static bool write_best(Run *run, const CoredModel *best, CoredError *error) {
  const char *pth = run->options->output.export_pth;
  const RunFacts facts = {run->options, &run->sets, &run->at,
                          options_method_name(run->options->recipe.train.method)};
  char *path = run_folder_path(run->folder, "report.html");
  const bool ok = path ? report_write_run(&facts, best, path, &run->ui, error)
                       : cored_error_set(error, CORED_ERROR_NO_MEMORY, "no memory for the report");
  free(path);
  return ok && (!pth || cored_pth_write(best, pth, CORED_PTH_STATE_DICT, error));
}

static void tell_temperature(Run *run, const CoredModel *best) {
  const char *from = cored_model_metadata(best, KEY_TEMPERATURE_FROM);
  if (from && strcmp(from, "prior") == 0)
    ui_line(&run->ui,
            "warning: the validation samples cannot tell the temperature (too few of them are "
            "misjudged, or too many): %.3g comes from the prior, and probabilities are rough",
            cored_model_info(best)->temperature);
}

static RunStatus deliver(Run *run, CoredError *error) {
  if (run->at.best_epoch == 0) {
    cored_error_set(error, CORED_ERROR_CONSTANT_OUTPUT,
                    "no epoch gave a model that can be judged; nothing was delivered");
    return RUN_NOT_FINITE;
  }
  char *path = run_folder_path(run->folder, "best.safetensors");
  CoredModel *best = path ? cored_model_load(path, NULL, error) : NULL;
  RunStatus status = RUN_OK;
  ui_line(&run->ui, "best: epoch %d, %s", run->at.best_epoch, path ? path : "?");
  if (best)
    tell_temperature(run, best);
  if (!best || !write_best(run, best, error))
    status = run_status_of(error);
  else if (run->options->output.publish)
    status = publish(run, best, error);
  cored_model_unref(best);
  free(path);
  return status;
}

/* ---- Several processes ----------------------------------------------------------------------- */

/* The last process whose hash is not that of process 0; 0: none. */
static int find_other(const Run *run, const char hash[CORED_HASH_SIZE]) {
  char first[CORED_HASH_SIZE];
  memcpy(first, hash, sizeof first);
  parallel_broadcast(run->parallel, first, sizeof first);
  const bool differs = memcmp(first, hash, sizeof first) != 0;
  return parallel_max(run->parallel, differs ? run->parallel->rank : 0);
}

/* What decides which steps a process takes and what they give. */
static json_t *shared_settings(const Run *run) {
  const CoredModel *teacher = run->models.teacher;
  return json_pack("{s:O,s:i,s:f,s:i,s:I,s:s,s:s}", "config", run->config, "epochs",
                   run->options->recipe.epochs, "max_bad", run->options->data.max_bad, "epoch",
                   run->at.epoch, "next_batch", (json_int_t)run->at.next_batch, "student",
                   cored_model_info(run->models.student)->sha256, "teacher",
                   teacher ? cored_model_info(teacher)->sha256 : "");
}

/* A process of other settings would wait for sums that nobody makes, or spoil those of all. */
static bool check_same_settings(Run *run, CoredError *error) {
  char hash[CORED_HASH_SIZE] = "";
  json_t *settings = shared_settings(run);
  char *text = settings ? json_dumps(settings, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
  if (text)
    cored_hash_bytes(text, strlen(text), hash);
  const bool missing = parallel_max(run->parallel, !text);
  json_decref(settings);
  free(text);
  if (missing)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "settings");
  const int other = find_other(run, hash);
  return other == 0 ||
         cored_error_set(error, CORED_ERROR_ARGUMENT,
                         "process %d has other settings than process 0: every process has to be "
                         "given the same command line, weights and checkpoint",
                         other);
}

/* Processes share out batches by number: all have to have read the same files. */
static bool check_same_data(Run *run, CoredError *error) {
  const int other = find_other(run, run->manifest);
  if (run->parallel->ranks > training_batch(run->training))
    ui_line(&run->ui, "warning: %d processes, but batches of %d samples: some have nothing to do",
            run->parallel->ranks, training_batch(run->training));
  return other == 0 ||
         cored_error_set(error, CORED_ERROR_DATASET,
                         "process %d does not read the same files from '%s' as process 0: every "
                         "process has to see the whole data set",
                         other, cored_dataset_root(run->sets.train));
}

/* Of the processes that know why the run failed, the first says so: it need not be process 0. */
static void tell(Run *run, const CoredError *error) {
  const Parallel *parallel = run->parallel;
  const bool knows = error->code != CORED_ERROR_NONE && error->code != CORED_ERROR_CANCELLED;
  const int turn = knows ? parallel->ranks - parallel->rank : 0;
  if (parallel_max(parallel, turn) != turn || turn == 0)
    return;
  run->ui.silent = false;
  ui_line(&run->ui, "cored-train: %s", error->message);
}

RunStatus run_train(const Options *options, Parallel *parallel) {
  Run run = {.options = options,
             .parallel = parallel,
             .ui = ui_init(options->output.quiet, parallel->rank != 0)};
  CoredError error = {0};
  RunStatus status = RUN_OK;
  if (!set_up(&run, &error))
    status = run_status_of(&error);
  status = run_agree(parallel, status);
  if (status == RUN_OK && (!check_same_data(&run, &error) || !check_same_settings(&run, &error)))
    status = RUN_FAILED;
  if (status == RUN_OK)
    status = train(&run, &error);
  if (status == RUN_OK && writes(&run))
    status = deliver(&run, &error);
  status = run_agree(parallel, status);
  if (status != RUN_OK && status != RUN_INTERRUPTED)
    tell(&run, &error);
  tear_down(&run);
  return status;
}
