/* SPDX-License-Identifier: MIT
 * Convolution (and dense layers) as a matrix product over packed weights.
 *
 * One row of A is what one output pixel reads. Rows are read where they lie when that is possible;
 * otherwise a band of output lines is prepared in a thread's scratch memory (padded, scaled, or the
 * depthwise half of a separable convolution) and consumed at once, while it is in the cache.
 *
 * Threads share the work by output lines where the map is large, by output channels where the
 * matrix is larger than the map; then A is prepared together first. Neither changes a result. */
#include "plan/step.h"

#include <string.h>

/* Lines [y0, y1) read with a border of zeros, as the matrix product expects them. */
static void copy_padded(const CoredStep *step, const CoredContext *context,
                        const CoredLineRange *lines, float *rows) {
  const CoredShape in = cored_step_shape(context, step->in[0]);
  const CoredWindow *const w = &step->window;
  const int reach = (w->kernel - 1) * w->dilation;
  const size_t line = (size_t)(step->gemm.a_line / w->stride); /* floats of a padded line */
  const size_t left = (size_t)w->pad_left * (size_t)in.c;
  const size_t width = (size_t)in.w * (size_t)in.c;
  const size_t copied = width < line - left ? width : line - left;
  const float *const x = cored_step_data(context, step->in[0], lines->image);
  const int first = lines->y0 * w->stride - w->pad_top;
  const int last = (lines->y1 - 1) * w->stride - w->pad_top + reach;
  for (int y = first; y <= last; y++, rows += line) {
    if (y < 0 || y >= in.h) {
      memset(rows, 0, line * sizeof *rows);
      continue;
    }
    memset(rows, 0, left * sizeof *rows);
    memcpy(rows + left, x + (size_t)y * width, copied * sizeof *rows);
    memset(rows + left + copied, 0, (line - left - copied) * sizeof *rows);
  }
}

static void scale_rows(const CoredStep *step, const CoredContext *context,
                       const CoredLineRange *lines, float *rows) {
  const CoredShape in = cored_step_shape(context, step->in[0]);
  const CoredEpilogue e = {.scale = cored_step_data(context, step->factors, lines->image),
                           .shift = step->depthwise.zeros};
  const float *const x = cored_step_data(context, step->in[0], lines->image);
  context->plan->kernels->pointwise(&e, x + (size_t)lines->y0 * (size_t)in.w * (size_t)in.c, in.c,
                                    rows, in.c, (lines->y1 - lines->y0) * in.w, in.c);
}

/* Channels [c0, c1) of the rows; rows is where line y0 goes. */
static void depthwise_rows(const CoredStep *step, const CoredContext *context,
                           const CoredLineRange *lines, int c0, int c1, float *rows) {
  CoredDepthwise d = step->depthwise;
  d.x = cored_step_data(context, step->in[0], lines->image);
  d.out = rows;
  d.out_row0 = lines->y0;
  context->plan->kernels->depthwise(&d, lines->y0, lines->y1, c0, c1);
}

static void prepare_rows(const CoredStep *step, const CoredContext *context,
                         const CoredLineRange *lines, float *rows) {
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

/* The product without its activations' addresses, ready for output lines from y0 of an image on. */
static CoredGemm bind(const CoredStep *step, const CoredContext *context, int image, int y0) {
  const CoredShape out = cored_step_shape(context, step->out);
  const size_t pixel = (size_t)y0 * (size_t)out.w;
  CoredGemm g = step->gemm;
  g.epilogue = cored_step_epilogue(step, context, &step->gemm.epilogue, image);
  g.c = cored_step_data(context, step->out, image) + pixel * (size_t)out.c;
  if (g.epilogue.residual)
    g.epilogue.residual += pixel * (size_t)g.epilogue.residual_pixel;
  return g;
}

/* Output lines of this thread, band after band. */
static void run_lines(const CoredStep *step, const CoredContext *context) {
  const CoredShape out = cored_step_shape(context, step->out);
  int line, end;
  cored_thread_pool_part(context->n * out.h, 1, context->thread, context->n_threads, &line, &end);
  CoredLineRange part;
  while (cored_line_range_next(&line, end, out.h, &part)) {
    for (int y = part.y0; y < part.y1; y += step->band) {
      const CoredLineRange band = {part.image, y,
                                   part.y1 - y < step->band ? part.y1 : y + step->band};
      CoredGemm g = bind(step, context, part.image, y);
      if (step->source == CORED_ROWS_DIRECT) {
        g.a = cored_step_data(context, step->in[0], part.image) + y * g.a_line;
      } else {
        prepare_rows(step, context, &band, context->scratch);
        g.a = context->scratch;
      }
      context->plan->kernels->gemm(&g, 0, (band.y1 - band.y0) * out.w, 0, g.n);
    }
  }
}

/* Rows of A lie one behind the other for all images: no lines to speak of. */
static bool rows_are_dense(const CoredStep *step) {
  return step->source == CORED_ROWS_DIRECT && step->window.kernel == 1 && step->window.stride == 1;
}

static void run_pixels(const CoredStep *step, const CoredContext *context, int pixels) {
  CoredGemm g = bind(step, context, 0, 0);
  g.a = cored_step_data(context, step->in[0], 0);
  int from, to;
  cored_thread_pool_part(pixels, context->plan->kernels->gemm_shape.rows, context->thread,
                         context->n_threads, &from, &to);
  context->plan->kernels->gemm(&g, from, to, 0, g.n);
}

/* All threads prepare the rows of all images in the shared value. */
static void prepare_shared(const CoredStep *step, const CoredContext *context) {
  const CoredShape out = cored_step_shape(context, step->out);
  const size_t line_floats = (size_t)out.w * (size_t)step->gemm.k;
  float *const rows = context->values[step->shared];
  const bool by_channels =
      step->source == CORED_ROWS_DEPTHWISE && context->n * out.h < 4 * context->n_threads;
  int line = 0, end = context->n * out.h, c0 = 0, c1 = step->gemm.k;
  if (by_channels)
    cored_thread_pool_part(step->gemm.k, 16, context->thread, context->n_threads, &c0, &c1);
  else
    cored_thread_pool_part(end, 1, context->thread, context->n_threads, &line, &end);
  CoredLineRange part;
  while (cored_line_range_next(&line, end, out.h, &part)) {
    float *const to = rows + (size_t)(part.image * out.h + part.y0) * line_floats;
    if (by_channels)
      depthwise_rows(step, context, &part, c0, c1, to);
    else
      prepare_rows(step, context, &part, to);
  }
}

static void run_columns(const CoredStep *step, const CoredContext *context, int pixels) {
  CoredGemm g = bind(step, context, 0, 0);
  if (step->shared != CORED_NO_VALUE) {
    prepare_shared(step, context);
    cored_thread_pool_barrier(context->pool);
    g.a = context->values[step->shared];
  } else {
    g.a = cored_step_data(context, step->in[0], 0);
  }
  int from, to;
  cored_thread_pool_part(g.n, context->plan->kernels->gemm_shape.columns, context->thread,
                         context->n_threads, &from, &to);
  if (from < to)
    context->plan->kernels->gemm(&g, 0, pixels, from, to);
}

/* By lines every thread reads the whole matrix, by channels every thread reads the whole map: the
 * smaller of the two is what may be read more than once. */
static bool prefers_columns(const CoredStep *step, const CoredContext *context, int pixels) {
  const bool possible = rows_are_dense(step) || step->shared != CORED_NO_VALUE;
  return possible && context->n_threads > 1 && step->gemm.n >= pixels;
}

void cored_step_conv(const CoredStep *step, const CoredContext *context) {
  const CoredShape out = cored_step_shape(context, step->out);
  const int pixels = context->n * out.h * out.w;
  if (prefers_columns(step, context, pixels))
    run_columns(step, context, pixels);
  else if (rows_are_dense(step))
    run_pixels(step, context, pixels);
  else
    run_lines(step, context);
}
