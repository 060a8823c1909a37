/* SPDX-License-Identifier: MIT */
#include "tools/convert/onnx-unfold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "networks/registry.h"
#include "tools/convert/onnx-compare.h"

#define MAX_LAYERS 256 /* with weights; more than any network of the registry has */
#define SET_WORDS (MAX_LAYERS / 64)

typedef struct Set { /* of layers */
  uint64_t bits[SET_WORDS];
} Set;

typedef struct Layer {
  int node;        /* of the graph, or of the file */
  uint64_t kind;   /* hash of what it is by itself, but for the channels that it makes */
  int64_t makes;   /* these channels */
  uint64_t colour; /* hash of what it is in the network */
  Set reads;       /* the layers before it, with none between */
} Layer;

typedef struct Structure {
  Layer layer[MAX_LAYERS]; /* in order of execution */
  int n;
} Structure;

/* ---- Sets and hashes ------------------------------------------------------------------------- */

static void set_add(Set *set, int i) {
  set->bits[i / 64] |= UINT64_C(1) << i % 64;
}

static bool set_has(const Set *set, int i) {
  return set->bits[i / 64] >> i % 64 & 1;
}

static void set_join(Set *set, const Set *other) {
  for (int i = 0; i < SET_WORDS; i++)
    set->bits[i] |= other->bits[i];
}

/* The finalizer of SplitMix64 (Steele, Lea and Flood 2014). */
static uint64_t mix(uint64_t x) {
  x += UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
  return x ^ x >> 31;
}

static uint64_t hash_of(const int64_t *values, size_t n) {
  uint64_t hash = 0;
  for (size_t i = 0; i < n; i++)
    hash = mix(hash ^ (uint64_t)values[i]);
  return hash;
}

typedef enum Kind { KIND_CONV, KIND_DEPTHWISE, KIND_DENSE } Kind;

static uint64_t hash_kind(Kind kind, int64_t kernel, int64_t stride, int64_t dilation, int64_t in) {
  const int64_t values[] = {kind, kernel, stride, dilation, in};
  return hash_of(values, sizeof values / sizeof *values);
}

/* ---- Colours --------------------------------------------------------------------------------- */

static bool is_read(const Structure *s, int layer) {
  for (int i = 0; i < s->n; i++)
    if (set_has(&s->layer[i].reads, layer))
      return true;
  return false;
}

static uint64_t next_colour(const Structure *s, int layer) {
  uint64_t before = 0, behind = 0;
  for (int i = 0; i < s->n; i++) {
    if (set_has(&s->layer[layer].reads, i))
      before += mix(s->layer[i].colour ^ 1);
    if (set_has(&s->layer[i].reads, layer))
      behind += mix(s->layer[i].colour ^ 2);
  }
  return mix(mix(s->layer[layer].colour ^ before) ^ behind);
}

/* As often as there are layers, so that each is told by all others. The classes, which are what the
 * last layer makes, may be any number. */
static void colour(Structure *s) {
  uint64_t next[MAX_LAYERS];
  for (int i = 0; i < s->n; i++)
    s->layer[i].colour =
        mix(s->layer[i].kind ^ (is_read(s, i) ? mix((uint64_t)s->layer[i].makes) : 0));
  for (int round = 0; round < s->n; round++) {
    for (int i = 0; i < s->n; i++)
      next[i] = next_colour(s, i);
    for (int i = 0; i < s->n; i++)
      s->layer[i].colour = next[i];
  }
}

/* The one layer of this colour, NULL where there is none or more. */
static const Layer *find_colour(const Structure *s, uint64_t wanted) {
  const Layer *found = NULL;
  for (int i = 0; i < s->n; i++)
    if (s->layer[i].colour == wanted) {
      if (found)
        return NULL;
      found = &s->layer[i];
    }
  return found;
}

static bool same_structure(const Structure *a, const Structure *b) {
  if (a->n != b->n)
    return false;
  for (int i = 0; i < a->n; i++)
    if (!find_colour(a, a->layer[i].colour) || !find_colour(b, a->layer[i].colour))
      return false;
  return true;
}

/* ---- The structure of a file ----------------------------------------------------------------- */

typedef struct Made { /* a value and the node that makes it */
  CoredOnnxText name;
  int node;
} Made;

static int by_name(const void *a, const void *b) {
  const CoredOnnxText *x = &((const Made *)a)->name, *y = &((const Made *)b)->name;
  if (x->length != y->length)
    return x->length < y->length ? -1 : 1;
  return x->length > 0 ? memcmp(x->at, y->at, x->length) : 0;
}

/* All values that nodes make, sorted; the caller frees them. NULL without memory. */
static Made *list_made(const CoredOnnx *onnx, size_t *n) {
  Made *made = calloc(onnx->n_texts + 1, sizeof *made);
  *n = 0;
  for (size_t i = 0; made && i < onnx->n_nodes; i++)
    for (size_t k = 0; k < onnx->nodes[i].n_outputs; k++)
      made[(*n)++] = (Made){onnx->nodes[i].outputs[k], (int)i};
  if (made)
    qsort(made, *n, sizeof *made, by_name);
  return made;
}

/* One of the initializers; constants of nodes are no weights here. */
static const CoredLoose *find_weight(const CoredOnnx *onnx, const CoredOnnxNode *node,
                                     size_t input) {
  const CoredLooseFile *const file = &onnx->initializers;
  if (input >= node->n_inputs)
    return NULL;
  const CoredLoose *const tensor = cored_onnx_tensor(onnx, node->inputs[input]);
  for (size_t i = 0; i < file->n_tensors; i++)
    if (tensor == &file->tensors[i])
      return tensor;
  return NULL;
}

static bool same_twice(const CoredOnnxNode *node, const char *name, int64_t *value) {
  int64_t pair[2] = {1, 1};
  cored_onnx_ints(node, name, pair, 2);
  *value = pair[0];
  return pair[0] == pair[1];
}

static bool read_conv(const CoredOnnx *onnx, const CoredOnnxNode *node, Layer *layer) {
  const CoredLoose *const weight = find_weight(onnx, node, 1);
  int64_t stride, dilation;
  if (!weight || weight->rank != 4 || weight->dims[2] != weight->dims[3] ||
      !same_twice(node, "strides", &stride) || !same_twice(node, "dilations", &dilation))
    return false;
  const int64_t group = cored_onnx_int(node, "group", 1);
  const bool depthwise = group > 1 && group == weight->dims[0] && weight->dims[1] == 1;
  if (group != 1 && !depthwise)
    return false;
  layer->makes = weight->dims[0];
  layer->kind = hash_kind(depthwise ? KIND_DEPTHWISE : KIND_CONV, weight->dims[2], stride, dilation,
                          depthwise ? group : weight->dims[1]);
  return true;
}

static float number_of(const CoredOnnxNode *node, const char *name, float otherwise) {
  const CoredOnnxAttribute *const a = cored_onnx_attribute(node, name);
  return a && a->kind == CORED_ONNX_FLOAT ? a->number : otherwise;
}

static bool read_dense(const CoredOnnx *onnx, const CoredOnnxNode *node, Layer *layer) {
  const CoredLoose *const weight = find_weight(onnx, node, 1);
  if (!weight || weight->rank != 2 || cored_onnx_int(node, "transA", 0) != 0 ||
      number_of(node, "alpha", 1.0f) != 1.0f || number_of(node, "beta", 1.0f) != 1.0f)
    return false;
  const bool turned = cored_onnx_int(node, "transB", 0) != 0;
  layer->makes = weight->dims[turned ? 0 : 1];
  layer->kind = hash_kind(KIND_DENSE, 1, 1, 1, weight->dims[turned ? 1 : 0]);
  return true;
}

static bool has_weights(const CoredOnnxNode *node) {
  return cored_onnx_is(node->op, "Conv") || cored_onnx_is(node->op, "Gemm") ||
         cored_onnx_is(node->op, "MatMul") || cored_onnx_is(node->op, "ConvTranspose");
}

static bool add_file_layer(const CoredOnnx *onnx, int node, const Set *reads, Structure *s) {
  const CoredOnnxNode *const n = &onnx->nodes[node];
  if (s->n == MAX_LAYERS)
    return false;
  Layer *const layer = &s->layer[s->n];
  *layer = (Layer){.node = node, .reads = *reads};
  if (!(cored_onnx_is(n->op, "Conv") && read_conv(onnx, n, layer)) &&
      !(cored_onnx_is(n->op, "Gemm") && read_dense(onnx, n, layer)))
    return false;
  s->n++;
  return true;
}

/* The layers before each node, none of them before another; false where there is a layer that no
 * network of the registry has. */
static bool read_layers(const CoredOnnx *onnx, const Made *made, size_t n_made, Set *before,
                        Structure *s) {
  for (size_t i = 0; i < onnx->n_nodes; i++) {
    const CoredOnnxNode *const node = &onnx->nodes[i];
    Set reads = {{0}};
    for (size_t k = 0; k < node->n_inputs; k++) {
      const Made key = {.name = node->inputs[k]};
      const Made *const from = bsearch(&key, made, n_made, sizeof *made, by_name);
      if (from && (size_t)from->node < i)
        set_join(&reads, &before[from->node]);
    }
    before[i] = reads;
    if (!has_weights(node))
      continue;
    if (!add_file_layer(onnx, (int)i, &reads, s))
      return false;
    before[i] = (Set){{0}};
    set_add(&before[i], s->n - 1);
  }
  return s->n > 0;
}

/* *known: it has only layers of kinds that networks here have. False without memory. */
static bool read_file(const CoredOnnx *onnx, Structure *s, bool *known) {
  size_t n_made;
  Made *const made = list_made(onnx, &n_made);
  Set *const before = calloc(onnx->n_nodes + 1, sizeof *before);
  const bool ok = made && before;
  if (ok)
    *known = read_layers(onnx, made, n_made, before, s);
  if (ok && *known)
    colour(s);
  free(before);
  free(made);
  return ok;
}

/* ---- The structure of a network -------------------------------------------------------------- */

static bool is_layer(const CoredNode *node) {
  return node->op == CORED_OP_CONV || node->op == CORED_OP_DEPTHWISE || node->op == CORED_OP_DENSE;
}

static void add_graph_layer(const CoredGraph *graph, int node, const Set *reads, Structure *s) {
  const CoredNode *const n = &graph->nodes[node];
  const bool dense = n->op == CORED_OP_DENSE;
  const Kind kind = dense ? KIND_DENSE : n->op == CORED_OP_DEPTHWISE ? KIND_DEPTHWISE : KIND_CONV;
  s->layer[s->n++] = (Layer){.node = node,
                             .reads = *reads,
                             .makes = n->channels,
                             .kind = hash_kind(kind, dense ? 1 : n->kernel, dense ? 1 : n->stride,
                                               dense ? 1 : n->dilation, n->in_channels)};
}

/* False for a network whose batch norms cannot all be folded into the layer before them, and
 * without memory. */
static bool read_graph(const CoredGraph *graph, Structure *s) {
  Set *const before = calloc((size_t)graph->n_nodes, sizeof *before);
  bool ok = before != NULL;
  s->n = 0;
  for (int i = 0; ok && i < graph->n_nodes; i++) {
    const CoredNode *const node = &graph->nodes[i];
    for (int k = 0; k < node->n_inputs; k++)
      set_join(&before[i], &before[node->input[k]]);
    if (node->op == CORED_OP_BATCH_NORM)
      ok = is_layer(&graph->nodes[node->input[0]]);
    if (!is_layer(node))
      continue;
    ok = s->n < MAX_LAYERS;
    if (!ok)
      break;
    add_graph_layer(graph, i, &before[i], s);
    before[i] = (Set){{0}};
    set_add(&before[i], s->n - 1);
  }
  free(before);
  if (ok)
    colour(s);
  return ok;
}

/* ---- Parameters ------------------------------------------------------------------------------ */

typedef struct Unfolder {
  const CoredOnnx *onnx;
  const CoredGraph *graph;
  const Structure *file, *network;
  CoredLooseFile *out;
  float *values; /* of batch norms that were folded; in out->owned */
  size_t n_values;
  size_t n_folded;
  CoredRefusal *refusal;
} Unfolder;

/* The node of the file that is this one of the graph, which is a layer. */
static const CoredOnnxNode *node_of(const Unfolder *u, int node) {
  for (int i = 0; i < u->network->n; i++)
    if (u->network->layer[i].node == node)
      return &u->onnx->nodes[find_colour(u->file, u->network->layer[i].colour)->node];
  return NULL;
}

/* A batch norm that the exporter left behind a layer; NULL where it was folded. */
static const CoredOnnxNode *batch_norm_behind(const CoredOnnx *onnx, const CoredOnnxNode *layer) {
  for (size_t i = 0; i < onnx->n_nodes; i++)
    if (cored_onnx_is(onnx->nodes[i].op, "BatchNormalization") && onnx->nodes[i].n_inputs == 5 &&
        layer->n_outputs > 0 && cored_onnx_same(onnx->nodes[i].inputs[0], layer->outputs[0]))
      return &onnx->nodes[i];
  return NULL;
}

static bool refuse_param(const Unfolder *u, const CoredParam *param, const char *why) {
  return cored_refuse(u->refusal, CORED_REFUSAL_ONNX_FOLDED, "parameter %s: %s", param->name, why);
}

/* A tensor under a name of the network's. */
static bool add_param(const Unfolder *u, const CoredParam *param, const CoredLoose *from) {
  CoredLoose *const to = cored_loose_add(u->out, param->name, strlen(param->name));
  if (!to)
    return cored_refuse(u->refusal, CORED_REFUSAL_NO_MEMORY, "no memory for tensors");
  char *const name = to->name;
  *to = *from;
  to->name = name;
  return true;
}

static bool add_tensor(const Unfolder *u, const CoredParam *param, const CoredOnnxNode *node,
                       size_t input) {
  const CoredLoose *const tensor = find_weight(u->onnx, node, input);
  return tensor ? add_param(u, param, tensor)
                : refuse_param(u, param, "expected among the file's tensors, not found");
}

/* The weight of a dense layer is [out, in] here; in a file either way. */
static bool add_weight(const Unfolder *u, const CoredParam *param, const CoredOnnxNode *node) {
  if (!add_tensor(u, param, node, 1))
    return false;
  CoredLoose *const t = &u->out->tensors[u->out->n_tensors - 1];
  if (t->rank == 2 && cored_onnx_int(node, "transB", 0) == 0) {
    const CoredLoose old = *t;
    for (int i = 0; i < 2; i++) {
      t->dims[i] = old.dims[1 - i];
      t->strides[i] = old.strides[1 - i];
    }
  }
  return true;
}

/* `count` times the same value. */
static bool add_values(Unfolder *u, const CoredParam *param, float value) {
  float *const at = u->values + u->n_values;
  for (size_t i = 0; i < param->count; i++)
    at[i] = value;
  u->n_values += param->count;
  const CoredLoose made = {.scalar = CORED_SCALAR_F32,
                           .rank = 1,
                           .dims = {(int64_t)param->count},
                           .strides = {1},
                           .count = param->count,
                           .data = (const uint8_t *)at};
  return add_param(u, param, &made);
}

/* (x - 0) / sqrt((1 - epsilon) + epsilon) * 1 + bias. */
static bool add_folded(Unfolder *u, const CoredParam *param, const CoredOnnxNode *layer) {
  switch (param->role) {
  case CORED_PARAM_BN_WEIGHT:
    u->n_folded++;
    return add_values(u, param, 1.0f);
  case CORED_PARAM_BN_MEAN:
    return add_values(u, param, 0.0f);
  case CORED_PARAM_BN_VAR:
    return add_values(u, param, 1.0f - u->graph->nodes[param->node].epsilon);
  case CORED_PARAM_BN_BIAS:
    return add_tensor(u, param, layer, 2);
  case CORED_PARAM_WEIGHT:
  case CORED_PARAM_BIAS:
    break;
  }
  return false;
}

static bool add_batch_norm(Unfolder *u, const CoredParam *param) {
  static const size_t inputs[] = {[CORED_PARAM_BN_WEIGHT] = 1,
                                  [CORED_PARAM_BN_BIAS] = 2,
                                  [CORED_PARAM_BN_MEAN] = 3,
                                  [CORED_PARAM_BN_VAR] = 4};
  const CoredNode *const node = &u->graph->nodes[param->node];
  const CoredOnnxNode *const layer = node_of(u, node->input[0]);
  const CoredOnnxNode *const kept = batch_norm_behind(u->onnx, layer);
  if (!kept)
    return add_folded(u, param, layer);
  if (layer->n_inputs > 2)
    return refuse_param(u, param, "a convolution with a bias is before this batch norm");
  if (number_of(kept, "epsilon", 1e-5f) != node->epsilon)
    return refuse_param(u, param, "the file's batch norm has another epsilon");
  return add_tensor(u, param, kept, inputs[param->role]);
}

static bool add_params(Unfolder *u) {
  bool ok = true;
  for (int i = 0; ok && i < u->graph->n_params; i++) {
    const CoredParam *const param = &u->graph->params[i];
    if (param->role == CORED_PARAM_WEIGHT)
      ok = add_weight(u, param, node_of(u, param->node));
    else if (param->role == CORED_PARAM_BIAS)
      ok = add_tensor(u, param, node_of(u, param->node), 2);
    else
      ok = add_batch_norm(u, param);
  }
  return ok;
}

static size_t batch_norm_values(const CoredGraph *graph) {
  size_t n = 0;
  for (int i = 0; i < graph->n_params; i++)
    if (graph->params[i].role != CORED_PARAM_WEIGHT && graph->params[i].role != CORED_PARAM_BIAS)
      n += graph->params[i].count;
  return n;
}

/* The parameters take the place of the initializers, whose memory they point into. */
static void replace(CoredOnnx *onnx, CoredLooseFile *out) {
  void *const bytes = onnx->initializers.owned[0];
  out->hints = onnx->initializers.hints;
  onnx->initializers.owned[0] = NULL;
  cored_loose_clear(&onnx->initializers);
  out->owned[0] = bytes;
  onnx->initializers = *out;
}

static bool add_notes(CoredLines *notes, const char *network, size_t n_folded) {
  return cored_lines_add(notes,
                         "told by its structure: %s, whose weights have no names in the file",
                         network) &&
         (n_folded == 0 ||
          cored_lines_add(notes,
                          "%zu batch norms were folded into convolutions: that gives the same "
                          "results, but no statistics for a training that changes batch norms",
                          n_folded));
}

static bool take_params(CoredOnnx *onnx, const char *network, const CoredGraph *graph,
                        const Structure *file, const Structure *structure, CoredRefusal *refusal) {
  CoredLooseFile out = {0};
  Unfolder u = {.onnx = onnx,
                .graph = graph,
                .file = file,
                .network = structure,
                .out = &out,
                .values = calloc(batch_norm_values(graph) + 1, sizeof *u.values),
                .refusal = refusal};
  out.owned[1] = u.values;
  bool ok = u.values ? add_params(&u)
                     : cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for batch norms");
  out.folded = u.n_folded > 0;
  ok = ok && (add_notes(&out.notes, network, u.n_folded) ||
              cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for notes"));
  if (ok)
    replace(onnx, &out);
  else
    cored_loose_clear(&out);
  return ok;
}

/* ---- The file -------------------------------------------------------------------------------- */

/* "onnx::Conv_610" or "610": what PyTorch's exporter calls a tensor that it computed itself. */
static bool is_made_up(CoredOnnxText name) {
  static const char prefix[] = "onnx::";
  if (name.length >= sizeof prefix - 1 && memcmp(name.at, prefix, sizeof prefix - 1) == 0)
    return true;
  size_t digits = 0;
  while (digits < name.length && name.at[digits] >= '0' && name.at[digits] <= '9')
    digits++;
  return digits == name.length;
}

/* The first weight without a name of its own; empty: there is none. */
static CoredOnnxText made_up_name(const CoredOnnx *onnx) {
  for (size_t i = 0; i < onnx->n_nodes; i++) {
    const CoredOnnxNode *const node = &onnx->nodes[i];
    if (has_weights(node) && node->n_inputs > 1 && node->inputs[1].length > 0 &&
        is_made_up(node->inputs[1]) && cored_onnx_tensor(onnx, node->inputs[1]))
      return node->inputs[1];
  }
  return (CoredOnnxText){NULL, 0};
}

bool cored_onnx_is_folded(const CoredOnnx *onnx) {
  return made_up_name(onnx).length > 0;
}

/* Of the size that the file was exported for, or else the network's own; the caller frees them.
 * NULL where the network does not take it, and without memory. */
static CoredShape *shapes_for(const CoredOnnx *onnx, const CoredNetwork *network,
                              const CoredGraph *graph) {
  CoredHints size = {.width = network->input_size, .height = network->input_size};
  CoredError error;
  cored_onnx_input_size(onnx, &size);
  CoredShape *const shapes = calloc((size_t)graph->n_nodes, sizeof *shapes);
  if (shapes && cored_graph_shapes(graph, size.height, size.width, shapes, &error))
    return shapes;
  free(shapes);
  return NULL;
}

static bool same_paddings(const CoredOnnx *onnx, const CoredGraph *graph, const Structure *file,
                          const Structure *network, const CoredShape *shapes,
                          char why[CORED_ONNX_WHY_SIZE]) {
  for (int i = 0; i < network->n; i++) {
    const CoredNode *const node = &graph->nodes[network->layer[i].node];
    const CoredOnnxNode *const layer =
        &onnx->nodes[find_colour(file, network->layer[i].colour)->node];
    if (node->op == CORED_OP_DENSE ||
        cored_onnx_same_padding(onnx, layer, node, &shapes[node->input[0]]))
      continue;
    snprintf(why, CORED_ONNX_WHY_SIZE, "the file pads in another way before layer %s", node->name);
    return false;
  }
  return true;
}

/* What structure does not tell: padding, pooling, activations. */
static bool check_operators(const CoredOnnx *onnx, const CoredNetwork *network,
                            const CoredGraph *graph, const Structure *file,
                            const Structure *structure, CoredRefusal *refusal) {
  char why[CORED_ONNX_WHY_SIZE] = "the network does not take the file's input size";
  CoredShape *const shapes = shapes_for(onnx, network, graph);
  const bool same = shapes && same_paddings(onnx, graph, file, structure, shapes, why) &&
                    cored_onnx_same_operators(onnx, graph, shapes, why);
  free(shapes);
  return same || cored_refuse(refusal, CORED_REFUSAL_ONNX_FOLDED,
                              "weights without names of their own, in layers like those of %s, but "
                              "%s",
                              network->id, why);
}

static bool refuse_folded(const CoredOnnx *onnx, const char *network, CoredRefusal *refusal) {
  const CoredOnnxText name = made_up_name(onnx);
  return cored_refuse(refusal, CORED_REFUSAL_ONNX_FOLDED,
                      "weights without a name of their own ('%.*s'): the exporter folded batch "
                      "norms into convolutions or changed weights otherwise, and the layers that "
                      "are left are not those of %s",
                      (int)(name.length < 64 ? name.length : 64), name.at,
                      network ? network : "a network that is known here");
}

typedef enum Fit { FIT_NO, FIT_YES, FIT_REFUSED } Fit;

static Fit try_network(CoredOnnx *onnx, const CoredNetwork *network, const Structure *file,
                       Structure *structure, CoredRefusal *refusal) {
  CoredError error = {0};
  CoredGraph *const graph = cored_network_graph(network, 2, &error);
  Fit fit = FIT_NO;
  if (!graph) {
    cored_refuse_error(refusal, &error);
    return FIT_REFUSED;
  }
  if (read_graph(graph, structure) && same_structure(structure, file))
    fit = check_operators(onnx, network, graph, file, structure, refusal) &&
                  take_params(onnx, network->id, graph, file, structure, refusal)
              ? FIT_YES
              : FIT_REFUSED;
  cored_graph_free(graph);
  return fit;
}

/* Structures are large for a stack: file, and the network that is tried. */
static bool unfold(CoredOnnx *onnx, const char *network, const char **chosen,
                   Structure structures[2], CoredRefusal *refusal) {
  bool known = false;
  if (!read_file(onnx, &structures[0], &known))
    return cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for layers");
  const CoredNetwork *one;
  for (size_t i = 0; known && (one = cored_network_at(i)) != NULL; i++) {
    if (network && strcmp(network, one->id) != 0)
      continue;
    const Fit fit = try_network(onnx, one, &structures[0], &structures[1], refusal);
    *chosen = one->id;
    if (fit != FIT_NO)
      return fit == FIT_YES;
  }
  return refuse_folded(onnx, network, refusal);
}

bool cored_onnx_unfold(CoredOnnx *onnx, const char *network, const char **chosen,
                       CoredRefusal *refusal) {
  Structure *const structures = calloc(2, sizeof *structures);
  const bool ok = structures
                      ? unfold(onnx, network, chosen, structures, refusal)
                      : cored_refuse(refusal, CORED_REFUSAL_NO_MEMORY, "no memory for layers");
  free(structures);
  return ok;
}
