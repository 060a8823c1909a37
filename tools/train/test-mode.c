/* SPDX-License-Identifier: MIT */
#include "test-mode.h"

#include <stdio.h>

enum { BOOTSTRAP_DRAWS = 1000 };

static bool report(const Prediction *prediction, const CoredModelInfo *info, CoredError *error) {
  CoredMetrics metrics;
  const CoredPredictions view = prediction_view(prediction);
  if (!cored_metrics_compute(&metrics, &view, info->temperature, info->threshold, BOOTSTRAP_DRAWS,
                             1, error))
    return false;
  metrics_print(&metrics, info);
  cored_metrics_clear(&metrics);
  return true;
}

RunStatus test_mode(const Options *options) {
  Ui ui = ui_init(options->output.quiet, false);
  CoredError error = {0};
  Prediction prediction = {0};
  CoredDataset *set = NULL;
  Evaluator *evaluator = NULL;
  CoredModel *model = weights_load_test(options->network.weights, &options->network, &error);
  bool ok = model != NULL;
  if (ok) {
    const CoredModelInfo *info = cored_model_info(model);
    const SetNeeds needs = {&options->data, info, options->loader_threads,
                            set_cascade(&options->data)};
    set = set_open(options->data.folder, &needs, &ui, &error);
    evaluator = set ? evaluator_new(model, options->recipe.train.threads, &error) : NULL;
    ok = evaluator &&
         evaluator_predict(evaluator, set, options->loader_threads, &ui, "test", &prediction,
                           &error) &&
         report(&prediction, info, &error);
  }
  const RunStatus status = ok ? RUN_OK : run_status_of(&error);
  if (status != RUN_OK && status != RUN_INTERRUPTED)
    ui_line(&ui, "cored-train: %s", error.message);
  prediction_clear(&prediction);
  evaluator_free(evaluator);
  cored_dataset_free(set);
  cored_model_unref(model);
  return status;
}
