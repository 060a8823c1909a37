/* SPDX-License-Identifier: MIT */
#include "face-detector.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/file.h"
#include "model/hash.h"
#include "models.h"

static bool open_network(FaceDetector *detector, const char *path, CoredError *error) {
  const CoredModelLoadParams params = {.kind = CORED_MODEL_LOCATOR};
  CoredError why = {0};
  char *file = path ? weights_file(path, &why) : NULL;
  if (file)
    detector->network = cored_model_load(file, &params, &why);
  else if (!path)
    detector->network = cored_model_built_in_locator(&why);
  free(file);
  if (!detector->network)
    return cored_error_set(error, why.code,
                           "%s%s; --face-model takes a model that finds faces, and without it the "
                           "one built in does",
                           path ? "--face-model: " : "", why.message);
  const CoredModelInfo *info = cored_model_info(detector->network);
  memcpy(detector->crop.locator, info->network, strlen(info->network) + 1);
  memcpy(detector->sha256, info->sha256, sizeof detector->sha256);
  return true;
}

static bool open_cascade(FaceDetector *detector, const char *path, CoredError *error) {
  static const uint64_t max_bytes = UINT64_C(64) << 20;
  CoredBytes bytes;
  const char *file = path ? path : cored_cascade_default_path();
  if (!file)
    return cored_error_set(error, CORED_ERROR_NOT_FOUND,
                           "faces are to be found by a cascade, but there is none: install "
                           "opencv-data, say --cascade FILE, or leave out --face-detector");
  if (!cored_file_read(file, 1, max_bytes, NULL, &bytes, error))
    return false;
  cored_hash_bytes(bytes.data, bytes.size, detector->sha256);
  cored_bytes_clear(&bytes);
  memcpy(detector->crop.locator, "cascade", sizeof "cascade");
  detector->cascade = file;
  return true;
}

bool face_detector_open(FaceDetector *detector, const DataOptions *options, CoredError *error) {
  if (detector->crop.known)
    return true;
  detector->crop.margin = options->crop.margin;
  detector->crop.align = options->crop.align;
  detector->crop.known = data_face_detector(options) == FACE_DETECTOR_NETWORK
                             ? open_network(detector, options->face_model, error)
                             : open_cascade(detector, options->cascade, error);
  return detector->crop.known;
}

void face_detector_close(FaceDetector *detector) {
  cored_model_unref(detector->network);
  *detector = (FaceDetector){0};
}

json_t *face_detector_json(const FaceDetector *detector, const DataOptions *options) {
  return json_pack("{s:s,s:s,s:f,s:s,s:i,s:f,s:b,s:b}", "locator", detector->crop.locator, "sha256",
                   detector->sha256, "margin", detector->crop.margin, "align",
                   cored_crop_align_name(detector->crop.align), "min_size", options->crop.min_size,
                   "min_sharpness", options->crop.min_sharpness, "pictures", options->faces,
                   "videos", !options->whole_frames);
}

void face_detector_compare(const FaceDetector *detector, const CoredModel *model, const char *path,
                           Ui *ui) {
  char text[CORED_CROP_TEXT_SIZE];
  if (cored_model_crop_differs(&cored_model_info(model)->crop, &detector->crop, text))
    ui_line(ui, "warning: '%s' was trained on other crops: %s; what it says of these means less",
            path, text);
}
