/* SPDX-License-Identifier: MIT
 * Evaluation of cascade stages on windows of an integral image, one table per instruction set. All
 * variants give the same bits: sums are added in the same order and nothing is contracted. */
#ifndef CORED_VISION_FACES_CASCADE_KERNELS_H
#define CORED_VISION_FACES_CASCADE_KERNELS_H

#include "vision/faces/cascade-file.h"

enum { CORED_CASCADE_BLOCK = 8 };

/* A feature's corners as offsets into the integrals, relative to the window's upper left. LBP: the
 * 4x4 corners of the 3x3 blocks, row by row. Haar: four corners of each rectangle, whose sum is
 * +0 -1 -2 +3; offsets of tilted features lead into the tilted integral. */
typedef struct CoredFeatureOffsets {
  int32_t at[16];
  float weight[CORED_HAAR_MAX_RECTS]; /* 0: no such rectangle */
} CoredFeatureOffsets;

typedef struct CoredStageView {
  const CoredCascade *cascade;
  const CoredFeatureOffsets *offsets; /* [n_features] */
} CoredStageView;

typedef struct CoredCascadeKernels {
  const char *name;
  /* The sum over a stage's trees for one window. norm: 1 / (area * standard deviation) of its
   * pixels; LBP ignores it. */
  float (*stage_sum)(const CoredStageView *view, const CoredCascadeStage *stage,
                     const uint32_t *window, float norm);
  /* Which of the windows of `alive` pass: bit i is the one at window + i * step, step 1 or 2. May
   * read (but makes no use of) 2 * CORED_CASCADE_BLOCK elements from each corner of window 0. */
  unsigned (*stage_block)(const CoredStageView *view, const CoredCascadeStage *stage,
                          const uint32_t *window, int step, const float *norm, unsigned alive);
} CoredCascadeKernels;

extern const CoredCascadeKernels cored_cascade_kernels_c;
#ifdef __x86_64__
extern const CoredCascadeKernels cored_cascade_kernels_avx2;
#endif

/* The best table for CoredCpu flags. */
const CoredCascadeKernels *cored_cascade_kernels(unsigned cpu);

#endif /* CORED_VISION_FACES_CASCADE_KERNELS_H */
