/* SPDX-License-Identifier: MIT */
#include "trace.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "losses.h"
#include "base/file.h"
#include "model/model.h"
#include "model/safetensors.h"

static bool make_folder(const char *path, CoredError *error) {
  if (mkdir(path, 0777) == 0 || errno == EEXIST)
    return true;
  return cored_error_set(error, CORED_ERROR_WRITE, "'%s': %s", path, strerror(errno));
}

static bool write_tensors(const char *folder, const char *name, const CoredTensorView *views,
                          size_t n, CoredError *error) {
  char *path = NULL;
  size_t header_size;
  char *header = cored_safetensors_header(views, n, NULL, 0, &header_size);
  CoredChunk *chunks = malloc((n + 1) * sizeof *chunks);
  bool ok = header && chunks && asprintf(&path, "%s/%s", folder, name) >= 0;
  if (ok) {
    chunks[0] = (CoredChunk){header, header_size};
    for (size_t i = 0; i < n; i++)
      chunks[i + 1] = (CoredChunk){views[i].data, views[i].size};
    ok = cored_file_write(path, chunks, n + 1, 0666, error);
    free(path);
  } else {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "trace of '%s'", name);
  }
  free(chunks);
  free(header);
  return ok;
}

static bool write_batch(const char *folder, const CoredLoaderBatch *batch, int width, int height,
                        CoredError *error) {
  const size_t n = (size_t)batch->n;
  int64_t *labels = malloc((n + 1) * sizeof *labels), *samples = malloc((n + 1) * sizeof *samples);
  bool ok = false;
  for (size_t i = 0; labels && samples && i < n; i++) {
    labels[i] = batch->labels[i];
    samples[i] = batch->samples[i];
  }
  if (labels && samples) {
    const CoredTensorView views[] = {
        {"images",
         CORED_DTYPE_F32,
         4,
         {batch->n, height, width, 3},
         batch->input,
         n * (size_t)height * (size_t)width * 3 * sizeof(float)},
        {"labels", CORED_DTYPE_I64, 1, {batch->n}, labels, n * sizeof *labels},
        {"samples", CORED_DTYPE_I64, 1, {batch->n}, samples, n * sizeof *samples}};
    ok = write_tensors(folder, "batch.safetensors", views, 3, error);
  } else {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "trace of a batch");
  }
  free(labels);
  free(samples);
  return ok;
}

static bool write_losses(const char *folder, const CoredTrainer *trainer, const CoredLosses *losses,
                         CoredError *error) {
  const int n_classes = cored_trainer_n_classes(trainer);
  json_t *terms = losses_json(losses), *stores = json_array(), *taught = json_array();
  for (int k = 0; k < cored_trainer_params(trainer)->n_stores; k++) {
    json_t *row = json_array(), *row_taught = json_array();
    for (int c = 0; c < n_classes; c++) {
      json_array_append_new(row, json_integer(losses->stores[k * n_classes + c]));
      json_array_append_new(row_taught, json_integer(cored_trainer_store_count(trainer, k, c)));
    }
    json_array_append_new(stores, row);
    json_array_append_new(taught, row_taught);
  }
  json_object_set_new(terms, "stores", stores);
  json_object_set_new(terms, "teacher_stores", taught);
  char *text = json_dumps(terms, JSON_INDENT(1) | JSON_REAL_PRECISION(17)), *path = NULL;
  bool ok = text && asprintf(&path, "%s/losses.json", folder) >= 0;
  if (ok) {
    const CoredChunk chunk = {text, strlen(text)};
    ok = cored_file_write(path, &chunk, 1, 0666, error);
    free(path);
  } else {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "trace of the losses");
  }
  free(text);
  json_decref(terms);
  return ok;
}

static bool write_gradients(const char *folder, const CoredTrainer *trainer, CoredError *error) {
  CoredTensorView view;
  size_t n = 0;
  while (cored_trainer_gradient(trainer, n, &view))
    n++;
  CoredTensorView *views = malloc((n + 1) * sizeof *views);
  if (!views)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "trace of the gradients");
  for (size_t i = 0; i < n; i++)
    cored_trainer_gradient(trainer, i, &views[i]);
  const bool ok = write_tensors(folder, "gradients.safetensors", views, n, error);
  free(views);
  return ok;
}

bool trace_start(const char *folder, const CoredModel *student, CoredError *error) {
  char *path;
  if (!make_folder(folder, error))
    return false;
  if (asprintf(&path, "%s/start.safetensors", folder) < 0)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "trace");
  const bool ok = cored_model_save_beside(student, path, error);
  free(path);
  return ok;
}

bool trace_step(const char *folder, uint64_t step, const CoredTrainer *trainer,
                const CoredLoaderBatch *batch, int width, int height, const CoredLosses *losses,
                CoredError *error) {
  char *path;
  if (asprintf(&path, "%s/step-%06llu", folder, (unsigned long long)step) < 0)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "trace");
  const bool ok = make_folder(path, error) && write_batch(path, batch, width, height, error) &&
                  write_losses(path, trainer, losses, error) &&
                  write_gradients(path, trainer, error);
  free(path);
  return ok;
}
