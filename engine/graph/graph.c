/* SPDX-License-Identifier: MIT
 * Building a graph and asking it for shapes and parameters. */
#include "graph/graph.h"

#include "base/error.h"
#include "graph/ops.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

CoredGraph *cored_graph_new(void) {
  CoredGraph *const graph = calloc(1, sizeof *graph);
  if (graph)
    graph->features = graph->logits = CORED_NO_NODE;
  return graph;
}

void cored_graph_free(CoredGraph *graph) {
  if (!graph)
    return;
  free(graph->nodes);
  free(graph->params);
  free(graph);
}

static bool grow(CoredGraph *graph) {
  if (graph->n_nodes < graph->capacity)
    return true;
  const int capacity = graph->capacity ? 2 * graph->capacity : 64;
  CoredNode *const nodes = realloc(graph->nodes, (size_t)capacity * sizeof *nodes);
  if (!nodes)
    return false;
  graph->nodes = nodes;
  graph->capacity = capacity;
  return true;
}

/* Remember a mistake of the network's file; nodes come no more. */
__attribute__((format(printf, 2, 3))) static void fail_mistake(CoredGraph *graph,
                                                               const char *format, ...) {
  va_list args;
  if (graph->failed)
    return;
  graph->failed = true;
  va_start(args, format);
  vsnprintf(graph->mistake, sizeof graph->mistake, format, args);
  va_end(args);
}

/* Append a node; in_channels comes from its first input. After a failure everything is node 0. */
static int append(CoredGraph *graph, CoredNode node) {
  if (graph->failed || !grow(graph)) {
    graph->failed = true;
    return 0;
  }
  for (int i = 0; i < node.n_inputs; i++) {
    if (node.input[i] < 0 || node.input[i] >= graph->n_nodes) {
      fail_mistake(graph, "input %d of node %d: expected a node before it, found %d", i,
                   graph->n_nodes, node.input[i]);
      return 0;
    }
  }
  if (node.n_inputs > 0)
    node.in_channels = graph->nodes[node.input[0]].channels;
  if (node.channels == 0)
    node.channels = node.in_channels;
  node.classifier = graph->in_classifier;
  graph->nodes[graph->n_nodes] = node;
  return graph->n_nodes++;
}

__attribute__((format(printf, 3, 0))) static void set_name(CoredGraph *graph, CoredNode *node,
                                                           const char *format, va_list args) {
  const int n = vsnprintf(node->name, sizeof node->name, format, args);
  if (n <= 0 || (size_t)n >= sizeof node->name)
    fail_mistake(graph, "name '%.100s' of node %d: expected 1 to %zu characters, found %d",
                 n > 0 ? node->name : "", graph->n_nodes, sizeof node->name - 1, n);
}

static CoredNode unary(CoredOp op, int x) {
  return (CoredNode){
      .op = op, .n_inputs = 1, .input = {x}, .kernel = 1, .stride = 1, .dilation = 1};
}

static CoredNode window(CoredOp op, int x, CoredConvArgs args) {
  CoredNode node = unary(op, x);
  node.kernel = args.kernel;
  node.stride = args.stride ? args.stride : 1;
  node.dilation = args.dilation ? args.dilation : 1;
  node.pad_mode = args.pad_mode;
  node.pad = args.pad;
  node.bias = args.bias;
  return node;
}

int cored_graph_input(CoredGraph *graph, int channels) {
  return append(graph, (CoredNode){.op = CORED_OP_INPUT,
                                   .in_channels = channels,
                                   .channels = channels,
                                   .kernel = 1,
                                   .stride = 1,
                                   .dilation = 1});
}

int cored_graph_conv(CoredGraph *graph, int x, CoredConvArgs args, const char *name, ...) {
  CoredNode node = window(CORED_OP_CONV, x, args);
  node.channels = args.channels;
  va_list list;
  va_start(list, name);
  set_name(graph, &node, name, list);
  va_end(list);
  return append(graph, node);
}

int cored_graph_depthwise(CoredGraph *graph, int x, CoredConvArgs args, const char *name, ...) {
  CoredNode node = window(CORED_OP_DEPTHWISE, x, args);
  va_list list;
  va_start(list, name);
  set_name(graph, &node, name, list);
  va_end(list);
  return append(graph, node);
}

int cored_graph_batch_norm(CoredGraph *graph, int x, float epsilon, float momentum,
                           const char *name, ...) {
  CoredNode node = unary(CORED_OP_BATCH_NORM, x);
  node.epsilon = epsilon;
  node.momentum = momentum;
  va_list list;
  va_start(list, name);
  set_name(graph, &node, name, list);
  va_end(list);
  return append(graph, node);
}

int cored_graph_activation(CoredGraph *graph, int x, CoredActivation act) {
  CoredNode node = unary(CORED_OP_ACTIVATION, x);
  node.act = act;
  return append(graph, node);
}

int cored_graph_relu(CoredGraph *graph, int x) {
  return cored_graph_activation(graph, x, (CoredActivation)CORED_RELU);
}

int cored_graph_swish(CoredGraph *graph, int x) {
  return cored_graph_activation(graph, x, (CoredActivation)CORED_SWISH);
}

int cored_graph_max_pool(CoredGraph *graph, int x, int kernel, int stride, CoredPad pad_mode,
                         int pad) {
  return append(graph,
                window(CORED_OP_MAX_POOL, x,
                       (CoredConvArgs){
                           .kernel = kernel, .stride = stride, .pad_mode = pad_mode, .pad = pad}));
}

int cored_graph_upsample(CoredGraph *graph, int x, int factor) {
  CoredNode node = unary(CORED_OP_UPSAMPLE, x);
  node.stride = factor;
  return append(graph, node);
}

int cored_graph_global_avg_pool(CoredGraph *graph, int x) {
  return append(graph, unary(CORED_OP_GLOBAL_AVG_POOL, x));
}

int cored_graph_flatten(CoredGraph *graph, int x, int channels) {
  CoredNode node = unary(CORED_OP_FLATTEN, x);
  node.channels = channels;
  return append(graph, node);
}

int cored_graph_dense(CoredGraph *graph, int x, int channels, const char *name, ...) {
  CoredNode node = unary(CORED_OP_DENSE, x);
  node.channels = channels;
  node.bias = true;
  va_list list;
  va_start(list, name);
  set_name(graph, &node, name, list);
  va_end(list);
  return append(graph, node);
}

static int binary(CoredGraph *graph, CoredOp op, int a, int b) {
  CoredNode node = unary(op, a);
  node.n_inputs = 2;
  node.input[1] = b;
  return append(graph, node);
}

int cored_graph_add(CoredGraph *graph, int a, int b) {
  return binary(graph, CORED_OP_ADD, a, b);
}

int cored_graph_scale(CoredGraph *graph, int x, int scale) {
  return binary(graph, CORED_OP_SCALE, x, scale);
}

int cored_graph_concat(CoredGraph *graph, int n_inputs, const int inputs[]) {
  if (n_inputs < 2 || n_inputs > 4)
    fail_mistake(graph, "node %d: expected 2 to 4 inputs, found %d", graph->n_nodes, n_inputs);
  if (graph->failed)
    return 0;
  CoredNode node = unary(CORED_OP_CONCAT, inputs[0]);
  node.n_inputs = n_inputs;
  for (int i = 0; i < n_inputs; i++) {
    node.input[i] = inputs[i];
    if (inputs[i] >= 0 && inputs[i] < graph->n_nodes) /* append refuses others */
      node.channels += graph->nodes[inputs[i]].channels;
  }
  return append(graph, node);
}

int cored_graph_dropout(CoredGraph *graph, int x, float rate) {
  CoredNode node = unary(CORED_OP_DROPOUT, x);
  node.rate = rate;
  return append(graph, node);
}

int cored_graph_drop_connect(CoredGraph *graph, int x, float rate) {
  CoredNode node = unary(CORED_OP_DROP_CONNECT, x);
  node.rate = rate;
  return append(graph, node);
}

void cored_graph_set_features(CoredGraph *graph, int x) {
  graph->features = x;
}

static bool has_named(const CoredGraph *graph, const char *name) {
  for (int i = 0; i < graph->n_named; i++)
    if (strcmp(graph->named[i].name, name) == 0)
      return true;
  return false;
}

void cored_graph_set_output(CoredGraph *graph, int x, const char *name) {
  const size_t length = strlen(name);
  if (graph->n_named == CORED_MAX_NAMED_OUTPUTS)
    fail_mistake(graph, "output '%.100s': expected at most %d named outputs", name,
                 CORED_MAX_NAMED_OUTPUTS);
  else if (length == 0 || length >= CORED_OUTPUT_NAME_SIZE)
    fail_mistake(graph, "output '%.100s': expected a name of 1 to %d characters, found %zu", name,
                 CORED_OUTPUT_NAME_SIZE - 1, length);
  else if (x < 0 || x >= graph->n_nodes)
    fail_mistake(graph, "output '%s': expected a node of 0 to %d, found %d", name,
                 graph->n_nodes - 1, x);
  else if (has_named(graph, name))
    fail_mistake(graph, "output '%s': another one has this name", name);
  if (graph->failed)
    return;
  CoredNamedOutput *const output = &graph->named[graph->n_named++];
  memcpy(output->name, name, length + 1);
  output->node = x;
}

void cored_graph_begin_classifier(CoredGraph *graph) {
  graph->in_classifier = true;
}

static void fill_param(CoredParam *param, const CoredNode *node, int index,
                       const CoredParamSpec *spec) {
  snprintf(param->name, sizeof param->name, "%s.%s", node->name, spec->suffix);
  param->role = spec->role;
  param->node = index;
  param->rank = spec->rank;
  param->count = 1;
  for (int i = 0; i < spec->rank; i++) {
    param->dims[i] = spec->dims[i];
    param->count *= (size_t)spec->dims[i];
  }
}

static bool list_params(CoredGraph *graph) {
  CoredParamSpec specs[CORED_MAX_LAYER_PARAMS];
  const size_t most = (size_t)graph->n_nodes * CORED_MAX_LAYER_PARAMS;
  graph->params = calloc(most ? most : 1, sizeof *graph->params);
  if (!graph->params)
    return false;
  for (int i = 0; i < graph->n_nodes; i++) {
    const CoredNode *const node = &graph->nodes[i];
    const int n = cored_op_info(node->op)->params(node, specs);
    for (int j = 0; j < n; j++)
      fill_param(&graph->params[graph->n_params++], node, i, &specs[j]);
  }
  return true;
}

bool cored_graph_finish(CoredGraph *graph, int x, int n_classes, CoredError *error) {
  if (graph->mistake[0])
    return cored_error_set(error, CORED_ERROR_ARGUMENT, "the network's graph: %s", graph->mistake);
  if (graph->failed)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "the network's graph: no memory");
  if (!list_params(graph))
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "the network's parameter list: no memory");
  if (n_classes == 0)
    return (graph->n_named > 0 && x == CORED_NO_NODE) ||
           cored_error_set(error, CORED_ERROR_ARGUMENT,
                           "the network's graph has no classes: expected named outputs alone");
  if (graph->features < 0 || graph->features >= graph->n_nodes || x < 0 || x >= graph->n_nodes)
    return cored_error_set(error, CORED_ERROR_ARGUMENT,
                           "the network's graph names no features or no output");
  graph->logits = x;
  graph->logit_channels = graph->nodes[x].channels;
  graph->n_classes = n_classes;
  return true;
}

int cored_window_output(const CoredNode *node, int in, int *pad_before) {
  const int extent = (node->kernel - 1) * node->dilation + 1;
  if (node->pad_mode == CORED_PAD_SAME) {
    const int out = (in + node->stride - 1) / node->stride;
    const int total = (out - 1) * node->stride + extent - in;
    *pad_before = total > 0 ? total / 2 : 0;
    return out;
  }
  *pad_before = node->pad;
  const int room = in + 2 * node->pad - extent;
  return room < 0 ? 0 : room / node->stride + 1;
}

CoredPads cored_window_pads(const CoredNode *node, CoredShape in) {
  const int extent = (node->kernel - 1) * node->dilation + 1;
  int top, left;
  const int rows = cored_window_output(node, in.h, &top);
  const int columns = cored_window_output(node, in.w, &left);
  const int bottom = (rows - 1) * node->stride + extent - in.h - top;
  const int right = (columns - 1) * node->stride + extent - in.w - left;
  if (node->pad_mode == CORED_PAD_EXPLICIT)
    return (CoredPads){node->pad, node->pad, node->pad, node->pad};
  return (CoredPads){top, left, bottom > 0 ? bottom : 0, right > 0 ? right : 0};
}

bool cored_graph_shapes(const CoredGraph *graph, int h, int w, CoredShape *shapes,
                        CoredError *error) {
  if (h < 1 || w < 1 || h > CORED_MAX_INPUT_SIZE || w > CORED_MAX_INPUT_SIZE)
    return cored_error_set(error, CORED_ERROR_INPUT_SIZE, "input size %dx%d: expected 1..%d each",
                           w, h, CORED_MAX_INPUT_SIZE);
  for (int i = 0; i < graph->n_nodes; i++) {
    const CoredNode *const node = &graph->nodes[i];
    const CoredOpInfo *const info = cored_op_info(node->op);
    CoredShape in[4] = {{h, w, node->channels}};
    for (int j = 0; j < node->n_inputs; j++)
      in[j] = shapes[node->input[j]];
    if (!info->shape(node, in, &shapes[i]))
      return cored_error_set(error, CORED_ERROR_INPUT_SIZE,
                             "input size %dx%d does not fit the network: node %d (%s%s%s) gets "
                             "%dx%dx%d",
                             w, h, i, info->name, node->name[0] ? " " : "", node->name, in[0].w,
                             in[0].h, in[0].c);
  }
  return true;
}

bool cored_graph_is_output(const CoredGraph *graph, int node) {
  bool output = node == graph->features || node == graph->logits;
  for (int i = 0; i < graph->n_named; i++)
    output |= node == graph->named[i].node;
  return output;
}

int cored_graph_param(const CoredGraph *graph, int node, CoredParamRole role) {
  for (int i = 0; i < graph->n_params; i++)
    if (graph->params[i].node == node && graph->params[i].role == role)
      return i;
  return -1;
}

bool cored_param_is_statistic(const CoredParam *param) {
  return param->role == CORED_PARAM_BN_MEAN || param->role == CORED_PARAM_BN_VAR;
}

size_t cored_graph_param_total(const CoredGraph *graph, bool with_statistics) {
  size_t total = 0;
  for (int i = 0; i < graph->n_params; i++)
    if (with_statistics || !cored_param_is_statistic(&graph->params[i]))
      total += graph->params[i].count;
  return total;
}
