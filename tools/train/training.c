/* SPDX-License-Identifier: MIT */
#include "training.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "trace.h"
#include "train/core/schedule.h"
#include "train/data/loader.h"

/* How fast this process trains, since its first batch. */
typedef struct Pace {
  double began;
  uint64_t batches;
  int first_epoch;
  bool told; /* how long it will take */
} Pace;

struct Training {
  TrainingSetup setup;
  CoredTrainer *trainer;
  CoredLoader *loader;
  CoredSchedule schedule;
  Pace pace;
};

/* The schedule counts steps, the options count epochs. */
static CoredSchedule make_schedule(const Training *training) {
  const RecipeOptions *recipe = &training->setup.options->recipe;
  const uint64_t k = (uint64_t)recipe->accumulate;
  const double steps = (double)((cored_loader_n_batches(training->loader) + k - 1) / k);
  CoredSchedule schedule = recipe->schedule;
  schedule.warmup = floor(recipe->warmup_epochs * steps);
  schedule.period = fmax(1.0, floor(recipe->step_epochs * steps));
  schedule.length = recipe->epochs * steps;
  return schedule;
}

static bool make_trainer(Training *training, CoredError *error) {
  const Options *options = training->setup.options;
  CoredTrainParams params = options->recipe.train;
  params.input_width = training->setup.info->input_width;
  params.input_height = training->setup.info->input_height;
  params.max_batch = options->recipe.batch < 64 ? 64 : options->recipe.batch;
  params.cpu = cored_cpu_flags();
  params.reduce = parallel_reduce(training->setup.parallel);
  training->trainer = cored_trainer_new(training->setup.models->student,
                                        training->setup.models->teacher, &params, error);
  const CoredLoaderParams loader = {.batch = options->recipe.batch,
                                    .seed = options->recipe.seed,
                                    .sequential = options->recipe.sequential,
                                    .balanced = options->recipe.balanced,
                                    .augment = options->recipe.augment,
                                    .augmentation = options->recipe.augmentation,
                                    .threads = options->loader_threads,
                                    .depth = 3,
                                    .rank = training->setup.parallel->rank,
                                    .ranks = training->setup.parallel->ranks};
  if (training->trainer)
    training->loader = cored_loader_new(training->setup.set, &loader, error);
  if (training->loader)
    training->schedule = make_schedule(training);
  return training->loader != NULL;
}

Training *training_open(const TrainingSetup *setup, CoredError *error) {
  Training *training = calloc(1, sizeof *training);
  if (!training) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "training");
    return NULL;
  }
  training->setup = *setup;
  if (make_trainer(training, error))
    return training;
  training_close(training);
  return NULL;
}

void training_close(Training *training) {
  if (!training)
    return;
  cored_loader_free(training->loader);
  cored_trainer_free(training->trainer);
  free(training);
}

CoredTrainer *training_trainer(const Training *training) {
  return training->trainer;
}

uint64_t training_n_batches(const Training *training) {
  return cored_loader_n_batches(training->loader);
}

int training_batch(const Training *training) {
  return cored_loader_batch(training->loader);
}

double training_rate(const Training *training) {
  return cored_schedule_rate(&training->schedule, cored_trainer_steps(training->trainer));
}

static CoredBatch trainer_batch(const CoredLoaderBatch *batch, const Training *training) {
  const Parallel *parallel = training->setup.parallel;
  return (CoredBatch){.n = batch->n,
                      .images = batch->input,
                      .labels = batch->labels,
                      .first =
                          (uint64_t)((int64_t)batch->n_whole * parallel->rank / parallel->ranks)};
}

static CoredLoader *open_stores_loader(Training *training, CoredError *error) {
  const CoredLoaderParams params = {.batch = training->setup.options->recipe.batch,
                                    .sequential = true,
                                    .threads = training->setup.options->loader_threads,
                                    .depth = 2,
                                    .rank = training->setup.parallel->rank,
                                    .ranks = training->setup.parallel->ranks};
  CoredLoader *loader = cored_loader_new(training->setup.set, &params, error);
  if (loader && !cored_loader_start(loader, 0, 0, error)) {
    cored_loader_free(loader);
    return NULL;
  }
  return loader;
}

bool training_fill_stores(Training *training, CoredError *error) {
  if (!training->setup.models->teacher ||
      training->setup.options->recipe.train.method != CORED_METHOD_CORED)
    return true;
  CoredLoader *loader = open_stores_loader(training, error);
  bool ok = !parallel_max(training->setup.parallel, !loader);
  CoredLoaderBatch batch;
  size_t done = 0;
  while (ok && cored_loader_next(loader, &batch)) {
    if (batch.n > 0) {
      const CoredBatch part = trainer_batch(&batch, training);
      cored_trainer_add_representation(training->trainer, &part);
    }
    ui_bar(training->setup.ui, "teacher's stores", done += (size_t)batch.n_whole,
           cored_dataset_n_samples(training->setup.set), "");
    if (parallel_max(training->setup.parallel, stop_asked()))
      ok = cored_error_set(error, CORED_ERROR_CANCELLED, "interrupted");
  }
  cored_loader_free(loader);
  return ok;
}

static void draw_bar(Training *training, const Progress *at, double began, uint64_t done,
                     uint64_t from, uint64_t total) {
  char label[64], text[256], losses[192], left[32];
  const double seconds = ui_clock() - began;
  const double rate = seconds > 0.0 ? (double)(done - from) / seconds : 0.0;
  ui_duration(rate > 0.0 ? (double)(total - done) / rate : 0.0, left);
  loss_means_text(&at->sums, losses, sizeof losses);
  snprintf(label, sizeof label, "epoch %d/%d", at->epoch + 1,
           training->setup.options->recipe.epochs);
  snprintf(text, sizeof text, "%.1f images/s, left %s, %s",
           rate * training->setup.options->recipe.batch, left, losses);
  ui_bar(training->setup.ui, label, (size_t)done, (size_t)total, text);
}

/* Once, from the first steps, when it will be long: before somebody waits for it. */
static void estimate(Training *training, const Progress *at, uint64_t total) {
  enum { STEPS = 3 };
  static const double enough_seconds = 5.0, long_seconds = 20.0 * 60.0;
  const RecipeOptions *recipe = &training->setup.options->recipe;
  const double seconds = ui_clock() - training->pace.began,
               batches = (double)training->pace.batches;
  if (training->pace.told || batches < STEPS * recipe->accumulate || seconds < enough_seconds)
    return;
  training->pace.told = true;
  const double epochs = (double)(recipe->epochs - at->epoch);
  const double left = seconds / batches * (epochs * (double)total - (double)at->next_batch);
  if (left < long_seconds)
    return;
  ui_line(training->setup.ui,
          "this takes about %.1f hours for %.0f epochs at %.1f images/s%s; fewer epochs (-me) or a "
          "smaller --input-size take less%s; after Ctrl-C, --resume goes on",
          left / 3600.0, epochs, batches / seconds * recipe->batch,
          at->epoch > training->pace.first_epoch ? "" : ", validation not counted",
          strcmp(training->setup.info->network, "cored-compact") == 0
              ? ""
              : ", and the network Compact (-n) is many times faster");
}

static RunStatus not_finite(Training *training, const Progress *at, const char *what,
                            CoredError *error) {
  const char *where = cored_trainer_find_nonfinite(training->trainer);
  cored_error_set(error, CORED_ERROR_PARAMETER_VALUE,
                  "epoch %d, step %llu: %s is not finite; first in '%s'. Nothing of it was saved; "
                  "a lower learning rate (-lr, now %g) or --clip 1 may help",
                  at->epoch + 1, (unsigned long long)cored_trainer_steps(training->trainer) + 1,
                  what, where ? where : "the losses", training_rate(training));
  return RUN_NOT_FINITE;
}

/* Says which terms: the one that ran away is often not the one that broke. */
static RunStatus loss_not_finite(Training *training, const Progress *at, const CoredLosses *l,
                                 CoredError *error) {
  char what[160];
  snprintf(what, sizeof what, "the loss (student %.4g, distillation %.4g, representation %.4g)",
           l->student, l->distillation, l->representation);
  return not_finite(training, at, what, error);
}

/* One batch, by all processes together: a process without a readable sample of it adds nothing, but
 * takes part in the sums. What nobody can read is passed over. */
static RunStatus add_batch(Training *training, Progress *at, const CoredLoaderBatch *batch,
                           double weight, CoredLosses *losses, CoredError *error) {
  const CoredBatch part = trainer_batch(batch, training);
  if (parallel_max(training->setup.parallel, batch->n) == 0)
    return RUN_OK;
  if (!cored_trainer_accumulate(training->trainer, &part, weight, losses))
    return loss_not_finite(training, at, losses, error);
  loss_sums_add(&at->sums, losses);
  return RUN_OK;
}

static bool is_traced(const Training *training, uint64_t step, const CoredLoaderBatch *batch) {
  const OutputOptions *output = &training->setup.options->output;
  return output->trace && step < (uint64_t)output->trace_steps &&
         training->setup.parallel->rank == 0 && batch->n > 0;
}

/* Forward and backward of the batches of one step. */
static RunStatus accumulate(Training *training, Progress *at, CoredError *error) {
  const Options *options = training->setup.options;
  const uint64_t left = cored_loader_n_batches(training->loader) - at->next_batch;
  const uint64_t k =
      (uint64_t)options->recipe.accumulate < left ? (uint64_t)options->recipe.accumulate : left;
  const uint64_t step = cored_trainer_steps(training->trainer);
  CoredLoaderBatch batch = {0};
  CoredLosses losses = {0};
  for (uint64_t i = 0; i < k && cored_loader_next(training->loader, &batch); i++) {
    at->next_batch++;
    const RunStatus status = add_batch(training, at, &batch, 1.0 / (double)k, &losses, error);
    if (status != RUN_OK)
      return status;
  }
  if (is_traced(training, step, &batch) &&
      !trace_step(options->output.trace, step, training->trainer, &batch,
                  training->setup.info->input_width, training->setup.info->input_height, &losses,
                  error))
    return RUN_DISK;
  return RUN_OK;
}

/* Files that went bad while training are counted like those that were bad before, in all processes.
 * Who has met one says which. */
static RunStatus check_failures(Training *training, const Progress *at, CoredError *error) {
  CoredError last = {0};
  const size_t own = cored_loader_failures(training->loader, &last);
  const double failures = parallel_sum(training->setup.parallel, (double)own);
  const double allowed = training->setup.options->data.max_bad / 100.0 *
                         (double)cored_dataset_n_files(training->setup.set);
  if (failures <= allowed * (at->epoch + 1)) {
    if (failures > 0.0)
      ui_line(training->setup.ui, "%.0f samples could not be read%s%s", failures,
              own ? ", the last: " : ", by other processes", last.message);
    return RUN_OK;
  }
  if (own)
    cored_error_set(error, CORED_ERROR_DATASET,
                    "%.0f samples could not be read, more than --max-bad allows; the last: %s",
                    failures, last.message);
  return RUN_FAILED;
}

/* No checkpoint without this: whatever broke stays out of every file. */
static RunStatus check_weights(Training *training, const Progress *at, CoredError *error) {
  return cored_trainer_find_nonfinite(training->trainer)
             ? not_finite(training, at, "a weight", error)
             : RUN_OK;
}

/* What one process finds, all have to leave for: else the others would wait for it in a sum. */
static RunStatus agree(const Training *training, RunStatus status) {
  return run_agree(training->setup.parallel, status);
}

RunStatus training_epoch(Training *training, Progress *at, CoredError *error) {
  const uint64_t total = cored_loader_n_batches(training->loader), from = at->next_batch;
  const double began = ui_clock();
  bool stopped = false;
  RunStatus status =
      cored_loader_start(training->loader, (uint64_t)at->epoch, from, error) ? RUN_OK : RUN_FAILED;
  status = agree(training, status);
  if (training->pace.batches == 0)
    training->pace = (Pace){.began = began, .first_epoch = at->epoch};
  while (status == RUN_OK && !stopped && at->next_batch < total) {
    const uint64_t before = at->next_batch;
    status = agree(training, accumulate(training, at, error));
    if (status != RUN_OK)
      break;
    const double rate = training_rate(training);
    if (!cored_trainer_update(training->trainer, rate, NULL))
      status = not_finite(training, at, "a gradient", error);
    status = agree(training, status);
    training->pace.batches += at->next_batch - before;
    estimate(training, at, total);
    draw_bar(training, at, began, at->next_batch, from, total);
    stopped = parallel_max(training->setup.parallel, stop_asked());
  }
  if (status == RUN_OK)
    status = agree(training, check_weights(training, at, error));
  if (status == RUN_OK && !stopped)
    status = check_failures(training, at, error);
  return status == RUN_OK && stopped ? RUN_INTERRUPTED : status;
}
