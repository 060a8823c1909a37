/* SPDX-License-Identifier: MIT
 * Tensors of a foreign file against the parameters of a registered network. */
#include "tools/convert/match.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "networks/registry.h"
#include "tools/convert/bytes.h"

#define MAX_ROUNDS 4 /* of stripping prefixes: "module.model." takes two */

typedef struct Matcher {
  CoredLooseFile *file;
  CoredImportMatch *match;
  CoredRefusal *refusal;
  CoredLoose **by_name; /* sorted; tensors that are still in the play */
  size_t n;
} Matcher;

static bool no_memory(Matcher *m) {
  return cored_refuse(m->refusal, CORED_REFUSAL_NO_MEMORY, "no memory for matching names");
}

#define NOTE(m, ...) (cored_lines_add(&(m)->match->notes, __VA_ARGS__) || no_memory(m))
#define PROBLEM(m, ...) (cored_lines_add(&(m)->match->problems, __VA_ARGS__) || no_memory(m))

/* ---- Names ----------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b) {
  const CoredLoose *const *x = a, *const *y = b;
  return strcmp((*x)->name, (*y)->name);
}

static void sort_names(Matcher *m) {
  if (m->n > 0)
    qsort(m->by_name, m->n, sizeof *m->by_name, compare_names);
}

static CoredLoose *find(const Matcher *m, const char *name) {
  size_t low = 0, high = m->n;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = strcmp(m->by_name[middle]->name, name);
    if (order == 0)
      return m->by_name[middle];
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), k = strlen(end);
  return n >= k && strcmp(text + n - k, end) == 0;
}

static bool is_dropped(const char *name, const char *const *drop) {
  for (; drop && *drop; drop++)
    if (fnmatch(*drop, name, 0) == 0)
      return true;
  return false;
}

/* All tensors but batch counters, which are no parameters, and what the user drops. */
static bool list_tensors(Matcher *m, const char *const *drop) {
  size_t counters = 0, dropped = 0;
  m->by_name = malloc((m->file->n_tensors + 1) * sizeof *m->by_name);
  if (!m->by_name)
    return no_memory(m);
  for (size_t i = 0; i < m->file->n_tensors; i++) {
    CoredLoose *tensor = &m->file->tensors[i];
    if (ends_with(tensor->name, "num_batches_tracked"))
      counters++;
    else if (is_dropped(tensor->name, drop))
      dropped++;
    else
      m->by_name[m->n++] = tensor;
  }
  sort_names(m);
  return (counters == 0 || NOTE(m, "left out %zu counters num_batches_tracked", counters)) &&
         (dropped == 0 || NOTE(m, "left out %zu tensors as asked for", dropped));
}

/* Strip a prefix that all names share, as wrappers of a model leave it. */
static bool strip_prefixes(Matcher *m) {
  static const char *const known[] = {"module.", "model.", "backbone.", "net."};
  for (int round = 0; round < MAX_ROUNDS && m->n > 0; round++) {
    const char *prefix = NULL;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
      /* Sorted: all share it when the first and the last do. */
      size_t length = strlen(known[i]);
      if (strncmp(m->by_name[0]->name, known[i], length) == 0 &&
          strncmp(m->by_name[m->n - 1]->name, known[i], length) == 0)
        prefix = known[i];
    }
    if (!prefix)
      return true;
    for (size_t i = 0; i < m->n; i++) {
      char *name = m->by_name[i]->name;
      memmove(name, name + strlen(prefix), strlen(name) - strlen(prefix) + 1);
    }
    if (!NOTE(m, "stripped the prefix '%s'", prefix))
      return false;
  }
  return true;
}

static const struct {
  const char *network, *from, *to;
} aliases[] = {
    {"xception", "fc.", "last_linear."},
    {"xception", "last_linear.1.", "last_linear."}, /* after a dropout */
    {"efficientnet-b0", "_fc.1.", "_fc."},
};

/* A parameter's tensor, under its own name or an alias that the network is published with. */
static CoredLoose *find_parameter(const Matcher *m, const char *network, const char *name) {
  CoredLoose *found = find(m, name);
  for (size_t i = 0; !found && i < sizeof aliases / sizeof *aliases; i++) {
    size_t length = strlen(aliases[i].to);
    if (strcmp(aliases[i].network, network) != 0 || strncmp(name, aliases[i].to, length) != 0)
      continue;
    char alias[CORED_LOOSE_NAME_SIZE];
    snprintf(alias, sizeof alias, "%s%s", aliases[i].from, name + length);
    found = find(m, alias);
  }
  return found;
}

/* ---- Choosing the network -------------------------------------------------------------------- */

static CoredGraph *build(Matcher *m, const CoredNetwork *network, int n_classes) {
  CoredError error = {0};
  CoredGraph *graph = cored_network_graph(network, n_classes, &error);
  if (!graph)
    cored_refuse_error(m->refusal, &error);
  return graph;
}

static int count_found(const Matcher *m, const CoredNetwork *network, const CoredGraph *graph) {
  int found = 0;
  for (int i = 0; i < graph->n_params; i++)
    found += find_parameter(m, network->id, graph->params[i].name) != NULL;
  return found;
}

/* The network of which the largest part is there; at least half has to be. */
static const CoredNetwork *guess(Matcher *m) {
  const CoredNetwork *best = NULL, *network;
  int best_found = 0, best_total = 1;
  for (size_t i = 0; (network = cored_network_at(i)); i++) {
    CoredGraph *graph = build(m, network, 2);
    if (!graph)
      return NULL;
    int found = count_found(m, network, graph), total = graph->n_params;
    if ((int64_t)found * best_total > (int64_t)best_found * total) {
      best = network;
      best_found = found;
      best_total = total;
    }
    cored_graph_free(graph);
  }
  if (!best || 2 * best_found < best_total) {
    char example[160] = "";
    if (m->n > 0)
      cored_escape(m->by_name[0]->name, strlen(m->by_name[0]->name), example, sizeof example);
    cored_refuse(m->refusal, CORED_REFUSAL_NETWORK_UNKNOWN,
                 "the %zu tensors (the first is '%s') are those of no registered network; the "
                 "closest is %s with %d of %d parameters",
                 m->n, example, best ? best->id : "none", best_found, best_total);
    return NULL;
  }
  return NOTE(m, "guessed the network %s: %d of %d parameters have its names", best->id, best_found,
              best_total)
             ? best
             : NULL;
}

/* Rows of the last layer's weight in the file; 2 where the network has one sigmoid output or the
 * file tells nothing usable (the mismatch is then listed). */
static int class_count(const Matcher *m, const CoredNetwork *network, const CoredGraph *graph) {
  for (int i = 0; i < graph->n_params; i++) {
    const CoredParam *param = &graph->params[i];
    if (param->node != graph->logits || param->role != CORED_PARAM_WEIGHT || graph->outputs == 1)
      continue;
    const CoredLoose *tensor = find_parameter(m, network->id, param->name);
    if (tensor && tensor->rank > 0 && tensor->dims[0] >= 2 &&
        tensor->dims[0] <= network->max_classes)
      return (int)tensor->dims[0];
  }
  return 2;
}

/* ---- Parameters ------------------------------------------------------------------------------ */

/* Equal shapes, or a 1x1 convolution stored as a matrix. */
static bool same_shape(const CoredParam *param, const CoredLoose *tensor, bool *as_matrix) {
  int rank = tensor->rank;
  *as_matrix = rank == 2 && param->rank == 4 && param->dims[2] == 1 && param->dims[3] == 1;
  if (rank != param->rank && !*as_matrix)
    return false;
  for (int i = 0; i < rank; i++)
    if (tensor->dims[i] != param->dims[i])
      return false;
  return true;
}

static bool list_bad_shape(Matcher *m, const CoredParam *param, const CoredLoose *tensor) {
  char expected[128], found[192];
  cored_loose_shape(param->dims, param->rank, expected, sizeof expected);
  cored_loose_shape(tensor->dims, tensor->rank, found, sizeof found);
  return PROBLEM(m, "misshapen: %s: expected %s, found %s", param->name, expected, found);
}

static bool add_view(Matcher *m, const CoredParam *param, const CoredLoose *tensor,
                     CoredDtype dtype) {
  CoredImportMatch *match = m->match;
  const void *data = tensor->data;
  if (!cored_loose_is_plain(tensor)) {
    data = match->owned[match->n_owned] = cored_loose_copy(tensor);
    if (!data)
      return no_memory(m);
    match->n_owned++;
  }
  CoredTensorView *view = &match->views[match->n_views++];
  *view = (CoredTensorView){.name = param->name,
                            .dtype = dtype,
                            .rank = param->rank,
                            .data = data,
                            .size = tensor->count * cored_scalar_size(tensor->scalar)};
  memcpy(view->dims, param->dims, sizeof param->dims);
  return true;
}

static bool match_one(Matcher *m, const CoredParam *param, size_t *matrices, size_t *renamed) {
  CoredLoose *tensor = find_parameter(m, m->match->network, param->name);
  char shape[128];
  cored_loose_shape(param->dims, param->rank, shape, sizeof shape);
  if (!tensor)
    return PROBLEM(m, "missing: %s (%s)", param->name, shape);
  *renamed += strcmp(tensor->name, param->name) != 0;
  tensor->used = true;
  CoredDtype dtype;
  bool as_matrix;
  if (!cored_scalar_to_dtype(tensor->scalar, &dtype))
    return PROBLEM(m, "wrong type: %s: expected floating-point numbers, found %s", param->name,
                   cored_scalar_name(tensor->scalar));
  if (!same_shape(param, tensor, &as_matrix))
    return list_bad_shape(m, param, tensor);
  *matrices += as_matrix;
  return add_view(m, param, tensor, dtype);
}

static bool list_unknown(Matcher *m) {
  for (size_t i = 0; i < m->n; i++) {
    const CoredLoose *tensor = m->by_name[i];
    char name[160], shape[192];
    if (tensor->used)
      continue;
    cored_escape(tensor->name, strlen(tensor->name), name, sizeof name);
    cored_loose_shape(tensor->dims, tensor->rank, shape, sizeof shape);
    if (!PROBLEM(m, "unknown: %s (%s)", name, shape))
      return false;
  }
  return true;
}

static bool match_parameters(Matcher *m) {
  CoredImportMatch *match = m->match;
  size_t matrices = 0, renamed = 0, n = (size_t)match->graph->n_params;
  match->views = calloc(n, sizeof *match->views);
  match->owned = calloc(n, sizeof *match->owned);
  if (!match->views || !match->owned)
    return no_memory(m);
  for (size_t i = 0; i < n; i++)
    if (!match_one(m, &match->graph->params[i], &matrices, &renamed))
      return false;
  if (!list_unknown(m))
    return false;
  if (match->problems.n > 0)
    return cored_refuse(m->refusal, CORED_REFUSAL_PARAMETERS,
                        "%zu parameters do not fit %s with %d classes", match->problems.n,
                        match->network, match->n_classes);
  return (matrices == 0 || NOTE(m, "%zu 1x1 convolutions were stored as matrices", matrices)) &&
         (renamed == 0 || NOTE(m, "renamed %zu parameters of the head", renamed));
}

static bool choose(Matcher *m, const char *id) {
  const CoredNetwork *network = id ? cored_network_find(id) : guess(m);
  if (!network)
    return cored_refuse(m->refusal, CORED_REFUSAL_NETWORK_UNKNOWN, "no network '%.64s'",
                        id ? id : "");
  CoredGraph *graph = build(m, network, 2);
  if (!graph)
    return false;
  m->match->network = network->id;
  m->match->n_classes = class_count(m, network, graph);
  cored_graph_free(graph);
  m->match->graph = build(m, network, m->match->n_classes);
  return m->match->graph != NULL;
}

bool cored_import_match(CoredLooseFile *file, const char *network, const char *const *drop,
                        CoredImportMatch *match, CoredRefusal *refusal) {
  *match = (CoredImportMatch){0};
  Matcher m = {.file = file, .match = match, .refusal = refusal};
  bool ok =
      list_tensors(&m, drop) && strip_prefixes(&m) && choose(&m, network) && match_parameters(&m);
  free(m.by_name);
  return ok;
}

void cored_import_match_clear(CoredImportMatch *match) {
  for (size_t i = 0; i < match->n_owned; i++)
    free(match->owned[i]);
  free(match->owned);
  free(match->views);
  cored_graph_free(match->graph);
  cored_lines_clear(&match->notes);
  cored_lines_clear(&match->problems);
  *match = (CoredImportMatch){0};
}
