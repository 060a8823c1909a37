/* SPDX-License-Identifier: MIT */
#include "analysis/face-detector.h"

static CoredLocator *open_cascade(const char *path, CoredError *error) {
  const char *file = path && *path ? path : cored_cascade_default_path();
  if (file)
    return cored_locator_new_cascade(file, error);
  error->code = CORED_ERROR_NOT_FOUND;
  g_strlcpy(error->message,
            "expected a face cascade of Debian's opencv-data in /usr/share/opencv4, found none",
            sizeof error->message);
  return NULL;
}

CoredFaceDetector cored_face_detector_resolve(CoredFaceDetector detector,
                                              const CoredFaceDetectorFiles *files) {
  if (detector != CORED_FACE_DETECTOR_AUTO)
    return detector;
  return files->cascade && *files->cascade ? CORED_FACE_DETECTOR_CASCADE
                                           : CORED_FACE_DETECTOR_NETWORK;
}

CoredLocator *cored_face_detector_open(CoredFaceModel *model, CoredFaceDetector detector,
                                       const CoredFaceDetectorFiles *files, CoredError *error) {
  const gboolean built_in = !files->model || !*files->model;
  const CoredModelSourceSettings settings = {.path = built_in ? "" : files->model,
                                             .kind = CORED_MODEL_LOCATOR,
                                             .instance = files->instance,
                                             .trusted_keys = built_in ? NULL : files->trusted_keys,
                                             .watch = files->watch};
  if (detector == CORED_FACE_DETECTOR_NETWORK)
    return cored_face_model_open(model, &settings, error);
  cored_face_model_close(model);
  return open_cascade(files->cascade, error);
}
