/* SPDX-License-Identifier: MIT
 * From fused ops to a plan: values and their offsets in memory, steps, weights. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/block.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory-plan.h"
#include "plan/fold.h"
#include "plan/plan.h"

/* Rows of A prepared at a time: an eighth of a second cache, but half of one where the matrix is
 * large, because every band reads it all. */
#define BAND_FLOATS (32 * 1024)
#define LARGE_BAND_FLOATS (128 * 1024)
#define BLOCK_LENGTH 256        /* of a sum between two partial results; see CoredGemm */
#define SHARED_FLOATS (1 << 20) /* largest map prepared in shared memory, per image */

typedef struct Emitter {
  CoredPlan *plan;
  const CoredFusedGraph *fused;
  const CoredGraph *graph;
  const float *const *params;
  int *value_of;             /* node -> value, of nodes that name values of fused ops */
  CoredDepthwise *depthwise; /* fused op -> its description, of inlined depthwise convolutions */
  CoredBlob blob;
  bool no_memory;
} Emitter;

/* ---- Values and steps ------------------------------------------------------------------------ */

/* Room for one more element; arrays grow by doubling at powers of two. */
static void *grow(void *array, int count, size_t size) {
  if (count & (count - 1) || (count > 0 && count < 16))
    return array;
  return realloc(array, (size_t)(count < 16 ? 16 : 2 * count) * size);
}

static int new_value(Emitter *e, CoredShape shape) {
  CoredPlan *const plan = e->plan;
  CoredValue *const values = grow(plan->values, plan->n_values, sizeof *values);
  if (!values) {
    e->no_memory = true;
    return 0;
  }
  plan->values = values;
  const CoredDtype dtype = CORED_DTYPE_F32;
  const size_t size = (size_t)shape.h * (size_t)shape.w * (size_t)shape.c * cored_dtype_size(dtype);
  values[plan->n_values] =
      (CoredValue){.shape = shape, .dtype = dtype, .size = (size + 63) / 64 * 64};
  return plan->n_values++;
}

/* Valid until the next new step; NULL without memory. */
static CoredStep *new_step(Emitter *e, const CoredFusedOp *op, CoredStepFn *run,
                           CoredLinesFn *lines) {
  CoredPlan *const plan = e->plan;
  CoredStep *const steps = grow(plan->steps, plan->n_steps, sizeof *steps);
  if (!steps) {
    e->no_memory = true;
    return NULL;
  }
  plan->steps = steps;
  CoredStep *const step = &steps[plan->n_steps++];
  *step = (CoredStep){.run = run,
                      .lines = lines,
                      .in_bands = op->in_bands,
                      .n_in = op->n_in,
                      .residual = CORED_NO_VALUE,
                      .factors = CORED_NO_VALUE,
                      .shared = CORED_NO_VALUE,
                      .macs = op->macs};
  for (int i = 0; i < op->n_in; i++)
    step->in[i] = e->value_of[op->in[i]];
  snprintf(step->name, sizeof step->name, "%.63s", e->graph->nodes[op->node].name);
  return step;
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

/* ---- What an op takes along ------------------------------------------------------------------ */

/* The batch norms of this role, one after another. */
static CoredAffine affine_of(Emitter *e, const CoredFusedOp *op, CoredFusedRole role) {
  CoredAffine affine = {0};
  for (int i = 0; i < op->n_fused; i++)
    if (op->fused[i].role == role &&
        !cored_affine_batch_norm(&affine, e->graph, e->params, op->fused[i].node))
      e->no_memory = true;
  return affine;
}

/* The activation, and the batch norms behind it. */
static void set_epilogue(Emitter *e, const CoredFusedOp *op, CoredEpilogue *epilogue) {
  if (op->act != CORED_NO_NODE)
    epilogue->act = e->graph->nodes[op->act].act;
  CoredAffine post = affine_of(e, op, CORED_FUSED_POST);
  if (!e->no_memory)
    cored_fold_affine(&e->blob, &post, e->fused->shapes[op->last].c, epilogue);
  cored_affine_clear(&post);
}

/* Epilogue, residual and output value. */
static void finish_step(Emitter *e, const CoredFusedOp *op, CoredStep *step,
                        CoredEpilogue *epilogue) {
  set_epilogue(e, op, epilogue);
  if (op->residual != CORED_NO_NODE)
    step->residual = e->value_of[op->residual];
  step->out = e->value_of[op->last] = new_value(e, e->fused->shapes[op->last]);
}

/* ---- Windows --------------------------------------------------------------------------------- */

static CoredWindow window_of(const CoredNode *node, CoredShape in) {
  CoredWindow w = {node->kernel, node->stride, node->dilation, 0, 0};
  if (node->op == CORED_OP_DENSE) {
    w.kernel = w.stride = w.dilation = 1;
    return w;
  }
  cored_window_output(node, in.h, &w.pad_top);
  cored_window_output(node, in.w, &w.pad_left);
  return w;
}

/* Input lines that `lines` output lines span. */
static int span(const CoredWindow *w, int lines) {
  return (lines - 1) * w->stride + (w->kernel - 1) * w->dilation + 1;
}

static bool leaves_input(const CoredWindow *w, CoredShape in, CoredShape out) {
  return w->pad_top > 0 || w->pad_left > 0 || span(w, out.h) > in.h || span(w, out.w) > in.w;
}

/* ---- Convolution ----------------------------------------------------------------------------- */

/* Whether the newest step reads what the one before it makes in bands. */
static bool reads_bands(const Emitter *e) {
  return e->plan->n_steps > 1 && e->plan->steps[e->plan->n_steps - 2].in_bands;
}

typedef struct ChunkList {
  CoredGemmChunk *chunks; /* NULL: only count */
  int *blocks;
  int n_chunks, n_blocks;
  int in_block; /* floats of the block being filled */
} ChunkList;

/* Add a stretch of the summation index, cut into equal parts that fit a block. */
static void add_stretch(ChunkList *list, ptrdiff_t offset, int length) {
  const int parts = (length + BLOCK_LENGTH - 1) / BLOCK_LENGTH;
  for (int i = 0; i < parts; i++) {
    const int from = (int)((long long)length * i / parts);
    const int to = (int)((long long)length * (i + 1) / parts);
    if (list->in_block + to - from > BLOCK_LENGTH || list->n_blocks == 0) {
      if (list->blocks)
        list->blocks[list->n_blocks] = list->n_chunks;
      list->n_blocks++;
      list->in_block = 0;
    }
    if (list->chunks)
      list->chunks[list->n_chunks] = (CoredGemmChunk){offset + from, to - from};
    list->n_chunks++;
    list->in_block += to - from;
  }
}

/* All stretches of a k-float row: taps of one kernel line lie side by side unless dilated. */
static void add_stretches(ChunkList *list, const CoredWindow *w, int k, ptrdiff_t line,
                          ptrdiff_t pixel) {
  const int taps = w->kernel * w->kernel, stretches = w->dilation == 1 ? w->kernel : taps;
  for (int i = 0; i < stretches; i++) {
    const int row = i * w->kernel / stretches, column = w->dilation == 1 ? 0 : i % w->kernel;
    add_stretch(list, (row * line + column * pixel) * w->dilation, k / stretches);
  }
  if (list->blocks)
    list->blocks[list->n_blocks] = list->n_chunks;
}

static bool set_chunks(CoredStep *step, ptrdiff_t line, ptrdiff_t pixel) {
  ChunkList list = {0};
  add_stretches(&list, &step->window, step->gemm.k, line, pixel);
  step->chunks = calloc((size_t)list.n_chunks, sizeof *step->chunks);
  step->blocks = calloc((size_t)list.n_blocks + 1, sizeof *step->blocks);
  if (!step->chunks || !step->blocks)
    return false;
  ChunkList fill = {.chunks = step->chunks, .blocks = step->blocks};
  add_stretches(&fill, &step->window, step->gemm.k, line, pixel);
  step->gemm.chunks = step->chunks;
  step->gemm.blocks = step->blocks;
  step->gemm.n_blocks = list.n_blocks;
  return true;
}

/* Lines of a band, all of nearly the same size. */
static int band_of(const CoredGemm *g, size_t line_floats, int lines) {
  const bool large = (size_t)g->k * (size_t)g->n > LARGE_BAND_FLOATS;
  const size_t most = (large ? LARGE_BAND_FLOATS : BAND_FLOATS) / line_floats;
  if (most <= 1)
    return 1;
  const int bands = (int)(((size_t)lines + most - 1) / most);
  return (lines + bands - 1) / bands;
}

/* Whether the newest step has a part in a chain. */
static bool is_chained(const Emitter *e) {
  const CoredStep *const step = &e->plan->steps[e->plan->n_steps - 1];
  return step->in_bands || reads_bands(e);
}

/* Strides of A and the scratch memory its rows need. */
static void set_rows(Emitter *e, CoredStep *step, CoredShape in, CoredShape out) {
  const CoredWindow *const w = &step->window;
  CoredGemm *const g = &step->gemm;
  const size_t row_line = (size_t)out.w * (size_t)g->k;
  switch (step->source) {
  case CORED_ROWS_DIRECT:
    g->a_pixel = (ptrdiff_t)w->stride * in.c;
    g->a_line = g->a_pixel * in.w;
    g->line = out.w;
    step->band = out.h;
    break;
  case CORED_ROWS_PADDED: {
    const int width = span(w, out.w);
    const size_t line = (size_t)width * (size_t)in.c;
    g->a_pixel = (ptrdiff_t)w->stride * in.c;
    g->a_line = g->a_pixel * width;
    g->line = out.w;
    step->band = band_of(g, line * (size_t)w->stride, out.h);
    step->scratch = (size_t)span(w, step->band) * line * sizeof(float);
    break;
  }
  case CORED_ROWS_SCALED:
  case CORED_ROWS_DEPTHWISE:
    g->a_pixel = g->k;
    step->band = band_of(g, row_line, out.h);
    step->scratch = (size_t)step->band * row_line * sizeof(float);
    if (row_line * (size_t)out.h <= SHARED_FLOATS && !is_chained(e))
      step->shared = new_value(e, (CoredShape){out.h, out.w, g->k});
    break;
  }
  if (w->kernel == 1 && w->stride == 1 && step->source != CORED_ROWS_PADDED) {
    g->a_pixel = g->k; /* rows follow each other over all lines and images */
    g->a_line = 0;
    g->line = 1 << 30;
  }
}

static CoredWindow depthwise_window(const CoredDepthwise *d) {
  return (CoredWindow){d->kernel, d->stride, d->dilation, d->pad_top, d->pad_left};
}

static void set_source(Emitter *e, const CoredFusedOp *op, CoredStep *step, CoredShape in,
                       CoredShape out) {
  if (op->inlined != CORED_NO_NODE) {
    step->source = CORED_ROWS_DEPTHWISE;
    step->reads = depthwise_window(&e->depthwise[op->inlined]);
    step->depthwise = e->depthwise[op->inlined];
    step->macs += e->fused->ops[op->inlined].macs;
  } else if (op->factors != CORED_NO_NODE) {
    step->source = CORED_ROWS_SCALED;
    step->factors = e->value_of[op->factors];
    step->depthwise.zeros = cored_blob_take(&e->blob, (size_t)in.c * sizeof(float));
  } else { /* the lines of a window do not lie one behind the other in a ring */
    const bool broken = reads_bands(e) && (step->window.kernel > 1 || step->window.stride > 1);
    step->source =
        broken || leaves_input(&step->window, in, out) ? CORED_ROWS_PADDED : CORED_ROWS_DIRECT;
  }
}

static void set_matrix(Emitter *e, const CoredFusedOp *op, CoredStep *step) {
  CoredAffine fold = affine_of(e, op, CORED_FUSED_FOLD);
  if (!e->no_memory && !cored_fold_gemm(&e->blob, &e->plan->kernels.gemm.shape, e->graph, e->params,
                                        op->node, &fold, &step->gemm))
    e->no_memory = true;
  cored_affine_clear(&fold);
}

static void emit_conv(Emitter *e, const CoredFusedOp *op) {
  const CoredNode *const conv = &e->graph->nodes[op->node];
  const CoredShape in = e->fused->shapes[conv->input[0]], out = e->fused->shapes[op->node];
  CoredStep *const step = new_step(e, op, cored_step_conv, cored_lines_conv);
  if (!step)
    return;
  step->window = step->reads = window_of(conv, in);
  step->gemm.n = conv->channels;
  step->gemm.k = step->window.kernel * step->window.kernel * conv->in_channels;
  step->gemm.c_pixel = out.c;
  set_source(e, op, step, in, out);
  set_rows(e, step, in, out);
  const ptrdiff_t line = step->gemm.a_line / step->window.stride;
  if (!set_chunks(step, line, in.c))
    e->no_memory = true;
  set_matrix(e, op, step);
  finish_step(e, op, step, &step->gemm.epilogue);
}

/* ---- The others ------------------------------------------------------------------------------ */

static CoredDepthwise describe_depthwise(Emitter *e, const CoredFusedOp *op) {
  const CoredNode *const conv = &e->graph->nodes[op->node];
  const CoredShape in = e->fused->shapes[conv->input[0]], out = e->fused->shapes[op->node];
  const CoredWindow w = window_of(conv, in);
  CoredDepthwise d = {.h = in.h,
                      .w = in.w,
                      .channels = in.c,
                      .x_pixel = in.c,
                      .kernel = w.kernel,
                      .stride = w.stride,
                      .dilation = w.dilation,
                      .pad_top = w.pad_top,
                      .pad_left = w.pad_left,
                      .relu_in = op->in_act != CORED_NO_NODE,
                      .out_w = out.w,
                      .out_pixel = out.c};
  CoredAffine fold = affine_of(e, op, CORED_FUSED_FOLD);
  if (!e->no_memory)
    cored_fold_depthwise(&e->blob, e->graph, e->params, op->node, &fold, &d);
  cored_affine_clear(&fold);
  return d;
}

static bool emit_depthwise(Emitter *e, const CoredFusedOp *op, CoredError *error) {
  const CoredNode *const conv = &e->graph->nodes[op->node];
  if (conv->kernel > CORED_DEPTHWISE_KERNEL)
    return cored_error_set(error, CORED_ERROR_UNSUPPORTED,
                           "plan: '%s': depthwise kernel: expected at most %d, found %d",
                           conv->name, CORED_DEPTHWISE_KERNEL, conv->kernel);
  CoredDepthwise d = describe_depthwise(e, op);
  if (op->is_inlined) {
    set_epilogue(e, op, &d.epilogue);
    e->depthwise[op - e->fused->ops] = d;
    return true;
  }
  CoredStep *const step = new_step(e, op, cored_step_depthwise, cored_lines_depthwise);
  if (step) {
    step->depthwise = d;
    step->reads = depthwise_window(&d);
    finish_step(e, op, step, &step->depthwise.epilogue);
  }
  return true;
}

static bool emit_max_pool(Emitter *e, const CoredFusedOp *op, CoredError *error) {
  const CoredNode *const pool = &e->graph->nodes[op->node];
  if (pool->kernel > CORED_MAX_POOL_KERNEL)
    return cored_error_set(error, CORED_ERROR_UNSUPPORTED,
                           "plan: node %d: pooling window: expected at most %d, found %d", op->node,
                           CORED_MAX_POOL_KERNEL, pool->kernel);
  CoredStep *const step = new_step(e, op, cored_step_max_pool, cored_lines_max_pool);
  if (step) {
    step->window = step->reads = window_of(pool, e->fused->shapes[pool->input[0]]);
    finish_step(e, op, step, &step->epilogue);
  }
  return true;
}

static void emit_upsample(Emitter *e, const CoredFusedOp *op) {
  CoredStep *const step = new_step(e, op, cored_step_upsample, NULL);
  if (!step)
    return;
  step->window.stride = e->graph->nodes[op->node].stride;
  finish_step(e, op, step, &step->epilogue);
}

static void emit_global_avg_pool(Emitter *e, const CoredFusedOp *op) {
  CoredStep *const step = new_step(e, op, cored_step_sum_pixels, NULL);
  if (!step)
    return;
  if (op->in_act != CORED_NO_NODE)
    step->in_act = e->graph->nodes[op->in_act].act;
  finish_step(e, op, step, &step->epilogue);
}

static void emit_scale(Emitter *e, const CoredFusedOp *op) {
  CoredStep *const step = new_step(e, op, cored_step_scale, NULL);
  if (!step)
    return;
  step->factors = e->value_of[op->factors];
  step->depthwise.zeros =
      cored_blob_take(&e->blob, (size_t)e->fused->shapes[op->node].c * sizeof(float));
  finish_step(e, op, step, &step->epilogue);
}

static void emit_simple(Emitter *e, const CoredFusedOp *op, CoredStepFn *run) {
  CoredStep *const step = new_step(e, op, run, NULL);
  if (step)
    finish_step(e, op, step, &step->epilogue);
}

static bool emit_op(Emitter *e, const CoredFusedOp *op, CoredError *error) {
  switch (op->op) {
  case CORED_OP_CONV:
  case CORED_OP_DENSE:
    emit_conv(e, op);
    return true;
  case CORED_OP_DEPTHWISE:
    return emit_depthwise(e, op, error);
  case CORED_OP_MAX_POOL:
    return emit_max_pool(e, op, error);
  case CORED_OP_UPSAMPLE:
    emit_upsample(e, op);
    return true;
  case CORED_OP_GLOBAL_AVG_POOL:
    emit_global_avg_pool(e, op);
    return true;
  case CORED_OP_SCALE:
    emit_scale(e, op);
    return true;
  case CORED_OP_CONCAT:
    emit_simple(e, op, cored_step_concat);
    return true;
  default: /* a batch norm, a sum, an activation: all in the epilogue */
    emit_simple(e, op, cored_step_pointwise);
    return true;
  }
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static void touch(CoredValue *values, int value, int step) {
  if (value == CORED_NO_VALUE)
    return;
  if (values[value].last < values[value].first)
    values[value].first = step;
  values[value].last = step;
}

static void find_lifetimes(CoredPlan *plan) {
  for (int i = 0; i < plan->n_values; i++) { /* never in use, see memory-plan.h */
    plan->values[i].first = 0;
    plan->values[i].last = -1;
  }
  bool reads_bands = false;
  for (int i = 0, time = 0; i < plan->n_steps; i++) { /* a chain's steps run at the same time */
    const CoredStep *const step = &plan->steps[i];
    time = reads_bands ? time : i;
    for (int j = reads_bands; j < step->n_in; j++)
      touch(plan->values, step->in[j], time);
    touch(plan->values, step->residual, time);
    touch(plan->values, step->factors, time);
    touch(plan->values, step->shared, time);
    reads_bands = step->in_bands;
    if (!step->in_bands)
      touch(plan->values, step->out, time);
  }
  /* The caller reads these after the last step. */
  touch(plan->values, plan->features, plan->n_steps);
  touch(plan->values, plan->logits, plan->n_steps);
  for (int i = 0; i < plan->n_named; i++)
    touch(plan->values, plan->named[i].value, plan->n_steps);
}

static bool lay_out_values(CoredPlan *plan, CoredError *error) {
  const size_t n = (size_t)plan->n_values;
  CoredBuffer *const buffers = calloc(n, sizeof *buffers);
  find_lifetimes(plan);
  for (size_t i = 1; buffers && i < n; i++) /* value 0 is the caller's input */
    buffers[i] = (CoredBuffer){
        .size = plan->values[i].size, .first = plan->values[i].first, .last = plan->values[i].last};
  if (buffers)
    buffers[0].last = -1;
  const bool ok = buffers && cored_memory_plan(buffers, n, &plan->arena_bytes);
  for (size_t i = 1; ok && i < n; i++)
    plan->values[i].offset = buffers[i].offset;
  free(buffers);
  plan->scratch_bytes = 0;
  for (int i = 0; i < plan->n_steps; i++)
    if (plan->steps[i].scratch > plan->scratch_bytes)
      plan->scratch_bytes = plan->steps[i].scratch;
  return ok || cored_error_set(error, CORED_ERROR_NO_MEMORY, "plan: no memory for its layout");
}

/* ---- The plan -------------------------------------------------------------------------------- */

static int value_or_none(const Emitter *e, int node) {
  return node == CORED_NO_NODE ? CORED_NO_VALUE : e->value_of[node];
}

static bool emit_ops(Emitter *e, const int *cancel, CoredError *error) {
  cored_plan_clear_steps(e->plan);
  e->blob.used = 0;
  e->value_of[0] = new_value(e, e->fused->shapes[0]);
  for (int i = 0; i < e->fused->n_ops && !e->no_memory; i++) {
    if (cored_cancelled(cancel))
      return cored_fail_cancelled("plan", error);
    if (!emit_op(e, &e->fused->ops[i], error))
      return false;
  }
  e->plan->features = value_or_none(e, e->fused->features);
  e->plan->logits = value_or_none(e, e->fused->logits);
  for (int i = 0; i < e->plan->n_named; i++) {
    e->plan->named[i].value = e->value_of[e->fused->named[i]];
    e->plan->named[i].shape = e->fused->shapes[e->graph->named[i].node];
  }
  return !e->no_memory ||
         cored_error_set(error, CORED_ERROR_NO_MEMORY, "plan: no memory for its steps");
}

/* Twice: to learn how large the weights are, and to write them. */
static bool emit_twice(Emitter *e, const int *cancel, CoredError *error) {
  if (!emit_ops(e, cancel, error))
    return false;
  CoredPlan *const plan = e->plan;
  plan->weight_bytes = e->blob.used;
  plan->weights = cored_block_new(plan->weight_bytes, 1);
  if (!plan->weights)
    return cored_error_set(error, CORED_ERROR_NO_MEMORY, "plan: no memory for %zu MB of weights",
                           plan->weight_bytes >> 20);
  e->blob.data = plan->weights;
  if (!emit_ops(e, cancel, error))
    return false;
  cored_plan_link_chains(plan);
  return lay_out_values(plan, error);
}

/* The list of named outputs, their values and shapes still to come. */
static bool name_outputs(CoredPlan *plan, const CoredGraph *graph) {
  if (graph->n_named == 0)
    return true;
  plan->named = calloc((size_t)graph->n_named, sizeof *plan->named);
  if (!plan->named)
    return false;
  plan->n_named = graph->n_named;
  for (int i = 0; i < graph->n_named; i++)
    memcpy(plan->named[i].name, graph->named[i].name, sizeof plan->named[i].name);
  return true;
}

bool cored_plan_emit(CoredPlan *plan, const CoredFusedGraph *fused, const float *const *params,
                     const int *cancel, CoredError *error) {
  Emitter e = {.plan = plan,
               .fused = fused,
               .graph = fused->graph,
               .params = params,
               .value_of = calloc((size_t)fused->graph->n_nodes, sizeof *e.value_of),
               .depthwise = calloc((size_t)fused->n_ops + 1, sizeof *e.depthwise)};
  const bool ok =
      e.value_of && e.depthwise && name_outputs(plan, fused->graph)
          ? emit_twice(&e, cancel, error)
          : cored_error_set(error, CORED_ERROR_NO_MEMORY, "plan: no memory for its steps");
  free(e.value_of);
  free(e.depthwise);
  return ok;
}
