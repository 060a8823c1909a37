/* SPDX-License-Identifier: MIT
 * cored-train: teaches a detector one task after another. */
#include <libavutil/log.h>
#include <stdio.h>

#include "train/models.h"
#include "train/run.h"

/* ---- --test: one model, one folder with real/ and fake/ -------------------------------------- */

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

static RunStatus test_model(const Options *options) {
  Ui ui = ui_init(options->output.quiet, false);
  CoredError error = {0};
  Prediction prediction = {0};
  CoredDataset *set = NULL;
  FaceDetector detector = {0};
  Evaluator *evaluator = NULL;
  CoredModel *model = weights_load_test(options->network.weights, &options->network, &error);
  bool ok = model != NULL;
  if (ok) {
    const CoredModelInfo *info = cored_model_info(model);
    const SetNeeds needs = {&options->data, info, options->loader_threads, &detector};
    set = set_open(options->data.folder, &needs, &ui, &error);
    face_detector_compare(&detector, model, options->network.weights, &ui);
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
  face_detector_close(&detector);
  cored_model_unref(model);
  return status;
}

/* ---- The command ----------------------------------------------------------------------------- */

/* What one process cannot read in its command line ends the others with it: they would wait. */
static ParseResult agree_on_options(const Parallel *parallel, ParseResult parsed, bool test) {
  const ParseResult worst = (ParseResult)parallel_max(parallel, (int)parsed);
  if (worst != PARSE_OK)
    return worst;
  const bool some_test = parallel_max(parallel, test), some_train = parallel_max(parallel, !test);
  if (!some_test || !some_train)
    return PARSE_OK;
  if (parallel->rank == 0)
    fputs("cored-train: --test was given to some of the processes only\n", stderr);
  return PARSE_ERROR;
}

int main(int argc, char **argv) {
  Parallel parallel;
  Options options;
  if (!parallel_start(&parallel, &argc, &argv))
    return RUN_FAILED;
  const ParseResult own = options_parse(&options, argc, argv, stdout, stderr);
  const ParseResult parsed = agree_on_options(&parallel, own, own == PARSE_OK && options.test);
  int status = parsed == PARSE_DONE ? RUN_OK : RUN_USAGE;
  if (parsed == PARSE_OK) {
    av_log_set_level(AV_LOG_QUIET); /* what a decoder says comes as our own errors */
    stop_on_signals();
    if (!options.test)
      status = (int)run_train(&options, &parallel);
    else /* one process says what it finds, the others have nothing to add */
      status = parallel.rank == 0 ? (int)test_model(&options) : RUN_OK;
  }
  options_clear(&options);
  return parallel_stop(&parallel, status);
}
