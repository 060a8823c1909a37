/* SPDX-License-Identifier: MIT
 * From Keras's layer names to the registry's parameter names.
 *
 * Keras numbers the layers of a kind in the order in which a program made them (conv2d_5 before
 * conv2d_6), and the published MesoNet files list them in another order. The number is the order
 * of the layers in the paper's definition, which is that of the graph in the registry. */
#include "tools/convert/keras.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "networks/registry.h"

#define MAX_LAYERS 256

typedef enum Kind { KIND_CONV, KIND_BATCH_NORM, KIND_DENSE, N_KINDS } Kind;

typedef struct Layer {
  char name[256];
  long number;
} Layer;

typedef struct Layers { /* of one kind, in order of their numbers */
  Layer layer[MAX_LAYERS];
  int n;
} Layers;

static const char *const networks[] = {"meso4", "mesoinception4"};

/* ---- Layers of the file ---------------------------------------------------------------------- */

/* "conv2d_12" has number 12; Keras calls the first of a kind "conv2d". */
static long number_of(const char *layer) {
  const char *underscore = strrchr(layer, '_');
  char *end;
  long number = underscore ? strtol(underscore + 1, &end, 10) : -1;
  return underscore && underscore[1] >= '0' && underscore[1] <= '9' && *end == '\0' ? number : -1;
}

static int by_number(const void *a, const void *b) {
  const Layer *x = a, *y = b;
  return (x->number > y->number) - (x->number < y->number);
}

/* Every layer has one weight that tells its kind: a kernel (by rank) or a gamma. */
static bool collect(const CoredLooseFile *file, Layers *kinds, CoredRefusal *refusal) {
  for (size_t i = 0; i < file->n_tensors; i++) {
    const CoredLoose *t = &file->tensors[i];
    const char *weight = strrchr(t->name, '/');
    bool kernel = weight && strcmp(weight, "/kernel") == 0;
    Kind kind = N_KINDS;
    if (kernel && (t->rank == 4 || t->rank == 2))
      kind = t->rank == 4 ? KIND_CONV : KIND_DENSE;
    else if (weight && strcmp(weight, "/gamma") == 0)
      kind = KIND_BATCH_NORM;
    else if (kernel)
      return cored_refuse(refusal, CORED_REFUSAL_KERAS_LAYERS,
                          "kernel '%.128s' has %d dimensions, expected 4 (convolution) or 2 "
                          "(dense)",
                          t->name, t->rank);
    if (kind == N_KINDS)
      continue;
    Layers *layers = &kinds[kind];
    if (layers->n == MAX_LAYERS || weight - t->name >= (int)sizeof layers->layer->name)
      return cored_refuse(refusal, CORED_REFUSAL_KERAS_LAYERS, "more than %d layers of one kind",
                          MAX_LAYERS);
    Layer *layer = &layers->layer[layers->n++];
    snprintf(layer->name, sizeof layer->name, "%.*s", (int)(weight - t->name), t->name);
    layer->number = number_of(layer->name);
  }
  for (int k = 0; k < N_KINDS; k++) {
    qsort(kinds[k].layer, (size_t)kinds[k].n, sizeof(Layer), by_number);
    for (int i = 1; i < kinds[k].n; i++)
      if (kinds[k].layer[i].number == kinds[k].layer[i - 1].number)
        return cored_refuse(refusal, CORED_REFUSAL_KERAS_LAYERS,
                            "layers '%.128s' and '%.128s' have the same number",
                            kinds[k].layer[i - 1].name, kinds[k].layer[i].name);
  }
  return true;
}

/* ---- Layers of the network ------------------------------------------------------------------- */

static Kind kind_of(const CoredNode *node) {
  switch (node->op) {
  case CORED_OP_CONV:
    return KIND_CONV;
  case CORED_OP_BATCH_NORM:
    return KIND_BATCH_NORM;
  case CORED_OP_DENSE:
    return KIND_DENSE;
  case CORED_OP_INPUT:
  case CORED_OP_DEPTHWISE:
  case CORED_OP_ACTIVATION:
  case CORED_OP_MAX_POOL:
  case CORED_OP_UPSAMPLE:
  case CORED_OP_GLOBAL_AVG_POOL:
  case CORED_OP_FLATTEN:
  case CORED_OP_ADD:
  case CORED_OP_SCALE:
  case CORED_OP_CONCAT:
  case CORED_OP_DROPOUT:
  case CORED_OP_DROP_CONNECT:
  case CORED_N_OPS:
    break;
  }
  return N_KINDS;
}

/* The graph's name of the i-th layer of a kind, or NULL. */
static const char *layer_name(const CoredGraph *graph, Kind kind, int i) {
  for (int n = 0; n < graph->n_nodes; n++)
    if (kind_of(&graph->nodes[n]) == kind && i-- == 0)
      return graph->nodes[n].name;
  return NULL;
}

static bool same_layers(const CoredGraph *graph, const Layers *kinds) {
  int count[N_KINDS + 1] = {0};
  for (int n = 0; n < graph->n_nodes; n++)
    count[kind_of(&graph->nodes[n])]++;
  return count[KIND_CONV] == kinds[KIND_CONV].n &&
         count[KIND_BATCH_NORM] == kinds[KIND_BATCH_NORM].n &&
         count[KIND_DENSE] == kinds[KIND_DENSE].n;
}

static CoredGraph *choose(const Layers *kinds, const char *network, const char **chosen,
                          CoredRefusal *refusal) {
  for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
    if (network && strcmp(network, networks[i]) != 0)
      continue;
    CoredError error = {0};
    CoredGraph *graph = cored_network_graph(cored_network_find(networks[i]), 2, &error);
    if (!graph) {
      cored_refuse(refusal, CORED_REFUSAL_ENGINE, "%s", error.message);
      return NULL;
    }
    *chosen = networks[i];
    if (same_layers(graph, kinds))
      return graph;
    cored_graph_free(graph);
  }
  cored_refuse(refusal, CORED_REFUSAL_KERAS_LAYERS,
               "%d convolutions, %d batch norms and %d dense layers are not those of %s",
               kinds[KIND_CONV].n, kinds[KIND_BATCH_NORM].n, kinds[KIND_DENSE].n,
               network ? network : "a network that comes from Keras (meso4, mesoinception4)");
  return NULL;
}

/* ---- Renaming -------------------------------------------------------------------------------- */

/* kh x kw x in x out -> out x in x kh x kw and in x out -> out x in, by strides alone. */
static void permute(CoredLoose *t) {
  static const int conv[4] = {3, 2, 0, 1}, dense[2] = {1, 0};
  const int *order = t->rank == 4 ? conv : dense;
  CoredLoose old = *t;
  for (int i = 0; i < t->rank; i++) {
    t->dims[i] = old.dims[order[i]];
    t->strides[i] = old.strides[order[i]];
  }
}

/* Position of the tensor's layer among those of its kind. */
static int find_layer(const Layers *kinds, const char *name, size_t length, Kind *kind) {
  for (int k = 0; k < N_KINDS; k++)
    for (int i = 0; i < kinds[k].n; i++)
      if (strlen(kinds[k].layer[i].name) == length &&
          memcmp(kinds[k].layer[i].name, name, length) == 0) {
        *kind = (Kind)k;
        return i;
      }
  return -1;
}

/* "kernel" -> "weight" and so on; NULL for a weight that the kind of layer does not have. */
static const char *torch_name(const char *keras, Kind kind) {
  static const struct {
    const char *keras, *torch;
    bool batch_norm;
  } weights[] = {
      {"kernel", "weight", false},
      {"bias", "bias", false},
      {"gamma", "weight", true},
      {"beta", "bias", true},
      {"moving_mean", "running_mean", true},
      {"moving_variance", "running_var", true},
  };
  for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
    if (strcmp(keras, weights[i].keras) == 0 && weights[i].batch_norm == (kind == KIND_BATCH_NORM))
      return weights[i].torch;
  return NULL;
}

static bool rename_one(CoredLoose *t, const Layers *kinds, const CoredGraph *graph,
                       CoredRefusal *refusal) {
  const char *slash = strrchr(t->name, '/');
  Kind kind;
  int i = slash ? find_layer(kinds, t->name, (size_t)(slash - t->name), &kind) : -1;
  const char *layer = i >= 0 ? layer_name(graph, kind, i) : NULL;
  const char *weight = layer ? torch_name(slash + 1, kind) : NULL;
  char *name = NULL;
  if (!weight)
    return cored_refuse(refusal, CORED_REFUSAL_KERAS_LAYERS,
                        "weight '%.200s' is none of a convolution, a batch norm or a dense layer",
                        t->name);
  if (strcmp(slash, "/kernel") == 0)
    permute(t);
  if (asprintf(&name, "%s.%s", layer, weight) < 0)
    return cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for names");
  free(t->name);
  t->name = name;
  return true;
}

bool cored_keras_rename(CoredLooseFile *file, const char *network, const char **chosen,
                        CoredRefusal *refusal) {
  Layers *kinds = calloc(N_KINDS, sizeof *kinds);
  if (!kinds)
    return cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for layers");
  CoredGraph *graph =
      collect(file, kinds, refusal) ? choose(kinds, network, chosen, refusal) : NULL;
  bool ok = graph != NULL;
  for (size_t i = 0; ok && i < file->n_tensors; i++)
    ok = rename_one(&file->tensors[i], kinds, graph, refusal);
  cored_graph_free(graph);
  free(kinds);
  return ok;
}

size_t cored_keras_max_data(void) {
  size_t most = 0;
  for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
    CoredGraph *graph = cored_network_graph(cored_network_find(networks[i]), 2, NULL);
    size_t count = 0;
    for (int p = 0; graph && p < graph->n_params; p++)
      count += graph->params[p].count;
    most = count > most ? count : most;
    cored_graph_free(graph);
  }
  return most * sizeof(double);
}
