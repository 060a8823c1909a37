/* SPDX-License-Identifier: MIT */
#include "models.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "evaluate.h"
#include "model/format.h"
#include "sets.h"
#include "tools/common/model-path.h"
#include "tools/convert/import.h"

/* ---- Begin ----------------------------------------------------------------------------------- */

char *weights_file(const char *path, CoredError *error) {
  char why[640];
  struct stat st;
  char *file = cored_model_path_resolve(path, why, sizeof why);
  if (!file) {
    cored_error_set(error, CORED_ERROR_NOT_FOUND, "%s", why);
  } else if (stat(file, &st) != 0) {
    cored_error_set(error, CORED_ERROR_NOT_FOUND, "'%s': %s", file, strerror(errno));
    free(file);
    file = NULL;
  }
  return file;
}

/* The line of what was assumed about a foreign file, and warnings, each on a line of its own. */
static void print_assumed(const char *path, const CoredLines *lines) {
  for (size_t i = 0; i < lines->n; i++)
    fprintf(stderr, "%s: %s%s\n", cored_show(path).text, cored_show(lines->line[i]).text,
            i == 0 ? " (options of cored-convert import)" : "");
}

/* PyTorch and Keras files, with the networks' usual input and class order unless the file speaks of
 * others; what was assumed is said. */
static CoredModel *import(const char *path, CoredError *error) {
  const CoredImportOptions options = {.threshold = -1.0, .temperature = -1.0};
  CoredImportReport report = {0};
  CoredRefusal refusal = {0};
  CoredModel *model = cored_import(path, &options, &report, &refusal);
  if (model)
    print_assumed(path, &report.assumed);
  else
    cored_error_set(error, CORED_ERROR_OPEN, "'%s': %s (cored-convert import has more options)",
                    path, refusal.message);
  cored_import_report_clear(&report);
  return model;
}

/* By content, not by name: safetensors are read as a model, what else is a weight file is imported.
 */
static bool is_foreign(const char *path) {
  CoredBytes head = {0};
  CoredRefusal refusal = {0};
  uint8_t bytes[512];
  FILE *file = fopen(path, "rbe");
  if (!file)
    return false;
  head.data = bytes;
  head.size = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  if (head.size < 9)
    return false;
  const CoredFormat format = cored_format_of(&head, &refusal);
  return format != CORED_FORMAT_SAFETENSORS && format != CORED_FORMAT_UNKNOWN;
}

static CoredModel *load_weights(const char *path, CoredError *error) {
  char *file = weights_file(path, error);
  CoredModel *model = NULL;
  if (file)
    model = is_foreign(file) ? import(file, error) : cored_model_load(file, NULL, error);
  free(file);
  return model;
}

static CoredModel *resize_input(CoredModel *model, int size, CoredError *error) {
  CoredModelInfo info = *cored_model_info(model);
  if (size == 0 || (info.input_width == size && info.input_height == size))
    return model;
  info.input_width = info.input_height = size;
  CoredModel *other = cored_model_with_info(model, &info, error);
  cored_model_unref(model);
  return other;
}

CoredModel *weights_load_sized(const char *path, int size, CoredError *error) {
  CoredModel *model = load_weights(path, error);
  return model ? resize_input(model, size, error) : NULL;
}

static bool check_network(const CoredModel *model, const char *path, const char *network,
                          CoredError *error) {
  const char *found = cored_model_info(model)->network;
  return !network || strcmp(found, network) == 0 ||
         cored_error_set(error, CORED_ERROR_ARGUMENT, "'%s' is a %s, the command line asks for %s",
                         path, found, network);
}

CoredModel *weights_load_test(const char *path, const NetworkOptions *options, CoredError *error) {
  CoredModel *model = weights_load_sized(path, options->input_size, error);
  if (!model || check_network(model, path, options->network, error))
    return model;
  cored_model_unref(model);
  return NULL;
}

static CoredModel *load_checked(const char *path, const NetworkOptions *options,
                                CoredError *error) {
  CoredModel *model = load_weights(path, error);
  if (!model)
    return NULL;
  const CoredModelInfo *info = cored_model_info(model);
  if ((options->network && strcmp(info->network, options->network) != 0) ||
      info->n_classes != options->n_classes) {
    cored_error_set(error, CORED_ERROR_ARGUMENT,
                    "'%s' is a %s with %d classes, the command line asks for %s with %d", path,
                    info->network, info->n_classes,
                    options->network ? options->network : info->network, options->n_classes);
    cored_model_unref(model);
    return NULL;
  }
  return resize_input(model, options->input_size, error);
}

static CoredModel *make_random(const Options *options, CoredError *error) {
  const NetworkOptions *network = &options->network;
  CoredModelInfo info;
  if (!cored_model_info_init(&info, network->network ? network->network : "xception",
                             network->n_classes, error))
    return NULL;
  if (network->input_size)
    info.input_width = info.input_height = network->input_size;
  if (network->n_classes > 2) {
    char *root = data_train_root(&options->data);
    const bool ok = root && data_find_classes(root, network->n_classes, &info, error);
    free(root);
    if (!ok)
      return NULL;
  }
  return cored_model_new_random(&info, options->recipe.seed, error);
}

/* Both are fed the same pictures in the same form, and their outputs are compared class by class.
 */
static bool check_alike(const StartModels *models, const NetworkOptions *options,
                        CoredError *error) {
  const CoredModelInfo *student = cored_model_info(models->student);
  const CoredModelInfo *teacher = cored_model_info(models->teacher);
  char a[CLASSES_TEXT_SIZE], b[CLASSES_TEXT_SIZE];
  if (!info_same_classes(student, teacher)) {
    info_classes_text(student, a);
    info_classes_text(teacher, b);
    return cored_error_set(error, CORED_ERROR_ARGUMENT,
                           "--init '%s' has the classes %s, but the teacher -w '%s' has %s: they "
                           "have to be the same in the same order",
                           options->init, a, options->weights, b);
  }
  if (info_same_input(student, teacher))
    return true;
  info_input_text(student, a);
  info_input_text(teacher, b);
  return cored_error_set(error, CORED_ERROR_ARGUMENT,
                         "--init '%s' has %s, but the teacher -w '%s' has %s, and both are fed the "
                         "same pictures; --input-size N gives both the same size, mean and std "
                         "have to agree",
                         options->init, a, options->weights, b);
}

bool weights_start(StartModels *models, const Options *options, CoredError *error) {
  const NetworkOptions *network = &options->network;
  *models = (StartModels){0};
  CoredModel *given = NULL;
  if (network->weights && !(given = load_checked(network->weights, network, error)))
    return false;
  if (options->data.n_sources > 0)
    models->teacher = given ? cored_model_ref(given) : NULL;
  if (network->init)
    models->student = load_checked(network->init, network, error);
  else
    models->student = given ? cored_model_ref(given) : make_random(options, error);
  cored_model_unref(given);
  if (models->student &&
      (!models->teacher || !network->init || check_alike(models, network, error)))
    return true;
  weights_clear(models);
  return false;
}

void weights_clear(StartModels *models) {
  cored_model_unref(models->student);
  cored_model_unref(models->teacher);
  *models = (StartModels){0};
}

/* ---- End ------------------------------------------------------------------------------------- */

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

/* [{"after": name, "auc": {task: auc, ...}}, ...], one row per task. */
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
