/* SPDX-License-Identifier: MIT
 * What the steps of a plan do. Every thread of a session calls each step with its number and does
 * its part; which part that is never changes a result. */
#include <string.h>

#include "plan/plan.h"

#define CHANNEL_GRAIN 16 /* channels are shared out in cache lines */

/* Lines y0..y1 of one image: a part of the n * height lines of a batch. */
typedef struct LineRange {
  int image, y0, y1;
} LineRange;

/* Cut [*line, end) at the next image border: fills *part, moves *line on; false at the end. */
static bool next_range(int *line, int end, int height, LineRange *part) {
  if (*line >= end)
    return false;
  part->image = *line / height;
  part->y0 = *line - part->image * height;
  const int left = end - *line;
  part->y1 = height - part->y0 < left ? height : part->y0 + left;
  *line += part->y1 - part->y0;
  return true;
}

static CoredShape shape_of(const CoredContext *context, int value) {
  return context->plan->values[value].shape;
}

/* Start of an image of a value. */
static float *data_of(const CoredContext *context, int value, int image) {
  const CoredShape s = shape_of(context, value);
  return (float *)context->values[value] + (size_t)image * (size_t)s.h * (size_t)s.w * (size_t)s.c;
}

CoredMapLines cored_value_lines(const CoredContext *context, int value, int image) {
  return (CoredMapLines){data_of(context, value, image), shape_of(context, value).h};
}

static float *line_at(const CoredMapLines *lines, CoredShape s, int y) {
  return lines->data + (size_t)(y % lines->ring) * (size_t)s.w * (size_t)s.c;
}

/* Where the lines that follow line y in memory end, at most at `end`. */
static int unbroken(const CoredMapLines *lines, int y, int end) {
  const int left = lines->ring - y % lines->ring;
  return end - y < left ? end : y + left;
}

/* The step's epilogue with the residual of an image from output line y on filled in. */
static CoredEpilogue epilogue_of(const CoredStep *step, const CoredContext *context,
                                 const CoredEpilogue *epilogue, int image, int y) {
  CoredEpilogue e = *epilogue;
  if (step->residual != CORED_NO_VALUE) {
    const CoredShape s = shape_of(context, step->residual);
    e.residual = data_of(context, step->residual, image) + (size_t)y * (size_t)s.w * (size_t)s.c;
    e.residual_pixel = s.c;
  }
  return e;
}

/* ---- Convolution ----------------------------------------------------------------------------- */

/* Convolution (and dense layers) as a matrix product over packed weights.
 *
 * One row of A is what one output pixel reads. Rows are read where they lie when that is possible;
 * otherwise a band of output lines is prepared in a thread's scratch memory (padded, scaled, or the
 * depthwise half of a separable convolution) and consumed at once, while it is in the cache.
 *
 * Threads share the work by output lines where the map is large, by output channels where the
 * matrix is larger than the map; then A is prepared together first. Neither changes a result. */

/* What rows of A are made of: output lines [y0, y1) of an image, and the lines of the input. */
typedef struct RowRange {
  int image, y0, y1;
  CoredMapLines in;
} RowRange;

/* Lines read with a border of zeros, as the matrix product expects them. */
static void copy_padded(const CoredStep *step, const CoredContext *context, const RowRange *lines,
                        float *rows) {
  const CoredShape in = shape_of(context, step->in[0]);
  const CoredWindow *const w = &step->window;
  const int reach = (w->kernel - 1) * w->dilation;
  const size_t line = (size_t)(step->gemm.a_line / w->stride); /* floats of a padded line */
  const size_t left = (size_t)w->pad_left * (size_t)in.c;
  const size_t width = (size_t)in.w * (size_t)in.c;
  const size_t copied = width < line - left ? width : line - left;
  const int first = lines->y0 * w->stride - w->pad_top;
  const int last = (lines->y1 - 1) * w->stride - w->pad_top + reach;
  for (int y = first; y <= last; y++, rows += line) {
    if (y < 0 || y >= in.h) {
      memset(rows, 0, line * sizeof *rows);
      continue;
    }
    memset(rows, 0, left * sizeof *rows);
    memcpy(rows + left, line_at(&lines->in, in, y), copied * sizeof *rows);
    memset(rows + left + copied, 0, (line - left - copied) * sizeof *rows);
  }
}

static void scale_rows(const CoredStep *step, const CoredContext *context, const RowRange *lines,
                       float *rows) {
  const CoredShape in = shape_of(context, step->in[0]);
  const CoredEpilogue e = {.scale = data_of(context, step->factors, lines->image),
                           .shift = step->depthwise.zeros};
  context->plan->kernels.rows.pointwise(&e, line_at(&lines->in, in, lines->y0), in.c, rows, in.c,
                                        (lines->y1 - lines->y0) * in.w, in.c);
}

/* Channels [c0, c1) of the rows; rows is where line y0 goes. */
static void depthwise_rows(const CoredStep *step, const CoredContext *context,
                           const RowRange *lines, int c0, int c1, float *rows) {
  CoredDepthwise d = step->depthwise;
  d.x = lines->in.data;
  d.ring = lines->in.ring;
  d.out = rows;
  d.out_row0 = lines->y0;
  context->plan->kernels.rows.depthwise(&d, lines->y0, lines->y1, c0, c1);
}

static void prepare_rows(const CoredStep *step, const CoredContext *context, const RowRange *lines,
                         float *rows) {
  switch (step->source) {
  case CORED_ROWS_DIRECT:
    break;
  case CORED_ROWS_PADDED:
    copy_padded(step, context, lines, rows);
    break;
  case CORED_ROWS_SCALED:
    scale_rows(step, context, lines, rows);
    break;
  case CORED_ROWS_DEPTHWISE:
    depthwise_rows(step, context, lines, 0, step->depthwise.channels, rows);
    break;
  }
}

/* The product without its activations' addresses, for what goes to c, from output line y0 of an
 * image on. */
static CoredGemm bind(const CoredStep *step, const CoredContext *context, int image, int y0,
                      float *c) {
  CoredGemm g = step->gemm;
  g.epilogue = epilogue_of(step, context, &step->gemm.epilogue, image, y0);
  g.c = c;
  return g;
}

/* Where a band from line y on ends, at most at y1: its output must not be broken, nor an input
 * whose lines are read as one piece (and which the output's do not outnumber). */
static int band_end(const CoredStep *step, const CoredMapLines *in, const CoredMapLines *out, int y,
                    int y1) {
  const int end = unbroken(out, y, y1 - y < step->band ? y1 : y + step->band);
  const bool whole = step->source == CORED_ROWS_DIRECT || step->source == CORED_ROWS_SCALED;
  return whole ? unbroken(in, y, end) : end;
}

void cored_lines_conv(const CoredStep *step, const CoredContext *context, int image,
                      const CoredMapLines *in, const CoredMapLines *out, int y0, int y1) {
  const CoredShape from = shape_of(context, step->in[0]), to = shape_of(context, step->out);
  for (int y = y0, end; y < y1; y = end) {
    end = band_end(step, in, out, y, y1);
    CoredGemm g = bind(step, context, image, y, line_at(out, to, y));
    if (step->source == CORED_ROWS_DIRECT) {
      g.a = line_at(in, from, y * step->window.stride);
    } else {
      const RowRange band = {image, y, end, *in};
      prepare_rows(step, context, &band, context->scratch);
      g.a = context->scratch;
    }
    context->plan->kernels.gemm.run(&g, 0, (end - y) * to.w, 0, g.n);
  }
}

/* Output lines of this thread, of inputs and outputs that are in memory as a whole. */
static void run_lines(const CoredStep *step, const CoredContext *context) {
  const int height = shape_of(context, step->out).h;
  int line, end;
  cored_thread_pool_part(context->n * height, 1, context->thread, context->n_threads, &line, &end);
  LineRange part;
  while (next_range(&line, end, height, &part)) {
    const CoredMapLines in = cored_value_lines(context, step->in[0], part.image);
    const CoredMapLines out = cored_value_lines(context, step->out, part.image);
    step->lines(step, context, part.image, &in, &out, part.y0, part.y1);
  }
}

/* Rows of A lie one behind the other for all images: no lines to speak of. */
static bool rows_are_dense(const CoredStep *step) {
  return step->source == CORED_ROWS_DIRECT && step->window.kernel == 1 && step->window.stride == 1;
}

static void run_pixels(const CoredStep *step, const CoredContext *context, int pixels) {
  CoredGemm g = bind(step, context, 0, 0, data_of(context, step->out, 0));
  g.a = data_of(context, step->in[0], 0);
  int from, to;
  cored_thread_pool_part(pixels, context->plan->kernels.gemm.shape.rows, context->thread,
                         context->n_threads, &from, &to);
  context->plan->kernels.gemm.run(&g, from, to, 0, g.n);
}

/* All threads prepare the rows of all images in the shared value. */
static void prepare_shared(const CoredStep *step, const CoredContext *context) {
  const CoredShape out = shape_of(context, step->out);
  const size_t line_floats = (size_t)out.w * (size_t)step->gemm.k;
  float *const rows = context->values[step->shared];
  const bool by_channels =
      step->source == CORED_ROWS_DEPTHWISE && context->n * out.h < 4 * context->n_threads;
  int line = 0, end = context->n * out.h, c0 = 0, c1 = step->gemm.k;
  if (by_channels)
    cored_thread_pool_part(step->gemm.k, 16, context->thread, context->n_threads, &c0, &c1);
  else
    cored_thread_pool_part(end, 1, context->thread, context->n_threads, &line, &end);
  LineRange part;
  while (next_range(&line, end, out.h, &part)) {
    float *const to = rows + (size_t)(part.image * out.h + part.y0) * line_floats;
    const RowRange range = {part.image, part.y0, part.y1,
                            cored_value_lines(context, step->in[0], part.image)};
    if (by_channels)
      depthwise_rows(step, context, &range, c0, c1, to);
    else
      prepare_rows(step, context, &range, to);
  }
}

static void run_columns(const CoredStep *step, const CoredContext *context, int pixels) {
  CoredGemm g = bind(step, context, 0, 0, data_of(context, step->out, 0));
  if (step->shared != CORED_NO_VALUE) {
    prepare_shared(step, context);
    cored_thread_pool_barrier(context->pool);
    g.a = context->values[step->shared];
  } else {
    g.a = data_of(context, step->in[0], 0);
  }
  int from, to;
  cored_thread_pool_part(g.n, context->plan->kernels.gemm.shape.columns, context->thread,
                         context->n_threads, &from, &to);
  if (from < to)
    context->plan->kernels.gemm.run(&g, 0, pixels, from, to);
}

/* By lines every thread reads the whole matrix, by channels every thread reads the whole map: the
 * smaller of the two is what may be read more than once. */
static bool prefers_columns(const CoredStep *step, const CoredContext *context, int pixels) {
  const bool possible = rows_are_dense(step) || step->shared != CORED_NO_VALUE;
  return possible && context->n_threads > 1 && step->gemm.n >= pixels;
}

void cored_step_conv(const CoredStep *step, const CoredContext *context) {
  const CoredShape out = shape_of(context, step->out);
  const int pixels = context->n * out.h * out.w;
  if (prefers_columns(step, context, pixels))
    run_columns(step, context, pixels);
  else if (rows_are_dense(step))
    run_pixels(step, context, pixels);
  else
    run_lines(step, context);
}

/* ---- The others ------------------------------------------------------------------------------ */

static void depthwise_channels(const CoredStep *step, const CoredContext *context, int image,
                               const CoredMapLines *in, float *out, int y0, int y1, int c0,
                               int c1) {
  CoredDepthwise d = step->depthwise;
  d.x = in->data;
  d.ring = in->ring;
  d.out = out;
  d.out_row0 = y0;
  d.epilogue = epilogue_of(step, context, &step->depthwise.epilogue, image, y0);
  context->plan->kernels.rows.depthwise(&d, y0, y1, c0, c1);
}

void cored_lines_depthwise(const CoredStep *step, const CoredContext *context, int image,
                           const CoredMapLines *in, const CoredMapLines *out, int y0, int y1) {
  const CoredShape to = shape_of(context, step->out);
  for (int y = y0, end; y < y1; y = end) {
    end = unbroken(out, y, y1);
    depthwise_channels(step, context, image, in, line_at(out, to, y), y, end, 0, to.c);
  }
}

/* Of few lines every thread takes some channels. */
void cored_step_depthwise(const CoredStep *step, const CoredContext *context) {
  const CoredShape out = shape_of(context, step->out);
  if (context->n * out.h >= 4 * context->n_threads) {
    run_lines(step, context);
    return;
  }
  int c0, c1;
  cored_thread_pool_part(out.c, CHANNEL_GRAIN, context->thread, context->n_threads, &c0, &c1);
  for (int i = 0; i < context->n && c0 < c1; i++) {
    const CoredMapLines in = cored_value_lines(context, step->in[0], i);
    depthwise_channels(step, context, i, &in, data_of(context, step->out, i), 0, out.h, c0, c1);
  }
}

void cored_lines_max_pool(const CoredStep *step, const CoredContext *context, int image,
                          const CoredMapLines *in, const CoredMapLines *out, int y0, int y1) {
  const CoredShape from = shape_of(context, step->in[0]), to = shape_of(context, step->out);
  for (int y = y0, end; y < y1; y = end) {
    end = unbroken(out, y, y1);
    const CoredMaxPool pool = {
        .x = in->data,
        .h = from.h,
        .w = from.w,
        .channels = from.c,
        .ring = in->ring,
        .kernel = step->window.kernel,
        .stride = step->window.stride,
        .pad_top = step->window.pad_top,
        .pad_left = step->window.pad_left,
        .out = line_at(out, to, y),
        .out_row0 = y,
        .out_w = to.w,
        .epilogue = epilogue_of(step, context, &step->epilogue, image, y),
    };
    context->plan->kernels.rows.max_pool(&pool, y, end);
  }
}

void cored_step_max_pool(const CoredStep *step, const CoredContext *context) {
  run_lines(step, context);
}

/* Global average pooling, with the activation before it. */
void cored_step_sum_pixels(const CoredStep *step, const CoredContext *context) {
  const CoredShape in = shape_of(context, step->in[0]);
  const int pixels = in.h * in.w;
  int c0, c1;
  cored_thread_pool_part(in.c, CHANNEL_GRAIN, context->thread, context->n_threads, &c0, &c1);
  for (int i = 0; i < context->n && c0 < c1; i++)
    context->plan->kernels.rows.sum_pixels(data_of(context, step->in[0], i), in.c, pixels, c0, c1,
                                           step->in_act, 1.0f / (float)pixels,
                                           data_of(context, step->out, i));
}

/* Elementwise: what could not be fused into a neighbour. */
void cored_step_pointwise(const CoredStep *step, const CoredContext *context) {
  const CoredShape s = shape_of(context, step->out);
  int from, to;
  cored_thread_pool_part(context->n * s.h * s.w, 1, context->thread, context->n_threads, &from,
                         &to);
  CoredEpilogue e = epilogue_of(step, context, &step->epilogue, 0, 0);
  if (e.residual)
    e.residual += from * e.residual_pixel;
  const ptrdiff_t offset = (ptrdiff_t)from * s.c;
  context->plan->kernels.rows.pointwise(&e, data_of(context, step->in[0], 0) + offset, s.c,
                                        data_of(context, step->out, 0) + offset, s.c, to - from,
                                        s.c);
}

/* One factor per image and channel. */
void cored_step_scale(const CoredStep *step, const CoredContext *context) {
  const CoredShape s = shape_of(context, step->out);
  int line, end;
  cored_thread_pool_part(context->n * s.h, 1, context->thread, context->n_threads, &line, &end);
  LineRange part;
  while (next_range(&line, end, s.h, &part)) {
    const CoredEpilogue e = {.scale = data_of(context, step->factors, part.image),
                             .shift = step->depthwise.zeros};
    const ptrdiff_t offset = (ptrdiff_t)part.y0 * s.w * s.c;
    context->plan->kernels.rows.pointwise(&e, data_of(context, step->in[0], part.image) + offset,
                                          s.c, data_of(context, step->out, part.image) + offset,
                                          s.c, (part.y1 - part.y0) * s.w, s.c);
  }
}

/* Nearest neighbour: of an output line every stride-th pixel in one go, since they follow each
 * other in the input. */
void cored_step_upsample(const CoredStep *step, const CoredContext *context) {
  const CoredShape in = shape_of(context, step->in[0]), out = shape_of(context, step->out);
  const int factor = step->window.stride;
  int line, end;
  cored_thread_pool_part(context->n * out.h, 1, context->thread, context->n_threads, &line, &end);
  LineRange part;
  while (next_range(&line, end, out.h, &part)) {
    const float *const x = data_of(context, step->in[0], part.image);
    float *const y = data_of(context, step->out, part.image);
    const CoredEpilogue whole = epilogue_of(step, context, &step->epilogue, part.image, 0);
    for (int row = part.y0; row < part.y1; row++)
      for (int first = 0; first < factor; first++) {
        const ptrdiff_t pixel = (ptrdiff_t)row * out.w + first;
        CoredEpilogue e = whole;
        if (e.residual)
          e.residual += pixel * whole.residual_pixel;
        e.residual_pixel = factor * whole.residual_pixel;
        context->plan->kernels.rows.pointwise(&e, x + (ptrdiff_t)(row / factor) * in.w * in.c, in.c,
                                              y + pixel * out.c, (ptrdiff_t)factor * out.c, in.w,
                                              in.c);
      }
  }
}

void cored_step_concat(const CoredStep *step, const CoredContext *context) {
  const CoredShape out = shape_of(context, step->out);
  int from, to;
  cored_thread_pool_part(context->n * out.h * out.w, 1, context->thread, context->n_threads, &from,
                         &to);
  const CoredEpilogue copy = {0};
  float *y = data_of(context, step->out, 0) + (ptrdiff_t)from * out.c;
  for (int i = 0; i < step->n_in; i++) {
    const int c = shape_of(context, step->in[i]).c;
    const float *const x = data_of(context, step->in[i], 0) + (ptrdiff_t)from * c;
    context->plan->kernels.rows.pointwise(&copy, x, c, y, out.c, to - from, c);
    y += c;
  }
}
