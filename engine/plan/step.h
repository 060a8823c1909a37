/* SPDX-License-Identifier: MIT
 * Helpers that the step functions share. */
#ifndef CORED_PLAN_STEP_H
#define CORED_PLAN_STEP_H

#include "plan/plan.h"

/* Lines y0..y1 of one image: a part of the n * height lines of a batch. */
typedef struct CoredLineRange {
  int image, y0, y1;
} CoredLineRange;

/* Cut [*line, end) at the next image border: fills *part, moves *line on; false at the end. */
static inline bool cored_line_range_next(int *line, int end, int height, CoredLineRange *part) {
  if (*line >= end)
    return false;
  part->image = *line / height;
  part->y0 = *line - part->image * height;
  const int left = end - *line;
  part->y1 = height - part->y0 < left ? height : part->y0 + left;
  *line += part->y1 - part->y0;
  return true;
}

static inline CoredShape cored_step_shape(const CoredContext *context, int value) {
  return context->plan->values[value].shape;
}

/* Start of an image of a value. */
static inline float *cored_step_data(const CoredContext *context, int value, int image) {
  const CoredShape s = cored_step_shape(context, value);
  return context->values[value] + (size_t)image * (size_t)s.h * (size_t)s.w * (size_t)s.c;
}

/* The step's epilogue with the residual of an image filled in. */
static inline CoredEpilogue cored_step_epilogue(const CoredStep *step, const CoredContext *context,
                                                const CoredEpilogue *epilogue, int image) {
  CoredEpilogue e = *epilogue;
  if (step->residual != CORED_NO_VALUE) {
    e.residual = cored_step_data(context, step->residual, image);
    e.residual_pixel = cored_step_shape(context, step->residual).c;
  }
  return e;
}

#endif /* CORED_PLAN_STEP_H */
