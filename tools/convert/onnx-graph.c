/* SPDX-License-Identifier: MIT
 * A network's graph as nodes of ONNX. */
#include "tools/convert/onnx-graph.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "graph/ops.h"
#include "tools/convert/onnx-fields.h"

#define MAX_INPUTS 6

/* The name of a value, by value: an argument of a call. */
typedef struct Name {
  char text[CORED_NAME_SIZE + 16];
} Name;

typedef struct Graph {
  const CoredGraph *graph;
  CoredShape *shapes; /* of the output of each node */
  int *source;        /* the node that makes a node's value: itself, unless it computes nothing */
  bool *flat;         /* the value is [N, C], not [N, C, H, W] */
  CoredProtoOut *out;
} Graph;

/* A node of ONNX while it is put together. */
typedef struct Node {
  const char *op;
  const char *name; /* of the layer; "" without */
  Name inputs[MAX_INPUTS], output;
  int n_inputs;
  CoredProtoOut attributes; /* fields of a NodeProto */
} Node;

/* ---- Names ------------------------------------------------------------------------------------
 */

static Name name_of(const char *text) {
  Name name;
  snprintf(name.text, sizeof name.text, "%s", text);
  return name;
}

/* A value beside that of node i, for what one op of ours needs several nodes. */
static Name part_of(int i, const char *part) {
  Name name;
  snprintf(name.text, sizeof name.text, "value_%d_%s", i, part);
  return name;
}

/* The value of node i. */
static Name value_of(const Graph *g, int i) {
  const int source = g->source[i];
  Name name;
  if (source == 0)
    return name_of(CORED_ONNX_INPUT);
  if (source == g->source[g->graph->logits] && g->graph->logit_channels > 1)
    return name_of(CORED_ONNX_LOGITS);
  snprintf(name.text, sizeof name.text, "value_%d", source);
  return name;
}

static Name param_of(const Graph *g, int i, CoredParamRole role) {
  const int param = cored_graph_param(g->graph, i, role);
  return name_of(param < 0 ? "" : g->graph->params[param].name);
}

/* ---- Nodes ------------------------------------------------------------------------------------
 */

static void add_int(Node *node, const char *name, int64_t value) {
  CoredProtoOut a = {0};
  cored_proto_put_text(&a, ATTRIBUTE_NAME, name);
  cored_proto_put_number(&a, ATTRIBUTE_I, (uint64_t)value);
  cored_proto_put_number(&a, ATTRIBUTE_TYPE, TYPE_INT);
  cored_proto_put_message(&node->attributes, NODE_ATTRIBUTE, &a);
}

static void add_ints(Node *node, const char *name, const int *values, int n) {
  CoredProtoOut a = {0};
  cored_proto_put_text(&a, ATTRIBUTE_NAME, name);
  for (int i = 0; i < n; i++)
    cored_proto_put_number(&a, ATTRIBUTE_INTS, (uint64_t)values[i]);
  cored_proto_put_number(&a, ATTRIBUTE_TYPE, TYPE_INTS);
  cored_proto_put_message(&node->attributes, NODE_ATTRIBUTE, &a);
}

static void add_float(Node *node, const char *name, float value) {
  CoredProtoOut a = {0};
  cored_proto_put_text(&a, ATTRIBUTE_NAME, name);
  cored_proto_put_float(&a, ATTRIBUTE_F, value);
  cored_proto_put_number(&a, ATTRIBUTE_TYPE, TYPE_FLOAT);
  cored_proto_put_message(&node->attributes, NODE_ATTRIBUTE, &a);
}

static void add_input(Node *node, Name name) {
  node->inputs[node->n_inputs++] = name;
}

/* Write the node and empty it. */
static void put_node(Graph *g, Node *node) {
  CoredProtoOut message = {0};
  for (int i = 0; i < node->n_inputs; i++)
    cored_proto_put_text(&message, NODE_INPUT, node->inputs[i].text);
  cored_proto_put_text(&message, NODE_OUTPUT, node->output.text);
  if (node->name && node->name[0])
    cored_proto_put_text(&message, NODE_NAME, node->name);
  cored_proto_put_text(&message, NODE_OP_TYPE, node->op);
  cored_proto_put_fields(&message, &node->attributes);
  cored_proto_clear(&node->attributes);
  cored_proto_put_message(g->out, GRAPH_NODE, &message);
}

/* A node with one input or two and no attributes. */
static void put_plain(Graph *g, const char *op, Name a, const Name *b, Name output) {
  Node node = {.op = op, .output = output};
  add_input(&node, a);
  if (b)
    add_input(&node, *b);
  put_node(g, &node);
}

/* A Constant: `rank` 0 or 1, `count` values of `size` bytes. */
static void put_constant(Graph *g, Name output, int type, int rank, const void *values,
                         size_t count, size_t size) {
  CoredProtoOut tensor = {0}, a = {0};
  Node node = {.op = "Constant", .output = output};
  if (rank == 1)
    cored_proto_put_number(&tensor, TENSOR_DIMS, count);
  cored_proto_put_number(&tensor, TENSOR_DATA_TYPE, (uint64_t)type);
  cored_proto_put_bytes(&tensor, TENSOR_RAW_DATA, values, count * size);
  cored_proto_put_text(&a, ATTRIBUTE_NAME, "value");
  cored_proto_put_message(&a, ATTRIBUTE_T, &tensor);
  cored_proto_put_number(&a, ATTRIBUTE_TYPE, TYPE_TENSOR_VALUE);
  cored_proto_put_message(&node.attributes, NODE_ATTRIBUTE, &a);
  put_node(g, &node);
}

static void put_scalar(Graph *g, Name output, float value) {
  put_constant(g, output, DATA_FLOAT, 0, &value, 1, sizeof value);
}

/* ---- Ops --------------------------------------------------------------------------------------
 */

/* Kernel, strides, pads and dilations of a window; the pads are those of this input size. */
static void add_window(const Graph *g, const CoredNode *n, Node *node) {
  const CoredPads p = cored_window_pads(n, g->shapes[n->input[0]]);
  const int pads[] = {p.top, p.left, p.bottom, p.right};
  const int kernel[] = {n->kernel, n->kernel}, strides[] = {n->stride, n->stride},
            dilations[] = {n->dilation, n->dilation};
  add_ints(node, "kernel_shape", kernel, 2);
  add_ints(node, "strides", strides, 2);
  add_ints(node, "pads", pads, 4);
  add_ints(node, "dilations", dilations, 2);
}

static void put_conv(Graph *g, int i) {
  const CoredNode *n = &g->graph->nodes[i];
  Node node = {.op = "Conv", .name = n->name, .output = value_of(g, i)};
  add_input(&node, value_of(g, n->input[0]));
  add_input(&node, param_of(g, i, CORED_PARAM_WEIGHT));
  if (n->bias)
    add_input(&node, param_of(g, i, CORED_PARAM_BIAS));
  add_window(g, n, &node);
  add_int(&node, "group", n->op == CORED_OP_DEPTHWISE ? n->channels : 1);
  put_node(g, &node);
}

static void put_batch_norm(Graph *g, int i) {
  static const CoredParamRole roles[] = {CORED_PARAM_BN_WEIGHT, CORED_PARAM_BN_BIAS,
                                         CORED_PARAM_BN_MEAN, CORED_PARAM_BN_VAR};
  const CoredNode *n = &g->graph->nodes[i];
  Node node = {.op = "BatchNormalization", .name = n->name, .output = value_of(g, i)};
  add_input(&node, value_of(g, n->input[0]));
  for (size_t role = 0; role < sizeof roles / sizeof *roles; role++)
    add_input(&node, param_of(g, i, roles[role]));
  add_float(&node, "epsilon", n->epsilon);
  put_node(g, &node);
}

/* Bounds that are infinite are left out, as an optional input is: by an empty name. */
static void put_clamp(Graph *g, int i) {
  const CoredNode *n = &g->graph->nodes[i];
  const float bounds[] = {n->act.low, n->act.high};
  static const char *const parts[] = {"low", "high"};
  Node node = {.op = "Clip", .output = value_of(g, i)};
  add_input(&node, value_of(g, n->input[0]));
  for (int k = 0; k < 2; k++) {
    const Name bound = isinf(bounds[k]) ? name_of("") : part_of(i, parts[k]);
    if (bound.text[0])
      put_scalar(g, bound, bounds[k]);
    add_input(&node, bound);
  }
  put_node(g, &node);
}

static void put_swish(Graph *g, int i) {
  const Name x = value_of(g, g->graph->nodes[i].input[0]), gate = part_of(i, "gate");
  put_plain(g, "Sigmoid", x, NULL, gate);
  put_plain(g, "Mul", x, &gate, value_of(g, i));
}

static void put_activation(Graph *g, int i) {
  const CoredNode *n = &g->graph->nodes[i];
  const Name x = value_of(g, n->input[0]);
  Node leaky = {.op = "LeakyRelu", .output = value_of(g, i)};
  switch (n->act.kind) {
  case CORED_ACT_NONE: /* computes nothing: see find_sources */
    break;
  case CORED_ACT_CLAMP:
    if (cored_activation_is_relu(n->act))
      put_plain(g, "Relu", x, NULL, value_of(g, i));
    else
      put_clamp(g, i);
    break;
  case CORED_ACT_LEAKY_RELU:
    add_input(&leaky, x);
    add_float(&leaky, "alpha", n->act.slope);
    put_node(g, &leaky);
    break;
  case CORED_ACT_SWISH:
    put_swish(g, i);
    break;
  case CORED_ACT_SIGMOID:
    put_plain(g, "Sigmoid", x, NULL, value_of(g, i));
    break;
  }
}

static void put_max_pool(Graph *g, int i) {
  const CoredNode *n = &g->graph->nodes[i];
  Node node = {.op = "MaxPool", .output = value_of(g, i)};
  add_input(&node, value_of(g, n->input[0]));
  add_window(g, n, &node);
  put_node(g, &node);
}

static void put_flattened(Graph *g, Name from, Name to) {
  Node node = {.op = "Flatten", .output = to};
  add_input(&node, from);
  add_int(&node, "axis", 1);
  put_node(g, &node);
}

/* Channels last: of one pixel the order is the same anyway. */
static void put_flatten(Graph *g, int i) {
  static const int last[] = {0, 2, 3, 1};
  const CoredNode *n = &g->graph->nodes[i];
  const CoredShape in = g->shapes[n->input[0]];
  Name x = value_of(g, n->input[0]);
  if (in.h > 1 || in.w > 1) {
    Node node = {.op = "Transpose", .output = part_of(i, "last")};
    add_input(&node, x);
    add_ints(&node, "perm", last, 4);
    x = node.output;
    put_node(g, &node);
  }
  put_flattened(g, x, value_of(g, i));
  g->flat[i] = true;
}

static void put_dense(Graph *g, int i) {
  const CoredNode *n = &g->graph->nodes[i];
  Name x = value_of(g, n->input[0]);
  if (!g->flat[n->input[0]]) {
    put_flattened(g, x, part_of(i, "flat"));
    x = part_of(i, "flat");
  }
  Node node = {.op = "Gemm", .name = n->name, .output = value_of(g, i)};
  add_input(&node, x);
  add_input(&node, param_of(g, i, CORED_PARAM_WEIGHT));
  if (n->bias)
    add_input(&node, param_of(g, i, CORED_PARAM_BIAS));
  add_int(&node, "transB", 1);
  put_node(g, &node);
  g->flat[i] = true;
}

static void put_concat(Graph *g, int i) {
  const CoredNode *n = &g->graph->nodes[i];
  Node node = {.op = "Concat", .output = value_of(g, i)};
  for (int k = 0; k < n->n_inputs; k++)
    add_input(&node, value_of(g, n->input[k]));
  add_int(&node, "axis", 1);
  put_node(g, &node);
}

static void put_pair(Graph *g, int i, const char *op) {
  const CoredNode *n = &g->graph->nodes[i];
  const Name b = value_of(g, n->input[1]);
  put_plain(g, op, value_of(g, n->input[0]), &b, value_of(g, i));
}

/* False for an op that has no counterpart here. */
static bool put_op(Graph *g, int i) {
  const CoredNode *n = &g->graph->nodes[i];
  if (n->n_inputs > 0)
    g->flat[i] = g->flat[n->input[0]];
  switch (n->op) {
  case CORED_OP_INPUT:
  case CORED_OP_DROPOUT:
  case CORED_OP_DROP_CONNECT:
    return true; /* of training only */
  case CORED_OP_CONV:
  case CORED_OP_DEPTHWISE:
    put_conv(g, i);
    return true;
  case CORED_OP_BATCH_NORM:
    put_batch_norm(g, i);
    return true;
  case CORED_OP_ACTIVATION:
    put_activation(g, i);
    return true;
  case CORED_OP_MAX_POOL:
    put_max_pool(g, i);
    return true;
  case CORED_OP_GLOBAL_AVG_POOL:
    put_plain(g, "GlobalAveragePool", value_of(g, n->input[0]), NULL, value_of(g, i));
    return true;
  case CORED_OP_FLATTEN:
    put_flatten(g, i);
    return true;
  case CORED_OP_DENSE:
    put_dense(g, i);
    return true;
  case CORED_OP_ADD:
    put_pair(g, i, "Add");
    return true;
  case CORED_OP_SCALE: /* a scale that is flat would lie along the columns */
    put_pair(g, i, "Mul");
    return g->flat[n->input[0]] == g->flat[n->input[1]];
  case CORED_OP_CONCAT:
    put_concat(g, i);
    return true;
  case CORED_OP_UPSAMPLE: /* of locators, which are not exported */
  case CORED_N_OPS:
    break;
  }
  return false;
}

/* ---- The whole --------------------------------------------------------------------------------
 */

static bool computes_nothing(const CoredNode *node) {
  return node->op == CORED_OP_DROPOUT || node->op == CORED_OP_DROP_CONNECT ||
         (node->op == CORED_OP_ACTIVATION && node->act.kind == CORED_ACT_NONE);
}

static void find_sources(Graph *g) {
  for (int i = 0; i < g->graph->n_nodes; i++) {
    const CoredNode *node = &g->graph->nodes[i];
    g->source[i] = computes_nothing(node) ? g->source[node->input[0]] : i;
  }
}

/* A network with one output z, made for a sigmoid, has the logits (0, z): a column of zeros before
 * it. */
static void put_logits(Graph *g) {
  static const int64_t pads[] = {0, 1, 0, 0};
  if (g->graph->logit_channels > 1)
    return; /* the last node has made them */
  const Name before = name_of("zero_before");
  put_constant(g, before, DATA_INT64, 1, pads, 4, sizeof *pads);
  put_plain(g, "Pad", value_of(g, g->graph->logits), &before, name_of(CORED_ONNX_LOGITS));
}

static void put_probabilities(Graph *g, double temperature) {
  Name logits = name_of(CORED_ONNX_LOGITS);
  if (temperature != 1.0) {
    const Name divisor = name_of("temperature"), calibrated = name_of("calibrated");
    put_scalar(g, divisor, (float)temperature);
    put_plain(g, "Div", logits, &divisor, calibrated);
    logits = calibrated;
  }
  Node node = {.op = "Softmax", .output = name_of(CORED_ONNX_PROBABILITIES)};
  add_input(&node, logits);
  add_int(&node, "axis", 1);
  put_node(g, &node);
}

static bool put_all(Graph *g, double temperature, CoredError *error) {
  find_sources(g);
  for (int i = 0; i < g->graph->n_nodes; i++)
    if (!put_op(g, i))
      return cored_error_set(error, CORED_ERROR_UNSUPPORTED,
                             "node %d (%s) of the network has no counterpart in ONNX", i,
                             cored_op_info(g->graph->nodes[i].op)->name);
  if (!g->flat[g->graph->logits])
    return cored_error_set(error, CORED_ERROR_UNSUPPORTED, "the network does not end in a vector");
  put_logits(g);
  put_probabilities(g, temperature);
  return !g->out->failed ||
         cored_error_set(error, CORED_ERROR_NO_MEMORY, "no memory for the graph");
}

bool cored_onnx_put_nodes(const CoredGraph *graph, int height, int width, double temperature,
                          CoredProtoOut *out, CoredError *error) {
  const size_t n = (size_t)graph->n_nodes;
  Graph g = {.graph = graph,
             .shapes = calloc(n, sizeof *g.shapes),
             .source = calloc(n, sizeof *g.source),
             .flat = calloc(n, sizeof *g.flat),
             .out = out};
  const bool ok = g.shapes && g.source && g.flat
                      ? cored_graph_shapes(graph, height, width, g.shapes, error) &&
                            put_all(&g, temperature, error)
                      : cored_error_set(error, CORED_ERROR_NO_MEMORY, "no memory for the graph");
  free(g.shapes);
  free(g.source);
  free(g.flat);
  return ok;
}
