/* SPDX-License-Identifier: MIT */
#include "validation.h"

#include <math.h>
#include <stdio.h>

static void score(void *user, const float *images, int n, float *logits) {
  cored_trainer_evaluate(user, images, n, logits);
}

static bool predict_all(Validation *validation, const ValidationSetup *setup, CoredError *error) {
  const Options *options = setup->options;
  const DataSets *sets = setup->sets;
  const int batch = options->recipe.batch < 64 ? options->recipe.batch : 64;
  const Scorer scorer = {score, setup->trainer, setup->info->n_classes, setup->info->real_class,
                         batch};
  for (int i = 0; i < sets->n_tasks; i++) {
    if (!predict_set(&validation->predictions[i], sets->val[i], &scorer, options->loader_threads,
                     NULL, NULL, error))
      return false;
    ui_bar(setup->ui, "validation", (size_t)i + 1, (size_t)sets->n_tasks, "");
  }
  return true;
}

/* Running statistics of the first few steps can blow a network up in evaluation mode although its
 * weights are sound. */
static bool all_finite(const Validation *validation, const DataSets *sets, Ui *ui) {
  for (int i = 0; i < sets->n_tasks; i++) {
    const Prediction *p = &validation->predictions[i];
    for (size_t k = 0; k < p->n * (size_t)p->n_classes; k++)
      if (!isfinite(p->logits[k])) {
        ui_line(ui, "warning: outputs for '%s' are not finite in evaluation mode", sets->names[i]);
        return false;
      }
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

bool validation_run(Validation *validation, const ValidationSetup *setup, CoredError *error) {
  const DataSets *sets = setup->sets;
  validation_clear(validation);
  if (!predict_all(validation, setup, error))
    return false;
  for (; validation->n < sets->n_tasks; validation->n++) {
    const CoredPredictions view = prediction_view(&validation->predictions[validation->n]);
    if (!cored_metrics_compute(&validation->metrics[validation->n], &view, 1.0, 0.5, 0, 0, error))
      return false;
  }
  validation->figure =
      select_score(setup->options->recipe.select, validation->metrics, validation->n);
  validation->finite = all_finite(validation, sets, setup->ui);
  return true;
}

void validation_clear(Validation *validation) {
  for (int i = 0; i < validation->n; i++)
    cored_metrics_clear(&validation->metrics[i]);
  for (int i = 0; i < MAX_TASKS; i++)
    prediction_clear(&validation->predictions[i]);
  *validation = (Validation){0};
}

json_t *validation_json(const Validation *validation, const DataSets *sets) {
  json_t *tasks = json_array();
  for (int i = 0; i < validation->n; i++) {
    const CoredMetrics *metrics = &validation->metrics[i];
    json_array_append_new(tasks, json_pack("{s:s,s:o,s:o,s:o}", "name", sets->names[i], "accuracy",
                                           json_figure(metrics->accuracy), "auc",
                                           json_figure(metrics->auc), "log_loss",
                                           json_figure(metrics->log_loss)));
  }
  return tasks;
}

void validation_text(const Validation *validation, const DataSets *sets, char *out, size_t size) {
  size_t at = 0;
  out[0] = '\0';
  for (int i = 0; i < validation->n && at < size; i++)
    at += (size_t)snprintf(out + at, size - at, "  %s %.1f%% AUC %.4f", sets->names[i],
                           100.0 * validation->metrics[i].accuracy, validation->metrics[i].auc);
}
