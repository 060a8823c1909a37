/* SPDX-License-Identifier: MIT
 * From Keras's names and shapes to the registry's. An input is a list of changes to the right
 * tensors of a MesoNet file: 1 byte which network, then quadruples of 1 byte which tensor, 1 byte
 * which change, 2 bytes by how much. */
#include <stdio.h>

#include "fuzz.h"
#include "graph/graph.h"
#include "networks/registry.h"
#include "tools/convert/h5.h"
#include "tools/convert/keras.h"
#include "tools/convert/match.h"

static const char *const networks[] = {"meso4", "mesoinception4"};
enum { N_NETWORKS = sizeof networks / sizeof *networks, MAX_FLOATS = 1 << 16 };

static CoredLoose *add(CoredLooseFile *file, const char *layer, const char *weight) {
  char name[128];
  const int length = snprintf(name, sizeof name, "%s/%s", layer, weight);
  CoredLoose *const t = cored_loose_add(file, name, (size_t)length);
  fuzz_expect(t != NULL);
  t->scalar = CORED_SCALAR_F32;
  return t;
}

static void shape(CoredLoose *t, const int64_t *dims, int rank) {
  static const float values[MAX_FLOATS];
  t->rank = rank;
  t->count = 1;
  for (int i = rank - 1; i >= 0; i--) {
    t->dims[i] = dims[i];
    t->strides[i] = (int64_t)t->count;
    t->count *= (size_t)dims[i];
  }
  fuzz_expect(t->count <= MAX_FLOATS);
  t->data = (const uint8_t *)values;
}

static const char *keras_weight(const char *weight, bool norm) {
  static const char *const names[][3] = {{"weight", "kernel", "gamma"},
                                         {"bias", "bias", "beta"},
                                         {"running_mean", "", "moving_mean"},
                                         {"running_var", "", "moving_variance"}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(weight, names[i][0]) == 0)
      return names[i][norm ? 2 : 1];
  return "?";
}

static void add_param(CoredLooseFile *file, const CoredParam *param, const char *layer, bool norm) {
  static const int conv[4] = {2, 3, 1, 0}, dense[4] = {1, 0, 0, 0}, vector[4] = {0, 1, 2, 3};
  const int *const order = param->rank == 4 ? conv : param->rank == 2 ? dense : vector;
  const char *const dot = strrchr(param->name, '.');
  int64_t dims[4];
  fuzz_expect(dot != NULL);
  for (int i = 0; i < param->rank; i++)
    dims[i] = param->dims[order[i]];
  shape(add(file, layer, keras_weight(dot + 1, norm)), dims, param->rank);
}

/* All parameters of a network, layers of a kind numbered from 1 in the graph's order. */
static void right_file(const char *network, CoredLooseFile *file) {
  static const struct {
    CoredOp op;
    const char *name;
  } kinds[] = {{CORED_OP_CONV, "conv2d"},
               {CORED_OP_BATCH_NORM, "batch_normalization"},
               {CORED_OP_DENSE, "dense"}};
  CoredGraph *const graph = cored_network_graph(cored_network_find(network), 2, NULL);
  fuzz_expect(graph != NULL);
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    int number = 0;
    for (int n = 0; n < graph->n_nodes; n++) {
      if (graph->nodes[n].op != kinds[k].op)
        continue;
      char layer[64];
      snprintf(layer, sizeof layer, "%s_%d", kinds[k].name, ++number);
      for (int p = 0; p < graph->n_params; p++)
        if (graph->params[p].node == n)
          add_param(file, &graph->params[p], layer, kinds[k].op == CORED_OP_BATCH_NORM);
    }
  }
  cored_graph_free(graph);
}

static void rename_tensor(CoredLoose *t, unsigned how) {
  static const char *const names[] = {
      "dense/kernel",     "conv2d_1/kernel",
      "conv2d_99/kernel", "/gamma",
      "x/moving_mean",    "kernel",
      "conv2d_1/",        "batch_normalization_99999999999999999999/gamma"};
  free(t->name);
  t->name = strdup(names[how % (sizeof names / sizeof *names)]);
  fuzz_expect(t->name != NULL);
}

/* Smaller shapes only: the values that are there are enough for them. */
static void reshape(CoredLoose *t, unsigned how) {
  int64_t dims[CORED_LOOSE_MAX_RANK];
  const int rank = (int)(how % 5);
  for (int i = 0; i < rank; i++)
    dims[i] = 1 + (how >> (3 + 2 * i)) % 4;
  shape(t, dims, rank);
}

static void change(CoredLooseFile *file, FuzzInput *in) {
  CoredLoose *const t = &file->tensors[fuzz_byte(in) % file->n_tensors];
  const unsigned what = fuzz_byte(in) % 5, how = fuzz_u16(in);
  CoredLoose *const other = &file->tensors[how % file->n_tensors];
  const CoredLoose copy = *t;
  switch (what) {
  case 0:
    rename_tensor(t, how);
    break;
  case 1:
    reshape(t, how);
    break;
  case 2: /* in another place */
    *t = *other;
    *other = copy;
    break;
  case 3: { /* under another tensor's name */
    char *const name = strdup(other->name);
    fuzz_expect(name != NULL);
    free(t->name);
    t->name = name;
    break;
  }
  case 4: /* gone */
    if (file->n_tensors > 1) {
      free(t->name);
      *t = file->tensors[--file->n_tensors];
    }
    break;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  FuzzInput in = {data, size};
  CoredLooseFile file = {.format = "Keras HDF5"};
  CoredRefusal refusal = {0};
  const unsigned head = fuzz_byte(&in);
  const char *chosen = NULL;
  right_file(networks[head % N_NETWORKS], &file);
  const bool untouched = in.size < 4;
  while (in.size >= 4)
    change(&file, &in);
  const bool renamed =
      cored_keras_rename(&file, head & 2 ? networks[head % N_NETWORKS] : NULL, &chosen, &refusal);
  fuzz_expect(renamed || (!untouched && refusal.code != CORED_REFUSAL_NONE));
  if (renamed) {
    CoredImportMatch match;
    const bool matched = cored_import_match(&file, chosen, &match, &refusal);
    fuzz_expect(matched || (!untouched && refusal.code != CORED_REFUSAL_NONE));
    cored_import_match_clear(&match);
  }
  cored_loose_clear(&file);
  return 0;
}

size_t cored_fuzz_seed(size_t index, uint8_t *out, size_t max) {
  static const FuzzSeed seeds[] = {
      FUZZ_SEED("\0"),         FUZZ_SEED("\1"),         FUZZ_SEED("\2\5\0\1\0"),
      FUZZ_SEED("\3\7\1\3\7"), FUZZ_SEED("\0\3\2\6\0"), FUZZ_SEED("\0\3\3\4\0\1\4\0\0"),
  };
  return fuzz_seed_of(seeds, sizeof seeds / sizeof *seeds, index, out, max);
}
