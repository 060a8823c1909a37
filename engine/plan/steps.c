/* SPDX-License-Identifier: MIT
 * The steps that are not matrix products. */
#include "plan/step.h"

#define CHANNEL_GRAIN 16 /* channels are shared out in cache lines */

void cored_step_depthwise(const CoredStep *step, const CoredContext *context) {
  const CoredShape out = cored_step_shape(context, step->out);
  const int lines = context->n * out.h;
  int line = 0, end = lines, c0 = 0, c1 = out.c;
  if (lines < 4 * context->n_threads)
    cored_thread_pool_part(out.c, CHANNEL_GRAIN, context->thread, context->n_threads, &c0, &c1);
  else
    cored_thread_pool_part(lines, 1, context->thread, context->n_threads, &line, &end);
  CoredLineRange part;
  while (c0 < c1 && cored_line_range_next(&line, end, out.h, &part)) {
    CoredDepthwise d = step->depthwise;
    d.x = cored_step_data(context, step->in[0], part.image);
    d.out = cored_step_data(context, step->out, part.image);
    d.epilogue = cored_step_epilogue(step, context, &step->depthwise.epilogue, part.image);
    context->plan->kernels->depthwise(&d, part.y0, part.y1, c0, c1);
  }
}

void cored_step_max_pool(const CoredStep *step, const CoredContext *context) {
  const CoredShape in = cored_step_shape(context, step->in[0]);
  const CoredShape out = cored_step_shape(context, step->out);
  int line, end;
  cored_thread_pool_part(context->n * out.h, 1, context->thread, context->n_threads, &line, &end);
  CoredLineRange part;
  while (cored_line_range_next(&line, end, out.h, &part)) {
    const CoredMaxPool pool = {
        .x = cored_step_data(context, step->in[0], part.image),
        .h = in.h,
        .w = in.w,
        .channels = in.c,
        .kernel = step->window.kernel,
        .stride = step->window.stride,
        .pad_top = step->window.pad_top,
        .pad_left = step->window.pad_left,
        .out = cored_step_data(context, step->out, part.image),
        .out_w = out.w,
        .epilogue = cored_step_epilogue(step, context, &step->epilogue, part.image),
    };
    context->plan->kernels->max_pool(&pool, part.y0, part.y1);
  }
}

/* Global average pooling, with the activation before it. */
void cored_step_sum_pixels(const CoredStep *step, const CoredContext *context) {
  const CoredShape in = cored_step_shape(context, step->in[0]);
  const int pixels = in.h * in.w;
  int c0, c1;
  cored_thread_pool_part(in.c, CHANNEL_GRAIN, context->thread, context->n_threads, &c0, &c1);
  for (int i = 0; i < context->n && c0 < c1; i++)
    context->plan->kernels->sum_pixels(cored_step_data(context, step->in[0], i), in.c, pixels, c0,
                                       c1, step->in_act, step->in_slope, 1.0f / (float)pixels,
                                       cored_step_data(context, step->out, i));
}

/* Elementwise: what could not be fused into a neighbour. */
void cored_step_pointwise(const CoredStep *step, const CoredContext *context) {
  const CoredShape s = cored_step_shape(context, step->out);
  int from, to;
  cored_thread_pool_part(context->n * s.h * s.w, 1, context->thread, context->n_threads, &from,
                         &to);
  CoredEpilogue e = cored_step_epilogue(step, context, &step->epilogue, 0);
  if (e.residual)
    e.residual += from * e.residual_pixel;
  const ptrdiff_t offset = (ptrdiff_t)from * s.c;
  context->plan->kernels->pointwise(&e, cored_step_data(context, step->in[0], 0) + offset, s.c,
                                    cored_step_data(context, step->out, 0) + offset, s.c, to - from,
                                    s.c);
}

/* One factor per image and channel. */
void cored_step_scale(const CoredStep *step, const CoredContext *context) {
  const CoredShape s = cored_step_shape(context, step->out);
  int line, end;
  cored_thread_pool_part(context->n * s.h, 1, context->thread, context->n_threads, &line, &end);
  CoredLineRange part;
  while (cored_line_range_next(&line, end, s.h, &part)) {
    const CoredEpilogue e = {.scale = cored_step_data(context, step->factors, part.image),
                             .shift = step->depthwise.zeros};
    const ptrdiff_t offset = (ptrdiff_t)part.y0 * s.w * s.c;
    context->plan->kernels->pointwise(&e,
                                      cored_step_data(context, step->in[0], part.image) + offset,
                                      s.c, cored_step_data(context, step->out, part.image) + offset,
                                      s.c, (part.y1 - part.y0) * s.w, s.c);
  }
}

void cored_step_concat(const CoredStep *step, const CoredContext *context) {
  const CoredShape out = cored_step_shape(context, step->out);
  int from, to;
  cored_thread_pool_part(context->n * out.h * out.w, 1, context->thread, context->n_threads, &from,
                         &to);
  const CoredEpilogue copy = {.act = CORED_KERNEL_ACT_NONE};
  float *y = cored_step_data(context, step->out, 0) + (ptrdiff_t)from * out.c;
  for (int i = 0; i < step->n_in; i++) {
    const int c = cored_step_shape(context, step->in[i]).c;
    const float *const x = cored_step_data(context, step->in[i], 0) + (ptrdiff_t)from * c;
    context->plan->kernels->pointwise(&copy, x, c, y, out.c, to - from, c);
    y += c;
  }
}
