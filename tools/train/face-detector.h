/* SPDX-License-Identifier: MIT
 * What finds the faces in pictures and videos, as the options say, and how they are cut out. */
#ifndef CORED_TOOLS_TRAIN_FACE_DETECTOR_H
#define CORED_TOOLS_TRAIN_FACE_DETECTOR_H

#include <jansson.h>

#include "options.h"
#include "ui.h"

typedef struct FaceDetector { /* {0}: not opened */
  CoredModel *network;        /* NULL: the cascade */
  const char *cascade;        /* a path of the options or a constant */
  CoredModelCrop crop;
  char sha256[65]; /* of the network's weights, or of the cascade's file */
} FaceDetector;

/* Harmless when it is open. */
bool face_detector_open(FaceDetector *detector, const DataOptions *options, CoredError *error);
void face_detector_close(FaceDetector *detector);
/* All that decides which pixels are cut out, for comparison; NULL without memory. */
json_t *face_detector_json(const FaceDetector *detector, const DataOptions *options);
/* Warn where a model was trained on other crops than are cut out here. */
void face_detector_compare(const FaceDetector *detector, const CoredModel *model, const char *path,
                           Ui *ui);

#endif /* CORED_TOOLS_TRAIN_FACE_DETECTOR_H */
