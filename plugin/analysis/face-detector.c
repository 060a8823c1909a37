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

static CoredLocator *open_network(const char *path, CoredError *error) {
  const CoredModelLoadParams params = {.kind = CORED_MODEL_LOCATOR};
  CoredModel *model =
      path && *path ? cored_model_load(path, &params, error) : cored_model_built_in_locator(error);
  if (!model)
    return NULL;
  CoredLocator *locator = cored_locator_new_network(model, 1, error);
  cored_model_unref(model);
  return locator;
}

CoredFaceDetector cored_face_detector_resolve(CoredFaceDetector detector,
                                              const CoredFaceDetectorFiles *files) {
  if (detector != CORED_FACE_DETECTOR_AUTO)
    return detector;
  return files->cascade && *files->cascade ? CORED_FACE_DETECTOR_CASCADE
                                           : CORED_FACE_DETECTOR_NETWORK;
}

CoredLocator *cored_face_detector_open(CoredFaceDetector detector,
                                       const CoredFaceDetectorFiles *files, CoredError *error) {
  return detector == CORED_FACE_DETECTOR_NETWORK ? open_network(files->model, error)
                                                 : open_cascade(files->cascade, error);
}
