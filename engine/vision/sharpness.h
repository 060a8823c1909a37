/* SPDX-License-Identifier: MIT
 * How sharp a part of a picture is, whatever its size and contrast. */
#ifndef CORED_VISION_SHARPNESS_H
#define CORED_VISION_SHARPNESS_H

#include "cored.h"

/* The box's luma is averaged down to a side of at most this many cells, so that only blur counts
 * that is seen at that size. */
#define CORED_SHARPNESS_CELLS 64

/* min(1, r / 0.3) with r^2 = var(L) / (var(Y) + 4), Y the cells and L their 4-neighbour Laplacian:
 * detail by contrast. The constant keeps a flat box, where all is rounding, at 0. A sharp face has
 * 0.6 to 1; blurred with a sigma of a 40th of its width it has a median of 0.4. Noise counts as
 * detail. image has passed cored_image_check; 0 for a box of less than 3 x 3 pixels inside it. */
double cored_sharpness(const CoredImage *image, const CoredBox *box);

#endif /* CORED_VISION_SHARPNESS_H */
