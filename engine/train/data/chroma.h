/* SPDX-License-Identifier: MIT
 * Chroma planes at the size of the luma: bilinear between the chroma samples where they lie, which
 * is libjpeg's "fancy upsampling". swscale places the chroma of odd sizes elsewhere. */
#ifndef CORED_TRAIN_DATA_CHROMA_H
#define CORED_TRAIN_DATA_CHROMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct CoredChromaPlane {
  const uint8_t *data;
  ptrdiff_t stride;
  int log2_across, log2_down;        /* subsampling, 0..2 */
  bool cosited_across, cosited_down; /* the first sample lies on the first luma sample, else in the
                                        middle of those it stands for */
} CoredChromaPlane;

/* out[height, width], of the luma's size. taps has room for 2 * width, line for width elements. */
void cored_chroma_enlarge(const CoredChromaPlane *plane, uint8_t *out, int width, int height,
                          int *taps, uint16_t *line);

#endif /* CORED_TRAIN_DATA_CHROMA_H */
