/* SPDX-License-Identifier: MIT
 * The luma of a picture as one plane of bytes, its reduction by any factor and its integrals: what
 * a face locator looks at. */
#ifndef CORED_VISION_IMAGE_LUMA_H
#define CORED_VISION_IMAGE_LUMA_H

#include "cored.h"

typedef struct CoredLuma {
  int width, height;
  const uint8_t *data;
  ptrdiff_t stride;
} CoredLuma;

/* Point at the luma plane of an 8-bit planar picture, or fill buffer[width * height] from any
 * other and point at that. RGB gives 0.299 R + 0.587 G + 0.114 B; the range is left as it is.
 * image has passed cored_image_check. */
CoredLuma cored_luma_of(const CoredImage *image, uint8_t *buffer);
/* The luma of n pixels from (x, y) on, which lie in the picture. */
void cored_luma_row(const CoredImage *image, int x, int y, int n, uint8_t *dst);
/* Whether cored_luma_of needs its buffer. */
bool cored_luma_needs_buffer(const CoredImage *image);

/* One axis of a two-tap reduction: dst[i] = src[at[i]] * (256 - part[i]) + src[at[i]+1] * part[i],
 * over 256. src has at least two samples. */
void cored_luma_taps(int src, int dst, int *at, int *part);
/* Two-tap bilinear resize, exactly rounded from the product of 8-bit weights; bit for bit what
 * OpenCV's INTER_LINEAR_EXACT gives. x_at and x_part [width] are from cored_luma_taps; line has
 * 2 * src->width elements. */
void cored_luma_resize(const CoredLuma *src, uint8_t *dst, int width, int height, const int *x_at,
                       const int *x_part, uint16_t *line);

/* Integrals of src[height, width] into rows of `stride` elements, (height+1) x (width+1) each,
 * modulo 2^32: sum[y][x] of all pixels above and left; of their squares (NULL: not made);
 * tilted[y][x] of the pixels in the upward triangle whose tip is pixel (x-1, y-1) (NULL: not
 * made) (Lienhart and Maydt 2002, "An extended set of Haar-like features"). */
void cored_luma_integrals(const uint8_t *src, int width, int height, ptrdiff_t stride,
                          uint32_t *sum, uint32_t *squares, uint32_t *tilted);

#endif /* CORED_VISION_IMAGE_LUMA_H */
