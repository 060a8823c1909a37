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

/* The detector that AUTO stands for: the cascade where its file is named, as pipelines did before
 * there was a network. */
CoredFaceDetector cored_face_detector_resolve(CoredFaceDetector detector,
                                              const CoredFaceDetectorFiles *files);
/* One that searches in the caller's thread. NULL with *error; detector is CASCADE or NETWORK. */
CoredLocator *cored_face_detector_open(CoredFaceDetector detector,
                                       const CoredFaceDetectorFiles *files, CoredError *error);

#endif /* CORED_ANALYSIS_FACE_DETECTOR_H */
