/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "run.h"
#include "stop.h"

static void score(void *user, const float *images, int n, float *logits) {
  cored_trainer_evaluate(user, images, n, logits);
}

static bool predict_all(Run *run, CoredError *error) {
  const int batch = run->options->recipe.batch < 64 ? run->options->recipe.batch : 64;
  const Scorer scorer = {score, run->trainer, run->info.n_classes, run->info.real_class, batch};
  for (int i = 0; i < run->sets.n_tasks; i++) {
    prediction_clear(&run->val[i]);
    if (!predict_set(&run->val[i], run->sets.val[i], &scorer, run->options->loader_threads, NULL,
                     NULL, error))
      return false;
    ui_bar(&run->ui, "validation", (size_t)i + 1, (size_t)run->sets.n_tasks, "");
  }
  return true;
}

/* Running statistics of the first few steps can blow a network up in evaluation mode although its
 * weights are sound. Such an epoch is never the best one. */
static bool all_finite(Run *run) {
  for (int i = 0; i < run->sets.n_tasks; i++)
    for (size_t k = 0; k < run->val[i].n * (size_t)run->val[i].n_classes; k++)
      if (!isfinite(run->val[i].logits[k])) {
        ui_line(&run->ui, "warning: outputs for '%s' are not finite in evaluation mode",
                run->sets.names[i]);
        return false;
      }
  return true;
}

/* The selection rule's figure, from the metrics of every task. */
static double select_score(Selection select, const CoredMetrics *metrics, int n) {
  double sum = 0.0, worst = (double)INFINITY;
  for (int i = 0; i < n; i++) {
    const double x = select == SELECT_ACCURACY ? metrics[i].accuracy : metrics[i].auc;
    sum += x;
    worst = fmin(worst, x);
  }
  return select == SELECT_WORST_TASK ? worst : select == SELECT_AUC ? sum / n : sum;
}

static void print_row(Run *run, const CoredMetrics *metrics, bool better) {
  char losses[192], tasks[1024] = "";
  size_t at = 0;
  loss_means_text(&run->at.sums, losses, sizeof losses);
  for (int i = 0; i < run->sets.n_tasks && at < sizeof tasks; i++)
    at += (size_t)snprintf(tasks + at, sizeof tasks - at, "  %s %.1f%% AUC %.4f",
                           run->sets.names[i], 100.0 * metrics[i].accuracy, metrics[i].auc);
  ui_line(&run->ui, "%4d  %s |%s%s", run->at.epoch + 1, losses, tasks, better ? "  *" : "");
}

static json_t *make_row(const Run *run, const CoredMetrics *metrics, double figure) {
  json_t *tasks = json_array();
  for (int i = 0; i < run->sets.n_tasks; i++)
    json_array_append_new(tasks, json_pack("{s:s,s:o,s:o,s:o}", "name", run->sets.names[i],
                                           "accuracy", json_figure(metrics[i].accuracy), "auc",
                                           json_figure(metrics[i].auc), "log_loss",
                                           json_figure(metrics[i].log_loss)));
  const double rate = cored_schedule_rate(&run->schedule, cored_trainer_steps(run->trainer));
  return json_pack("{s:i,s:f,s:o,s:o,s:o}", "epoch", run->at.epoch + 1, "rate", rate, "train",
                   loss_means_json(&run->at.sums), "tasks", tasks, "score", json_figure(figure));
}

/* Predict and measure; *n is how many metrics are to be cleared, on failure too. */
static bool measure(Run *run, CoredMetrics *metrics, int *n, CoredError *error) {
  *n = 0;
  if (!predict_all(run, error))
    return false;
  for (; *n < run->sets.n_tasks; ++*n) {
    const CoredPredictions view = prediction_view(&run->val[*n]);
    if (!cored_metrics_compute(&metrics[*n], &view, 1.0, 0.5, 0, 0, error))
      return false;
  }
  return true;
}

/* Is this the best so far, as the state at the end of that epoch (from 1)? */
static bool note_best(Run *run, double figure, int epoch) {
  const bool better = all_finite(run) && figure > run->at.best; /* false for NAN */
  if (better) {
    run->at.best = figure;
    run->at.best_epoch = epoch;
  }
  return better;
}

static void clear_all(CoredMetrics *metrics, int n) {
  for (int i = 0; i < n; i++)
    cored_metrics_clear(&metrics[i]);
}

bool run_validate(Run *run, bool *better, CoredError *error) {
  CoredMetrics metrics[MAX_TASKS] = {0};
  int n;
  const bool ok = measure(run, metrics, &n, error);
  if (ok) {
    const double figure = select_score(run->options->recipe.select, metrics, n);
    *better = note_best(run, figure, run->at.epoch + 1);
    print_row(run, metrics, *better);
    json_array_append_new(run->at.history, make_row(run, metrics, figure));
  }
  clear_all(metrics, n);
  return ok;
}

bool run_judge_resumed(Run *run, bool *better, CoredError *error) {
  CoredMetrics metrics[MAX_TASKS] = {0};
  int n;
  const bool ok = measure(run, metrics, &n, error);
  if (ok)
    *better = note_best(run, select_score(run->options->recipe.select, metrics, n), run->at.epoch);
  clear_all(metrics, n);
  return ok;
}
