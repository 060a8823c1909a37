/* SPDX-License-Identifier: MIT */
#include "finish.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "model/format.h"

static bool auc_of(const Prediction *prediction, double *auc, CoredError *error) {
  CoredMetrics metrics;
  const CoredPredictions view = prediction_view(prediction);
  if (!cored_metrics_compute(&metrics, &view, 1.0, 0.5, 0, 0, error))
    return false;
  *auc = metrics.auc;
  cored_metrics_clear(&metrics);
  return true;
}

/* A known task gets its new AUC, an unknown one is added; the target comes last as the newest. */
static bool set_task(CoredModelInfo *info, const char *name, double auc, CoredError *error) {
  int i = 0;
  while (i < info->n_tasks && strcmp(info->tasks[i].name, name) != 0)
    i++;
  if (i == CORED_MAX_TASKS)
    return cored_error_set(error, CORED_ERROR_ARGUMENT, "more than %d tasks", CORED_MAX_TASKS);
  info->n_tasks += i == info->n_tasks;
  snprintf(info->tasks[i].name, sizeof info->tasks[i].name, "%s", name);
  info->tasks[i].auc = auc;
  return true;
}

static bool calibrate(CoredModelInfo *info, const Prediction *val, int n, bool *told,
                      CoredError *error) {
  Prediction all;
  if (!prediction_join(&all, val, n, error))
    return false;
  const CoredPredictions view = prediction_view(&all);
  info->temperature = cored_metrics_fit_temperature(&view, told);
  const bool ok = cored_metrics_fit_threshold(&view, info->temperature, &info->threshold, error);
  prediction_clear(&all);
  return ok;
}

/* {"tasks": [...], "rows": [{"after": name, "auc": {task: auc, ...}}, ...]}, one row per task. */
static char *continue_matrix(const CoredModel *base, const CoredModelInfo *info) {
  const char *before = base ? cored_model_metadata(base, KEY_MATRIX) : NULL;
  json_t *rows = before ? json_loads(before, 0, NULL) : NULL;
  if (!json_is_array(rows)) {
    json_decref(rows);
    rows = json_array();
  }
  json_t *auc = json_object();
  for (int i = 0; i < info->n_tasks; i++)
    json_object_set_new(auc, info->tasks[i].name, json_figure(info->tasks[i].auc));
  json_array_append_new(
      rows, json_pack("{s:s,s:o}", "after", info->tasks[info->n_tasks - 1].name, "auc", auc));
  char *text = json_dumps(rows, JSON_COMPACT | JSON_REAL_PRECISION(17));
  json_decref(rows);
  return text;
}

static json_t *store_json(const CoredTrainer *trainer, int k, int c, double *mean, int width) {
  json_t *values = json_array();
  cored_trainer_store_mean(trainer, k, c, mean);
  for (int i = 0; i < width; i++)
    json_array_append_new(values, json_real(mean[i]));
  return json_pack("{s:i,s:o}", "count", cored_trainer_store_count(trainer, k, c), "mean", values);
}

/* The teacher's stores that the model was held to: {"representation": "scalar" or "vector",
 * "stores": [[{"count": samples, "mean": [...]}, one a class], one a range of confidence]}. */
static char *stores_text(const CoredTrainer *trainer, int width) {
  const int n_classes = cored_trainer_n_classes(trainer);
  double *mean = malloc((size_t)width * sizeof *mean);
  json_t *rows = mean ? json_array() : NULL;
  for (int k = 0; rows && k < cored_trainer_params(trainer)->n_stores; k++) {
    json_t *row = json_array();
    for (int c = 0; c < n_classes; c++)
      json_array_append_new(row, store_json(trainer, k, c, mean, width));
    json_array_append_new(rows, row);
  }
  json_t *all =
      json_pack("{s:s,s:o}", "representation", width > 1 ? "vector" : "scalar", "stores", rows);
  char *text = all ? json_dumps(all, JSON_COMPACT | JSON_REAL_PRECISION(7)) : NULL;
  json_decref(all);
  free(mean);
  return text;
}

/* Replaces *model by a copy with one more entry. */
static bool add_metadata(CoredModel **model, const char *key, const char *value,
                         CoredError *error) {
  CoredModel *next = value ? cored_model_with_metadata(*model, key, value, error) : NULL;
  if (!value)
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "metadata '%s'", key);
  cored_model_unref(*model);
  *model = next;
  return next != NULL;
}

static bool add_stores(CoredModel **model, const CoredTrainer *trainer, CoredError *error) {
  const int width = cored_trainer_store_width(trainer);
  if (width == 0)
    return true;
  char *text = stores_text(trainer, width);
  const bool ok = add_metadata(model, CORED_KEY_STORES, text, error);
  free(text);
  return ok;
}

CoredModel *finish_model(const CoredTrainer *trainer, const CoredModelInfo *info,
                         const Lineage *lineage, const Prediction *val, CoredError *error) {
  CoredModelInfo complete = *info;
  for (int i = lineage->n_tasks - 1; i >= 0; i--) { /* the target is the last to be added */
    double auc;
    if (!auc_of(&val[i], &auc, error) || !set_task(&complete, lineage->names[i], auc, error))
      return NULL;
  }
  bool told;
  if (!calibrate(&complete, val, lineage->n_tasks, &told, error))
    return NULL;
  CoredModel *model = cored_trainer_model(trainer, &complete, error);
  if (!model)
    return NULL;
  char *matrix = continue_matrix(lineage->base, &complete);
  char epoch[32];
  snprintf(epoch, sizeof epoch, "%d", lineage->epoch);
  char *config =
      json_dumps(lineage->config, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(9));
  const bool ok =
      add_metadata(&model, "train.method", lineage->method, error) &&
      add_metadata(&model, KEY_EPOCH, epoch, error) &&
      add_metadata(&model, "train.manifest", lineage->manifest, error) &&
      add_metadata(&model, "train.config", config, error) &&
      add_metadata(&model, KEY_MATRIX, matrix, error) &&
      add_metadata(&model, KEY_TEMPERATURE_FROM, told ? "validation" : "prior", error) &&
      add_stores(&model, trainer, error);
  free(matrix);
  free(config);
  return ok ? model : NULL;
}
