/* SPDX-License-Identifier: MIT
 * How the samples of each CoredPixelFormat lie in memory, and whether a CoredImage is consistent.
 */
#ifndef CORED_VISION_IMAGE_PICTURE_H
#define CORED_VISION_IMAGE_PICTURE_H

#include "cored.h"

#define CORED_MAX_PICTURE_SIDE 32768

typedef enum CoredColorKind { CORED_KIND_RGB, CORED_KIND_YUV, CORED_KIND_GRAY } CoredColorKind;

/* One colour component: its sample i of a row is row[offset + i * step] of its plane. Component
 * planes are (side + 2^sub - 1) >> sub samples wide or high. */
typedef struct CoredComponent {
  uint8_t plane, offset, step, h_sub, v_sub;
} CoredComponent;

typedef struct CoredPixelLayout {
  CoredColorKind kind;
  uint8_t n_planes;
  uint8_t n_components;     /* 1 for gray, else 3: R, G, B or Y, U, V whatever the memory order */
  uint8_t sample_bytes;     /* 1 or 2 (little endian) */
  uint8_t depth;            /* significant bits of a sample */
  uint8_t shift;            /* unused low bits of a sample */
  uint8_t group_shift;      /* plane 0 of packed formats comes in groups of 2^group_shift pixels */
  uint8_t group_samples[3]; /* samples of such a group, per plane */
  uint8_t plane_h_sub[3], plane_v_sub[3];
  CoredComponent component[3];
} CoredPixelLayout;

/* NULL for a value that is no format. */
const CoredPixelLayout *cored_pixel_layout(CoredPixelFormat format);
/* A component's size in samples for a picture side. */
int cored_component_side(int side, int sub);
/* Bytes of a row of a plane that a picture of this width needs. */
size_t cored_plane_row_bytes(const CoredPixelLayout *layout, int plane, int width);
/* Format, sizes, plane pointers and strides are in range and agree; IMAGE error otherwise. */
bool cored_image_check(const CoredImage *image, CoredError *error);

/* Square pixels are as large as the shorter side of the stored ones: so many of them a stored pixel
 * is wide and high, one of the two 1. image has passed the check, here and below. */
typedef struct CoredPixelShape {
  double w, h;
} CoredPixelShape;
CoredPixelShape cored_pixel_shape(const CoredImage *image);

/* Lines of the frame for each line that is looked at: 2 in an interlaced picture, else 1. A picture
 * of one line is no two fields. */
int cored_image_interleave(const CoredImage *image);
/* What is looked at as a picture of its own: the top field of an interlaced picture, any other as
 * it is. */
CoredImage cored_image_seen(const CoredImage *image);
/* The same place in that picture, whose lines are as high as two of the frame's. */
CoredBox cored_box_seen(const CoredImage *image, const CoredBox *box);

#endif /* CORED_VISION_IMAGE_PICTURE_H */
