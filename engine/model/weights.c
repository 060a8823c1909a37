/* SPDX-License-Identifier: MIT */
#include "model/weights.h"

#include <stdlib.h>
#include <string.h>

#include "base/block.h"
#include "base/error.h"
#include "graph/ops.h"
#include "base/dtype.h"
#include "model/match.h"
#include "networks/registry.h"

CoredWeights *cored_weights_ref(CoredWeights *weights) {
  __atomic_add_fetch(&weights->refs, 1, __ATOMIC_RELAXED);
  return weights;
}

void cored_weights_unref(CoredWeights *weights) {
  if (!weights || __atomic_sub_fetch(&weights->refs, 1, __ATOMIC_ACQ_REL) > 0)
    return;
  cored_graph_free(weights->graph);
  free(weights->params);
  cored_bytes_clear(&weights->memory);
  free(weights);
}

static void *fail_memory(CoredError *error, const char *what) {
  cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory for the weights", what);
  return NULL;
}

/* The network's graph and a place for every parameter; nothing in the places yet. */
static CoredWeights *weights_new_empty(const char *network, int n_classes, const char *name,
                                       CoredError *error) {
  const CoredNetwork *const found = cored_network_find(network);
  if (!found) {
    cored_error_set(error, CORED_ERROR_NETWORK_UNKNOWN, "%s: no such network: '%.64s'", name,
                    network);
    return NULL;
  }
  CoredWeights *const weights = calloc(1, sizeof *weights);
  if (!weights)
    return fail_memory(error, name);
  weights->refs = 1;
  weights->graph = cored_network_graph(found, n_classes, error);
  if (!weights->graph) {
    free(weights);
    return NULL;
  }
  weights->params = calloc((size_t)weights->graph->n_params, sizeof *weights->params);
  if (weights->params)
    return weights;
  cored_weights_unref(weights);
  return fail_memory(error, name);
}

/* One block for all parameters, each at a multiple of 64 bytes. */
static bool allocate(CoredWeights *weights) {
  const CoredGraph *const graph = weights->graph;
  size_t total = 0;
  for (int i = 0; i < graph->n_params; i++)
    total += (graph->params[i].count + 15) / 16 * 16;
  float *next = cored_block_new(total, sizeof(float));
  if (!next)
    return false;
  weights->memory = (CoredBytes){(uint8_t *)next, total * sizeof(float)};
  for (int i = 0; i < graph->n_params; i++) {
    weights->params[i] = next;
    next += (graph->params[i].count + 15) / 16 * 16;
  }
  return true;
}

static bool usable_in_place(const CoredTensorView *const *matched, int n) {
  for (int i = 0; i < n; i++)
    if (matched[i]->dtype != CORED_DTYPE_F32 || (uintptr_t)matched[i]->data % sizeof(float) != 0)
      return false;
  return true;
}

static bool take_values(CoredWeights *weights, const CoredTensorView *const *matched,
                        CoredBytes *adopt) {
  const CoredGraph *const graph = weights->graph;
  if (adopt && usable_in_place(matched, graph->n_params)) {
    for (int i = 0; i < graph->n_params; i++)
      weights->params[i] = matched[i]->data;
    weights->memory = *adopt;
    *adopt = (CoredBytes){0};
    return true;
  }
  if (!allocate(weights))
    return false;
  for (int i = 0; i < graph->n_params; i++) {
    /* The block is ours and writable until somebody else sees it. */
    float *const out = (float *)(uintptr_t)weights->params[i];
    cored_convert_f32(matched[i]->dtype, matched[i]->data, graph->params[i].count, out);
  }
  return true;
}

CoredWeights *cored_weights_new(const char *network, int n_classes, const CoredTensorView *tensors,
                                size_t n_tensors, CoredBytes *adopt, const char *name,
                                CoredError *error) {
  CoredWeights *const weights = weights_new_empty(network, n_classes, name, error);
  if (!weights)
    return NULL;
  const size_t n = (size_t)weights->graph->n_params;
  const CoredTensorView **const matched = calloc(n, sizeof *matched);
  bool ok = matched || fail_memory(error, name);
  ok = ok && cored_match(weights->graph, tensors, n_tensors, matched, name, error);
  if (ok && !take_values(weights, matched, adopt)) {
    fail_memory(error, name);
    ok = false;
  }
  ok = ok && cored_match_values(weights->graph, weights->params, name, error);
  free(matched);
  if (ok)
    return weights;
  cored_weights_unref(weights);
  return NULL;
}

CoredWeights *cored_weights_new_random(const char *network, int n_classes, uint64_t seed,
                                       CoredError *error) {
  CoredWeights *const weights = weights_new_empty(network, n_classes, "random weights", error);
  if (!weights)
    return NULL;
  if (!allocate(weights)) {
    cored_weights_unref(weights);
    return fail_memory(error, "random weights");
  }
  for (int i = 0; i < weights->graph->n_params; i++)
    cored_param_init(weights->graph, &weights->graph->params[i], seed,
                     (float *)(uintptr_t)weights->params[i]);
  return weights;
}

CoredTensorView cored_weights_tensor(const CoredWeights *weights, int i) {
  const CoredParam *const param = &weights->graph->params[i];
  CoredTensorView view = {.name = param->name,
                          .dtype = CORED_DTYPE_F32,
                          .rank = param->rank,
                          .data = weights->params[i],
                          .size = param->count * sizeof(float)};
  for (int d = 0; d < param->rank; d++)
    view.dims[d] = param->dims[d];
  return view;
}

static int by_name(const void *a, const void *b) {
  const CoredTensorView *const x = a, *const y = b;
  return strcmp(x->name, y->name);
}

CoredTensorView *cored_weights_sorted(const CoredWeights *weights) {
  const size_t n = (size_t)weights->graph->n_params;
  CoredTensorView *const sorted = calloc(n, sizeof *sorted);
  if (!sorted)
    return NULL;
  for (size_t i = 0; i < n; i++)
    sorted[i] = cored_weights_tensor(weights, (int)i);
  qsort(sorted, n, sizeof *sorted, by_name);
  return sorted;
}
