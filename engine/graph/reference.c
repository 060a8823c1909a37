/* SPDX-License-Identifier: MIT
 * The plain arithmetic of the ops, and the executor that walks a graph with it. */
#include "graph/reference.h"

#include "base/error.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CORED_TEMPLATE "graph/reference-ops.h"
#include "graph/twice.h"

static const CoredReferenceOp ops[CORED_N_OPS] = {
    [CORED_OP_CONV] = {conv_f32, conv_f64},
    [CORED_OP_DEPTHWISE] = {depthwise_f32, depthwise_f64},
    [CORED_OP_BATCH_NORM] = {batch_norm_f32, batch_norm_f64},
    [CORED_OP_ACTIVATION] = {activation_f32, activation_f64},
    [CORED_OP_MAX_POOL] = {max_pool_f32, max_pool_f64},
    [CORED_OP_UPSAMPLE] = {upsample_f32, upsample_f64},
    [CORED_OP_GLOBAL_AVG_POOL] = {global_avg_pool_f32, global_avg_pool_f64},
    [CORED_OP_FLATTEN] = {flatten_f32, flatten_f64},
    [CORED_OP_DENSE] = {dense_f32, dense_f64},
    [CORED_OP_ADD] = {add_f32, add_f64},
    [CORED_OP_SCALE] = {scale_f32, scale_f64},
    [CORED_OP_CONCAT] = {concat_f32, concat_f64},
    [CORED_OP_DROPOUT] = {copy_f32, copy_f64},
    [CORED_OP_DROP_CONNECT] = {copy_f32, copy_f64},
};

const CoredReferenceOp *cored_reference_op(CoredOp op) {
  assert((unsigned)op < CORED_N_OPS);
  return &ops[op];
}

/* ---- The executor ---------------------------------------------------------------------------- */

typedef struct Run {
  const CoredGraph *graph;
  const float *const *params;
  int n;
  CoredShape *shapes;
  float **values; /* output of each node while it is needed */
  int *uses;      /* consumers still to come, wanted outputs included */
} Run;

static size_t value_count(const Run *run, int node) {
  const CoredShape s = run->shapes[node];
  return (size_t)run->n * (size_t)s.h * (size_t)s.w * (size_t)s.c;
}

static bool run_open(Run *run, int h, int w, CoredError *error) {
  const size_t nodes = (size_t)run->graph->n_nodes;
  run->shapes = calloc(nodes, sizeof *run->shapes);
  run->values = calloc(nodes, sizeof *run->values);
  run->uses = calloc(nodes, sizeof *run->uses);
  if (!run->shapes || !run->values || !run->uses)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "reference run: no memory");
  return cored_graph_shapes(run->graph, h, w, run->shapes, error);
}

static void run_close(Run *run) {
  if (run->values)
    for (int i = 0; i < run->graph->n_nodes; i++)
      free(run->values[i]);
  free(run->values);
  free(run->shapes);
  free(run->uses);
}

static void count_uses(Run *run, const int *wanted, int n_wanted) {
  for (int i = 0; i < run->graph->n_nodes; i++)
    for (int j = 0; j < run->graph->nodes[i].n_inputs; j++)
      run->uses[run->graph->nodes[i].input[j]]++;
  for (int i = 0; i < n_wanted; i++)
    run->uses[wanted[i]]++;
}

static void release(Run *run, int node) {
  if (--run->uses[node] > 0)
    return;
  free(run->values[node]);
  run->values[node] = NULL;
}

static void evaluate(Run *run, int index, int first_param) {
  const CoredNode *const node = &run->graph->nodes[index];
  CoredForwardF32 call = {
      .node = node, .n = run->n, .out = run->shapes[index], .y = run->values[index]};
  for (int i = 0; i < node->n_inputs; i++) {
    call.in[i] = run->shapes[node->input[i]];
    call.x[i] = run->values[node->input[i]];
  }
  for (int i = first_param, j = 0; i < run->graph->n_params && run->graph->params[i].node == index;
       i++, j++)
    call.params[j] = run->params[i];
  cored_reference_op(node->op)->forward_f32(&call);
  for (int i = 0; i < node->n_inputs; i++)
    release(run, node->input[i]);
}

static bool run_nodes(Run *run, const float *input, CoredError *error) {
  const CoredGraph *const graph = run->graph;
  int param = 0;
  for (int i = 0; i < graph->n_nodes; i++) {
    run->values[i] = malloc(value_count(run, i) * sizeof *run->values[i]);
    if (!run->values[i])
      return cored_error_set(error, CORED_ERROR_NO_MEMORY, "reference run: no memory for node %d",
                             i);
    if (graph->nodes[i].op == CORED_OP_INPUT)
      memcpy(run->values[i], input, value_count(run, i) * sizeof *input);
    else
      evaluate(run, i, param);
    while (param < graph->n_params && graph->params[param].node <= i)
      param++;
  }
  return true;
}

static bool copy_wanted(Run *run, const int *wanted, int n_wanted, float **outputs,
                        CoredError *error) {
  for (int i = 0; i < n_wanted; i++) {
    const size_t size = value_count(run, wanted[i]) * sizeof **outputs;
    outputs[i] = malloc(size);
    if (!outputs[i]) {
      while (i-- > 0)
        free(outputs[i]);
      return cored_error_set(error, CORED_ERROR_NO_MEMORY, "reference run: no memory");
    }
    memcpy(outputs[i], run->values[wanted[i]], size);
  }
  return true;
}

bool cored_reference_run(const CoredGraph *graph, const float *const *params, const float *input,
                         int n, int h, int w, const int *wanted, int n_wanted, float **outputs,
                         CoredError *error) {
  Run run = {.graph = graph, .params = params, .n = n};
  bool ok = run_open(&run, h, w, error);
  if (ok) {
    count_uses(&run, wanted, n_wanted);
    ok = run_nodes(&run, input, error) && copy_wanted(&run, wanted, n_wanted, outputs, error);
  }
  run_close(&run);
  return ok;
}
