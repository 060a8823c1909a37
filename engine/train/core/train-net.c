/* SPDX-License-Identifier: MIT
 * A graph in training: which layers merge, which values live how long and where they lie, and its
 * forward and backward passes. */
#include "train/core/train-net.h"

#include "base/error.h"
#include "base/memory-plan.h"
#include "base/random.h"
#include "train/passes/pass.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { range_size = 65536 };

/* What the layout says of a node. */
typedef struct NodeLayout {
  const CoredPasses *passes; /* NULL for the input */
  CoredPassShape shape;
  bool merged;            /* an activation that its batch norm does */
  CoredActivation act;    /* batch norm: the activation it does */
  float rate;             /* dropout, drop-connect */
  int param;              /* index of its first parameter in the graph, if any */
  int value, grad, saved; /* buffers; -1: none */
  int scratch[2];         /* forward's and backward's */
  bool add[4];            /* backward adds to the gradient of input k */
} NodeLayout;

typedef struct Layout {
  const CoredTrainNetParams *params;
  CoredShape *shapes;
  NodeLayout *nodes;
  /* Pieces of the arena, in numbers. Node i runs forward at time i, the loss comes at n_nodes, node
   * i runs backward at 2 n_nodes - i. */
  CoredBuffer *buffers;
  int n_buffers;
  int *consumers; /* per node */
  size_t arena;   /* floats */
} Layout;

struct CoredTrainNet {
  CoredTrainNetParams params;
  Layout layout;
  size_t *offsets; /* of the parameters in a block */
  size_t block;    /* numbers of a block */
  CoredReal *arena;
  CoredParamRange *ranges;
  int n_ranges;
  CoredReal *converted;   /* images in double, where it computes in that */
  const CoredReal *input; /* of the run: its images as the passes take them */
};

/* ---- Layout ---------------------------------------------------------------------------------- */

static const CoredGraph *graph_of(const Layout *layout) {
  return layout->params->graph;
}

/* The losses read features and logits; nobody in training reads the graph's named outputs. */
static bool is_read_by_losses(const Layout *layout, int node) {
  return node == graph_of(layout)->features || node == graph_of(layout)->logits;
}

static size_t value_count(const Layout *layout, int node) {
  const CoredShape s = layout->shapes[node];
  return (size_t)layout->params->max_batch * (size_t)s.h * (size_t)s.w * (size_t)s.c;
}

static int new_buffer(Layout *layout, size_t count, int first, int last) {
  if (count == 0)
    return -1;
  layout->buffers[layout->n_buffers] =
      (CoredBuffer){.size = (count + 15) / 16 * 16, .first = first, .last = last};
  return layout->n_buffers++;
}

static void extend(Layout *layout, int buffer, int time) {
  if (buffer < 0)
    return;
  CoredBuffer *const b = &layout->buffers[buffer];
  b->first = time < b->first ? time : b->first;
  b->last = time > b->last ? time : b->last;
}

static int backward_time(const Layout *layout, int node) {
  return 2 * graph_of(layout)->n_nodes - node;
}

static void count_consumers(Layout *layout) {
  const CoredGraph *const graph = graph_of(layout);
  for (int i = 0; i < graph->n_nodes; i++)
    for (int j = 0; j < graph->nodes[i].n_inputs; j++)
      layout->consumers[graph->nodes[i].input[j]]++;
}

/* Rates of the graph, or the caller's. */
static float drop_rate(const CoredTrainNetParams *params, const CoredNode *node) {
  if (node->op == CORED_OP_DROPOUT && params->dropout >= 0)
    return (float)params->dropout;
  if (node->op != CORED_OP_DROP_CONNECT || params->drop_connect < 0)
    return node->rate;
  float largest = 0;
  for (int i = 0; i < params->graph->n_nodes; i++)
    if (params->graph->nodes[i].op == CORED_OP_DROP_CONNECT &&
        params->graph->nodes[i].rate > largest)
      largest = params->graph->nodes[i].rate;
  return largest > 0 ? node->rate / largest * (float)params->drop_connect : 0;
}

/* There are passes for what classifiers are made of. */
static bool check_trainable(const CoredGraph *graph, CoredError *error) {
  bool can = graph->n_classes > 0;
  for (int i = 0; can && i < graph->n_nodes; i++)
    can = graph->nodes[i].op != CORED_OP_UPSAMPLE &&
          (graph->nodes[i].op != CORED_OP_DEPTHWISE || !graph->nodes[i].bias);
  return can || cored_error_set(error, CORED_ERROR_UNSUPPORTED,
                                "training: expected a classifier, found a network that only runs");
}

static void fill_nodes(Layout *layout) {
  const CoredGraph *const graph = graph_of(layout);
  int param = 0;
  for (int i = 0; i < graph->n_nodes; i++) {
    const CoredNode *const node = &graph->nodes[i];
    NodeLayout *const at = &layout->nodes[i];
    at->passes = cored_passes_get(node, layout->params->cpu);
    at->shape = (CoredPassShape){.node = node,
                                 .n = layout->params->max_batch,
                                 .threads = cored_thread_pool_threads(layout->params->pool),
                                 .out = layout->shapes[i]};
    for (int j = 0; j < node->n_inputs; j++)
      at->shape.in[j] = layout->shapes[node->input[j]];
    at->rate = drop_rate(layout->params, node);
    at->value = at->grad = at->saved = at->scratch[0] = at->scratch[1] = -1;
    at->param = param;
    while (param < graph->n_params && graph->params[param].node == i)
      param++;
  }
}

/* A batch norm whose only reader is an activation does that activation. */
static void merge_activations(Layout *layout) {
  const CoredGraph *const graph = graph_of(layout);
  for (int i = 0; i < graph->n_nodes; i++) {
    const CoredNode *const node = &graph->nodes[i];
    if (node->op != CORED_OP_ACTIVATION)
      continue;
    const int source = node->input[0];
    if (graph->nodes[source].op != CORED_OP_BATCH_NORM || layout->consumers[source] != 1 ||
        is_read_by_losses(layout, source))
      continue;
    layout->nodes[i].merged = true;
    layout->nodes[source].act = node->act;
  }
}

/* May node write its output over its first input? */
static bool works_in_place(const Layout *layout, int index) {
  const CoredGraph *const graph = graph_of(layout);
  const CoredPasses *const passes = layout->nodes[index].passes;
  const int source = graph->nodes[index].input[0];
  if (!passes->in_place || layout->consumers[source] != 1 || is_read_by_losses(layout, source) ||
      graph->nodes[source].op == CORED_OP_INPUT)
    return false;
  if (!layout->params->training)
    return true;
  const bool source_needs_y =
      !layout->nodes[source].merged && layout->nodes[source].passes->needs_y;
  return !passes->needs_x[0] && !source_needs_y;
}

static void plan_value(Layout *layout, int i) {
  const CoredGraph *const graph = graph_of(layout);
  const CoredNode *const node = &graph->nodes[i];
  NodeLayout *const at = &layout->nodes[i];
  if (at->merged || works_in_place(layout, i))
    at->value = layout->nodes[node->input[0]].value;
  else
    at->value = new_buffer(layout, value_count(layout, i), i, i);
  extend(layout, at->value, is_read_by_losses(layout, i) ? graph->n_nodes : i);
  if (at->merged)
    return;
  for (int j = 0; j < node->n_inputs; j++)
    extend(layout, layout->nodes[node->input[j]].value, i);
  const CoredPasses *const passes = at->passes;
  const int last = layout->params->training ? backward_time(layout, i) : i;
  if (passes->saved_count)
    at->saved = new_buffer(layout, passes->saved_count(&at->shape), i, last);
}

/* No gradient comes to a node that leads neither to the features nor to the logits. */
static bool runs_backward(const NodeLayout *at) {
  return !at->merged && at->grad >= 0;
}

/* Keep what backward reads. */
static void keep_values(Layout *layout, int i) {
  const CoredNode *const node = &graph_of(layout)->nodes[i];
  const NodeLayout *const at = &layout->nodes[i];
  if (!runs_backward(at))
    return;
  for (int j = 0; j < node->n_inputs; j++)
    if (at->passes->needs_x[j])
      extend(layout, layout->nodes[node->input[j]].value, backward_time(layout, i));
  if (at->passes->needs_y)
    extend(layout, at->value, backward_time(layout, i));
}

/* Node i hands gradients to its inputs: the first to do so brings the buffer, the others add. */
static void plan_gradients(Layout *layout, int i) {
  const CoredGraph *const graph = graph_of(layout);
  const CoredNode *const node = &graph->nodes[i];
  NodeLayout *const at = &layout->nodes[i];
  const int now = backward_time(layout, i);
  if (at->grad < 0)
    return;
  for (int j = 0; j < node->n_inputs; j++) {
    const int source = node->input[j];
    NodeLayout *const from = &layout->nodes[source];
    if (graph->nodes[source].op == CORED_OP_INPUT)
      continue;
    const bool in_place = at->merged || (j == 0 && at->passes->in_place);
    if (from->grad >= 0)
      at->add[j] = true;
    else if (in_place && layout->consumers[source] == 1)
      from->grad = at->grad;
    else
      from->grad = new_buffer(layout, value_count(layout, source), now, now);
    extend(layout, from->grad, backward_time(layout, source));
  }
}

static void plan_scratch(Layout *layout, int i) {
  NodeLayout *const at = &layout->nodes[i];
  if (at->merged || !at->passes->scratch_count)
    return;
  const size_t count = at->passes->scratch_count(&at->shape);
  at->scratch[0] = new_buffer(layout, count, i, i);
  if (layout->params->training)
    at->scratch[1] = new_buffer(layout, count, backward_time(layout, i), backward_time(layout, i));
}

static bool make_layout(Layout *layout, CoredError *error) {
  const CoredGraph *const graph = graph_of(layout);
  if (!cored_graph_shapes(graph, layout->params->h, layout->params->w, layout->shapes, error))
    return false;
  if (!check_trainable(graph, error))
    return false;
  count_consumers(layout);
  fill_nodes(layout);
  merge_activations(layout);
  for (int i = 1; i < graph->n_nodes; i++) {
    plan_value(layout, i);
    plan_scratch(layout, i);
  }
  if (layout->params->training) {
    const int outputs[2] = {graph->features, graph->logits};
    for (int i = 0; i < 2; i++)
      layout->nodes[outputs[i]].grad =
          new_buffer(layout, value_count(layout, outputs[i]), graph->n_nodes,
                     backward_time(layout, outputs[i]));
    for (int i = graph->n_nodes - 1; i > 0; i--) {
      keep_values(layout, i);
      plan_gradients(layout, i);
    }
  }
  return cored_memory_plan(layout->buffers, (size_t)layout->n_buffers, &layout->arena) ||
         cored_error_set(error, CORED_ERROR_NO_MEMORY, "layout of the training memory: no memory");
}

/* ---- Life ------------------------------------------------------------------------------------ */

static bool allocate(CoredTrainNet *net) {
  const CoredTrainNetParams *const p = &net->params;
  const size_t nodes = (size_t)p->graph->n_nodes;
  Layout *const layout = &net->layout;
  layout->shapes = calloc(nodes, sizeof *layout->shapes);
  layout->nodes = calloc(nodes, sizeof *layout->nodes);
  layout->consumers = calloc(nodes, sizeof *layout->consumers);
  layout->buffers = calloc(5 * nodes, sizeof *layout->buffers);
  net->offsets = calloc((size_t)p->graph->n_params + 1, sizeof *net->offsets);
  if (CORED_REAL_IS_DOUBLE)
    net->converted =
        calloc((size_t)p->max_batch * (size_t)p->h * (size_t)p->w * 3, sizeof *net->converted);
  return layout->shapes && layout->nodes && layout->consumers && layout->buffers && net->offsets &&
         (net->converted || !CORED_REAL_IS_DOUBLE);
}

static void place_params(CoredTrainNet *net) {
  for (int i = 0; i < net->params.graph->n_params; i++) {
    net->offsets[i] = net->block;
    net->block += (net->params.graph->params[i].count + 15) / 16 * 16;
  }
}

/* Cut the trained parameters into ranges of at most range_size values. */
static bool make_ranges(CoredTrainNet *net) {
  const CoredGraph *const graph = net->params.graph;
  size_t most = 0;
  for (int i = 0; i < graph->n_params; i++)
    most += graph->params[i].count / range_size + 1;
  net->ranges = calloc(most, sizeof *net->ranges);
  for (int i = 0; net->ranges && i < graph->n_params; i++) {
    const CoredParam *const param = &graph->params[i];
    if (cored_param_is_statistic(param))
      continue;
    for (size_t at = 0; at < param->count; at += range_size)
      net->ranges[net->n_ranges++] = (CoredParamRange){
          .offset = net->offsets[i] + at,
          .count = param->count - at < range_size ? param->count - at : range_size,
          .classifier = graph->nodes[param->node].classifier};
  }
  return net->ranges != NULL;
}

static bool open_net(CoredTrainNet *net, CoredError *error) {
  net->layout.params = &net->params;
  if (!allocate(net))
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "training net: no memory");
  if (!make_layout(&net->layout, error))
    return false;
  place_params(net);
  return !net->params.training || make_ranges(net) ||
         cored_error_set(error, CORED_ERROR_NO_MEMORY, "training net: no memory");
}

CoredTrainNet *cored_train_net_new(const CoredTrainNetParams *params, CoredError *error) {
  CoredTrainNet *const net = calloc(1, sizeof *net);
  if (!net) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "training net: no memory");
    return NULL;
  }
  net->params = *params;
  if (open_net(net, error))
    return net;
  cored_train_net_free(net);
  return NULL;
}

void cored_train_net_free(CoredTrainNet *net) {
  if (!net)
    return;
  free(net->layout.shapes);
  free(net->layout.nodes);
  free(net->layout.consumers);
  free(net->layout.buffers);
  free(net->offsets);
  free(net->ranges);
  free(net->converted);
  free(net);
}

size_t cored_train_net_arena_count(const CoredTrainNet *net) {
  return net->layout.arena;
}

void cored_train_net_set_arena(CoredTrainNet *net, CoredReal *arena) {
  net->arena = arena;
}

size_t cored_train_net_offset(const CoredTrainNet *net, int param) {
  return net->offsets[param];
}

size_t cored_train_net_block_count(const CoredTrainNet *net) {
  return net->block;
}

const CoredTrainNetParams *cored_train_net_params(const CoredTrainNet *net) {
  return &net->params;
}

const CoredParamRange *cored_train_net_ranges(const CoredTrainNet *net, int *n) {
  *n = net->n_ranges;
  return net->ranges;
}

/* ---- Passes ---------------------------------------------------------------------------------- */

static CoredReal *buffer_of(const CoredTrainNet *net, int buffer) {
  return buffer < 0 ? NULL : net->arena + net->layout.buffers[buffer].offset;
}

static CoredReal *value_of(const CoredTrainNet *net, int node) {
  return buffer_of(net, net->layout.nodes[node].value);
}

/* The images of a run as the passes take them. */
static const CoredReal *input_of(CoredTrainNet *net, const CoredTrainNetRun *run) {
  const size_t count = (size_t)run->n * (size_t)net->params.h * (size_t)net->params.w * 3;
  if (!CORED_REAL_IS_DOUBLE)
    return (const CoredReal *)(const void *)run->images;
  for (size_t i = 0; i < count; i++)
    net->converted[i] = (CoredReal)run->images[i];
  return net->converted;
}

/* What forward and backward of a node have in common. */
static CoredPassReal make_pass(const CoredTrainNet *net, const CoredTrainNetRun *run, int index,
                               bool backward) {
  const CoredGraph *const graph = net->params.graph;
  const NodeLayout *const at = &net->layout.nodes[index];
  const CoredNode *const node = &graph->nodes[index];
  CoredPassReal pass = {.node = node,
                        .n = run->n,
                        .out = at->shape.out,
                        .y = value_of(net, index),
                        .saved = buffer_of(net, at->saved),
                        .act = at->act,
                        .batch_stats = run->batch_stats,
                        .rate = run->dropout ? at->rate : 0.0f,
                        .first = run->first,
                        .pool = net->params.pool,
                        .scratch = buffer_of(net, at->scratch[backward])};
  uint32_t bits[4];
  cored_philox_bits(run->key, (uint64_t)index, bits);
  pass.key = (uint64_t)bits[0] << 32 | bits[1];
  for (int i = 0; i < node->n_inputs; i++) {
    pass.in[i] = at->shape.in[i];
    pass.x[i] = node->input[i] == 0 ? net->input : value_of(net, node->input[i]);
  }
  for (int i = at->param, j = 0; i < graph->n_params && graph->params[i].node == index; i++, j++)
    pass.params[j] = run->block + net->offsets[i];
  return pass;
}

void cored_train_net_forward(CoredTrainNet *net, const CoredTrainNetRun *run) {
  const CoredGraph *const graph = net->params.graph;
  net->input = input_of(net, run);
  for (int i = 1; i < graph->n_nodes; i++) {
    const NodeLayout *const at = &net->layout.nodes[i];
    if (at->merged)
      continue;
    CoredPassReal pass = make_pass(net, run, i, false);
    if (graph->nodes[i].op == CORED_OP_BATCH_NORM && run->running)
      for (int j = 0; j < 2; j++)
        pass.running[j] = run->running + net->offsets[at->param + 2 + j];
    at->passes->CORED_REAL(forward)(&pass);
  }
  if (!net->params.training)
    return;
  const CoredShape s = net->layout.shapes[graph->features];
  memset(cored_train_net_output_gradient(net, graph->features), 0,
         (size_t)run->n * (size_t)s.h * (size_t)s.w * (size_t)s.c * sizeof(CoredReal));
}

static bool all_finite(const CoredReal *values, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (!isfinite(values[i]))
      return false;
  return true;
}

int cored_train_net_find_nonfinite(CoredTrainNet *net, const CoredTrainNetRun *run) {
  const CoredGraph *const graph = net->params.graph;
  net->input = input_of(net, run);
  for (int i = 0; i < graph->n_nodes; i++) {
    const CoredShape s = net->layout.shapes[i];
    const size_t count = (size_t)run->n * (size_t)s.h * (size_t)s.w * (size_t)s.c;
    if (net->layout.nodes[i].merged)
      continue;
    if (i > 0) {
      CoredPassReal pass = make_pass(net, run, i, false);
      net->layout.nodes[i].passes->CORED_REAL(forward)(&pass);
    }
    if (!all_finite(i == 0 ? net->input : value_of(net, i), count))
      return i;
  }
  return -1;
}

const CoredReal *cored_train_net_output(const CoredTrainNet *net, int node, CoredShape *shape) {
  if (shape)
    *shape = net->layout.shapes[node];
  return value_of(net, node);
}

CoredReal *cored_train_net_output_gradient(const CoredTrainNet *net, int node) {
  return buffer_of(net, net->layout.nodes[node].grad);
}

void cored_train_net_backward(CoredTrainNet *net, const CoredTrainNetRun *run,
                              CoredReal *gradients) {
  const CoredGraph *const graph = net->params.graph;
  for (int i = graph->n_nodes - 1; i > 0; i--) {
    const NodeLayout *const at = &net->layout.nodes[i];
    if (!runs_backward(at))
      continue;
    CoredPassReal pass = make_pass(net, run, i, true);
    pass.dy = buffer_of(net, at->grad);
    for (int j = 0; j < graph->nodes[i].n_inputs; j++) {
      pass.dx[j] = buffer_of(net, net->layout.nodes[graph->nodes[i].input[j]].grad);
      pass.add[j] = at->add[j];
    }
    for (int j = at->param, k = 0; j < graph->n_params && graph->params[j].node == i; j++, k++)
      pass.dparams[k] = gradients + net->offsets[j];
    at->passes->CORED_REAL(backward)(&pass);
  }
}
