/* SPDX-License-Identifier: MIT
 * The publish gate. Both models are judged as they will run: from their files' weights, by plan and
 * session, on the same validation samples. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "finish.h"
#include "model/file.h"

static bool measure(const CoredModel *model, const DataSets *sets, int threads, int loader_threads,
                    Ui *ui, double *auc, CoredError *error) {
  Evaluator *evaluator = evaluator_new(model, threads, error);
  bool ok = evaluator != NULL;
  for (int i = 0; ok && i < sets->n_tasks; i++) {
    Prediction prediction;
    CoredMetrics metrics;
    if (!(ok = evaluator_predict(evaluator, sets->val[i], loader_threads, ui, sets->names[i],
                                 &prediction, error)))
      break;
    const CoredPredictions view = prediction_view(&prediction);
    ok = cored_metrics_compute(&metrics, &view, 1.0, 0.5, 0, 0, error);
    if (ok) {
      auc[i] = metrics.auc;
      cored_metrics_clear(&metrics);
    }
    prediction_clear(&prediction);
  }
  evaluator_free(evaluator);
  return ok;
}

__attribute__((format(printf, 2, 3))) static void refuse(GateResult *result, const char *format,
                                                         ...) {
  const size_t at = strlen(result->reasons);
  va_list args;
  va_start(args, format);
  vsnprintf(result->reasons + at, sizeof result->reasons - at, format, args);
  va_end(args);
  result->passed = false;
}

/* An AUC that is not a number never passes a comparison. */
static void compare(GateResult *result, const DataSets *sets, double max_forgetting) {
  result->passed = true;
  if (!(result->new_auc[0] > result->old_auc[0] || result->new_auc[0] >= 1.0))
    refuse(result, "new task %s: AUC %.4f is not better than the old model's %.4f\n",
           sets->names[0], result->new_auc[0], result->old_auc[0]);
  for (int i = 1; i < sets->n_tasks; i++)
    if (!(result->old_auc[i] - result->new_auc[i] <= max_forgetting / 100.0))
      refuse(result, "old task %s: AUC fell from %.4f to %.4f, by more than %g points\n",
             sets->names[i], result->old_auc[i], result->new_auc[i], max_forgetting);
}

bool gate_judge(GateResult *result, const CoredModel *old, const CoredModel *candidate,
                const DataSets *sets, double max_forgetting, int threads, int loader_threads,
                Ui *ui, CoredError *error) {
  *result = (GateResult){0};
  if (!measure(candidate, sets, threads, loader_threads, ui, result->new_auc, error))
    return false;
  if (old) {
    if (!measure(old, sets, threads, loader_threads, ui, result->old_auc, error))
      return false;
  } else {
    result->old_auc[0] = 0.5; /* of guessing */
  }
  compare(result, sets, max_forgetting);
  return true;
}

static CoredModel *next_generation(const CoredModel *candidate, const char *path,
                                   CoredError *error) {
  CoredModelInfo info = *cored_model_info(candidate);
  uint64_t live_generation = 0;
  if (access(path, F_OK) == 0) {
    CoredModel *live = cored_model_load(path, &(CoredModelLoadParams){.skip_canary = true}, error);
    if (!live)
      return NULL;
    live_generation = cored_model_info(live)->generation;
    cored_model_unref(live);
  }
  info.generation = (live_generation > info.generation ? live_generation : info.generation) + 1;
  return cored_model_with_info(candidate, &info, error);
}

static bool write_rejected(const GateResult *result, const CoredModel *candidate, const char *path,
                           CoredError *error) {
  char *file = NULL, *text = NULL;
  const CoredChunk chunk = {result->reasons, strlen(result->reasons)};
  CoredModel *marked =
      cored_model_with_metadata(candidate, "train.rejected", result->reasons, error);
  const bool ok = marked && asprintf(&file, "%s.rejected", path) >= 0 &&
                  asprintf(&text, "%s.rejected.txt", path) >= 0 &&
                  cored_model_save(marked, file, error) &&
                  cored_file_write(text, &chunk, 1, 0666, error);
  free(file);
  free(text);
  cored_model_unref(marked);
  return ok;
}

bool gate_publish(const GateResult *result, const CoredModel *candidate, const char *path, Ui *ui,
                  CoredError *error) {
  if (!result->passed) {
    ui_line(ui, "not published:");
    for (const char *at = result->reasons; *at; at += strcspn(at, "\n") + 1)
      ui_line(ui, "%.*s", (int)strcspn(at, "\n"), at);
    ui_line(ui, "%s.rejected holds the model", path);
    return write_rejected(result, candidate, path, error);
  }
  CoredModel *next = next_generation(candidate, path, error);
  const bool ok = next && cored_model_save(next, path, error);
  if (ok)
    ui_line(ui, "published %s, generation %llu", path,
            (unsigned long long)cored_model_info(next)->generation);
  cored_model_unref(next);
  return ok;
}
