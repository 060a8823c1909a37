/* SPDX-License-Identifier: MIT */
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/error.h"
#include "model/format.h"
#include "model/hash.h"
#include "networks/registry.h"

CoredModel *cored_model_ref(CoredModel *model) {
  __atomic_add_fetch(&model->refs, 1, __ATOMIC_RELAXED);
  return model;
}

void cored_model_unref(CoredModel *model) {
  if (!model || __atomic_sub_fetch(&model->refs, 1, __ATOMIC_ACQ_REL) > 0)
    return;
  cored_weights_unref(model->weights);
  cored_metadata_clear(&model->metadata);
  free(model);
}

const CoredModelInfo *cored_model_info(const CoredModel *model) {
  return &model->info;
}

const CoredGraph *cored_model_graph(const CoredModel *model) {
  return model->weights->graph;
}

const float *const *cored_model_params(const CoredModel *model) {
  return model->weights->params;
}

size_t cored_model_n_tensors(const CoredModel *model) {
  return (size_t)model->weights->graph->n_params;
}

bool cored_model_tensor(const CoredModel *model, size_t index, CoredTensorView *view) {
  if (index >= cored_model_n_tensors(model))
    return false;
  *view = cored_weights_tensor(model->weights, (int)index);
  return true;
}

const char *cored_model_metadata(const CoredModel *model, const char *key) {
  return cored_metadata_get(&model->metadata, key);
}

/* ---- Making --------------------------------------------------------------------------------- */

static bool check_input_size(const CoredModelInfo *info, const CoredGraph *graph, const char *name,
                             CoredError *error) {
  CoredShape *const shapes = calloc((size_t)graph->n_nodes, sizeof *shapes);
  if (!shapes)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory for its shapes", name);
  CoredError inner = {0};
  const bool ok = cored_graph_shapes(graph, info->input_height, info->input_width, shapes, &inner);
  if (!ok)
    cored_error_set(error, inner.code, "%s: input of %dx%d: %s", name, info->input_width,
                    info->input_height, inner.message);
  free(shapes);
  return ok;
}

CoredModel *cored_model_assemble(const CoredModelInfo *info, CoredMetadata *metadata,
                                 CoredWeights *weights, const char *name, CoredError *error) {
  CoredModel *const model = calloc(1, sizeof *model);
  if (!model) {
    cored_metadata_clear(metadata);
    cored_weights_unref(weights);
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory for a model", name);
    return NULL;
  }
  model->refs = 1;
  model->info = *info;
  model->metadata = *metadata;
  model->weights = weights;
  *metadata = (CoredMetadata){0};
  if (check_input_size(info, weights->graph, name, error))
    return model;
  cored_model_unref(model);
  return NULL;
}

bool cored_model_info_init(CoredModelInfo *info, const char *network, int n_classes,
                           CoredError *error) {
  const CoredNetwork *const found = cored_network_find(network);
  if (!found)
    return cored_error_set(error, CORED_ERROR_NETWORK_UNKNOWN, "no such network: '%.64s'",
                           network ? network : "(null)");
  if (!cored_network_check_classes(found, n_classes, error))
    return false;
  *info = (CoredModelInfo){.kind = found->kind,
                           .n_classes = n_classes,
                           .fake_class = 0,
                           .real_class = found->kind == CORED_MODEL_CLASSIFIER ? 1 : 0,
                           .input_width = found->input_size,
                           .input_height = found->input_size,
                           .threshold = found->kind == CORED_MODEL_LOCATOR ? found->threshold : 0.5,
                           .temperature = 1};
  snprintf(info->network, sizeof info->network, "%s", network);
  memcpy(info->mean, found->mean, sizeof info->mean);
  memcpy(info->std, found->std, sizeof info->std);
  for (int i = 0; i < n_classes; i++) {
    if (i < 2)
      snprintf(info->labels[i], CORED_LABEL_SIZE, "%s", i == 0 ? "fake" : "real");
    else
      snprintf(info->labels[i], CORED_LABEL_SIZE, "fake-%d", i);
  }
  return true;
}

/* A model with these weights (one reference taken over) that no file has seen yet. */
static CoredModel *model_from_weights(const CoredModelInfo *info, CoredWeights *weights,
                                      CoredError *error) {
  CoredModelInfo own = *info;
  CoredMetadata metadata = {0};
  if (!cored_hash_weights(weights, own.sha256) || !cored_info_write(&own, &metadata)) {
    cored_metadata_clear(&metadata);
    cored_weights_unref(weights);
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "new model: no memory");
    return NULL;
  }
  return cored_model_assemble(&own, &metadata, weights, "new model", error);
}

CoredModel *cored_model_new(const CoredModelInfo *info, const CoredTensorView *tensors,
                            size_t n_tensors, CoredError *error) {
  if (!cored_info_check(info, error))
    return NULL;
  CoredWeights *const weights = cored_weights_new(info->network, info->n_classes, tensors,
                                                  n_tensors, NULL, "new model", error);
  return weights ? model_from_weights(info, weights, error) : NULL;
}

CoredModel *cored_model_new_random(const CoredModelInfo *info, uint64_t seed, CoredError *error) {
  if (!cored_info_check(info, error))
    return NULL;
  CoredWeights *const weights =
      cored_weights_new_random(info->network, info->n_classes, seed, error);
  return weights ? model_from_weights(info, weights, error) : NULL;
}

/* ---- Changed copies ------------------------------------------------------------------------- */

/* Assemble a copy with this info and metadata; the weights are shared. What speaks of the old
 * file's bytes goes. */
static CoredModel *copy_with(const CoredModel *model, const CoredModelInfo *info,
                             CoredMetadata *metadata, CoredError *error) {
  cored_metadata_set(metadata, CORED_KEY_HEADER_SHA256, NULL);
  cored_metadata_set(metadata, CORED_KEY_KEY_ID, NULL);
  cored_metadata_set(metadata, CORED_KEY_SIGNATURE, NULL);
  return cored_model_assemble(info, metadata, cored_weights_ref(model->weights), "copy of a model",
                              error);
}

static CoredModel *fail_copy(CoredMetadata *metadata, CoredError *error) {
  cored_metadata_clear(metadata);
  cored_error_set(error, CORED_ERROR_NO_MEMORY, "copy of a model: no memory");
  return NULL;
}

CoredModel *cored_model_with_metadata(const CoredModel *model, const char *key, const char *value,
                                      CoredError *error) {
  if (!*key || cored_info_owns_key(key)) {
    cored_error_set(error, CORED_ERROR_ARGUMENT,
                    "metadata key '%.64s': expected a key the engine does not set by itself "
                    "(cored_model_with_info changes those)",
                    key);
    return NULL;
  }
  CoredMetadata metadata = {0};
  if (!cored_metadata_copy(&metadata, &model->metadata) ||
      !cored_metadata_set(&metadata, key, value))
    return fail_copy(&metadata, error);
  return copy_with(model, &model->info, &metadata, error);
}

/* Does the self-test's output, which info's fields before calibration decide, still hold? */
static bool same_input(const CoredModelInfo *a, const CoredModelInfo *b) {
  return a->input_width == b->input_width && a->input_height == b->input_height &&
         memcmp(a->mean, b->mean, sizeof a->mean) == 0 &&
         memcmp(a->std, b->std, sizeof a->std) == 0;
}

CoredModel *cored_model_with_info(const CoredModel *model, const CoredModelInfo *info,
                                  CoredError *error) {
  if (strcmp(info->network, model->info.network) != 0 || info->n_classes != model->info.n_classes) {
    cored_error_set(error, CORED_ERROR_ARGUMENT,
                    "new info: expected network %s with %d classes, found %.31s with %d",
                    model->info.network, model->info.n_classes, info->network, info->n_classes);
    return NULL;
  }
  if (!cored_info_check(info, error))
    return NULL;
  CoredModelInfo own = *info;
  memcpy(own.sha256, model->info.sha256, sizeof own.sha256);
  CoredMetadata metadata = {0};
  if (!cored_metadata_copy(&metadata, &model->metadata) || !cored_info_write(&own, &metadata))
    return fail_copy(&metadata, error);
  if (!same_input(&own, &model->info))
    cored_metadata_set(&metadata, CORED_KEY_SELF_TEST, NULL);
  return copy_with(model, &own, &metadata, error);
}
