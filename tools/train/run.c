/* SPDX-License-Identifier: MIT */
#include "run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/hash.h"
#include "model/model.h"
#include "tools/convert/pth-write.h"
#include "trace.h"

RunStatus run_status_of(const CoredError *error) {
  if (error->code == CORED_ERROR_CANCELLED)
    return RUN_INTERRUPTED;
  return error->code == CORED_ERROR_WRITE ? RUN_DISK : RUN_FAILED;
}

RunStatus run_agree(const Parallel *parallel, RunStatus status) {
  const int weight = status == RUN_OK ? 0 : status == RUN_INTERRUPTED ? 1 : (int)status + 1;
  const int most = parallel_max(parallel, weight);
  return most == 0 ? RUN_OK : most == 1 ? RUN_INTERRUPTED : (RunStatus)(most - 1);
}

/* The schedule counts steps, the options count epochs. */
static CoredSchedule make_schedule(const Run *run) {
  const RecipeOptions *recipe = &run->options->recipe;
  const uint64_t k = (uint64_t)recipe->accumulate;
  const double steps = (double)((cored_loader_n_batches(run->loader) + k - 1) / k);
  CoredSchedule schedule = recipe->schedule;
  schedule.warmup = floor(recipe->warmup_epochs * steps);
  schedule.period = fmax(1.0, floor(recipe->step_epochs * steps));
  schedule.length = recipe->epochs * steps;
  return schedule;
}

static bool make_trainer(Run *run, CoredError *error) {
  const Options *options = run->options;
  CoredTrainParams params = options->recipe.train;
  params.input_width = run->info.input_width;
  params.input_height = run->info.input_height;
  params.max_batch = options->recipe.batch < 64 ? 64 : options->recipe.batch;
  params.cpu = cored_cpu_flags();
  params.reduce = parallel_reduce(run->parallel);
  run->trainer = cored_trainer_new(run->models.student, run->models.teacher, &params, error);
  const CoredLoaderParams loader = {.batch = options->recipe.batch,
                                    .seed = options->recipe.seed,
                                    .sequential = options->recipe.sequential,
                                    .balanced = options->recipe.balanced,
                                    .augment = options->recipe.augment,
                                    .augmentation = options->recipe.augmentation,
                                    .threads = options->loader_threads,
                                    .depth = 3,
                                    .rank = run->parallel->rank,
                                    .ranks = run->parallel->ranks};
  if (run->trainer)
    run->loader = cored_loader_new(run->sets.train, &loader, error);
  if (run->loader)
    run->schedule = make_schedule(run);
  return run->loader != NULL;
}

static bool publishes(const Run *run) {
  return run->options->output.publish && run->parallel->rank == 0;
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

static bool set_up(Run *run, CoredError *error) {
  const Options *options = run->options;
  if (!data_check_tasks(&options->data, error) || !check_live(run, error) ||
      !run_open_folder(run, error) || !weights_start(&run->models, options, error))
    return false;
  run->info = *cored_model_info(run->models.student);
  if (!data_sets_open(&run->sets, &options->data, &run->info, options->loader_threads, &run->ui,
                      error))
    return false;
  if (publishes(run) && !gate_check_live(&run->sets, &run->info, options, &run->ui, error))
    return false;
  cored_dataset_manifest(run->sets.train, run->manifest);
  run->config = run_config(run);
  run->at.history = json_array();
  run->at.best = -(double)INFINITY;
  if (!run->config || !run->at.history)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "settings");
  if (!make_trainer(run, error))
    return false;
  return run_resume(run, error) && run_open_events(run, error);
}

static void tear_down(Run *run) {
  for (int i = 0; i < MAX_TASKS; i++)
    prediction_clear(&run->val[i]);
  cored_loader_free(run->loader);
  cored_trainer_free(run->trainer);
  data_sets_close(&run->sets);
  weights_clear(&run->models);
  cored_model_unref(run->resumed.best);
  json_decref(run->config);
  json_decref(run->at.history);
  cored_tensorboard_close(run->board, NULL); /* every epoch was flushed */
  run_close_folder(run);
}

bool run_save_best(Run *run, CoredError *error) {
  const Lineage lineage = {.base = run->models.teacher,
                           .names = run->sets.names,
                           .n_tasks = run->sets.n_tasks,
                           .epoch = run->at.best_epoch,
                           .method = json_string_value(json_object_get(run->config, "method")),
                           .manifest = run->manifest,
                           .config = run->config};
  char *path = run_path(run, "best.safetensors");
  CoredModel *model =
      path ? finish_model(run->trainer, &run->info, &lineage, run->val, error) : NULL;
  const bool ok = model && cored_model_save_beside(model, path, error);
  cored_model_unref(model);
  free(path);
  return ok;
}

/* What the first process does at the end of an epoch while the others wait. */
static bool close_epoch(Run *run, CoredError *error) {
  bool better = false;
  if (!run_validate(run, &better, error) || (better && !run_save_best(run, error)))
    return false;
  run->at.epoch++;
  run->at.next_batch = 0;
  run->at.sums = (LossSums){0};
  return run_write_history(run, error) && run_write_events(run, error) &&
         run_save_checkpoint(run, error) && run_keep_epoch(run, error);
}

static RunStatus end_epoch(Run *run, CoredError *error) {
  const RecipeOptions *recipe = &run->options->recipe;
  RunStatus status = RUN_OK;
  /* Before the checkpoint, which holds the teacher too. */
  if (recipe->self_training && (run->at.epoch + 1) % recipe->self_training == 0 &&
      !cored_trainer_replace_teacher(run->trainer, error)) {
    status = run_status_of(error);
  } else if (run->parallel->rank == 0) {
    if (!close_epoch(run, error))
      status = run_status_of(error);
  } else {
    run->at.epoch++;
    run->at.next_batch = 0;
    run->at.sums = (LossSums){0};
  }
  return run_agree(run->parallel, status);
}

/* What comes before the very first step. */
static bool prepare(Run *run, CoredError *error) {
  const char *trace = run->options->output.trace;
  if (run->at.epoch > 0 || run->at.next_batch > 0)
    return true;
  return run_fill_stores(run, error) &&
         (!trace || run->parallel->rank != 0 || trace_start(trace, run->models.student, error));
}

/* The folder is touched once no process has anything against the run any more. */
static RunStatus begin(Run *run, CoredError *error) {
  RunStatus status = run_agree(run->parallel, prepare(run, error) ? RUN_OK : run_status_of(error));
  if (status != RUN_OK)
    return status;
  run->began = true;
  status = run_begin_files(run, error) ? RUN_OK : run_status_of(error);
  return run_agree(run->parallel, status);
}

/* Between two steps; what fails in the middle of an epoch's end leaves the checkpoint before. */
static RunStatus save_interrupted(Run *run, CoredError *error) {
  if (!run_save_checkpoint(run, error))
    return run_status_of(error);
  ui_line(&run->ui, "interrupted in epoch %d; go on with --resume", run->at.epoch + 1);
  return RUN_INTERRUPTED;
}

static RunStatus train(Run *run, CoredError *error) {
  RunStatus status = begin(run, error);
  while (status == RUN_OK && run->at.epoch < run->options->recipe.epochs) {
    status = run_epoch(run, error);
    if (status == RUN_OK)
      status = end_epoch(run, error);
    else if (status == RUN_INTERRUPTED)
      status = save_interrupted(run, error);
  }
  return status;
}

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
  return run_write_report(run, best, error) &&
         (!pth || cored_pth_write(best, pth, CORED_PTH_STATE_DICT, error));
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
  char *path = run_path(run, "best.safetensors");
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
  if (run->parallel->ranks > cored_loader_batch(run->loader))
    ui_line(&run->ui, "warning: %d processes, but batches of %d samples: some have nothing to do",
            run->parallel->ranks, cored_loader_batch(run->loader));
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
             .ui = ui_init(options->output.quiet, parallel->rank != 0),
             .lock = -1};
  CoredError error = {0};
  RunStatus status = RUN_OK;
  if (!set_up(&run, &error))
    status = run_status_of(&error);
  status = run_agree(parallel, status);
  if (status == RUN_OK && (!check_same_data(&run, &error) || !check_same_settings(&run, &error)))
    status = RUN_FAILED;
  if (status == RUN_OK)
    status = train(&run, &error);
  if (status == RUN_OK && parallel->rank == 0)
    status = deliver(&run, &error);
  status = run_agree(parallel, status);
  if (status != RUN_OK && status != RUN_INTERRUPTED)
    tell(&run, &error);
  tear_down(&run);
  return status;
}
