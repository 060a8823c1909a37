/* SPDX-License-Identifier: MIT
 * The locators that the property face-detector names. */
#ifndef CORED_ANALYSIS_FACE_DETECTOR_H
#define CORED_ANALYSIS_FACE_DETECTOR_H

#include "analysis/params.h"
#include "cored.h"
#include "model/face-model.h"

typedef struct CoredFaceDetectorFiles { /* NULL or "": the default */
  const char *cascade;                  /* OpenCV's; default: the first there is of opencv-data */
  const char *model;                    /* of kind locator; default: the one built in */
  const char *instance;                 /* elements with another one do not share the model */
  gboolean watch;                       /* notice new versions of it */
  const char *trusted_keys;             /* that its file must be signed with; default: none */
} CoredFaceDetectorFiles;

/* The detector that AUTO stands for: the cascade where its file is named, as pipelines did before
 * there was a network. */
CoredFaceDetector cored_face_detector_resolve(CoredFaceDetector detector,
                                              const CoredFaceDetectorFiles *files);
/* One that searches in the caller's thread. NULL with *error; detector is CASCADE or NETWORK.
 * `model` is open afterwards if it is the network that was opened. */
CoredLocator *cored_face_detector_open(CoredFaceModel *model, CoredFaceDetector detector,
                                       const CoredFaceDetectorFiles *files, CoredError *error);

#endif /* CORED_ANALYSIS_FACE_DETECTOR_H */
