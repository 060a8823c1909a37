/* SPDX-License-Identifier: MIT
 * The rule of cored.h by which faces are cut out of pictures. */
#include "vision/image/picture.h"

#include <math.h>

CoredCropParams cored_crop_params_default(void) {
  return (CoredCropParams){.scale_factor = 1.1,
                           .min_neighbors = 3,
                           .min_size = 64,
                           .min_sharpness = 0.5,
                           .margin = 0.3,
                           .align = CORED_CROP_ALIGN_NONE};
}

static void sort_by_size(CoredFace *faces, int n) {
  for (int i = 1; i < n; i++) {
    const CoredFace face = faces[i];
    const double area = face.box.w * face.box.h;
    int at = i;
    for (; at > 0 && faces[at - 1].box.w * faces[at - 1].box.h < area; at--)
      faces[at] = faces[at - 1];
    faces[at] = face;
  }
}

bool cored_crop_find(CoredLocator *locator, const CoredImage *image, const CoredCropParams *params,
                     CoredFace *faces, int max, int *n_faces, CoredError *error) {
  const CoredLocatorParams search = {.scale_factor = params->scale_factor,
                                     .min_neighbors = params->min_neighbors,
                                     .min_size = params->min_size,
                                     .upside_down = params->upside_down};
  CoredFace surest[CORED_MAX_FACES];
  int n;
  *n_faces = 0;
  if (!cored_locator_find(locator, image, &search, surest, CORED_MAX_FACES, &n, error))
    return false;
  sort_by_size(surest, n);
  for (; *n_faces < n && *n_faces < max; (*n_faces)++)
    faces[*n_faces] = surest[*n_faces];
  return true;
}

bool cored_crop_is_large_enough(const CoredCropParams *params, const CoredImage *image,
                                const CoredBox *face) {
  const CoredPixelShape pixel = cored_pixel_shape(image);
  return fmin(face->w * pixel.w, face->h * pixel.h) >= params->min_size;
}

/* Where a side that long begins so that it lies around the middle, but in the picture. */
static double place(double start, double length, double side, double whole) {
  return fmin(fmax(start + 0.5 * (length - side), 0.), whole - side);
}

CoredBox cored_crop_box(const CoredCropParams *params, const CoredImage *image,
                        const CoredBox *face) {
  const CoredPixelShape pixel = cored_pixel_shape(image);
  const double side = fmax(face->w * pixel.w, face->h * pixel.h) * (1. + params->margin);
  const double room = fmin(image->width * pixel.w, image->height * pixel.h);
  const double w = fmin(side, room) / pixel.w, h = fmin(side, room) / pixel.h;
  return (CoredBox){place(face->x, face->w, w, image->width),
                    place(face->y, face->h, h, image->height), w, h};
}

/* Of the longer side of a face: eyes nearer to each other tell no direction. */
#define LEAST_EYE_DISTANCE 0.1

/* Of the line from the right eye to the left one, in square pixels. */
static double angle_of_eyes(const CoredPixelShape *pixel, const CoredFace *face) {
  const double dx = (face->landmark[1].x - face->landmark[0].x) * pixel->w;
  const double dy = (face->landmark[1].y - face->landmark[0].y) * pixel->h;
  const double side = fmax(face->box.w * pixel->w, face->box.h * pixel->h);
  const double distance = hypot(dx, dy);
  return isfinite(distance) && distance > 0. && distance >= LEAST_EYE_DISTANCE * side
             ? atan2(dy, dx)
             : 0.;
}

CoredCropArea cored_crop_area(const CoredCropParams *params, const CoredImage *image,
                              const CoredFace *face) {
  const CoredPixelShape pixel = cored_pixel_shape(image);
  const bool align = params->align == CORED_CROP_ALIGN_EYES && face->has_landmarks;
  return (CoredCropArea){.box = cored_crop_box(params, image, &face->box),
                         .angle = align ? angle_of_eyes(&pixel, face) : 0.};
}

bool cored_crop_choose(CoredLocator *locator, const CoredImage *image,
                       const CoredCropParams *params, CoredCrop *crop, CoredError *error) {
  CoredFace faces[CORED_MAX_FACES];
  const CoredFace *chosen = faces;
  *crop = (CoredCrop){0};
  if (!cored_crop_find(locator, image, params, faces, CORED_MAX_FACES, &crop->n_faces, error))
    return false;
  for (int i = 0; i < crop->n_faces && !crop->used; i++) {
    const CoredBox *const face = &faces[i].box;
    const double sharpness = cored_sharpness(image, face);
    crop->used =
        cored_crop_is_large_enough(params, image, face) && sharpness >= params->min_sharpness;
    if (i == 0 || crop->used) {
      chosen = &faces[i];
      crop->face = *face;
      crop->sharpness = sharpness;
    }
  }
  if (crop->n_faces > 0)
    crop->area = cored_crop_area(params, image, chosen);
  return true;
}
