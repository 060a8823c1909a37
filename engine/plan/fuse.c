/* SPDX-License-Identifier: MIT */
#include "plan/fuse.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* How the output of a node can be had. Anything but PLAIN is put off until a consumer is seen that
 * can do it while reading. */
typedef enum PendingKind {
  PENDING_NONE,    /* not visited yet */
  PENDING_PLAIN,   /* the value itself */
  PENDING_ACT,     /* the activation `act` of value */
  PENDING_SCALE,   /* value times factors */
  PENDING_INLINED, /* the depthwise convolution `op` of value */
} PendingKind;

typedef struct Pending {
  PendingKind kind;
  int value;
  int act, factors, op;
} Pending;

typedef struct Fuser {
  CoredFusedGraph *out;
  const CoredGraph *graph;
  int *uses;        /* consumers */
  int *consumer;    /* the last of them */
  bool *taken;      /* went into an earlier op */
  Pending *pending; /* of every node */
  int capacity;     /* of out->ops */
  bool no_memory;
} Fuser;

/* ---- Following a chain ---------------------------------------------------------------------- */

/* Which followers an op can take along. */
enum { TAKE_FOLD = 1 /* batch norm into its weights */, TAKE_ADD = 2 /* a residual */ };

/* Whether the node has one consumer and nobody else looks at it. */
static bool is_private(const Fuser *f, int node) {
  return f->uses[node] == 1 && !cored_graph_is_output(f->graph, node);
}

static bool has_role(const CoredFusedOp *op, CoredFusedRole role) {
  for (int i = 0; i < op->n_fused; i++)
    if (op->fused[i].role == role)
      return true;
  return false;
}

static void take(CoredFusedOp *op, int node, CoredFusedRole role) {
  op->fused[op->n_fused++] = (CoredFusedNode){node, role};
  op->last = node;
}

/* Nothing stands between the op's own result and what follows but folded batch norms. */
static bool is_linear(const CoredFusedOp *op) {
  return op->act == CORED_NO_NODE && !has_role(op, CORED_FUSED_POST);
}

static bool take_batch_norm(CoredFusedOp *op, int node, unsigned can) {
  const bool fold = (can & TAKE_FOLD) && is_linear(op) && op->residual == CORED_NO_NODE;
  take(op, node, fold ? CORED_FUSED_FOLD : CORED_FUSED_POST);
  return true;
}

static bool take_activation(CoredFusedOp *op, int node) {
  if (!is_linear(op))
    return false;
  op->act = node;
  take(op, node, CORED_FUSED_ACT);
  return true;
}

static bool take_add(const Fuser *f, CoredFusedOp *op, int node, unsigned can) {
  const CoredNode *const add = &f->graph->nodes[node];
  const int other = add->input[0] == op->last ? add->input[1] : add->input[0];
  if (!(can & TAKE_ADD) || op->residual != CORED_NO_NODE || !is_linear(op) ||
      f->pending[other].kind != PENDING_PLAIN)
    return false;
  op->residual = f->pending[other].value;
  take(op, node, CORED_FUSED_ADD);
  return true;
}

static bool take_node(const Fuser *f, CoredFusedOp *op, int node, unsigned can) {
  switch (f->graph->nodes[node].op) {
  case CORED_OP_BATCH_NORM:
    return take_batch_norm(op, node, can);
  case CORED_OP_ACTIVATION:
    return take_activation(op, node);
  case CORED_OP_ADD:
    return take_add(f, op, node, can);
  case CORED_OP_DROPOUT:
  case CORED_OP_DROP_CONNECT:
    op->last = node; /* nothing at inference */
    return true;
  default:
    return false;
  }
}

static void take_followers(Fuser *f, CoredFusedOp *op, unsigned can) {
  while (op->n_fused < CORED_FUSED_NODES && is_private(f, op->last)) {
    const int next = f->consumer[op->last];
    if (!take_node(f, op, next, can))
      break;
    f->taken[next] = true;
  }
}

/* ---- Ops and values ------------------------------------------------------------------------- */

static CoredFusedOp new_op(const Fuser *f, int node) {
  return (CoredFusedOp){.op = f->graph->nodes[node].op,
                        .node = node,
                        .last = node,
                        .n_in = 1,
                        .in_act = CORED_NO_NODE,
                        .factors = CORED_NO_NODE,
                        .inlined = CORED_NO_NODE,
                        .residual = CORED_NO_NODE,
                        .act = CORED_NO_NODE};
}

static void set_plain(Fuser *f, int node, int value) {
  f->pending[node] = (Pending){.kind = PENDING_PLAIN, .value = value};
}

/* Append the op; its value is then there to be read. */
static void add_op(Fuser *f, const CoredFusedOp *op) {
  CoredFusedGraph *const out = f->out;
  if (out->n_ops == f->capacity) {
    const int capacity = f->capacity ? 2 * f->capacity : 64;
    CoredFusedOp *const ops = realloc(out->ops, (size_t)capacity * sizeof *ops);
    if (!ops) {
      f->no_memory = true;
      return;
    }
    out->ops = ops;
    f->capacity = capacity;
  }
  out->ops[out->n_ops++] = *op;
  set_plain(f, op->last, op->last);
}

/* The value that is the node's output, computed now if it was put off. */
static int materialise(Fuser *f, int node) {
  const Pending p = f->pending[node];
  if (f->no_memory) /* the ops are incomplete, and nobody will see them */
    return node;
  CoredFusedOp op = new_op(f, node);
  op.in[0] = p.value;
  switch (p.kind) {
  case PENDING_PLAIN:
    return p.value;
  case PENDING_ACT:
    op.op = CORED_OP_ACTIVATION;
    op.act = p.act;
    break;
  case PENDING_SCALE:
    op.op = CORED_OP_SCALE;
    op.factors = p.factors;
    break;
  case PENDING_NONE:    /* inputs precede their nodes */
  case PENDING_INLINED: /* its only reader can do it while reading */
    assert(!"a value that cannot be had");
    return node;
  }
  add_op(f, &op);
  return node;
}

static int materialised_input(Fuser *f, int node, int i) {
  return materialise(f, f->graph->nodes[node].input[i]);
}

/* ---- Visiting ------------------------------------------------------------------------------- */

/* 1x1, stride 1, no padding. */
static bool is_pointwise(const CoredNode *node) {
  return node->op == CORED_OP_CONV && node->kernel == 1 && node->stride == 1 &&
         (node->pad_mode == CORED_PAD_SAME || node->pad == 0);
}

static double pixels_of(const Fuser *f, int node) {
  return (double)f->out->shapes[node].h * f->out->shapes[node].w;
}

/* CONV and DENSE: a matrix product over what each output pixel reads. */
static void visit_conv(Fuser *f, int node) {
  const CoredNode *const conv = &f->graph->nodes[node];
  const Pending p = f->pending[conv->input[0]];
  CoredFusedOp op = new_op(f, node);
  if (p.kind == PENDING_INLINED) {
    op.in[0] = p.value;
    op.inlined = p.op;
  } else if (p.kind == PENDING_SCALE && is_pointwise(conv)) {
    op.in[0] = p.value;
    op.factors = p.factors;
  } else {
    op.in[0] = materialise(f, conv->input[0]);
  }
  const double k = (double)conv->kernel * conv->kernel * conv->in_channels;
  op.macs = k * conv->channels * pixels_of(f, node);
  take_followers(f, &op, TAKE_FOLD | TAKE_ADD);
  add_op(f, &op);
}

/* Of activations only the rectifier is done while reading. */
static bool is_relu(const CoredNode *act) {
  return cored_activation_is_relu(act->act);
}

static void visit_depthwise(Fuser *f, int node) {
  const CoredNode *const conv = &f->graph->nodes[node];
  const Pending p = f->pending[conv->input[0]];
  CoredFusedOp op = new_op(f, node);
  if (p.kind == PENDING_ACT && is_relu(&f->graph->nodes[p.act])) {
    op.in[0] = p.value;
    op.in_act = p.act;
  } else {
    op.in[0] = materialise(f, conv->input[0]);
  }
  op.macs = (double)conv->kernel * conv->kernel * conv->channels * pixels_of(f, node);
  take_followers(f, &op, TAKE_FOLD);
  op.is_inlined = is_private(f, op.last) && is_pointwise(&f->graph->nodes[f->consumer[op.last]]);
  add_op(f, &op);
  if (op.is_inlined)
    f->pending[op.last] =
        (Pending){.kind = PENDING_INLINED, .value = op.in[0], .op = f->out->n_ops - 1};
}

static void visit_max_pool(Fuser *f, int node) {
  CoredFusedOp op = new_op(f, node);
  op.in[0] = materialised_input(f, node, 0);
  take_followers(f, &op, TAKE_ADD);
  add_op(f, &op);
}

static void visit_upsample(Fuser *f, int node) {
  CoredFusedOp op = new_op(f, node);
  op.in[0] = materialised_input(f, node, 0);
  take_followers(f, &op, TAKE_ADD);
  add_op(f, &op);
}

static void visit_global_avg_pool(Fuser *f, int node) {
  const Pending p = f->pending[f->graph->nodes[node].input[0]];
  CoredFusedOp op = new_op(f, node);
  if (p.kind == PENDING_ACT) {
    op.in[0] = p.value;
    op.in_act = p.act;
  } else {
    op.in[0] = materialised_input(f, node, 0);
  }
  add_op(f, &op);
}

/* A batch norm or a sum that nothing before it could take along. */
static void visit_elementwise(Fuser *f, int node) {
  CoredFusedOp op = new_op(f, node);
  op.in[0] = materialised_input(f, node, 0);
  if (op.op == CORED_OP_ADD)
    op.residual = materialised_input(f, node, 1);
  else
    op.fused[op.n_fused++] = (CoredFusedNode){node, CORED_FUSED_POST};
  take_followers(f, &op, 0);
  add_op(f, &op);
}

static void visit_concat(Fuser *f, int node) {
  CoredFusedOp op = new_op(f, node);
  op.n_in = f->graph->nodes[node].n_inputs;
  for (int i = 0; i < op.n_in; i++)
    op.in[i] = materialised_input(f, node, i);
  add_op(f, &op);
}

static void put_off_activation(Fuser *f, int node) {
  const int value = materialised_input(f, node, 0);
  f->pending[node] = (Pending){.kind = PENDING_ACT, .value = value, .act = node};
}

static void put_off_scale(Fuser *f, int node) {
  const int value = materialised_input(f, node, 0), factors = materialised_input(f, node, 1);
  f->pending[node] = (Pending){.kind = PENDING_SCALE, .value = value, .factors = factors};
}

static void visit(Fuser *f, int node) {
  const CoredNode *const n = &f->graph->nodes[node];
  switch (n->op) {
  case CORED_OP_INPUT:
    set_plain(f, node, node);
    break;
  case CORED_OP_CONV:
  case CORED_OP_DENSE:
    visit_conv(f, node);
    break;
  case CORED_OP_DEPTHWISE:
    visit_depthwise(f, node);
    break;
  case CORED_OP_MAX_POOL:
    visit_max_pool(f, node);
    break;
  case CORED_OP_UPSAMPLE:
    visit_upsample(f, node);
    break;
  case CORED_OP_GLOBAL_AVG_POOL:
    visit_global_avg_pool(f, node);
    break;
  case CORED_OP_BATCH_NORM:
  case CORED_OP_ADD:
    visit_elementwise(f, node);
    break;
  case CORED_OP_CONCAT:
    visit_concat(f, node);
    break;
  case CORED_OP_ACTIVATION:
    put_off_activation(f, node);
    break;
  case CORED_OP_SCALE:
    put_off_scale(f, node);
    break;
  case CORED_OP_FLATTEN: /* the same memory */
    set_plain(f, node, materialise(f, n->input[0]));
    break;
  case CORED_OP_DROPOUT:
  case CORED_OP_DROP_CONNECT: /* nothing at inference */
    f->pending[node] = f->pending[n->input[0]];
    break;
  case CORED_N_OPS:
    break;
  }
}

static void count_uses(Fuser *f) {
  const CoredGraph *const graph = f->graph;
  for (int i = 0; i < graph->n_nodes; i++)
    for (int j = 0; j < graph->nodes[i].n_inputs; j++) {
      f->uses[graph->nodes[i].input[j]]++;
      f->consumer[graph->nodes[i].input[j]] = i;
    }
}

static int materialised_output(Fuser *f, int node) {
  return node == CORED_NO_NODE ? CORED_NO_NODE : materialise(f, node);
}

static bool visit_all(Fuser *f, CoredError *error) {
  CoredFusedGraph *const out = f->out;
  count_uses(f);
  for (int i = 0; i < f->graph->n_nodes && !f->no_memory; i++)
    if (!f->taken[i])
      visit(f, i);
  out->features = materialised_output(f, f->graph->features);
  out->logits = materialised_output(f, f->graph->logits);
  for (int i = 0; i < f->graph->n_named; i++)
    out->named[i] = materialise(f, f->graph->named[i].node);
  return !f->no_memory ||
         cored_error_set(error, CORED_ERROR_NO_MEMORY, "plan: no memory for its ops");
}

bool cored_fuse(CoredFusedGraph *fused, const CoredGraph *graph, int h, int w, CoredError *error) {
  const size_t n = (size_t)graph->n_nodes;
  *fused = (CoredFusedGraph){.graph = graph, .shapes = calloc(n, sizeof *fused->shapes)};
  Fuser f = {.out = fused,
             .graph = graph,
             .uses = calloc(n, sizeof *f.uses),
             .consumer = calloc(n, sizeof *f.consumer),
             .taken = calloc(n, sizeof *f.taken),
             .pending = calloc(n, sizeof *f.pending)};
  bool ok = false;
  if (!fused->shapes || !f.uses || !f.consumer || !f.taken || !f.pending)
    cored_error_set(error, CORED_ERROR_NO_MEMORY, "plan: no memory for its ops");
  else
    ok = cored_graph_shapes(graph, h, w, fused->shapes, error) && visit_all(&f, error);
  if (ok)
    cored_fused_chain(fused, CORED_CHAIN_BYTES);
  free(f.uses);
  free(f.consumer);
  free(f.taken);
  free(f.pending);
  if (!ok)
    cored_fused_clear(fused);
  return ok;
}

/* ---- Chains --------------------------------------------------------------------------------- */

#define CHAIN_MATRIX (16 * 1024) /* floats, of a matrix that every band may read anew */

/* Whether the op makes lines of its value from lines of in[0], and at no expense. */
static bool goes_by_lines(const CoredFusedGraph *fused, const CoredFusedOp *op) {
  const CoredNode *const node = &fused->graph->nodes[op->node];
  if (op->op == CORED_OP_CONV)
    return (double)node->kernel * node->kernel * node->in_channels * node->channels <= CHAIN_MATRIX;
  return op->op == CORED_OP_DEPTHWISE || op->op == CORED_OP_MAX_POOL;
}

static int reads_of(const CoredFusedOp *op, int value) {
  int n = (op->factors == value) + (op->residual == value);
  for (int i = 0; i < op->n_in; i++)
    n += op->in[i] == value;
  return n;
}

/* Whether one op alone reads the value; inlined ops read for the one that they are part of. */
static bool has_one_reader(const CoredFusedGraph *fused, int value) {
  int n = value == fused->features || value == fused->logits;
  for (int i = 0; i < fused->graph->n_named; i++)
    n += value == fused->named[i];
  for (int i = 0; i < fused->n_ops; i++)
    if (!fused->ops[i].is_inlined)
      n += reads_of(&fused->ops[i], value);
  return n == 1;
}

/* A pooling ends a chain: what it leaves is small, and whoever shares out the lines behind it need
 * not make again what lies before it. */
static bool can_chain(const CoredFusedGraph *fused, const CoredFusedOp *from,
                      const CoredFusedOp *to) {
  return goes_by_lines(fused, from) && from->op != CORED_OP_MAX_POOL && goes_by_lines(fused, to) &&
         to->in[0] == from->last && has_one_reader(fused, from->last);
}

void cored_fused_chain(CoredFusedGraph *fused, size_t bytes) {
  CoredFusedOp *last = NULL;
  int length = 1;
  for (int i = 0; i < fused->n_ops; i++) {
    CoredFusedOp *const op = &fused->ops[i];
    if (op->is_inlined)
      continue;
    op->in_bands = false;
    if (last) {
      const CoredShape s = fused->shapes[last->last];
      last->in_bands = length < CORED_CHAIN_OPS && can_chain(fused, last, op) &&
                       (size_t)s.h * (size_t)s.w * (size_t)s.c * sizeof(float) > bytes;
      length = last->in_bands ? length + 1 : 1;
    }
    last = op;
  }
}

void cored_fused_clear(CoredFusedGraph *fused) {
  free(fused->shapes);
  free(fused->ops);
  *fused = (CoredFusedGraph){0};
}

size_t cored_fused_weights(const CoredFusedGraph *fused, const CoredFusedOp *op) {
  const CoredNode *const node = &fused->graph->nodes[op->node];
  const size_t channels = (size_t)fused->shapes[op->last].c;
  const size_t taps = (size_t)node->kernel * (size_t)node->kernel;
  size_t floats = 0;
  if (op->op == CORED_OP_CONV || op->op == CORED_OP_DENSE)
    floats = ((size_t)node->in_channels * taps + 1) * channels;
  else if (op->op == CORED_OP_DEPTHWISE)
    floats = (taps + (node->bias || has_role(op, CORED_FUSED_FOLD))) * channels;
  return floats + (has_role(op, CORED_FUSED_POST) ? 2 * channels : 0);
}
