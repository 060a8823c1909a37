/* SPDX-License-Identifier: MIT */
#ifndef CORED_VISION_FACES_CASCADE_LOCATOR_H
#define CORED_VISION_FACES_CASCADE_LOCATOR_H

#include "vision/faces/cascade-file.h"

/* A locator that slides the cascade's window; takes the cascade, also on failure. */
CoredLocator *cored_cascade_locator_new(CoredCascade *cascade, CoredError *error);

#endif /* CORED_VISION_FACES_CASCADE_LOCATOR_H */
