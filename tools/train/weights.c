/* SPDX-License-Identifier: MIT */
#include "weights.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "error.h"
#include "sets.h"
#include "tools/convert/import.h"

static bool has_suffix(const char *name, const char *suffix) {
  const size_t n = strlen(name), m = strlen(suffix);
  return n > m && strcmp(name + n - m, suffix) == 0;
}

static char *join(const char *folder, const char *name) {
  char *path;
  return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

static bool exists(const char *path) {
  struct stat st;
  return path && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* The only model in folder; *count says how many there are. */
static char *find_only(const char *folder, int *count) {
  char *found = NULL;
  DIR *dir = opendir(folder);
  *count = 0;
  for (const struct dirent *entry; dir && (entry = readdir(dir));) {
    if (!has_suffix(entry->d_name, ".safetensors") && !has_suffix(entry->d_name, ".pth") &&
        !has_suffix(entry->d_name, ".pth.tar"))
      continue;
    if ((*count)++ == 0)
      found = join(folder, entry->d_name);
  }
  if (dir)
    closedir(dir);
  return found;
}

char *weights_file(const char *path, CoredError *error) {
  static const char *const usual[] = {"best.safetensors", "model.safetensors"};
  struct stat st;
  int count;
  if (stat(path, &st) != 0) {
    cored_error_set(error, CORED_ERROR_NOT_FOUND, "'%s': %s", path, strerror(errno));
    return NULL;
  }
  if (!S_ISDIR(st.st_mode))
    return strdup(path);
  for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
    char *file = join(path, usual[i]);
    if (exists(file))
      return file;
    free(file);
  }
  char *only = find_only(path, &count);
  if (count == 1 && only)
    return only;
  free(only);
  cored_error_set(error, CORED_ERROR_NOT_FOUND,
                  "'%s': expected best.safetensors, model.safetensors or one model file in this "
                  "folder, found %d",
                  path, count);
  return NULL;
}

/* PyTorch and Keras files, with the networks' usual input and class order. */
static CoredModel *import(const char *path, CoredError *error) {
  const CoredImportOptions options = {.threshold = -1.0, .temperature = -1.0};
  CoredImportReport report = {0};
  CoredRefusal refusal = {0};
  CoredModel *model = cored_import(path, &options, &report, &refusal);
  if (!model)
    cored_error_set(error, CORED_ERROR_OPEN, "%s (cored-convert import has more options)",
                    refusal.message);
  cored_import_report_clear(&report);
  return model;
}

CoredModel *weights_load(const char *path, CoredError *error) {
  char *file = weights_file(path, error);
  CoredModel *model = NULL;
  if (file)
    model = has_suffix(file, ".pth") || has_suffix(file, ".pth.tar") || has_suffix(file, ".h5")
                ? import(file, error)
                : cored_model_load(file, NULL, error);
  free(file);
  return model;
}

/* A model for another input size is the same weights with another description. */
static CoredModel *resize_input(CoredModel *model, int size, CoredError *error) {
  CoredModelInfo info = *cored_model_info(model);
  if (size == 0 || (info.input_width == size && info.input_height == size))
    return model;
  info.input_width = info.input_height = size;
  CoredModel *other = cored_model_with_info(model, &info, error);
  cored_model_unref(model);
  return other;
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
  if (!models->student)
    weights_clear(models);
  return models->student != NULL;
}

void weights_clear(StartModels *models) {
  cored_model_unref(models->student);
  cored_model_unref(models->teacher);
  *models = (StartModels){0};
}
