/* SPDX-License-Identifier: MIT
 * From graph to steps: what the step of each op looks like. */
#include "plan/lower.h"

#include <stdlib.h>

#include "base/error.h"

/* Rows of A prepared at a time: an eighth of a second cache, but half of one where the matrix is
 * large, because every band reads it all. */
#define BAND_FLOATS (32 * 1024)
#define LARGE_BAND_FLOATS (128 * 1024)
#define BLOCK_LENGTH 256        /* of a sum between two partial results; see CoredGemm */
#define SHARED_FLOATS (1 << 20) /* largest map prepared in shared memory, per image */

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

bool cored_lower_is_pointwise(const CoredNode *node) {
  return node->op == CORED_OP_CONV && node->kernel == 1 && node->stride == 1 &&
         (node->pad_mode == CORED_PAD_SAME || node->pad == 0);
}

/* ---- Convolution ---------------------------------------------------------------------------- */

typedef struct ChunkList {
  CoredGemmChunk *chunks; /* NULL: only count */
  int *blocks;
  int n_chunks, n_blocks;
  int in_block; /* floats of the block being filled */
} ChunkList;

/* Add a stretch of the summation index, cut into equal pieces that fit a block. */
static void add_stretch(ChunkList *list, ptrdiff_t offset, int length) {
  const int pieces = (length + BLOCK_LENGTH - 1) / BLOCK_LENGTH;
  for (int i = 0; i < pieces; i++) {
    const int from = (int)((long long)length * i / pieces);
    const int to = (int)((long long)length * (i + 1) / pieces);
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

/* Strides of A and the scratch memory its rows need. */
static void set_rows(CoredLower *l, CoredStep *step, CoredShape in, CoredShape out) {
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
    step->scratch = (size_t)span(w, step->band) * line;
    break;
  }
  case CORED_ROWS_SCALED:
  case CORED_ROWS_DEPTHWISE:
    g->a_pixel = g->k;
    step->band = band_of(g, row_line, out.h);
    step->scratch = (size_t)step->band * row_line;
    if (row_line * (size_t)out.h <= SHARED_FLOATS)
      step->shared = cored_lower_new_value(l, (CoredShape){out.h, out.w, g->k});
    break;
  }
  if (w->kernel == 1 && w->stride == 1 && step->source != CORED_ROWS_PADDED) {
    g->a_pixel = g->k; /* rows follow each other over all lines and images */
    g->a_line = 0;
    g->line = 1 << 30;
  }
}

static CoredRowSource choose_source(const CoredPending *in, bool padded) {
  if (in->kind == CORED_PENDING_DEPTHWISE)
    return CORED_ROWS_DEPTHWISE;
  if (in->kind == CORED_PENDING_SCALE)
    return CORED_ROWS_SCALED;
  return padded ? CORED_ROWS_PADDED : CORED_ROWS_DIRECT;
}

/* Where the step reads from; what cannot be done while reading is computed first. */
static CoredPending take_input(CoredLower *l, const CoredNode *node) {
  const CoredPending in = l->pending[node->input[0]];
  if (in.kind == CORED_PENDING_DEPTHWISE ||
      (in.kind == CORED_PENDING_SCALE && cored_lower_is_pointwise(node)))
    return in;
  return (CoredPending){.kind = CORED_PENDING_PLAIN,
                        .value = cored_lower_materialise(l, node->input[0])};
}

static void set_source(CoredLower *l, CoredStep *step, const CoredPending *in, CoredShape shape,
                       CoredShape out) {
  step->in[0] = in->value;
  step->source = choose_source(in, leaves_input(&step->window, shape, out));
  if (step->source == CORED_ROWS_DEPTHWISE) {
    step->depthwise = in->depthwise;
  } else if (step->source == CORED_ROWS_SCALED) {
    step->factors = in->factors;
    step->depthwise.zeros = cored_blob_take(&l->blob, (size_t)shape.c);
  }
}

void cored_lower_conv(CoredLower *l, int node) {
  const CoredNode *const conv = &l->graph->nodes[node];
  const CoredShape in = l->shapes[conv->input[0]], out = l->shapes[node];
  const CoredPending input = take_input(l, conv);
  CoredChain chain;
  cored_lower_fuse(l, node, CORED_FUSE_FOLD | CORED_FUSE_ADD, &chain);
  CoredStep *const step = cored_lower_new_step(l, node, cored_step_conv);
  if (!step || l->no_memory) {
    cored_chain_clear(&chain);
    return;
  }
  step->window = window_of(conv, in);
  step->gemm.n = conv->channels;
  step->gemm.k = conv->op == CORED_OP_DENSE ? in.h * in.w * in.c
                                            : step->window.kernel * step->window.kernel * in.c;
  step->gemm.c_pixel = out.c;
  set_source(l, step, &input, in, out);
  set_rows(l, step, in, out);
  const double dw = step->source == CORED_ROWS_DEPTHWISE
                        ? (double)step->depthwise.kernel * step->depthwise.kernel * step->gemm.k
                        : 0.0;
  step->macs = ((double)step->gemm.k * step->gemm.n + dw) * out.h * out.w;
  const ptrdiff_t line = step->gemm.a_line / step->window.stride;
  if (!set_chunks(step, line, in.c) || !cored_fold_gemm(&l->blob, l->plan->kernels, l->graph,
                                                        l->params, node, &chain.fold, &step->gemm))
    l->no_memory = true;
  cored_lower_finish(l, step, &chain, &step->gemm.epilogue);
  cored_chain_clear(&chain);
}

/* ---- Depthwise convolution ------------------------------------------------------------------ */

static CoredDepthwise describe_depthwise(CoredLower *l, int node, CoredPending *in) {
  const CoredNode *const conv = &l->graph->nodes[node];
  const CoredShape shape = l->shapes[conv->input[0]], out = l->shapes[node];
  const CoredWindow w = window_of(conv, shape);
  *in = l->pending[conv->input[0]];
  const bool relu = in->kind == CORED_PENDING_ACT && in->act == CORED_KERNEL_ACT_RELU;
  if (!relu)
    in->value = cored_lower_materialise(l, conv->input[0]);
  return (CoredDepthwise){.h = shape.h,
                          .w = shape.w,
                          .channels = shape.c,
                          .x_pixel = shape.c,
                          .kernel = w.kernel,
                          .stride = w.stride,
                          .dilation = w.dilation,
                          .pad_top = w.pad_top,
                          .pad_left = w.pad_left,
                          .relu_in = relu,
                          .out_w = out.w,
                          .out_pixel = out.c};
}

bool cored_lower_depthwise(CoredLower *l, int node, CoredError *error) {
  const CoredNode *const conv = &l->graph->nodes[node];
  if (conv->kernel > CORED_DEPTHWISE_KERNEL)
    return cored_error_set(error, CORED_ERROR_UNSUPPORTED,
                           "plan: '%s': depthwise kernel: expected at most %d, found %d",
                           conv->name, CORED_DEPTHWISE_KERNEL, conv->kernel);
  CoredPending in;
  CoredDepthwise d = describe_depthwise(l, node, &in);
  CoredChain chain;
  cored_lower_fuse(l, node, CORED_FUSE_FOLD, &chain);
  if (!l->no_memory)
    cored_fold_depthwise(&l->blob, l->graph, l->params, node, &chain.fold, &d);
  if (cored_lower_is_private(l, chain.last) &&
      cored_lower_is_pointwise(&l->graph->nodes[l->consumer[chain.last]])) {
    d.epilogue.act = chain.act;
    d.epilogue.slope = chain.slope;
    cored_fold_affine(&l->blob, &chain.post, d.channels, &d.epilogue);
    l->pending[chain.last] =
        (CoredPending){.kind = CORED_PENDING_DEPTHWISE, .value = in.value, .depthwise = d};
  } else {
    CoredStep *const step = cored_lower_new_step(l, node, cored_step_depthwise);
    if (step) {
      const CoredShape out = l->shapes[node];
      step->in[0] = in.value;
      step->depthwise = d;
      step->macs = (double)d.kernel * d.kernel * out.h * out.w * out.c;
      cored_lower_finish(l, step, &chain, &step->depthwise.epilogue);
    }
  }
  cored_chain_clear(&chain);
  return true;
}

/* ---- The others ----------------------------------------------------------------------------- */

bool cored_lower_max_pool(CoredLower *l, int node, CoredError *error) {
  const CoredNode *const pool = &l->graph->nodes[node];
  if (pool->kernel > CORED_MAX_POOL_KERNEL)
    return cored_error_set(error, CORED_ERROR_UNSUPPORTED,
                           "plan: node %d: pooling window: expected at most %d, found %d", node,
                           CORED_MAX_POOL_KERNEL, pool->kernel);
  const int value = cored_lower_materialise(l, pool->input[0]);
  CoredChain chain;
  cored_lower_fuse(l, node, CORED_FUSE_ADD, &chain);
  CoredStep *const step = cored_lower_new_step(l, node, cored_step_max_pool);
  if (step) {
    step->in[0] = value;
    step->window = window_of(pool, l->shapes[pool->input[0]]);
    cored_lower_finish(l, step, &chain, &step->epilogue);
  }
  cored_chain_clear(&chain);
  return true;
}

void cored_lower_sum_pixels(CoredLower *l, int node) {
  const CoredNode *const pool = &l->graph->nodes[node];
  const CoredPending in = l->pending[pool->input[0]];
  const bool act = in.kind == CORED_PENDING_ACT;
  const int value = act ? in.value : cored_lower_materialise(l, pool->input[0]);
  CoredStep *const step = cored_lower_new_step(l, node, cored_step_sum_pixels);
  if (!step)
    return;
  step->in[0] = value;
  step->in_act = act ? in.act : CORED_KERNEL_ACT_NONE;
  step->in_slope = act ? in.slope : 0.0f;
  const CoredChain chain = {.last = node, .residual = CORED_NO_VALUE};
  cored_lower_finish(l, step, &chain, &step->epilogue);
}

/* A batch norm or sum that nothing before it could take along. */
void cored_lower_pointwise(CoredLower *l, int node) {
  const CoredNode *const n = &l->graph->nodes[node];
  const int value = cored_lower_materialise(l, n->input[0]);
  const int other =
      n->op == CORED_OP_ADD ? cored_lower_materialise(l, n->input[1]) : CORED_NO_VALUE;
  CoredChain chain;
  cored_lower_fuse(l, node, 0, &chain);
  CoredStep *const step = cored_lower_new_step(l, node, cored_step_pointwise);
  if (step) {
    step->in[0] = value;
    cored_lower_finish(l, step, &chain, &step->epilogue);
    if (n->op == CORED_OP_ADD)
      step->residual = other;
  }
  cored_chain_clear(&chain);
}

void cored_lower_concat(CoredLower *l, int node) {
  const CoredNode *const concat = &l->graph->nodes[node];
  int values[4];
  for (int i = 0; i < concat->n_inputs; i++)
    values[i] = cored_lower_materialise(l, concat->input[i]);
  CoredStep *const step = cored_lower_new_step(l, node, cored_step_concat);
  if (!step)
    return;
  step->n_in = concat->n_inputs;
  for (int i = 0; i < concat->n_inputs; i++)
    step->in[i] = values[i];
  const CoredChain chain = {.last = node, .residual = CORED_NO_VALUE};
  cored_lower_finish(l, step, &chain, &step->epilogue);
}
