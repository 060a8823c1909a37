/* SPDX-License-Identifier: MIT
 * What a kind of face locator has to provide. Its object begins with a CoredLocator. */
#ifndef CORED_VISION_FACES_LOCATOR_H
#define CORED_VISION_FACES_LOCATOR_H

#include "cored.h"

/* cored_locator_find's parameters with the defaults filled in and checked. */
typedef struct CoredLocatorSearch {
  double scale_factor;
  int min_neighbors;
  double min_score; /* 0: the locator's own */
  int min_size, max_size;
  bool upside_down;
} CoredLocatorSearch;

typedef struct CoredLocatorKind {
  bool (*find)(CoredLocator *locator, const CoredImage *image, const CoredLocatorSearch *search,
               CoredFace *faces, int max, int *n_faces, CoredError *error);
  void (*free)(CoredLocator *locator);
} CoredLocatorKind;

struct CoredLocator {
  const CoredLocatorKind *kind;
  const char *name; /* cored_locator_name */
};

#endif /* CORED_VISION_FACES_LOCATOR_H */
