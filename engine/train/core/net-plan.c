/* SPDX-License-Identifier: MIT
 * Which layers merge, which values live how long, and where they lie. */
#include "train/core/net-plan.h"

#include "base/error.h"

#include <stdlib.h>

static const CoredGraph *graph_of(const CoredNetPlan *plan) {
  return plan->params->graph;
}

static bool is_output(const CoredGraph *graph, int node) {
  return node == graph->features || node == graph->logits;
}

static size_t value_count(const CoredNetPlan *plan, int node) {
  const CoredShape s = plan->shapes[node];
  return (size_t)plan->params->max_batch * (size_t)s.h * (size_t)s.w * (size_t)s.c;
}

static int new_buffer(CoredNetPlan *plan, size_t count, int first, int last) {
  if (count == 0)
    return -1;
  plan->buffers[plan->n_buffers] =
      (CoredNetBuffer){.count = (count + 15) / 16 * 16, .first = first, .last = last};
  return plan->n_buffers++;
}

static void extend(CoredNetPlan *plan, int buffer, int time) {
  if (buffer < 0)
    return;
  CoredNetBuffer *const b = &plan->buffers[buffer];
  b->first = time < b->first ? time : b->first;
  b->last = time > b->last ? time : b->last;
}

static int backward_time(const CoredNetPlan *plan, int node) {
  return 2 * graph_of(plan)->n_nodes - node;
}

static void count_consumers(CoredNetPlan *plan) {
  const CoredGraph *const graph = graph_of(plan);
  for (int i = 0; i < graph->n_nodes; i++)
    for (int j = 0; j < graph->nodes[i].n_inputs; j++)
      plan->consumers[graph->nodes[i].input[j]]++;
}

/* Rates of the graph, or the caller's. */
static float drop_rate(const CoredNetParams *params, const CoredNode *node) {
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

static void fill_steps(CoredNetPlan *plan) {
  const CoredGraph *const graph = graph_of(plan);
  int param = 0;
  for (int i = 0; i < graph->n_nodes; i++) {
    const CoredNode *const node = &graph->nodes[i];
    CoredNetStep *const step = &plan->steps[i];
    step->backward = cored_passes_get(node, plan->params->cpu);
    step->shape = (CoredPassShape){.node = node,
                                   .n = plan->params->max_batch,
                                   .threads = cored_thread_pool_threads(plan->params->pool),
                                   .out = plan->shapes[i]};
    for (int j = 0; j < node->n_inputs; j++)
      step->shape.in[j] = plan->shapes[node->input[j]];
    step->rate = drop_rate(plan->params, node);
    step->value = step->grad = step->saved = step->scratch[0] = step->scratch[1] = -1;
    step->param = param;
    while (param < graph->n_params && graph->params[param].node == i)
      param++;
  }
}

/* A batch norm whose only reader is an activation does that activation. */
static void merge_activations(CoredNetPlan *plan) {
  const CoredGraph *const graph = graph_of(plan);
  for (int i = 0; i < graph->n_nodes; i++) {
    const CoredNode *const node = &graph->nodes[i];
    if (node->op != CORED_OP_ACTIVATION)
      continue;
    const int source = node->input[0];
    if (graph->nodes[source].op != CORED_OP_BATCH_NORM || plan->consumers[source] != 1 ||
        is_output(graph, source))
      continue;
    plan->steps[i].merged = true;
    plan->steps[source].act = node->act;
    plan->steps[source].slope = node->slope;
  }
}

/* May node write its output over its first input? */
static bool works_in_place(const CoredNetPlan *plan, int index) {
  const CoredGraph *const graph = graph_of(plan);
  const CoredPasses *const backward = plan->steps[index].backward;
  const int source = graph->nodes[index].input[0];
  if (!backward->in_place || plan->consumers[source] != 1 || is_output(graph, source) ||
      graph->nodes[source].op == CORED_OP_INPUT)
    return false;
  if (!plan->params->training)
    return true;
  const bool source_needs_y = !plan->steps[source].merged && plan->steps[source].backward->needs_y;
  return !backward->needs_x[0] && !source_needs_y;
}

static void plan_value(CoredNetPlan *plan, int i) {
  const CoredGraph *const graph = graph_of(plan);
  const CoredNode *const node = &graph->nodes[i];
  CoredNetStep *const step = &plan->steps[i];
  if (step->merged || works_in_place(plan, i))
    step->value = plan->steps[node->input[0]].value;
  else
    step->value = new_buffer(plan, value_count(plan, i), i, i);
  extend(plan, step->value, i);
  if (step->merged)
    return;
  for (int j = 0; j < node->n_inputs; j++)
    extend(plan, plan->steps[node->input[j]].value, i);
  const CoredPasses *const backward = step->backward;
  const int last = plan->params->training ? backward_time(plan, i) : i;
  if (backward->saved_count)
    step->saved = new_buffer(plan, backward->saved_count(&step->shape), i, last);
  if (is_output(graph, i))
    extend(plan, step->value, graph->n_nodes);
}

/* Keep what backward reads. */
static void keep_values(CoredNetPlan *plan, int i) {
  const CoredNode *const node = &graph_of(plan)->nodes[i];
  const CoredNetStep *const step = &plan->steps[i];
  if (step->merged)
    return;
  for (int j = 0; j < node->n_inputs; j++)
    if (step->backward->needs_x[j])
      extend(plan, plan->steps[node->input[j]].value, backward_time(plan, i));
  if (step->backward->needs_y)
    extend(plan, step->value, backward_time(plan, i));
}

/* Node i hands gradients to its inputs: the first to do so brings the buffer, the others add. */
static void plan_gradients(CoredNetPlan *plan, int i) {
  const CoredGraph *const graph = graph_of(plan);
  const CoredNode *const node = &graph->nodes[i];
  CoredNetStep *const step = &plan->steps[i];
  const int now = backward_time(plan, i);
  for (int j = 0; j < node->n_inputs; j++) {
    const int source = node->input[j];
    CoredNetStep *const from = &plan->steps[source];
    if (graph->nodes[source].op == CORED_OP_INPUT)
      continue;
    const bool in_place = step->merged || (j == 0 && step->backward->in_place);
    if (from->grad >= 0)
      step->add[j] = true;
    else if (in_place && plan->consumers[source] == 1)
      from->grad = step->grad;
    else
      from->grad = new_buffer(plan, value_count(plan, source), now, now);
    extend(plan, from->grad, backward_time(plan, source));
  }
}

static void plan_scratch(CoredNetPlan *plan, int i) {
  CoredNetStep *const step = &plan->steps[i];
  if (step->merged || !step->backward->scratch_count)
    return;
  const size_t count = step->backward->scratch_count(&step->shape);
  step->scratch[0] = new_buffer(plan, count, i, i);
  if (plan->params->training)
    step->scratch[1] = new_buffer(plan, count, backward_time(plan, i), backward_time(plan, i));
}

static int larger_first(const void *a, const void *b) {
  const CoredNetBuffer *const x = *(CoredNetBuffer *const *)a;
  const CoredNetBuffer *const y = *(CoredNetBuffer *const *)b;
  if (x->count != y->count)
    return x->count < y->count ? 1 : -1;
  return x < y ? -1 : 1;
}

static int lower_first(const void *a, const void *b) {
  const CoredNetBuffer *const x = *(CoredNetBuffer *const *)a;
  const CoredNetBuffer *const y = *(CoredNetBuffer *const *)b;
  if (x->offset != y->offset)
    return x->offset < y->offset ? -1 : 1;
  return x < y ? -1 : 1;
}

/* The lowest gap that is large enough among the placed buffers alive at the same time. */
static size_t find_gap(const CoredNetBuffer *buffer, CoredNetBuffer **placed, int n_placed,
                       CoredNetBuffer **alive) {
  int n_alive = 0;
  for (int i = 0; i < n_placed; i++)
    if (placed[i]->first <= buffer->last && buffer->first <= placed[i]->last)
      alive[n_alive++] = placed[i];
  qsort(alive, (size_t)n_alive, sizeof *alive, lower_first);
  size_t offset = 0;
  for (int i = 0; i < n_alive; i++) {
    if (alive[i]->offset >= offset + buffer->count)
      break;
    const size_t end = alive[i]->offset + alive[i]->count;
    offset = end > offset ? end : offset;
  }
  return offset;
}

/* Greedy by size, as in Pisarchyk and Lee 2020, "Efficient memory management for deep neural net
 * inference", section 5.2. */
static bool place_buffers(CoredNetPlan *plan, CoredError *error) {
  const size_t n = (size_t)plan->n_buffers;
  CoredNetBuffer **const order = malloc((n + 1) * sizeof *order);
  CoredNetBuffer **const alive = malloc((n + 1) * sizeof *alive);
  if (!order || !alive) {
    free(order);
    free(alive);
    return cored_error_set(error, CORED_ERROR_NO_MEMORY,
                           "layout of the training memory: no memory");
  }
  for (size_t i = 0; i < n; i++)
    order[i] = &plan->buffers[i];
  qsort(order, n, sizeof *order, larger_first);
  for (size_t i = 0; i < n; i++) {
    order[i]->offset = find_gap(order[i], order, (int)i, alive);
    const size_t end = order[i]->offset + order[i]->count;
    plan->arena = end > plan->arena ? end : plan->arena;
  }
  free(order);
  free(alive);
  return true;
}

bool cored_net_plan_make(CoredNetPlan *plan, CoredError *error) {
  const CoredGraph *const graph = graph_of(plan);
  if (!cored_graph_shapes(graph, plan->params->h, plan->params->w, plan->shapes, error))
    return false;
  count_consumers(plan);
  fill_steps(plan);
  merge_activations(plan);
  for (int i = 1; i < graph->n_nodes; i++) {
    plan_value(plan, i);
    plan_scratch(plan, i);
  }
  if (plan->params->training) {
    const int outputs[2] = {graph->features, graph->logits};
    for (int i = 0; i < 2; i++)
      plan->steps[outputs[i]].grad = new_buffer(plan, value_count(plan, outputs[i]), graph->n_nodes,
                                                backward_time(plan, outputs[i]));
    for (int i = graph->n_nodes - 1; i > 0; i--) {
      keep_values(plan, i);
      plan_gradients(plan, i);
    }
  }
  return place_buffers(plan, error);
}
