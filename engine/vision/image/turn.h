/* SPDX-License-Identifier: MIT
 * How a turned area of a picture becomes network input: the upright box around it is resized first,
 * and the result sampled at turned places.
 *
 * The resize has the same antialiasing filter as that of upright areas: a triangle that reaches one
 * pixel of the network to either side, and never less than one of the picture; its axes are those
 * of the picture, not of the area. It makes CORED_TURN_DENSITY samples for each such pixel. The
 * triangle's response has its first zero at one cycle per pixel of the network, the most that so
 * many samples can hold, so that interpolating between them (bicubic) loses next to nothing: a
 * large face is not aliased, nor a small one blurred a second time. Where the area is turned by
 * quarters of a turn its pixels lie on samples, and are those of the upright resize.
 *
 * Pixels of the network that are not square are wider one way than the other: the filter reaches
 * across and down as far as the longer part of their sides goes there,
 * sqrt((width cos)^2 + (height sin)^2). */
#ifndef CORED_VISION_IMAGE_TURN_H
#define CORED_VISION_IMAGE_TURN_H

#include "cored.h"

#define CORED_TURN_DENSITY 2.

/* The upright picture, and where in it (in its pixels, the first one's centre at 0, 0) the centres
 * of the network's pixels lie: the first one, and the steps to the next on its right and below. */
typedef struct CoredTurn {
  CoredBox box;      /* what of the frame the upright picture shows */
  int columns, rows; /* at most CORED_TURN_DENSITY * the diagonal of the network's input + 8 */
  double x, y, x_right, y_right, x_down, y_down;
} CoredTurn;

/* image has passed the check, and the area's box has positive sides and a finite angle. */
CoredTurn cored_turn_of(const CoredImage *image, const CoredCropArea *area, int out_width,
                        int out_height);

#endif /* CORED_VISION_IMAGE_TURN_H */
