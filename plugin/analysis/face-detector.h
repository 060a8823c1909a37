/* SPDX-License-Identifier: MIT
 * The locators that the property face-detector names. */
#ifndef CORED_ANALYSIS_FACE_DETECTOR_H
#define CORED_ANALYSIS_FACE_DETECTOR_H

#include "analysis/params.h"
#include "cored.h"

typedef struct CoredFaceDetectorFiles { /* NULL or "": the default */
  const char *cascade;                  /* OpenCV's; default: the first there is of opencv-data */
  const char *model;                    /* of kind locator; default: the one built in */
} CoredFaceDetectorFiles;

/* One that searches in the caller's thread. NULL with *error; detector is not NONE. */
CoredLocator *cored_face_detector_open(CoredFaceDetector detector,
                                       const CoredFaceDetectorFiles *files, CoredError *error);

#endif /* CORED_ANALYSIS_FACE_DETECTOR_H */
