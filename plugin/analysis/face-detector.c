/* SPDX-License-Identifier: MIT */
#include "analysis/face-detector.h"

/* Where Debian's opencv-data has frontal face cascades, the quickest first. */
static const char *const default_cascades[] = {
    "/usr/share/opencv4/lbpcascades/lbpcascade_frontalface_improved.xml",
    "/usr/share/opencv4/lbpcascades/lbpcascade_frontalface.xml",
    "/usr/share/opencv4/haarcascades/haarcascade_frontalface_default.xml"};

static CoredLocator *open_cascade(const char *path, CoredError *error) {
  CoredLocator *locator = NULL;
  if (path && *path)
    return cored_locator_new_cascade(path, error);
  for (guint i = 0; i < G_N_ELEMENTS(default_cascades) && !locator; i++)
    locator = cored_locator_new_cascade(default_cascades[i], error);
  return locator;
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

CoredLocator *cored_face_detector_open(CoredFaceDetector detector,
                                       const CoredFaceDetectorFiles *files, CoredError *error) {
  return detector == CORED_FACE_DETECTOR_NETWORK ? open_network(files->model, error)
                                                 : open_cascade(files->cascade, error);
}
