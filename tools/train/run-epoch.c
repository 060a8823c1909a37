/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "run.h"
#include "stop.h"
#include "trace.h"
#include "train/loader.h"

static CoredBatch trainer_batch(const CoredLoaderBatch *batch, const Run *run) {
  const Parallel *parallel = run->parallel;
  return (CoredBatch){.n = batch->n,
                      .images = batch->input,
                      .labels = batch->labels,
                      .first =
                          (uint64_t)((int64_t)batch->n_whole * parallel->rank / parallel->ranks)};
}

bool run_fill_stores(Run *run, CoredError *error) {
  const Options *options = run->options;
  if (!run->models.teacher || options->recipe.train.method != CORED_METHOD_CORED)
    return true;
  const CoredLoaderParams params = {.batch = options->recipe.batch,
                                    .sequential = true,
                                    .threads = options->loader_threads,
                                    .depth = 2,
                                    .rank = run->parallel->rank,
                                    .ranks = run->parallel->ranks};
  CoredLoader *loader = cored_loader_new(run->sets.train, &params, error);
  bool ok = loader && cored_loader_start(loader, 0, 0, error);
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
      ok = cored_error_set(error, CORED_ERROR_NONE, "interrupted");
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

/* Forward and backward of the batches of one step. *more is false at the end of the epoch. */
static RunStatus accumulate(Run *run, bool *more, CoredError *error) {
  const Options *options = run->options;
  const uint64_t left = cored_loader_n_batches(run->loader) - run->at.next_batch;
  const uint64_t k =
      (uint64_t)options->recipe.accumulate < left ? (uint64_t)options->recipe.accumulate : left;
  const uint64_t step = cored_trainer_steps(run->trainer);
  CoredLoaderBatch batch;
  CoredLosses losses = {0};
  *more = k > 0;
  for (uint64_t i = 0; i < k; i++) {
    if (!cored_loader_next(run->loader, &batch))
      return RUN_FAILED;
    run->at.next_batch++;
    /* Fewer samples than processes: someone would have none. The last crumbs of an epoch. */
    if (batch.n_whole < run->parallel->ranks)
      continue;
    if (batch.n == 0) {
      if (run->parallel->ranks == 1)
        continue;
      cored_error_set(error, CORED_ERROR_DATASET,
                      "no sample of a batch can be read by process %d any more",
                      run->parallel->rank);
      return RUN_FAILED;
    }
    const CoredBatch part = trainer_batch(&batch, run);
    if (!cored_trainer_accumulate(run->trainer, &part, 1.0 / (double)k, &losses))
      return loss_not_finite(run, &losses, error);
    loss_sums_add(&run->at.sums, &losses);
  }
  if (options->output.trace && *more && step < (uint64_t)options->output.trace_steps &&
      run->parallel->rank == 0 &&
      !trace_step(options->output.trace, step, run->trainer, &batch, run->info.input_width,
                  run->info.input_height, &losses, error))
    return RUN_DISK;
  return RUN_OK;
}

/* Files that went bad while training are counted like those that were bad before. */
static bool check_failures(Run *run, CoredError *error) {
  CoredError last = {0};
  const size_t failures = cored_loader_failures(run->loader, &last);
  const double allowed =
      run->options->data.max_bad / 100.0 * (double)cored_dataset_n_files(run->sets.train);
  if (failures == 0)
    return true;
  ui_line(&run->ui, "%zu samples could not be read, the last: %s", failures, last.message);
  if ((double)failures <= allowed * (run->at.epoch + 1))
    return true;
  return cored_error_set(error, CORED_ERROR_DATASET,
                         "%zu samples could not be read, more than --max-bad allows; the last: %s",
                         failures, last.message);
}

/* No checkpoint without this: whatever broke stays out of every file. */
static RunStatus check_weights(Run *run, CoredError *error) {
  return cored_trainer_find_nonfinite(run->trainer) ? not_finite(run, "a weight", error) : RUN_OK;
}

RunStatus run_epoch(Run *run, CoredError *error) {
  const uint64_t total = cored_loader_n_batches(run->loader), from = run->at.next_batch;
  const double began = ui_clock();
  bool more = true, stopped = false;
  if (!cored_loader_start(run->loader, (uint64_t)run->at.epoch, from, error))
    return RUN_FAILED;
  while (more && !stopped && run->at.next_batch < total) {
    const RunStatus status = accumulate(run, &more, error);
    /* All processes leave together; one that failed must not let the others wait. */
    const RunStatus worst = (RunStatus)parallel_max(run->parallel, (int)status);
    if (worst != RUN_OK)
      return worst;
    const double rate = cored_schedule_rate(&run->schedule, cored_trainer_steps(run->trainer));
    if (!cored_trainer_update(run->trainer, rate, NULL))
      return not_finite(run, "a gradient", error);
    draw_bar(run, began, run->at.next_batch, from, total);
    stopped = parallel_max(run->parallel, stop_asked());
  }
  const RunStatus status = check_weights(run, error);
  if (status != RUN_OK || stopped)
    return status != RUN_OK ? status : RUN_INTERRUPTED;
  return check_failures(run, error) ? RUN_OK : RUN_FAILED;
}
