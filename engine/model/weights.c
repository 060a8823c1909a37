/* SPDX-License-Identifier: MIT
 * Tensors of a file against the parameters of a network, and the weights made of them. */
#include "model/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/block.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/text.h"
#include "graph/ops.h"
#include "networks/registry.h"

/* ---- Names in order -------------------------------------------------------------------------- */

/* Names sorted for look-up: tensor i of the input has name names[j].name with names[j].index i. */
typedef struct Name {
  const char *name;
  size_t index;
} Name;

static int by_name(const void *a, const void *b) {
  const Name *const x = a, *const y = b;
  return strcmp(x->name, y->name);
}

static Name *sort_tensors(const CoredTensorView *tensors, size_t n) {
  Name *const names = calloc(n ? n : 1, sizeof *names);
  if (!names)
    return NULL;
  for (size_t i = 0; i < n; i++)
    names[i] = (Name){tensors[i].name, i};
  qsort(names, n, sizeof *names, by_name);
  return names;
}

/* ---- Matching names -------------------------------------------------------------------------- */

#define LISTED 8 /* names in a message */

/* Names that are missing or too many: the first few, and how many there are. */
typedef struct List {
  CoredText text;
  size_t n;
} List;

static void list_add(List *list, const char *name) {
  char part[160];
  snprintf(part, sizeof part, "%s'%.60s'", list->n ? ", " : "", name);
  if (list->n < LISTED)
    cored_text_add(&list->text, part);
  list->n++;
}

static void list_finish(List *list) {
  char part[64];
  snprintf(part, sizeof part, " and %zu more", list->n - LISTED);
  if (list->n > LISTED)
    cored_text_add(&list->text, part);
}

/* "X.num_batches_tracked" where the network has "X.running_mean". */
static bool is_batch_counter(const CoredGraph *graph, const char *name) {
  static const char counter[] = ".num_batches_tracked";
  const size_t n = strlen(name), tail = sizeof counter - 1;
  if (n <= tail || strcmp(name + n - tail, counter) != 0)
    return false;
  for (int i = 0; i < graph->n_nodes; i++)
    if (graph->nodes[i].op == CORED_OP_BATCH_NORM && strlen(graph->nodes[i].name) == n - tail &&
        strncmp(graph->nodes[i].name, name, n - tail) == 0)
      return true;
  return false;
}

static bool check_batch_counter(const CoredTensorView *tensor, const char *name,
                                CoredError *error) {
  if (tensor->dtype != CORED_DTYPE_I64)
    return cored_error_set(error, CORED_ERROR_PARAMETER_DTYPE,
                           "%s: tensor '%s': expected dtype I64, found %s", name, tensor->name,
                           cored_dtype_name(tensor->dtype));
  if (tensor->size != 8)
    return cored_error_set(error, CORED_ERROR_PARAMETER_SHAPE,
                           "%s: tensor '%s': expected one element, found %zu bytes", name,
                           tensor->name, tensor->size);
  return true;
}

static bool fail_names(List *missing, List *extra, const char *name, CoredError *error) {
  const CoredErrorCode code =
      missing->n ? CORED_ERROR_PARAMETER_MISSING : CORED_ERROR_PARAMETER_EXTRA;
  list_finish(missing);
  list_finish(extra);
  if (missing->text.failed || extra->text.failed)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory for a message", name);
  return cored_error_set(error, code, "%s: %s%s%s%s%s", name,
                         missing->n ? "parameters of the network missing in the file: " : "",
                         missing->n ? missing->text.s : "", missing->n && extra->n ? "; " : "",
                         extra->n ? "tensors that are no parameters of the network: " : "",
                         extra->n ? extra->text.s : "");
}

/* Every tensor that no parameter took must be a batch counter. */
static bool sort_out_rest(const CoredGraph *graph, const CoredTensorView *tensors, size_t n,
                          const bool *used, List *extra, const char *name, CoredError *error) {
  for (size_t i = 0; i < n; i++) {
    if (used[i])
      continue;
    if (!is_batch_counter(graph, tensors[i].name))
      list_add(extra, tensors[i].name);
    else if (!check_batch_counter(&tensors[i], name, error))
      return false;
  }
  return true;
}

static bool match_names(const CoredGraph *graph, const CoredTensorView *tensors, size_t n,
                        const Name *names, bool *used, const CoredTensorView **matched,
                        const char *name, CoredError *error) {
  for (size_t i = 1; i < n; i++)
    if (by_name(&names[i - 1], &names[i]) == 0)
      return cored_error_set(error, CORED_ERROR_HEADER_DUPLICATE,
                             "%s: tensor '%.128s' appears twice", name, names[i].name);
  List missing = {0}, extra = {0};
  for (int i = 0; i < graph->n_params; i++) {
    const Name key = {.name = graph->params[i].name};
    const Name *const found = bsearch(&key, names, n, sizeof *names, by_name);
    if (!found) {
      list_add(&missing, graph->params[i].name);
      continue;
    }
    used[found->index] = true;
    matched[i] = &tensors[found->index];
  }
  bool ok = sort_out_rest(graph, tensors, n, used, &extra, name, error);
  if (ok && (missing.n || extra.n))
    ok = fail_names(&missing, &extra, name, error);
  cored_text_clear(&missing.text);
  cored_text_clear(&extra.text);
  return ok;
}

/* ---- Shapes and values ---------------------------------------------------------------------- */

static bool check_shape(const CoredParam *param, const CoredTensorView *tensor, const char *name,
                        CoredError *error) {
  bool same = param->rank == tensor->rank;
  for (int d = 0; same && d < param->rank; d++)
    same = param->dims[d] == tensor->dims[d];
  if (!same) {
    char expected[96], found[128];
    cored_dims_format(param->dims, param->rank, expected, sizeof expected);
    cored_dims_format(tensor->dims, tensor->rank, found, sizeof found);
    return cored_error_set(error, CORED_ERROR_PARAMETER_SHAPE,
                           "%s: tensor '%s': expected shape %s, found %s", name, param->name,
                           expected, found);
  }
  if (tensor->dtype == CORED_DTYPE_I64)
    return cored_error_set(error, CORED_ERROR_PARAMETER_DTYPE,
                           "%s: tensor '%s': expected dtype F32, F16, BF16 or F64, found I64", name,
                           param->name);
  if (tensor->size != param->count * cored_dtype_size(tensor->dtype))
    return cored_error_set(error, CORED_ERROR_PARAMETER_SHAPE,
                           "%s: tensor '%s': expected %zu bytes, found %zu", name, param->name,
                           param->count * cored_dtype_size(tensor->dtype), tensor->size);
  return true;
}

/* matched[i] becomes the tensor of graph->params[i]. Fails with the list where names do not agree
 * one to one (but for num_batches_tracked of batch norms), or a shape or dtype is wrong. */
static bool match_tensors(const CoredGraph *graph, const CoredTensorView *tensors, size_t n_tensors,
                          const CoredTensorView **matched, const char *name, CoredError *error) {
  Name *const names = sort_tensors(tensors, n_tensors);
  bool *const used = calloc(n_tensors ? n_tensors : 1, sizeof *used);
  bool ok = names && used;
  if (!ok)
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "%s: no memory to match its tensors", name);
  ok = ok && match_names(graph, tensors, n_tensors, names, used, matched, name, error);
  for (int i = 0; ok && i < graph->n_params; i++)
    ok = check_shape(&graph->params[i], matched[i], name, error);
  free(names);
  free(used);
  return ok;
}

/* Index of the first value that is not finite, or count. */
static size_t find_not_finite(const float *values, size_t count) {
  const size_t block = 4096; /* a loop without exits is one the compiler vectorizes */
  for (size_t begin = 0; begin < count; begin += block) {
    const size_t end = count - begin < block ? count : begin + block;
    unsigned bad = 0;
    for (size_t i = begin; i < end; i++) {
      uint32_t bits;
      memcpy(&bits, &values[i], sizeof bits);
      bad |= (bits & 0x7f800000) == 0x7f800000;
    }
    for (size_t i = begin; bad && i < end; i++)
      if (values[i] - values[i] != 0.0f)
        return i;
  }
  return count;
}

/* Are all values finite, and no variance negative? (Zero is fine: epsilon is added.) */
static bool check_values(const CoredGraph *graph, const float *const *params, const char *name,
                         CoredError *error) {
  for (int i = 0; i < graph->n_params; i++) {
    const CoredParam *const param = &graph->params[i];
    size_t at = find_not_finite(params[i], param->count);
    if (at < param->count)
      return cored_error_set(error, CORED_ERROR_PARAMETER_VALUE,
                             "%s: tensor '%s': element %zu: expected a finite number, found %f",
                             name, param->name, at, (double)params[i][at]);
    for (at = 0; param->role == CORED_PARAM_BN_VAR && at < param->count; at++)
      if (params[i][at] < 0)
        return cored_error_set(error, CORED_ERROR_PARAMETER_VALUE,
                               "%s: tensor '%s': element %zu: expected a variance >= 0, found %g",
                               name, param->name, at, (double)params[i][at]);
  }
  return true;
}

/* ---- Weights --------------------------------------------------------------------------------- */

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
  ok = ok && match_tensors(weights->graph, tensors, n_tensors, matched, name, error);
  if (ok && !take_values(weights, matched, adopt)) {
    fail_memory(error, name);
    ok = false;
  }
  ok = ok && check_values(weights->graph, weights->params, name, error);
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

static int by_tensor_name(const void *a, const void *b) {
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
  qsort(sorted, n, sizeof *sorted, by_tensor_name);
  return sorted;
}
