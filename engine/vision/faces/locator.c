/* SPDX-License-Identifier: MIT
 * The calls of cored.h, common to all kinds of locators: arguments are checked once, here. */
#include "vision/faces/locator.h"

#include "base/error.h"
#include "vision/image/picture.h"

#define MIN_SCALE_FACTOR 1.01
#define MAX_SCALE_FACTOR 10.

static bool fill_search(const CoredLocatorParams *params, CoredLocatorSearch *search,
                        CoredError *error) {
  *search = (CoredLocatorSearch){
      .scale_factor = 1.1, .min_neighbors = 3, .max_size = CORED_MAX_PICTURE_SIDE};
  if (!params)
    return true;
  if (params->scale_factor != 0.)
    search->scale_factor = params->scale_factor;
  if (!(search->scale_factor >= MIN_SCALE_FACTOR && search->scale_factor <= MAX_SCALE_FACTOR))
    return cored_error_set(error, CORED_ERROR_ARGUMENT,
                           "locator: scale factor must be %g to %g, or 0, got %g", MIN_SCALE_FACTOR,
                           MAX_SCALE_FACTOR, params->scale_factor);
  if (params->min_size < 0 || params->max_size < 0)
    return cored_error_set(error, CORED_ERROR_ARGUMENT,
                           "locator: sizes must not be negative, got %d to %d", params->min_size,
                           params->max_size);
  if (!(params->min_score >= 0. && params->min_score <= 1.))
    return cored_error_set(error, CORED_ERROR_ARGUMENT,
                           "locator: the least score must be 0 to 1, got %g", params->min_score);
  search->min_score = params->min_score;
  if (params->min_neighbors >= 0)
    search->min_neighbors = params->min_neighbors;
  search->min_size = params->min_size;
  search->upside_down = params->upside_down;
  if (params->max_size)
    search->max_size = params->max_size;
  return true;
}

bool cored_locator_find(CoredLocator *locator, const CoredImage *image,
                        const CoredLocatorParams *params, CoredFace *faces, int max, int *n_faces,
                        CoredError *error) {
  CoredLocatorSearch search;
  *n_faces = 0;
  if (!cored_image_check(image, error) || !fill_search(params, &search, error))
    return false;
  if (max < 0)
    return cored_error_set(error, CORED_ERROR_ARGUMENT, "locator: room for %d faces", max);
  return locator->kind->find(locator, image, &search, faces, max, n_faces, error);
}

const char *cored_locator_name(const CoredLocator *locator) {
  return locator->name;
}

void cored_locator_free(CoredLocator *locator) {
  if (locator)
    locator->kind->free(locator);
}
