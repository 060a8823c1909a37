/* SPDX-License-Identifier: MIT */
#include "analysis/face-detector.h"

#include "models-resource.h"

#define BUILT_IN "/cored/models/yunet-n.safetensors"

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

static CoredModel *load_built_in(const CoredModelLoadParams *params, CoredError *error) {
  static gsize registered;
  if (g_once_init_enter(&registered)) {
    cored_models_register_resource();
    g_once_init_leave(&registered, 1);
  }
  GBytes *bytes = g_resource_lookup_data(cored_models_get_resource(), BUILT_IN,
                                         G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  g_assert(bytes); /* part of the plugin */
  gsize size;
  gconstpointer data = g_bytes_get_data(bytes, &size);
  CoredModel *model = cored_model_load_memory(data, size, "built-in face model", params, error);
  g_bytes_unref(bytes);
  return model;
}

static CoredLocator *open_network(const char *path, CoredError *error) {
  const CoredModelLoadParams params = {.kind = CORED_MODEL_LOCATOR};
  CoredModel *model =
      path && *path ? cored_model_load(path, &params, error) : load_built_in(&params, error);
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
