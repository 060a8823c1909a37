/* SPDX-License-Identifier: MIT
 * The import of a foreign weight file as a model. */
#include "tools/convert/import.h"
#include "tools/convert/keras.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/format.h"
#include "model/hash.h"
#include "networks/registry.h"
#include "tools/convert/advice.h"
#include "tools/convert/h5.h"
#include "tools/convert/match.h"
#include "tools/convert/onnx-unfold.h"
#include "tools/convert/yunet.h"

/* ---- Settings -------------------------------------------------------------------------------- */

/* "fake,real": as many as there are classes, each 1 .. 63 bytes. */
static bool set_labels(CoredModelInfo *info, const char *labels, CoredRefusal *refusal) {
  int n = 0;
  for (const char *at = labels;; n++) {
    const char *comma = strchrnul(at, ',');
    size_t length = (size_t)(comma - at);
    if (length == 0 || length >= CORED_LABEL_SIZE || n == info->n_classes)
      return cored_refuse(refusal, CORED_REFUSAL_SETTINGS,
                          "labels '%.200s': expected %d names of 1 to %d bytes, with commas "
                          "between",
                          labels, info->n_classes, CORED_LABEL_SIZE - 1);
    memcpy(info->labels[n], at, length);
    info->labels[n][length] = '\0';
    for (int i = 0; i < n; i++)
      if (strcmp(info->labels[i], info->labels[n]) == 0)
        return cored_refuse(refusal, CORED_REFUSAL_SETTINGS, "labels '%.200s': '%s' is there twice",
                            labels, info->labels[n]);
    if (!*comma)
      break;
    at = comma + 1;
  }
  return n + 1 == info->n_classes ||
         cored_refuse(refusal, CORED_REFUSAL_SETTINGS,
                      "labels '%.200s': %d names, the network has %d classes", labels, n + 1,
                      info->n_classes);
}

static bool find_class(const CoredModelInfo *info, const char *label, const char *option,
                       int *index, CoredRefusal *refusal) {
  for (int i = 0; i < info->n_classes; i++)
    if (strcmp(info->labels[i], label) == 0) {
      *index = i;
      return true;
    }
  return cored_refuse(refusal, CORED_REFUSAL_SETTINGS,
                      "no label is '%s'; say with %s which class that is", label, option);
}

/* The file was exported from a model, and says what that was. */
static bool states_info(const CoredLooseFile *file) {
  return file->metadata.n > 0;
}

/* What the file says of itself. Its hash is that of another file; the right one is computed. */
static bool read_info(const CoredLooseFile *file, const CoredImportMatch *match,
                      CoredModelInfo *info, CoredRefusal *refusal) {
  static const char any_hash[] = "0000000000000000000000000000000000000000000000000000000000000000";
  CoredMetadata metadata = {0};
  CoredError error = {0};
  bool ok = cored_metadata_copy(&metadata, &file->metadata) &&
            cored_metadata_set(&metadata, CORED_KEY_SHA256, any_hash);
  if (!ok)
    cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for the metadata");
  else if (!(ok = cored_info_read(info, &metadata, CORED_MODEL_CLASSIFIER, "file", &error)))
    cored_refuse_error(refusal, &error);
  cored_metadata_clear(&metadata);
  if (ok && (strcmp(info->network, match->network) != 0 || info->n_classes != match->n_classes))
    ok = cored_refuse(refusal, CORED_REFUSAL_SETTINGS,
                      "the file's metadata speak of %s with %d classes, its weights are of %s with "
                      "%d",
                      info->network, info->n_classes, match->network, match->n_classes);
  return ok;
}

/* The network's own, and labels that have to be told where there is no usual order. */
static bool guess_info(const CoredImportOptions *o, const CoredImportMatch *match,
                       CoredModelInfo *info, CoredRefusal *refusal) {
  CoredError error = {0};
  if (!cored_model_info_init(info, match->network, match->n_classes, &error))
    return cored_refuse_error(refusal, &error);
  if (info->n_classes > 2 && !o->labels)
    return cored_refuse(refusal, CORED_REFUSAL_SETTINGS,
                        "the network has %d classes; name them with --labels", info->n_classes);
  const char *labels = o->labels || !match->one_output ? NULL : "real,fake";
  return !labels || set_labels(info, labels, refusal);
}

/* Which classes are shown as fake and as real. What the file says of that holds as long as its
 * labels do. */
static bool set_classes(const CoredImportOptions *o, bool stated, CoredModelInfo *info,
                        CoredRefusal *refusal) {
  const bool kept = stated && !o->labels;
  return ((kept && !o->fake) ||
          find_class(info, o->fake ? o->fake : "fake", "--fake", &info->fake_class, refusal)) &&
         ((kept && !o->real) ||
          find_class(info, o->real ? o->real : "real", "--real", &info->real_class, refusal));
}

static bool fill_info(const CoredImportOptions *o, const CoredLooseFile *file,
                      const CoredImportMatch *match, CoredModelInfo *info, CoredRefusal *refusal) {
  const bool stated = states_info(file);
  if (!(stated ? read_info(file, match, info, refusal) : guess_info(o, match, info, refusal)) ||
      (o->labels && !set_labels(info, o->labels, refusal)) ||
      !set_classes(o, stated, info, refusal))
    return false;
  if (o->input_width > 0)
    info->input_width = o->input_width;
  if (o->input_height > 0)
    info->input_height = o->input_height;
  if (o->has_mean)
    memcpy(info->mean, o->mean, sizeof info->mean);
  if (o->has_std)
    memcpy(info->std, o->std, sizeof info->std);
  if (o->threshold >= 0)
    info->threshold = o->threshold;
  if (o->temperature >= 0)
    info->temperature = o->temperature;
  return true;
}

/* ---- What was assumed -------------------------------------------------------------------------
 */

static void join_labels(const CoredModelInfo *info, char *out, size_t size) {
  size_t used = 0;
  for (int i = 0; i < info->n_classes && used < size; i++)
    used += (size_t)snprintf(out + used, size - used, "%s%s", i ? "," : "", info->labels[i]);
}

static void join_channels(const float *values, char *out, size_t size) {
  if (values[0] == values[1] && values[1] == values[2])
    snprintf(out, size, "%g", (double)values[0]);
  else
    snprintf(out, size, "%g,%g,%g", (double)values[0], (double)values[1], (double)values[2]);
}

/* One line with everything that was taken for granted, and how to say something else. */
static bool list_assumed(const CoredImportOptions *o, const CoredModelInfo *info,
                         CoredLines *lines) {
  char labels[512], mean[64], std[64], text[1024] = "";
  size_t used = 0;
  join_labels(info, labels, sizeof labels);
  join_channels(info->mean, mean, sizeof mean);
  join_channels(info->std, std, sizeof std);
  const struct {
    bool given;
    const char *option, *value;
  } rows[] = {{o->labels != NULL, "--labels", labels},
              {o->has_mean, "--mean", mean},
              {o->has_std, "--std", std}};
  if (o->input_width == 0)
    used = (size_t)snprintf(text, sizeof text, " --input-size=%dx%d", info->input_width,
                            info->input_height);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (!rows[i].given)
      used += (size_t)snprintf(text + used, sizeof text - used, " %s=%s", rows[i].option,
                               rows[i].value);
  return used == 0 || cored_lines_add(lines, "assumed (override what is wrong):%s", text);
}

static bool warn_of_hint(const CoredModelInfo *info, const CoredHints *hints, CoredLines *lines) {
  if (hints->width == 0 ||
      (hints->width == info->input_width && hints->height == info->input_height))
    return true;
  return cored_lines_add(lines, "warning: %s says %dx%d, not %dx%d; is it --input-size=%dx%d?",
                         hints->size_key, hints->width, hints->height, info->input_width,
                         info->input_height, hints->width, hints->height);
}

/* Only where the checkpoint itself says no size: a number in the name of the file is no proof. */
static bool warn_of_published(const CoredModelInfo *info, const CoredHints *hints,
                              CoredLines *lines) {
  const int published = cored_network_find(info->network)->published_size;
  if (published == info->input_width || hints->width == published ||
      (hints->width > 0 && !hints->size_of_name))
    return true;
  return cored_lines_add(lines,
                         "warning: published weights of %s are for %dx%d, not %dx%d; is it "
                         "--input-size=%d?",
                         info->network, published, published, info->input_width, info->input_height,
                         published);
}

static bool warn_of_size(const CoredImportOptions *o, const CoredModelInfo *info,
                         const CoredHints *hints, CoredLines *lines) {
  return o->input_width > 0 ||
         (warn_of_hint(info, hints, lines) && warn_of_published(info, hints, lines));
}

static bool warn_of_classes(const CoredImportOptions *o, const CoredModelInfo *info,
                            const CoredHints *hints, CoredLines *lines) {
  char labels[512];
  join_labels(info, labels, sizeof labels);
  if (o->labels || !hints->classes[0] || strcasecmp(labels, hints->classes) == 0)
    return true;
  return cored_lines_add(lines, "warning: %s says classes '%s', not '%s'; is it --labels='%s'%s?",
                         hints->classes_key, hints->classes, labels, hints->classes,
                         strcasestr(hints->classes, "fake") ? "" : " with --fake and --real");
}

static bool report_assumed(const CoredImportOptions *o, const CoredModelInfo *info,
                           const CoredHints *hints, CoredLines *lines) {
  return list_assumed(o, info, lines) && warn_of_classes(o, info, hints, lines) &&
         warn_of_size(o, info, hints, lines);
}

/* ---- The model ------------------------------------------------------------------------------- */

/* Replace *model by a copy with one more metadata entry. */
static bool add_metadata(CoredModel **model, const char *key, const char *value,
                         CoredRefusal *refusal) {
  CoredError error = {0};
  CoredModel *with = cored_model_with_metadata(*model, key, value, &error);
  if (!with)
    return cored_refuse_error(refusal, &error);
  cored_model_unref(*model);
  *model = with;
  return true;
}

static bool add_source(CoredModel **model, const char *path, const CoredBytes *bytes,
                       const CoredLooseFile *file, CoredRefusal *refusal) {
  const char *slash = strrchr(path, '/');
  char name[256], hash[CORED_HASH_SIZE];
  cored_escape(slash ? slash + 1 : path, strlen(slash ? slash + 1 : path), name, sizeof name);
  cored_hash_bytes(bytes->data, bytes->size, hash);
  return add_metadata(model, "source", name, refusal) &&
         add_metadata(model, "source_format", file->format, refusal) &&
         add_metadata(model, "source_sha256", hash, refusal) &&
         (!file->folded ||
          add_metadata(model, CORED_METADATA_BATCH_NORMS, CORED_BATCH_NORMS_FOLDED, refusal));
}

/* Entries that are no settings: what the model was told beside. */
static bool add_stated(CoredModel **model, const CoredLooseFile *file, CoredRefusal *refusal) {
  for (size_t i = 0; i < file->metadata.n; i++) {
    const CoredPair *pair = &file->metadata.pairs[i];
    if (!cored_info_owns_key(pair->key) && !add_metadata(model, pair->key, pair->value, refusal))
      return false;
  }
  return true;
}

static CoredModel *build_model(const char *path, const CoredBytes *bytes,
                               const CoredImportOptions *options, const CoredLooseFile *file,
                               const CoredImportMatch *match, CoredRefusal *refusal) {
  CoredModelInfo *info = calloc(1, sizeof *info);
  CoredModel *model = NULL;
  CoredError error = {0};
  if (!info)
    cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for the model");
  else if (fill_info(options, file, match, info, refusal) &&
           !(model = cored_model_new(info, match->views, match->n_views, &error)))
    cored_refuse_error(refusal, &error);
  free(info);
  if (model && !add_stated(&model, file, refusal)) {
    cored_model_unref(model);
    return NULL;
  }
  if (model && !add_source(&model, path, bytes, file, refusal)) {
    cored_model_unref(model);
    model = NULL;
  }
  return model;
}

/* Hand the lines over to the report. */
static void move_lines(CoredLines *to, CoredLines *from) {
  for (size_t i = 0; i < from->n; i++)
    if (!cored_lines_add(to, "%s", from->line[i]))
      return; /* the report gets shorter, nothing else */
}

/* NULL where the file says none that there is. */
static const char *stated_network(const CoredLooseFile *file) {
  const char *id = cored_metadata_get(&file->metadata, CORED_KEY_NETWORK);
  const CoredNetwork *network = id ? cored_network_find(id) : NULL;
  return network && network->kind == CORED_MODEL_CLASSIFIER ? network->id : NULL;
}

/* ---- Locators -------------------------------------------------------------------------------- */

/* The first option given that a network which finds faces has no use for; NULL: none. */
static const char *classifier_option(const CoredImportOptions *o) {
  const struct {
    bool given;
    const char *option;
  } rows[] = {{o->network != NULL, "--network"},
              {o->labels != NULL, "--labels"},
              {o->fake != NULL, "--fake"},
              {o->real != NULL, "--real"},
              {o->has_mean, "--mean"},
              {o->has_std, "--std"},
              {o->temperature >= 0, "--temperature"},
              {o->read.key != NULL, "--key"},
              {o->names.strip && o->names.strip[0], "--strip"},
              {o->names.rename && o->names.rename[0], "--rename"},
              {o->names.drop && o->names.drop[0], "--drop"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (rows[i].given)
      return rows[i].option;
  return NULL;
}

static bool fill_locator_info(const CoredImportOptions *o, const char *network,
                              CoredModelInfo *info, CoredRefusal *refusal) {
  const char *const option = classifier_option(o);
  CoredError error = {0};
  if (o->kind == CORED_MODEL_CLASSIFIER)
    return cored_refuse(refusal, CORED_REFUSAL_MODEL_KIND,
                        "the file is %s, which finds faces: expected a classifier", network);
  if (option)
    return cored_refuse(refusal, CORED_REFUSAL_SETTINGS,
                        "the file is %s, which finds faces: %s is for classifiers", network,
                        option);
  if (!cored_model_info_init(info, network, 0, &error))
    return cored_refuse_error(refusal, &error);
  if (o->input_width > 0)
    info->input_width = o->input_width;
  if (o->input_height > 0)
    info->input_height = o->input_height;
  if (o->threshold >= 0)
    info->threshold = o->threshold;
  return true;
}

static CoredModel *import_locator(const char *path, const CoredBytes *bytes,
                                  const CoredImportOptions *options, const CoredLooseFile *file,
                                  const CoredOnnx *onnx, const char *network,
                                  CoredRefusal *refusal) {
  CoredModelInfo *const info = calloc(1, sizeof *info);
  CoredModel *model = NULL;
  if (!info)
    cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for the model");
  else if (fill_locator_info(options, network, info, refusal))
    model = cored_yunet_model(onnx, info, refusal);
  free(info);
  if (model && !add_source(&model, path, bytes, file, refusal)) {
    cored_model_unref(model);
    return NULL;
  }
  return model;
}

/* ---- ONNX ------------------------------------------------------------------------------------ */

/* The weights in *file; or, of a network that finds faces, the whole model. *network: the one that
 * its structure tells; left alone where names have to. */
static bool read_onnx(const char *path, const CoredBytes *bytes, const CoredImportOptions *options,
                      CoredLooseFile *file, const char **network, CoredModel **model,
                      CoredRefusal *refusal) {
  CoredOnnx onnx = {0};
  bool ok = cored_onnx_read(bytes, &onnx, refusal);
  const char *const locator = ok ? cored_yunet_network(&onnx) : NULL;
  file->format = "ONNX";
  if (locator) {
    *model = import_locator(path, bytes, options, file, &onnx, locator, refusal);
    ok = *model != NULL;
  } else if (ok) {
    ok = (!cored_onnx_is_folded(&onnx) || cored_onnx_unfold(&onnx, *network, network, refusal)) &&
         cored_onnx_take_weights(&onnx, file, refusal);
  }
  cored_onnx_clear(&onnx);
  return ok;
}

/* ---- Any file -------------------------------------------------------------------------------- */

static CoredModel *import_bytes(const char *path, const CoredBytes *bytes,
                                const CoredImportOptions *options, CoredLooseFile *file,
                                CoredImportReport *report, CoredRefusal *refusal) {
  const char *network = options->network;
  CoredModel *model = NULL;
  CoredRefusal unused = {0};
  const bool onnx = cored_format_of(bytes, &unused) == CORED_FORMAT_ONNX;
  if (!(onnx ? read_onnx(path, bytes, options, file, &network, &model, refusal)
             : cored_reader_read(bytes, &options->read, cored_keras_max_data(), file, refusal)) ||
      model || !cored_names_edit(file, &options->names, &file->notes, refusal))
    return model;
  if (!network)
    network = stated_network(file);
  cored_hints_name(path, &file->hints);
  if (strcmp(file->format, "Keras HDF5") == 0 &&
      !cored_keras_rename(file, options->network, &network, refusal))
    return NULL;
  CoredImportMatch match;
  if (cored_import_match(file, network, &match, refusal))
    model = build_model(path, bytes, options, file, &match, refusal);
  if (model && !states_info(file) &&
      !report_assumed(options, cored_model_info(model), &file->hints, &report->assumed)) {
    cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for the report");
    cored_model_unref(model);
    model = NULL;
  }
  move_lines(&report->notes, &file->notes);
  move_lines(&report->notes, &match.notes);
  move_lines(&report->problems, &match.problems);
  cored_import_match_clear(&match);
  return model;
}

CoredModel *cored_import(const char *path, const CoredImportOptions *options,
                         CoredImportReport *report, CoredRefusal *refusal) {
  *report = (CoredImportReport){0};
  CoredBytes bytes;
  CoredLooseFile file = {0};
  uint64_t max = options->max_bytes ? options->max_bytes : CORED_READER_MAX_BYTES;
  if (!cored_input_read(path, max, &bytes, refusal)) {
    cored_lines_add(&report->problems, "what to do: %s", cored_advice(refusal->code));
    return NULL;
  }
  CoredModel *model = import_bytes(path, &bytes, options, &file, report, refusal);
  char text[1024];
  if (!model)
    cored_lines_add(&report->problems, "what to do: %s",
                    cored_advice_for(&bytes, &options->read, refusal, text, sizeof text));
  report->format = file.format;
  cored_loose_clear(&file);
  cored_bytes_clear(&bytes);
  return model;
}

void cored_import_report_clear(CoredImportReport *report) {
  cored_lines_clear(&report->notes);
  cored_lines_clear(&report->problems);
  cored_lines_clear(&report->assumed);
}
