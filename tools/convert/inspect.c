/* SPDX-License-Identifier: MIT
 * What is in a weight file, as JSON. */
#include "tools/convert/inspect.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "model/hash.h"
#include "model/safetensors.h"
#include "tools/convert/advice.h"

/* HDF5 files of any network may be looked at, within reason. */
#define MAX_H5_DATA ((size_t)64 << 20)

static json_t *json_lines(const CoredLines *lines) {
  json_t *array = json_array();
  for (size_t i = 0; i < lines->n; i++)
    json_array_append_new(array, json_string_nocheck(lines->line[i]));
  return array;
}

static json_t *json_shape(const int64_t *dims, int rank) {
  json_t *shape = json_array();
  for (int i = 0; i < rank; i++)
    json_array_append_new(shape, json_integer(dims[i]));
  return shape;
}

static json_t *json_tensor(const char *name, const char *dtype, const int64_t *dims, int rank) {
  return json_pack("{s:s, s:s, s:o}", "name", name, "dtype", dtype, "shape",
                   json_shape(dims, rank));
}

static void set_error(json_t *out, const char *code, const char *message) {
  json_object_set_new(out, "error", json_pack("{s:s, s:s}", "code", code, "message", message));
}

/* The error of a file that was read or refused, with the next step. */
static void set_refusal(json_t *out, const CoredBytes *bytes, const CoredReadOptions *options,
                        const CoredRefusal *refusal) {
  char text[1024];
  set_error(out, cored_refusal_code_name(refusal->code), refusal->message);
  const char *advice = bytes ? cored_advice_for(bytes, options, refusal, text, sizeof text)
                             : cored_advice(refusal->code);
  json_object_set_new(json_object_get(out, "error"), "advice", json_string(advice));
}

/* The same for a file that states to be one of ours. */
static void set_engine_error(json_t *out, const CoredError *error) {
  set_error(out, cored_error_code_name(error->code), error->message);
  json_object_set_new(json_object_get(out, "error"), "advice",
                      json_string(cored_advice_for_error(error)));
}

/* ---- Models of ours -------------------------------------------------------------------------- */

static json_t *json_info(const CoredModelInfo *info) {
  json_t *labels = json_array(), *tasks = json_array();
  for (int i = 0; i < info->n_classes; i++)
    json_array_append_new(labels, json_string(info->labels[i]));
  for (int i = 0; i < info->n_tasks; i++) {
    double auc = info->tasks[i].auc;
    json_array_append_new(tasks, json_pack("{s:s, s:o}", "name", info->tasks[i].name, "auc",
                                           isnan(auc) ? json_null() : json_real(auc)));
  }
  return json_pack("{s:s, s:s, s:o, s:i, s:i, s:[i,i], s:[f,f,f], s:[f,f,f], s:f, s:f, s:I, s:o}",
                   "network", info->network, "title", cored_network_title(info->network), "labels",
                   labels, "fake_class", info->fake_class, "real_class", info->real_class,
                   "input_size", info->input_width, info->input_height, "mean",
                   (double)info->mean[0], (double)info->mean[1], (double)info->mean[2], "std",
                   (double)info->std[0], (double)info->std[1], (double)info->std[2], "threshold",
                   info->threshold, "temperature", info->temperature, "generation",
                   (json_int_t)info->generation, "tasks", tasks);
}

static const char *dtype_name(CoredDtype dtype) {
  static const char *const names[] = {[CORED_DTYPE_F32] = "F32",
                                      [CORED_DTYPE_F16] = "F16",
                                      [CORED_DTYPE_BF16] = "BF16",
                                      [CORED_DTYPE_F64] = "F64",
                                      [CORED_DTYPE_I64] = "I64"};
  return names[dtype];
}

/* Tensors and metadata as they are in the file, then what the engine says of it as a model. */
static void describe_safetensors(const CoredBytes *bytes, json_t *out) {
  CoredSafetensors st = {0};
  CoredError error = {0};
  json_object_set_new(out, "format", json_string("safetensors"));
  if (!cored_safetensors_parse(&st, bytes->data, bytes->size, "file", &error)) {
    set_engine_error(out, &error);
    return;
  }
  json_t *tensors = json_array(), *metadata = json_object();
  for (size_t i = 0; i < st.n_tensors; i++)
    json_array_append_new(tensors, json_tensor(st.tensors[i].name, dtype_name(st.tensors[i].dtype),
                                               st.tensors[i].dims, st.tensors[i].rank));
  for (size_t i = 0; i < st.n_metadata; i++)
    json_object_set_new(metadata, st.metadata[i].key, json_string(st.metadata[i].value));
  char hash[CORED_HASH_SIZE];
  cored_hash_bytes(st.data, st.data_size, hash);
  json_object_set_new(out, "weights_sha256", json_string(hash));
  json_object_set_new(out, "data_sha256", json_string(hash)); /* its name in earlier versions */
  json_object_set_new(out, "metadata", metadata);
  json_object_set_new(out, "tensors", tensors);
  bool ours = cored_safetensors_entry(&st, "cored.format") != NULL;
  cored_safetensors_clear(&st);
  if (!ours)
    return;
  CoredModel *model = cored_model_load_memory(bytes->data, bytes->size, "file", NULL, &error);
  if (model)
    json_object_set_new(out, "model", json_info(cored_model_info(model)));
  else
    set_engine_error(out, &error);
  cored_model_unref(model);
}

/* ---- Foreign files --------------------------------------------------------------------------- */

static void describe_loose(const CoredLooseFile *file, json_t *out) {
  json_t *tensors = json_array();
  for (size_t i = 0; i < file->n_tensors; i++) {
    const CoredLoose *t = &file->tensors[i];
    json_array_append_new(tensors,
                          json_tensor(t->name, cored_scalar_name(t->scalar), t->dims, t->rank));
  }
  json_object_set_new(out, "tensors", tensors);
  if (file->globals.n > 0)
    json_object_set_new(out, "globals", json_lines(&file->globals));
  if (file->refused.n > 0)
    json_object_set_new(out, "refused", json_lines(&file->refused));
  if (file->notes.n > 0)
    json_object_set_new(out, "notes", json_lines(&file->notes));
}

static void describe_foreign(const CoredBytes *bytes, const CoredReadOptions *options,
                             json_t *out) {
  CoredLooseFile file = {0};
  CoredRefusal refusal = {0};
  CoredReadOptions survey = *options;
  survey.survey = true;
  if (!cored_reader_read(bytes, &survey, MAX_H5_DATA, &file, &refusal)) {
    /* Tensors of a file that is refused are not to be relied on, not even for show. */
    while (file.n_tensors > 0 && refusal.code != CORED_REFUSAL_NOT_STATE_DICT)
      free(file.tensors[--file.n_tensors].name);
  }
  json_object_set_new(out, "format", json_string(file.format ? file.format : "unknown"));
  describe_loose(&file, out);
  if (file.refused.n > 0)
    refusal = (CoredRefusal){CORED_REFUSAL_PICKLE_GLOBAL,
                             "the file asks for more than a dictionary of tensors needs"};
  if (refusal.code != CORED_REFUSAL_NONE)
    set_refusal(out, bytes, options, &refusal);
  cored_loose_clear(&file);
}

json_t *cored_inspect(const char *path, const CoredReadOptions *options, uint64_t max_bytes) {
  json_t *out = json_object();
  char name[512], hash[CORED_HASH_SIZE];
  json_object_set_new(out, "file",
                      json_string(cored_escape(path, strlen(path), name, sizeof name)));
  CoredBytes bytes;
  CoredRefusal refusal = {0};
  if (!cored_input_read(path, max_bytes ? max_bytes : CORED_READER_MAX_BYTES, &bytes, &refusal)) {
    set_refusal(out, NULL, options, &refusal);
    return out;
  }
  cored_hash_bytes(bytes.data, bytes.size, hash);
  json_object_set_new(out, "bytes", json_integer((json_int_t)bytes.size));
  json_object_set_new(out, "file_sha256", json_string(hash));
  json_object_set_new(out, "sha256", json_string(hash)); /* its name in earlier versions */
  CoredRefusal unknown = {0};
  if (cored_format_of(&bytes, &unknown) == CORED_FORMAT_SAFETENSORS)
    describe_safetensors(&bytes, out);
  else
    describe_foreign(&bytes, options, out);
  cored_bytes_clear(&bytes);
  return out;
}
