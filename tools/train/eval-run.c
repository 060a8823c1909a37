/* SPDX-License-Identifier: MIT */
#include "eval-run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "finish.h"
#include "base/file.h"
#include "model/hash.h"
#include "weights.h"

static const uint64_t max_model_bytes = UINT64_C(1) << 30;

static bool open_set(EvalResult *result, int i, int j, const EvalOptions *options, Ui *ui,
                     CoredError *error) {
  const SetNeeds needs = {&options->data, &result->infos[i], options->loader_threads,
                          set_cascade(&options->data)};
  char *root = NULL;
  const int length = options->n_tasks ? asprintf(&root, "%s/%s/%s", options->data.folder,
                                                 options->tasks[j], options->split)
                                      : asprintf(&root, "%s", options->data.folder);
  if (length < 0)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "path of a task");
  CoredDataset **set = &result->sets[i * result->n_tasks + j];
  *set = set_open(root, &needs, ui, error);
  free(root);
  return *set != NULL;
}

/* Do both take the same input and tell the same classes apart, by the same numbers? */
static bool read_alike(const CoredModelInfo *a, const CoredModelInfo *b) {
  return info_same_input(a, b) && a->n_classes == b->n_classes &&
         memcmp(a->labels, b->labels, sizeof a->labels) == 0;
}

/* The sets as model i reads them: those of an earlier model that reads alike. */
static bool open_sets(EvalResult *result, int i, const EvalOptions *options, Ui *ui,
                      CoredError *error) {
  int like = 0;
  bool ok = true;
  while (like < i && !read_alike(&result->infos[like], &result->infos[i]))
    like++;
  result->reads_like[i] = like;
  for (int j = 0; ok && j < result->n_tasks; j++) {
    if (like < i)
      result->sets[i * result->n_tasks + j] = result->sets[like * result->n_tasks + j];
    else
      ok = open_set(result, i, j, options, ui, error);
  }
  return ok;
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
    ok = evaluator_predict(evaluator, result->sets[i * result->n_tasks + j], loader_threads, ui,
                           result->names[j], &cell->prediction, error) &&
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
    const char *matrix = cored_model_metadata(model, KEY_MATRIX);
    result->infos[i] = *cored_model_info(model);
    result->paths[i] = options->models[i];
    result->lineage[i] = matrix ? json_loads(matrix, 0, NULL) : NULL;
    result->n_models++;
    ok = open_sets(result, i, options, ui, error);
  }
  ok = ok && eval_judge(result, i, model, options->threads, options->loader_threads,
                        options->bootstrap, ui, error);
  cored_model_unref(model);
  free(path);
  return ok;
}

bool eval_run(EvalResult *result, const EvalOptions *options, Ui *ui, CoredError *error) {
  *result = (EvalResult){.n_tasks = options->n_tasks ? options->n_tasks : 1};
  for (int j = 0; j < result->n_tasks; j++)
    result->names[j] = options->n_tasks ? options->tasks[j] : "all";
  result->cells =
      calloc((size_t)options->n_models * (size_t)result->n_tasks, sizeof *result->cells);
  if (!result->cells)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "results");
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
  for (int i = 0; i < result->n_models; i++) {
    json_decref(result->lineage[i]);
    for (int j = 0; result->reads_like[i] == i && j < result->n_tasks; j++)
      cored_dataset_free(result->sets[i * result->n_tasks + j]);
  }
  *result = (EvalResult){0};
}

void eval_matrix(const EvalResult *result, double *auc) {
  for (int k = 0; k < result->n_models * result->n_tasks; k++)
    auc[k] = result->cells[k].metrics.auc;
}

/* b began as a: its history begins with that of a, with the same figures where both tell them. */
static bool continues(const EvalResult *result, int a, int b) {
  const CoredModelInfo *old = &result->infos[a], *new = &result->infos[b];
  const json_t *rows = result->lineage[a], *more = result->lineage[b];
  if (old->n_tasks == 0 || old->n_tasks >= new->n_tasks || !rows != !more ||
      json_array_size(rows) > json_array_size(more))
    return false;
  for (int t = 0; t < old->n_tasks; t++)
    if (strcmp(old->tasks[t].name, new->tasks[t].name) != 0)
      return false;
  for (size_t r = 0; r < json_array_size(rows); r++)
    if (!json_equal(json_array_get(rows, r), json_array_get(more, r)))
      return false;
  return true;
}

bool eval_is_lineage(const EvalResult *result) {
  for (int i = 1; i < result->n_models; i++)
    if (!continues(result, i - 1, i))
      return false;
  return result->infos[0].n_tasks > 0;
}

static const char *last_task(const CoredModelInfo *info) {
  return info->tasks[info->n_tasks - 1].name;
}

bool eval_is_sequence(const EvalResult *result) {
  if (result->n_models != result->n_tasks || result->n_tasks < 2 || !eval_is_lineage(result))
    return false;
  for (int i = 0; i < result->n_models; i++)
    if (strcmp(last_task(&result->infos[i]), result->names[i]) != 0)
      return false;
  return true;
}

char *eval_label(const EvalResult *result, int i) {
  const CoredModelInfo *info = &result->infos[i];
  char *label;
  const int length = eval_is_lineage(result) ? asprintf(&label, "after %s", last_task(info))
                     : result->paths[i]      ? asprintf(&label, "model %d (%s, %s)", i + 1,
                                                        info->network, result->paths[i])
                                             : asprintf(&label, "%s", info->network);
  return length < 0 ? NULL : label;
}
