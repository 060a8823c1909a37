/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "run.h"
#include "stop.h"
#include "trace.h"
#include "train/data/loader.h"

static CoredBatch trainer_batch(const CoredLoaderBatch *batch, const Run *run) {
  const Parallel *parallel = run->parallel;
  return (CoredBatch){.n = batch->n,
                      .images = batch->input,
                      .labels = batch->labels,
                      .first =
                          (uint64_t)((int64_t)batch->n_whole * parallel->rank / parallel->ranks)};
}

static CoredLoader *open_stores_loader(Run *run, CoredError *error) {
  const CoredLoaderParams params = {.batch = run->options->recipe.batch,
                                    .sequential = true,
                                    .threads = run->options->loader_threads,
                                    .depth = 2,
                                    .rank = run->parallel->rank,
                                    .ranks = run->parallel->ranks};
  CoredLoader *loader = cored_loader_new(run->sets.train, &params, error);
  if (loader && !cored_loader_start(loader, 0, 0, error)) {
    cored_loader_free(loader);
    return NULL;
  }
  return loader;
}

bool run_fill_stores(Run *run, CoredError *error) {
  if (!run->models.teacher || run->options->recipe.train.method != CORED_METHOD_CORED)
    return true;
  CoredLoader *loader = open_stores_loader(run, error);
  bool ok = !parallel_max(run->parallel, !loader);
  CoredLoaderBatch batch;
  size_t done = 0;
  while (ok && cored_loader_next(loader, &batch)) {
    if (batch.n > 0) {
      const CoredBatch part = trainer_batch(&batch, run);
      cored_trainer_add_representation(run->trainer, &part);
    }
    ui_bar(&run->ui, "teacher's stores", done += (size_t)batch.n_whole,
           cored_dataset_n_samples(run->sets.train), "");
    if (parallel_max(run->parallel, stop_asked()))
      ok = cored_error_set(error, CORED_ERROR_CANCELLED, "interrupted");
  }
  cored_loader_free(loader);
  return ok;
}

static void draw_bar(Run *run, double began, uint64_t done, uint64_t from, uint64_t total) {
  char label[64], text[256], losses[192], left[32];
  const double seconds = ui_clock() - began;
  const double rate = seconds > 0.0 ? (double)(done - from) / seconds : 0.0;
  ui_duration(rate > 0.0 ? (double)(total - done) / rate : 0.0, left);
  loss_means_text(&run->at.sums, losses, sizeof losses);
  snprintf(label, sizeof label, "epoch %d/%d", run->at.epoch + 1, run->options->recipe.epochs);
  snprintf(text, sizeof text, "%.1f images/s, left %s, %s", rate * run->options->recipe.batch, left,
           losses);
  ui_bar(&run->ui, label, (size_t)done, (size_t)total, text);
}

/* Once, from the first steps, when it will be long: before somebody waits for it. */
static void estimate(Run *run, uint64_t total) {
  enum { STEPS = 3 };
  static const double enough_seconds = 5.0, long_seconds = 20.0 * 60.0;
  const RecipeOptions *recipe = &run->options->recipe;
  const double seconds = ui_clock() - run->pace.began, batches = (double)run->pace.batches;
  if (run->pace.told || batches < STEPS * recipe->accumulate || seconds < enough_seconds)
    return;
  run->pace.told = true;
  const double epochs = (double)(recipe->epochs - run->at.epoch);
  const double left = seconds / batches * (epochs * (double)total - (double)run->at.next_batch);
  if (left < long_seconds)
    return;
  ui_line(&run->ui,
          "this takes about %.1f hours for %.0f epochs at %.1f images/s%s; fewer epochs (-me) or a "
          "smaller --input-size take less%s; after Ctrl-C, --resume goes on",
          left / 3600.0, epochs, batches / seconds * recipe->batch,
          run->at.epoch > run->pace.first_epoch ? "" : ", validation not counted",
          strcmp(run->info.network, "cored-compact") == 0
              ? ""
              : ", and the network Compact (-n) is many times faster");
}

static RunStatus not_finite(Run *run, const char *what, CoredError *error) {
  const char *where = cored_trainer_find_nonfinite(run->trainer);
  cored_error_set(error, CORED_ERROR_PARAMETER_VALUE,
                  "epoch %d, step %llu: %s is not finite; first in '%s'. Nothing of it was saved; "
                  "a lower learning rate (-lr, now %g) or --clip 1 may help",
                  run->at.epoch + 1, (unsigned long long)cored_trainer_steps(run->trainer) + 1,
                  what, where ? where : "the losses",
                  cored_schedule_rate(&run->schedule, cored_trainer_steps(run->trainer)));
  return RUN_NOT_FINITE;
}

/* Says which terms: the one that ran away is often not the one that broke. */
static RunStatus loss_not_finite(Run *run, const CoredLosses *l, CoredError *error) {
  char what[160];
  snprintf(what, sizeof what, "the loss (student %.4g, distillation %.4g, representation %.4g)",
           l->student, l->distillation, l->representation);
  return not_finite(run, what, error);
}

/* One batch, by all processes together: a process without a readable sample of it adds nothing, but
 * takes part in the sums. What nobody can read is passed over. */
static RunStatus add_batch(Run *run, const CoredLoaderBatch *batch, double weight,
                           CoredLosses *losses, CoredError *error) {
  const CoredBatch part = trainer_batch(batch, run);
  if (parallel_max(run->parallel, batch->n) == 0)
    return RUN_OK;
  if (!cored_trainer_accumulate(run->trainer, &part, weight, losses))
    return loss_not_finite(run, losses, error);
  loss_sums_add(&run->at.sums, losses);
  return RUN_OK;
}

static bool is_traced(const Run *run, uint64_t step, const CoredLoaderBatch *batch) {
  const OutputOptions *output = &run->options->output;
  return output->trace && step < (uint64_t)output->trace_steps && run->parallel->rank == 0 &&
         batch->n > 0;
}

/* Forward and backward of the batches of one step. */
static RunStatus accumulate(Run *run, CoredError *error) {
  const Options *options = run->options;
  const uint64_t left = cored_loader_n_batches(run->loader) - run->at.next_batch;
  const uint64_t k =
      (uint64_t)options->recipe.accumulate < left ? (uint64_t)options->recipe.accumulate : left;
  const uint64_t step = cored_trainer_steps(run->trainer);
  CoredLoaderBatch batch = {0};
  CoredLosses losses = {0};
  for (uint64_t i = 0; i < k && cored_loader_next(run->loader, &batch); i++) {
    run->at.next_batch++;
    const RunStatus status = add_batch(run, &batch, 1.0 / (double)k, &losses, error);
    if (status != RUN_OK)
      return status;
  }
  if (is_traced(run, step, &batch) &&
      !trace_step(options->output.trace, step, run->trainer, &batch, run->info.input_width,
                  run->info.input_height, &losses, error))
    return RUN_DISK;
  return RUN_OK;
}

/* Files that went bad while training are counted like those that were bad before, in all processes.
 * Who has met one says which. */
static RunStatus check_failures(Run *run, CoredError *error) {
  CoredError last = {0};
  const size_t own = cored_loader_failures(run->loader, &last);
  const double failures = parallel_sum(run->parallel, (double)own);
  const double allowed =
      run->options->data.max_bad / 100.0 * (double)cored_dataset_n_files(run->sets.train);
  if (failures <= allowed * (run->at.epoch + 1)) {
    if (failures > 0.0)
      ui_line(&run->ui, "%.0f samples could not be read%s%s", failures,
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
static RunStatus check_weights(Run *run, CoredError *error) {
  return cored_trainer_find_nonfinite(run->trainer) ? not_finite(run, "a weight", error) : RUN_OK;
}

/* What one process finds, all have to leave for: else the others would wait for it in a sum. */
static RunStatus agree(const Run *run, RunStatus status) {
  return run_agree(run->parallel, status);
}

RunStatus run_epoch(Run *run, CoredError *error) {
  const uint64_t total = cored_loader_n_batches(run->loader), from = run->at.next_batch;
  const double began = ui_clock();
  bool stopped = false;
  RunStatus status =
      cored_loader_start(run->loader, (uint64_t)run->at.epoch, from, error) ? RUN_OK : RUN_FAILED;
  status = agree(run, status);
  if (run->pace.batches == 0)
    run->pace = (RunPace){.began = began, .first_epoch = run->at.epoch};
  while (status == RUN_OK && !stopped && run->at.next_batch < total) {
    const uint64_t before = run->at.next_batch;
    status = agree(run, accumulate(run, error));
    if (status != RUN_OK)
      break;
    const double rate = cored_schedule_rate(&run->schedule, cored_trainer_steps(run->trainer));
    if (!cored_trainer_update(run->trainer, rate, NULL))
      status = not_finite(run, "a gradient", error);
    status = agree(run, status);
    run->pace.batches += run->at.next_batch - before;
    estimate(run, total);
    draw_bar(run, began, run->at.next_batch, from, total);
    stopped = parallel_max(run->parallel, stop_asked());
  }
  if (status == RUN_OK)
    status = agree(run, check_weights(run, error));
  if (status == RUN_OK && !stopped)
    status = check_failures(run, error);
  return status == RUN_OK && stopped ? RUN_INTERRUPTED : status;
}
