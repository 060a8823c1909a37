/* SPDX-License-Identifier: MIT */
#include "weights.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "evaluate.h"
#include "sets.h"
#include "tools/common/model-path.h"
#include "tools/convert/import.h"

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

CoredModel *weights_load(const char *path, CoredError *error) {
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
  CoredModel *model = weights_load(path, error);
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
  CoredModel *model = weights_load(path, error);
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
