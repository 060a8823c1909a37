/* SPDX-License-Identifier: MIT */
#include "vision/image/turn.h"
#include "vision/image/picture.h"

#include <math.h>

/* The interpolation reads one sample before a place and two behind it. */
#define BORDER 2

/* One axis of the upright picture: `count` samples, `step` square pixels apart. An odd number has
 * one of them on the area's centre. */
typedef struct Grid {
  double step;
  int count;
} Grid;

/* right, down: how far the network's pixels reach along the axis, of which there are out_width
 * times out_height. */
static Grid grid_for(double right, double down, int out_width, int out_height) {
  const double step = hypot(right, down) / CORED_TURN_DENSITY;
  const double length = out_width * fabs(right) + out_height * fabs(down);
  return (Grid){step, 2 * ((int)ceil(length / step / 2) + BORDER) + 1};
}

CoredTurn cored_turn_of(const CoredImage *image, const CoredCropArea *area, int out_width,
                        int out_height) {
  const CoredPixelShape pixel = cored_pixel_shape(image);
  const double width = area->box.w * pixel.w / out_width; /* of a pixel of the network */
  const double height = area->box.h * pixel.h / out_height;
  const double c = cos(area->angle), s = sin(area->angle);
  const Grid across = grid_for(width * c, height * s, out_width, out_height);
  const Grid down = grid_for(width * s, height * c, out_width, out_height);
  CoredTurn turn = {.columns = across.count,
                    .rows = down.count,
                    .x_right = width * c / across.step,
                    .y_right = width * s / down.step,
                    .x_down = -height * s / across.step,
                    .y_down = height * c / down.step};
  const double left = 0.5 * (out_width - 1), top = 0.5 * (out_height - 1);
  turn.x = 0.5 * (across.count - 1) - left * turn.x_right - top * turn.x_down;
  turn.y = 0.5 * (down.count - 1) - left * turn.y_right - top * turn.y_down;
  turn.box.w = across.count * across.step / pixel.w;
  turn.box.h = down.count * down.step / pixel.h;
  turn.box.x = area->box.x + 0.5 * (area->box.w - turn.box.w);
  turn.box.y = area->box.y + 0.5 * (area->box.h - turn.box.h);
  return turn;
}
