/* SPDX-License-Identifier: MIT
 * From graph to steps: which nodes become one step.
 *
 * Nodes are visited in their order. A convolution, depthwise convolution, pooling or sum takes the
 * batch norms, activation and residual behind it along, as far as nobody else needs what lies
 * between; an activation, scaling or depthwise convolution in front of a consumer that can do it
 * while reading is put off to that consumer. */
#include "plan/lower.h"

#include <stdlib.h>
#include <string.h>

#include "base/block.h"
#include "base/error.h"
#include "base/file.h"

/* ---- Chains --------------------------------------------------------------------------------- */

static CoredKernelAct kernel_act(CoredAct act) {
  switch (act) {
  case CORED_ACT_NONE:
    return CORED_KERNEL_ACT_NONE;
  case CORED_ACT_RELU:
    return CORED_KERNEL_ACT_RELU;
  case CORED_ACT_LEAKY_RELU:
    return CORED_KERNEL_ACT_LEAKY_RELU;
  case CORED_ACT_SWISH:
    return CORED_KERNEL_ACT_SWISH;
  case CORED_ACT_SIGMOID:
    return CORED_KERNEL_ACT_SIGMOID;
  }
  return CORED_KERNEL_ACT_NONE;
}

bool cored_lower_is_private(const CoredLower *l, int node) {
  return l->uses[node] == 1 && node != l->graph->features && node != l->graph->logits;
}

static bool fuse_batch_norm(CoredLower *l, int node, unsigned what, CoredChain *chain) {
  const bool fold = (what & CORED_FUSE_FOLD) && chain->act == CORED_KERNEL_ACT_NONE &&
                    chain->residual == CORED_NO_VALUE && !chain->post.scale;
  if (!cored_affine_batch_norm(fold ? &chain->fold : &chain->post, l->graph, l->params, node))
    l->no_memory = true;
  return true;
}

static bool fuse_activation(CoredChain *chain, const CoredNode *node) {
  if (chain->act != CORED_KERNEL_ACT_NONE || chain->post.scale)
    return false;
  chain->act = kernel_act(node->act);
  chain->slope = node->slope;
  return true;
}

static bool fuse_add(CoredLower *l, int node, unsigned what, CoredChain *chain) {
  const CoredNode *const add = &l->graph->nodes[node];
  const int other = add->input[0] == chain->last ? add->input[1] : add->input[0];
  if (!(what & CORED_FUSE_ADD) || chain->residual != CORED_NO_VALUE ||
      chain->act != CORED_KERNEL_ACT_NONE || chain->post.scale ||
      l->pending[other].kind != CORED_PENDING_PLAIN)
    return false;
  chain->residual = l->pending[other].value;
  return true;
}

static bool fuse_node(CoredLower *l, int node, unsigned what, CoredChain *chain) {
  const CoredNode *const next = &l->graph->nodes[node];
  switch (next->op) {
  case CORED_OP_BATCH_NORM:
    return fuse_batch_norm(l, node, what, chain);
  case CORED_OP_ACTIVATION:
    return fuse_activation(chain, next);
  case CORED_OP_ADD:
    return fuse_add(l, node, what, chain);
  case CORED_OP_DROPOUT:
  case CORED_OP_DROP_CONNECT:
    return true; /* nothing at inference */
  default:
    return false;
  }
}

void cored_lower_fuse(CoredLower *l, int node, unsigned what, CoredChain *chain) {
  *chain = (CoredChain){.last = node, .residual = CORED_NO_VALUE};
  if (l->graph->nodes[node].op == CORED_OP_BATCH_NORM)
    fuse_batch_norm(l, node, 0, chain);
  while (cored_lower_is_private(l, chain->last)) {
    const int next = l->consumer[chain->last];
    if (!fuse_node(l, next, what, chain))
      break;
    l->fused[next] = true;
    chain->last = next;
  }
}

void cored_chain_clear(CoredChain *chain) {
  cored_affine_clear(&chain->fold);
  cored_affine_clear(&chain->post);
}

/* ---- Values and steps ----------------------------------------------------------------------- */

/* Room for one more element; arrays grow by doubling at powers of two. */
static void *grow(void *array, int count, size_t size) {
  if (count & (count - 1) || (count > 0 && count < 16))
    return array;
  return realloc(array, (size_t)(count < 16 ? 16 : 2 * count) * size);
}

int cored_lower_new_value(CoredLower *l, CoredShape shape) {
  CoredPlan *const plan = l->plan;
  CoredValue *const values = grow(plan->values, plan->n_values, sizeof *values);
  if (!values) {
    l->no_memory = true;
    return 0;
  }
  plan->values = values;
  const size_t size = (size_t)shape.h * (size_t)shape.w * (size_t)shape.c;
  values[plan->n_values] = (CoredValue){.shape = shape, .size = (size + 15) / 16 * 16};
  return plan->n_values++;
}

CoredStep *cored_lower_new_step(CoredLower *l, int node, CoredStepFn *run) {
  CoredPlan *const plan = l->plan;
  CoredStep *const steps = grow(plan->steps, plan->n_steps, sizeof *steps);
  if (!steps) {
    l->no_memory = true;
    return NULL;
  }
  plan->steps = steps;
  CoredStep *const step = &steps[plan->n_steps++];
  *step = (CoredStep){.run = run,
                      .n_in = 1,
                      .residual = CORED_NO_VALUE,
                      .factors = CORED_NO_VALUE,
                      .shared = CORED_NO_VALUE};
  memcpy(step->name, l->graph->nodes[node].name, sizeof step->name);
  return step;
}

static void set_plain(CoredLower *l, int node, int value) {
  l->pending[node] = (CoredPending){.kind = CORED_PENDING_PLAIN, .value = value};
}

void cored_lower_finish(CoredLower *l, CoredStep *step, const CoredChain *chain,
                        CoredEpilogue *epilogue) {
  const CoredShape shape = l->shapes[chain->last];
  epilogue->act = chain->act;
  epilogue->slope = chain->slope;
  cored_fold_affine(&l->blob, &chain->post, shape.c, epilogue);
  step->residual = chain->residual;
  step->out = cored_lower_new_value(l, shape);
  set_plain(l, chain->last, step->out);
}

int cored_lower_materialise(CoredLower *l, int node) {
  CoredPending *const p = &l->pending[node];
  if (p->kind == CORED_PENDING_PLAIN)
    return p->value;
  const bool scale = p->kind == CORED_PENDING_SCALE;
  CoredStep *const step =
      cored_lower_new_step(l, node, scale ? cored_step_scale : cored_step_pointwise);
  if (!step)
    return 0;
  step->in[0] = p->value;
  if (scale) {
    step->factors = p->factors;
    step->depthwise.zeros = cored_blob_take(&l->blob, (size_t)l->shapes[node].c);
  } else {
    step->epilogue = (CoredEpilogue){.act = p->act, .slope = p->slope};
  }
  step->out = cored_lower_new_value(l, l->shapes[node]);
  set_plain(l, node, step->out);
  return step->out;
}

/* ---- Visiting ------------------------------------------------------------------------------- */

static void put_off_activation(CoredLower *l, int node) {
  const CoredNode *const act = &l->graph->nodes[node];
  l->pending[node] = (CoredPending){.kind = CORED_PENDING_ACT,
                                    .value = cored_lower_materialise(l, act->input[0]),
                                    .act = kernel_act(act->act),
                                    .slope = act->slope};
}

static void put_off_scale(CoredLower *l, int node) {
  const CoredNode *const scale = &l->graph->nodes[node];
  const int value = cored_lower_materialise(l, scale->input[0]);
  const int factors = cored_lower_materialise(l, scale->input[1]);
  l->pending[node] =
      (CoredPending){.kind = CORED_PENDING_SCALE, .value = value, .factors = factors};
}

static bool lower_node(CoredLower *l, int node, CoredError *error) {
  const CoredNode *const n = &l->graph->nodes[node];
  switch (n->op) {
  case CORED_OP_INPUT:
    set_plain(l, node, cored_lower_new_value(l, l->shapes[node]));
    return true;
  case CORED_OP_CONV:
  case CORED_OP_DENSE:
    cored_lower_conv(l, node);
    return true;
  case CORED_OP_DEPTHWISE:
    return cored_lower_depthwise(l, node, error);
  case CORED_OP_MAX_POOL:
    return cored_lower_max_pool(l, node, error);
  case CORED_OP_GLOBAL_AVG_POOL:
    cored_lower_sum_pixels(l, node);
    return true;
  case CORED_OP_BATCH_NORM:
  case CORED_OP_ADD:
    cored_lower_pointwise(l, node);
    return true;
  case CORED_OP_CONCAT:
    cored_lower_concat(l, node);
    return true;
  case CORED_OP_ACTIVATION:
    put_off_activation(l, node);
    return true;
  case CORED_OP_SCALE:
    put_off_scale(l, node);
    return true;
  case CORED_OP_FLATTEN: /* the same memory */
    set_plain(l, node, cored_lower_materialise(l, n->input[0]));
    return true;
  case CORED_OP_DROPOUT:
  case CORED_OP_DROP_CONNECT: /* nothing at inference */
    l->pending[node] = l->pending[n->input[0]];
    return true;
  case CORED_N_OPS:
    break;
  }
  return cored_error_set(error, CORED_ERROR_UNSUPPORTED, "plan: node %d has an unknown op", node);
}

static void count_uses(CoredLower *l) {
  const CoredGraph *const graph = l->graph;
  for (int i = 0; i < graph->n_nodes; i++)
    for (int j = 0; j < graph->nodes[i].n_inputs; j++) {
      l->uses[graph->nodes[i].input[j]]++;
      l->consumer[graph->nodes[i].input[j]] = i;
    }
}

void cored_plan_clear_steps(CoredPlan *plan) {
  for (int i = 0; i < plan->n_steps; i++) {
    free(plan->steps[i].chunks);
    free(plan->steps[i].blocks);
  }
  free(plan->steps);
  free(plan->values);
  plan->steps = NULL;
  plan->values = NULL;
  plan->n_steps = plan->n_values = 0;
}

static bool lower_nodes(CoredLower *l, CoredError *error) {
  cored_plan_clear_steps(l->plan);
  memset(l->fused, 0, (size_t)l->graph->n_nodes * sizeof *l->fused);
  memset(l->pending, 0, (size_t)l->graph->n_nodes * sizeof *l->pending);
  l->blob.used = 0;
  for (int i = 0; i < l->graph->n_nodes && !l->no_memory; i++) {
    if (cored_cancelled(l->cancel))
      return cored_fail_cancelled("plan", error);
    if (!l->fused[i] && !lower_node(l, i, error))
      return false;
  }
  if (!l->no_memory) {
    l->plan->features = cored_lower_materialise(l, l->graph->features);
    l->plan->logits = cored_lower_materialise(l, l->graph->logits);
  }
  return !l->no_memory ||
         cored_error_set(error, CORED_ERROR_NO_MEMORY, "plan: no memory to lower the network");
}

/* Twice: to learn how large the weights are, and to write them. */
static bool lower_twice(CoredLower *l, CoredError *error) {
  if (!lower_nodes(l, error))
    return false;
  CoredPlan *const plan = l->plan;
  plan->weight_floats = l->blob.used;
  plan->weights = cored_block_new(plan->weight_floats, sizeof(float));
  if (!plan->weights)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "plan: no memory for %zu MB of weights",
                           plan->weight_floats * sizeof(float) >> 20);
  l->blob.data = plan->weights;
  return lower_nodes(l, error) && cored_plan_layout(plan, error);
}

bool cored_plan_lower(CoredPlan *plan, const CoredGraph *graph, const float *const *params,
                      const int *cancel, CoredError *error) {
  const size_t n = (size_t)graph->n_nodes;
  CoredLower l = {.plan = plan,
                  .graph = graph,
                  .params = params,
                  .cancel = cancel,
                  .shapes = calloc(n, sizeof *l.shapes),
                  .uses = calloc(n, sizeof *l.uses),
                  .consumer = calloc(n, sizeof *l.consumer),
                  .fused = calloc(n, sizeof *l.fused),
                  .pending = calloc(n, sizeof *l.pending)};
  bool ok = false;
  if (!l.shapes || !l.uses || !l.consumer || !l.fused || !l.pending) {
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "plan: no memory to lower the network");
  } else if (cored_graph_shapes(graph, plan->input_height, plan->input_width, l.shapes, error)) {
    count_uses(&l);
    ok = lower_twice(&l, error);
  }
  free(l.shapes);
  free(l.uses);
  free(l.consumer);
  free(l.fused);
  free(l.pending);
  return ok;
}
