/* SPDX-License-Identifier: MIT
 * Running a net forwards and backwards. */
#include "train/core/net.h"

#include "base/error.h"
#include "base/random.h"
#include "train/core/net-plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct CoredNet {
  CoredNetParams params;
  CoredNetPlan plan;
  size_t *offsets; /* of the parameters in a block */
  size_t block;    /* numbers of a block */
  CoredReal *arena;
};

CoredNet *cored_net_new(const CoredNetParams *params, CoredError *error) {
  CoredNet *const net = calloc(1, sizeof *net);
  if (!net) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "training net: no memory");
    return NULL;
  }
  const size_t nodes = (size_t)params->graph->n_nodes;
  net->params = *params;
  net->plan.params = &net->params;
  net->plan.shapes = calloc(nodes, sizeof *net->plan.shapes);
  net->plan.steps = calloc(nodes, sizeof *net->plan.steps);
  net->plan.consumers = calloc(nodes, sizeof *net->plan.consumers);
  net->plan.buffers = calloc(5 * nodes, sizeof *net->plan.buffers);
  net->offsets = calloc((size_t)params->graph->n_params + 1, sizeof *net->offsets);
  if (!net->plan.shapes || !net->plan.steps || !net->plan.consumers || !net->plan.buffers ||
      !net->offsets)
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "training net: no memory");
  else if (cored_net_plan_make(&net->plan, error)) {
    for (int i = 0; i < params->graph->n_params; i++) {
      net->offsets[i] = net->block;
      net->block += (params->graph->params[i].count + 15) / 16 * 16;
    }
    return net;
  }
  cored_net_free(net);
  return NULL;
}

void cored_net_free(CoredNet *net) {
  if (!net)
    return;
  free(net->plan.shapes);
  free(net->plan.steps);
  free(net->plan.consumers);
  free(net->plan.buffers);
  free(net->offsets);
  free(net);
}

size_t cored_net_arena_count(const CoredNet *net) {
  return net->plan.arena;
}

void cored_net_set_arena(CoredNet *net, CoredReal *arena) {
  net->arena = arena;
}

size_t cored_net_offset(const CoredNet *net, int param) {
  return net->offsets[param];
}

size_t cored_net_block_count(const CoredNet *net) {
  return net->block;
}

static CoredReal *buffer_of(const CoredNet *net, int buffer) {
  return buffer < 0 ? NULL : net->arena + net->plan.buffers[buffer].offset;
}

static CoredReal *value_of(const CoredNet *net, int node) {
  return buffer_of(net, net->plan.steps[node].value);
}

/* What forward and backward of a node have in common. */
static CoredPassReal make_pass(const CoredNet *net, const CoredNetRun *run, int index,
                               bool backward) {
  const CoredGraph *const graph = net->params.graph;
  const CoredNetStep *const step = &net->plan.steps[index];
  const CoredNode *const node = &graph->nodes[index];
  CoredPassReal pass = {.node = node,
                        .n = run->n,
                        .out = step->shape.out,
                        .y = value_of(net, index),
                        .saved = buffer_of(net, step->saved),
                        .act = step->act,
                        .slope = step->slope,
                        .batch_stats = run->batch_stats,
                        .rate = run->dropout ? step->rate : 0.0f,
                        .first = run->first,
                        .pool = net->params.pool,
                        .scratch = buffer_of(net, step->scratch[backward])};
  uint32_t bits[4];
  cored_philox_bits(run->key, (uint64_t)index, bits);
  pass.key = (uint64_t)bits[0] << 32 | bits[1];
  for (int i = 0; i < node->n_inputs; i++) {
    pass.in[i] = step->shape.in[i];
    pass.x[i] = node->input[i] == 0 ? run->input : value_of(net, node->input[i]);
  }
  for (int i = step->param, j = 0; i < graph->n_params && graph->params[i].node == index; i++, j++)
    pass.params[j] = run->block + net->offsets[i];
  return pass;
}

void cored_net_forward(CoredNet *net, const CoredNetRun *run) {
  const CoredGraph *const graph = net->params.graph;
  for (int i = 1; i < graph->n_nodes; i++) {
    const CoredNetStep *const step = &net->plan.steps[i];
    if (step->merged)
      continue;
    CoredPassReal pass = make_pass(net, run, i, false);
    if (graph->nodes[i].op == CORED_OP_BATCH_NORM && run->running)
      for (int j = 0; j < 2; j++)
        pass.running[j] = run->running + net->offsets[step->param + 2 + j];
    step->backward->CORED_REAL(forward)(&pass);
  }
  if (!net->params.training)
    return;
  const CoredShape s = net->plan.shapes[graph->features];
  memset(cored_net_output_gradient(net, graph->features), 0,
         (size_t)run->n * (size_t)s.h * (size_t)s.w * (size_t)s.c * sizeof(CoredReal));
}

static bool all_finite(const CoredReal *values, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (!isfinite(values[i]))
      return false;
  return true;
}

int cored_net_find_nonfinite(CoredNet *net, const CoredNetRun *run) {
  const CoredGraph *const graph = net->params.graph;
  for (int i = 0; i < graph->n_nodes; i++) {
    const CoredShape s = net->plan.shapes[i];
    const size_t count = (size_t)run->n * (size_t)s.h * (size_t)s.w * (size_t)s.c;
    if (net->plan.steps[i].merged)
      continue;
    if (i > 0) {
      CoredPassReal pass = make_pass(net, run, i, false);
      net->plan.steps[i].backward->CORED_REAL(forward)(&pass);
    }
    if (!all_finite(i == 0 ? run->input : value_of(net, i), count))
      return i;
  }
  return -1;
}

const CoredReal *cored_net_output(const CoredNet *net, int node, CoredShape *shape) {
  if (shape)
    *shape = net->plan.shapes[node];
  return value_of(net, node);
}

CoredReal *cored_net_output_gradient(const CoredNet *net, int node) {
  return buffer_of(net, net->plan.steps[node].grad);
}

void cored_net_backward(CoredNet *net, const CoredNetRun *run, CoredReal *gradients) {
  const CoredGraph *const graph = net->params.graph;
  for (int i = graph->n_nodes - 1; i > 0; i--) {
    const CoredNetStep *const step = &net->plan.steps[i];
    if (step->merged)
      continue;
    CoredPassReal pass = make_pass(net, run, i, true);
    pass.dy = buffer_of(net, step->grad);
    for (int j = 0; j < graph->nodes[i].n_inputs; j++) {
      pass.dx[j] = buffer_of(net, net->plan.steps[graph->nodes[i].input[j]].grad);
      pass.add[j] = step->add[j];
    }
    for (int j = step->param, k = 0; j < graph->n_params && graph->params[j].node == i; j++, k++)
      pass.dparams[k] = gradients + net->offsets[j];
    step->backward->CORED_REAL(backward)(&pass);
  }
}
