/* SPDX-License-Identifier: MIT */
#include "eval-run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "model/file.h"
#include "model/hash.h"
#include "weights.h"

static const uint64_t max_model_bytes = UINT64_C(1) << 30;

static bool open_sets(EvalResult *result, const EvalOptions *options, const CoredModelInfo *info,
                      Ui *ui, CoredError *error) {
  const SetNeeds needs = {&options->data, info, options->loader_threads,
                          set_cascade(&options->data)};
  const int n = options->n_tasks ? options->n_tasks : 1;
  for (int j = 0; j < n; j++) {
    char *root = NULL;
    const int length = options->n_tasks ? asprintf(&root, "%s/%s/%s", options->data.folder,
                                                   options->tasks[j], options->split)
                                        : asprintf(&root, "%s", options->data.folder);
    if (length < 0)
      return cored_error_set(error, CORED_ERROR_NO_MEMORY, "path of a task");
    result->sets[j] = set_open(root, &needs, ui, error);
    free(root);
    if (!result->sets[j])
      return false;
    result->names[j] = options->n_tasks ? options->tasks[j] : "all";
    result->n_tasks++;
  }
  return true;
}

/* Sets are read for one input; models that want another cannot be compared on them. */
static bool check_alike(const CoredModelInfo *a, const CoredModelInfo *b, const char *path,
                        CoredError *error) {
  if (a->input_width == b->input_width && a->input_height == b->input_height &&
      memcmp(a->mean, b->mean, sizeof a->mean) == 0 && memcmp(a->std, b->std, sizeof a->std) == 0 &&
      a->n_classes == b->n_classes && memcmp(a->labels, b->labels, sizeof a->labels) == 0)
    return true;
  return cored_error_set(error, CORED_ERROR_ARGUMENT,
                         "'%s' has another input or other classes than the first model: judge it "
                         "by a call of its own",
                         path);
}

static bool hash_file(const char *path, char hex[65], CoredError *error) {
  CoredBytes bytes;
  if (!cored_file_read(path, 1, max_model_bytes, NULL, &bytes, error))
    return false;
  cored_hash_bytes(bytes.data, bytes.size, hex);
  cored_bytes_clear(&bytes);
  return true;
}

static bool compute(EvalCell *cell, const CoredModelInfo *info, int bootstrap, CoredError *error) {
  const CoredPredictions view = prediction_view(&cell->prediction);
  if (!cored_metrics_compute(&cell->metrics, &view, info->temperature, info->threshold, bootstrap,
                             1, error))
    return false;
  if (cell->metrics.n_groups == cell->metrics.n)
    return true;
  float *logits;
  uint32_t *labels;
  size_t n;
  if (!cored_metrics_aggregate(&view, &logits, &labels, &n, error))
    return false;
  const CoredPredictions groups = {.n = n,
                                   .n_classes = view.n_classes,
                                   .real_class = view.real_class,
                                   .logits = logits,
                                   .labels = labels};
  cell->grouped = cored_metrics_compute(&cell->by_group, &groups, info->temperature,
                                        info->threshold, bootstrap, 1, error);
  free(logits);
  free(labels);
  return cell->grouped;
}

bool eval_judge(EvalResult *result, int i, const CoredModel *model, int threads, int loader_threads,
                int bootstrap, Ui *ui, CoredError *error) {
  Evaluator *evaluator = evaluator_new(model, threads, error);
  bool ok = evaluator != NULL;
  for (int j = 0; ok && j < result->n_tasks; j++) {
    EvalCell *cell = &result->cells[i * result->n_tasks + j];
    ok = evaluator_predict(evaluator, result->sets[j], loader_threads, ui, result->names[j],
                           &cell->prediction, error) &&
         compute(cell, &result->infos[i], bootstrap, error);
  }
  evaluator_free(evaluator);
  return ok;
}

static bool run_model(EvalResult *result, int i, const EvalOptions *options, Ui *ui,
                      CoredError *error) {
  char *path = weights_file(options->models[i], error);
  CoredModel *model = path ? weights_load_sized(path, options->input_size, error) : NULL;
  bool ok = model && hash_file(path, result->hashes[i], error);
  if (ok) {
    result->infos[i] = *cored_model_info(model);
    result->n_models++;
    if (i == 0) {
      ok = open_sets(result, options, &result->infos[0], ui, error);
      result->cells = calloc((size_t)options->n_models * MAX_TASKS, sizeof *result->cells);
      if (ok && !result->cells)
        ok = cored_error_set(error, CORED_ERROR_NO_MEMORY, "results");
    } else {
      ok = check_alike(&result->infos[0], &result->infos[i], path, error);
    }
  }
  ok = ok && eval_judge(result, i, model, options->threads, options->loader_threads,
                        options->bootstrap, ui, error);
  cored_model_unref(model);
  free(path);
  return ok;
}

bool eval_run(EvalResult *result, const EvalOptions *options, Ui *ui, CoredError *error) {
  *result = (EvalResult){0};
  for (int i = 0; i < options->n_models; i++)
    if (!run_model(result, i, options, ui, error))
      return false;
  return true;
}

void eval_clear_cells(EvalResult *result) {
  for (int i = 0; result->cells && i < result->n_models * result->n_tasks; i++) {
    prediction_clear(&result->cells[i].prediction);
    cored_metrics_clear(&result->cells[i].metrics);
    cored_metrics_clear(&result->cells[i].by_group);
  }
  free(result->cells);
  result->cells = NULL;
}

void eval_result_clear(EvalResult *result) {
  eval_clear_cells(result);
  for (int j = 0; j < result->n_tasks; j++)
    cored_dataset_free(result->sets[j]);
  *result = (EvalResult){0};
}

void eval_matrix(const EvalResult *result, double *auc) {
  for (int k = 0; k < result->n_models * result->n_tasks; k++)
    auc[k] = result->cells[k].metrics.auc;
}
