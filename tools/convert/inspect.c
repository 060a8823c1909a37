/* SPDX-License-Identifier: MIT
 * What is in a weight file, as JSON and as a table for people. */
#include "tools/convert/inspect.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/escape.h"
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

/* What models of every kind have. */
static json_t *json_basics(const CoredModelInfo *info) {
  const bool locator = info->kind == CORED_MODEL_LOCATOR;
  return json_pack("{s:s, s:s, s:s, s:[i,i], s:[f,f,f], s:[f,f,f], s:f, s:I}", "kind",
                   locator ? "locator" : "classifier", "network", info->network, "title",
                   cored_network_title(info->network), "input_size", info->input_width,
                   info->input_height, "mean", (double)info->mean[0], (double)info->mean[1],
                   (double)info->mean[2], "std", (double)info->std[0], (double)info->std[1],
                   (double)info->std[2], "threshold", info->threshold, "generation",
                   (json_int_t)info->generation);
}

static json_t *json_info(const CoredModelInfo *info) {
  json_t *const basics = json_basics(info);
  if (info->kind == CORED_MODEL_LOCATOR)
    return basics;
  json_t *labels = json_array(), *tasks = json_array();
  for (int i = 0; i < info->n_classes; i++)
    json_array_append_new(labels, json_string(info->labels[i]));
  for (int i = 0; i < info->n_tasks; i++) {
    double auc = info->tasks[i].auc;
    json_array_append_new(tasks, json_pack("{s:s, s:o}", "name", info->tasks[i].name, "auc",
                                           isnan(auc) ? json_null() : json_real(auc)));
  }
  json_object_update_new(basics,
                         json_pack("{s:o, s:i, s:i, s:f, s:o}", "labels", labels, "fake_class",
                                   info->fake_class, "real_class", info->real_class, "temperature",
                                   info->temperature, "tasks", tasks));
  if (info->crop.known)
    json_object_set_new(basics, "crop",
                        json_pack("{s:f, s:s, s:s}", "margin", info->crop.margin, "align",
                                  cored_crop_align_name(info->crop.align), "locator",
                                  info->crop.locator));
  return basics;
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
  const CoredModelLoadParams params = {.kind = CORED_MODEL_ANY};
  CoredModel *model = cored_model_load_memory(bytes->data, bytes->size, "file", &params, &error);
  if (model)
    json_object_set_new(out, "model", json_info(cored_model_info(model)));
  else
    set_engine_error(out, &error);
  cored_model_unref(model);
}

/* ---- Foreign files --------------------------------------------------------------------------- */

static json_t *json_metadata(const CoredMetadata *metadata) {
  json_t *object = json_object();
  for (size_t i = 0; i < metadata->n; i++)
    json_object_set_new(object, metadata->pairs[i].key, json_string(metadata->pairs[i].value));
  return object;
}

static void describe_loose(const CoredLooseFile *file, json_t *out) {
  json_t *tensors = json_array();
  for (size_t i = 0; i < file->n_tensors; i++) {
    const CoredLoose *t = &file->tensors[i];
    json_array_append_new(tensors,
                          json_tensor(t->name, cored_scalar_name(t->scalar), t->dims, t->rank));
  }
  json_object_set_new(out, "tensors", tensors);
  if (file->metadata.n > 0)
    json_object_set_new(out, "metadata", json_metadata(&file->metadata));
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

/* ---- For people ------------------------------------------------------------------------------ */

#define LABEL "%-14s"

static CoredShown show(const json_t *text) {
  return cored_show(json_is_string(text) ? json_string_value(text) : "");
}

static void print_text(const json_t *object, const char *key, const char *label, FILE *out) {
  const json_t *value = json_object_get(object, key);
  if (value)
    fprintf(out, LABEL "%s\n", label, show(value).text);
}

static void print_lines(const json_t *object, const char *key, const char *label, FILE *out) {
  const json_t *array = json_object_get(object, key);
  for (size_t i = 0; i < json_array_size(array); i++)
    fprintf(out, LABEL "%s\n", i == 0 ? label : "", show(json_array_get(array, i)).text);
}

static void print_numbers(const json_t *model, const char *key, FILE *out) {
  const json_t *array = json_object_get(model, key);
  for (size_t i = 0; i < json_array_size(array); i++)
    fprintf(out, "%s%g", i ? ", " : "", json_number_value(json_array_get(array, i)));
}

static void print_classes(const json_t *model, FILE *out) {
  const json_t *labels = json_object_get(model, "labels");
  if (!labels) {
    fprintf(out, LABEL "locator: finds faces\n", "kind:");
    return;
  }
  size_t fake = (size_t)json_integer_value(json_object_get(model, "fake_class"));
  size_t real = (size_t)json_integer_value(json_object_get(model, "real_class"));
  fprintf(out, LABEL, "classes:");
  for (size_t i = 0; i < json_array_size(labels); i++)
    fprintf(out, "%s%zu '%s'%s", i ? ", " : "", i, show(json_array_get(labels, i)).text,
            i == fake   ? " (shown as fake)"
            : i == real ? " (real)"
                        : "");
  fprintf(out, "\n");
}

static void print_tasks(const json_t *model, FILE *out) {
  const json_t *tasks = json_object_get(model, "tasks");
  for (size_t i = 0; i < json_array_size(tasks); i++) {
    const json_t *task = json_array_get(tasks, i), *auc = json_object_get(task, "auc");
    fprintf(out, LABEL "%s", i == 0 ? "tasks:" : "", show(json_object_get(task, "name")).text);
    if (json_is_number(auc))
      fprintf(out, " (AUC %.4f)", json_number_value(auc));
    fprintf(out, "\n");
  }
}

static void print_decision(const json_t *model, FILE *out) {
  const json_t *temperature = json_object_get(model, "temperature");
  fprintf(out, "\n" LABEL "threshold %g",
          "decision:", json_number_value(json_object_get(model, "threshold")));
  if (temperature)
    fprintf(out, ", temperature %g", json_number_value(temperature));
  fprintf(out, "\n");
}

static void print_crop(const json_t *model, FILE *out) {
  const json_t *crop = json_object_get(model, "crop");
  if (crop)
    fprintf(out, LABEL "faces found by %s, margin %g, align %s\n",
            "crops:", show(json_object_get(crop, "locator")).text,
            json_number_value(json_object_get(crop, "margin")),
            show(json_object_get(crop, "align")).text);
  else if (json_object_get(model, "labels"))
    fprintf(out, LABEL "not known\n", "crops:");
}

static void print_model(const json_t *model, FILE *out) {
  fprintf(out, LABEL "%s, %s\n", "network:", show(json_object_get(model, "network")).text,
          show(json_object_get(model, "title")).text);
  print_classes(model, out);
  fprintf(out, LABEL, "input:");
  print_numbers(model, "input_size", out);
  fprintf(out, " pixels; mean ");
  print_numbers(model, "mean", out);
  fprintf(out, "; std ");
  print_numbers(model, "std", out);
  print_decision(model, out);
  fprintf(out, LABEL "%lld\n",
          "generation:", (long long)json_integer_value(json_object_get(model, "generation")));
  print_tasks(model, out);
  print_crop(model, out);
}

static void print_metadata(const json_t *metadata, FILE *out) {
  const char *key;
  json_t *value;
  bool first = true;
  json_object_foreach((json_t *)metadata, key, value) {
    fprintf(out, LABEL "%s = %s\n", first ? "metadata:" : "", cored_show(key).text,
            show(value).text);
    first = false;
  }
}

static long long print_shape(const json_t *shape, FILE *out) {
  int64_t dims[CORED_LOOSE_MAX_RANK] = {0};
  int rank = (int)json_array_size(shape);
  long long count = 1;
  for (int i = 0; i < rank; i++)
    count *= dims[i] = json_integer_value(json_array_get(shape, (size_t)i));
  char text[256];
  fprintf(out, "  %-18s", cored_loose_shape(dims, rank, text, sizeof text));
  return count;
}

static void print_tensors(const json_t *tensors, FILE *out) {
  long long total = 0;
  int width = 20;
  for (size_t i = 0; i < json_array_size(tensors); i++) {
    int n = (int)strlen(show(json_object_get(json_array_get(tensors, i), "name")).text);
    width = n > width && n <= 60 ? n : width;
  }
  for (size_t i = 0; i < json_array_size(tensors); i++) {
    const json_t *tensor = json_array_get(tensors, i);
    fprintf(out, "  %-*s  %-4s", width, show(json_object_get(tensor, "name")).text,
            show(json_object_get(tensor, "dtype")).text);
    long long count = print_shape(json_object_get(tensor, "shape"), out);
    fprintf(out, "%lld\n", count);
    total += count;
  }
  fprintf(out, LABEL "%zu tensors, %lld values\n", "together:", json_array_size(tensors), total);
}

void cored_inspect_print(const json_t *d, FILE *out) {
  print_text(d, "file", "file:", out);
  print_text(d, "format", "format:", out);
  const json_t *bytes = json_object_get(d, "bytes");
  if (bytes)
    fprintf(out, LABEL "%lld bytes\n", "size:", (long long)json_integer_value(bytes));
  print_text(d, "file_sha256", "file hash:", out);
  print_text(d, "weights_sha256", "weights hash:", out);
  if (json_object_get(d, "model"))
    print_model(json_object_get(d, "model"), out);
  print_metadata(json_object_get(d, "metadata"), out);
  print_lines(d, "globals", "globals:", out);
  print_lines(d, "refused", "REFUSED:", out);
  print_lines(d, "notes", "notes:", out);
  if (json_object_get(d, "tensors")) {
    fprintf(out, "tensors:\n");
    print_tensors(json_object_get(d, "tensors"), out);
  }
  const json_t *error = json_object_get(d, "error");
  if (!error)
    return;
  fprintf(out, LABEL "%s: %s\n", "ERROR:", show(json_object_get(error, "code")).text,
          show(json_object_get(error, "message")).text);
  print_text(error, "advice", "what to do:", out);
}
