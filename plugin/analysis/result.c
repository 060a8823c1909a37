/* SPDX-License-Identifier: MIT */
#include "analysis/result.h"

#include "gstcoredmeta.h"

const char *cored_verdict_name(CoredVerdict verdict) {
  switch (verdict) {
  case CORED_VERDICT_REAL:
    return "real";
  case CORED_VERDICT_FAKE:
    return "fake";
  case CORED_VERDICT_UNKNOWN:
    break;
  }
  return "unknown";
}

const char *cored_reason_name(CoredReason reason) {
  switch (reason) {
  case CORED_REASON_NONE:
    break;
  case CORED_REASON_NO_MODEL:
    return "no-model";
  case CORED_REASON_NO_FACE:
    return "no-face";
  case CORED_REASON_TOO_SMALL:
    return "too-small";
  case CORED_REASON_BLURRED:
    return "blurred";
  case CORED_REASON_NOT_EVALUATED:
    return "not-evaluated";
  case CORED_REASON_NO_SIGNAL:
    return "no-signal";
  case CORED_REASON_NO_OUTPUT:
    return "no-output";
  }
  return NULL;
}

void cored_result_clear(CoredResult *result, gint width, gint height, CoredReason reason) {
  result->p_fake = result->p_fake_smoothed = CORED_NOT_COMPUTED;
  result->verdict = CORED_VERDICT_UNKNOWN;
  result->reason = reason;
  result->inferred = FALSE;
  result->age = 0;
  result->width = width;
  result->height = height;
  result->n_faces = 0;
  result->threshold = CORED_NOT_COMPUTED;
  result->model_id[0] = '\0';
  result->generation = 0;
  result->latency_us = 0;
  result->n_bad_regions = result->n_small = result->n_blurred = 0;
  result->time = GST_CLOCK_TIME_NONE;
  result->number = 0;
}

void cored_face_result_conclude(CoredFaceResult *face, double threshold) {
  if (face->p_fake_smoothed < 0.0) {
    face->verdict = CORED_VERDICT_UNKNOWN;
    return;
  }
  face->reason = CORED_REASON_NONE;
  face->verdict = face->p_fake_smoothed >= threshold ? CORED_VERDICT_FAKE : CORED_VERDICT_REAL;
}

void cored_result_conclude(CoredResult *result) {
  result->p_fake = result->p_fake_smoothed = CORED_NOT_COMPUTED;
  result->verdict = CORED_VERDICT_UNKNOWN;
  for (guint i = 0; i < result->n_faces; i++) {
    const CoredFaceResult *face = &result->faces[i];
    result->p_fake = MAX(result->p_fake, face->p_fake);
    result->p_fake_smoothed = MAX(result->p_fake_smoothed, face->p_fake_smoothed);
    result->verdict = MAX(result->verdict, face->verdict); /* unknown < real < fake */
  }
  if (result->verdict != CORED_VERDICT_UNKNOWN)
    result->reason = CORED_REASON_NONE;
  else
    result->reason = result->n_faces ? result->faces[0].reason : CORED_REASON_NO_FACE;
}

static const CoredFaceResult *face_at(const CoredResult *result, const CoredBox *box) {
  const CoredFaceResult *best = NULL;
  double best_overlap = CORED_SAME_FACE_OVERLAP;
  for (guint i = 0; i < result->n_faces; i++) {
    const double overlap = cored_box_overlap(&result->faces[i].box, box);
    if (overlap >= best_overlap) {
      best_overlap = overlap;
      best = &result->faces[i];
    }
  }
  return best;
}

static void carry_to_regions(CoredResult *result, const CoredResult *last,
                             const CoredRegions *upstream) {
  static const CoredFaceResult unseen = {.p_fake = CORED_NOT_COMPUTED,
                                         .p_fake_smoothed = CORED_NOT_COMPUTED,
                                         .p_shadow = CORED_NOT_COMPUTED,
                                         .reason = CORED_REASON_NOT_EVALUATED,
                                         .present = TRUE,
                                         .sharpness = CORED_NOT_COMPUTED,
                                         .quality = CORED_NOT_COMPUTED};
  for (guint i = 0; i < upstream->n; i++) {
    const CoredRegion *region = &upstream->item[i];
    const CoredFaceResult *known = last ? face_at(last, &region->box) : NULL;
    CoredFaceResult *face = &result->faces[i];
    *face = known ? *known : unseen;
    face->age += known ? result->age : 0;
    face->box = region->box;
    face->present = TRUE;
    face->roi_index = region->roi_index;
    face->mtd_id = region->mtd_id;
  }
  result->n_faces = upstream->n;
}

void cored_result_reuse(CoredResult *result, const CoredResult *last, const CoredRegions *upstream,
                        gint width, gint height, GstClockTime age) {
  cored_result_clear(result, width, height, CORED_REASON_NOT_EVALUATED);
  if (last) {
    *result = *last;
    result->n_bad_regions = result->n_small = result->n_blurred = 0;
    for (guint i = 0; i < last->n_faces; i++) {
      result->faces[i].roi_index = (gint)(result->faces[i].mtd_id = -1);
      result->faces[i].age += age;
    }
  }
  result->inferred = FALSE;
  result->age = age;
  if (upstream->n > 0) {
    carry_to_regions(result, last, upstream);
    cored_result_conclude(result);
  }
}

static void set_probabilities(GstStructure *structure, double p_fake, double smoothed) {
  if (p_fake >= 0.0)
    gst_structure_set(structure, "p-fake", G_TYPE_DOUBLE, p_fake, NULL);
  if (smoothed >= 0.0)
    gst_structure_set(structure, "p-fake-smoothed", G_TYPE_DOUBLE, smoothed, NULL);
}

static void set_verdict(GstStructure *structure, CoredVerdict verdict, CoredReason reason) {
  gst_structure_set(structure, "verdict", G_TYPE_STRING, cored_verdict_name(verdict), NULL);
  if (cored_reason_name(reason))
    gst_structure_set(structure, "reason", G_TYPE_STRING, cored_reason_name(reason), NULL);
}

GstStructure *cored_face_result_to_structure(const CoredFaceResult *face, const char *name) {
  GstStructure *structure = gst_structure_new_empty(name);
  set_probabilities(structure, face->p_fake, face->p_fake_smoothed);
  set_verdict(structure, face->verdict, face->reason);
  gst_structure_set(structure, "x", G_TYPE_UINT, (guint)face->box.x, "y", G_TYPE_UINT,
                    (guint)face->box.y, "w", G_TYPE_UINT, (guint)face->box.w, "h", G_TYPE_UINT,
                    (guint)face->box.h, "face-score", G_TYPE_DOUBLE, face->face_score, "track-id",
                    G_TYPE_UINT64, face->track_id, "result-age-ns", G_TYPE_UINT64,
                    (guint64)face->age, "present", G_TYPE_BOOLEAN, face->present, "full-frame",
                    G_TYPE_BOOLEAN, face->full_frame, "alert", G_TYPE_BOOLEAN, face->alert, NULL);
  if (face->sharpness >= 0.0)
    gst_structure_set(structure, "sharpness", G_TYPE_DOUBLE, face->sharpness, NULL);
  if (face->quality >= 0.0)
    gst_structure_set(structure, "quality", G_TYPE_DOUBLE, face->quality, NULL);
  cored_heat_map_write(&face->heat, structure);
  return structure;
}

static void set_faces(GstStructure *structure, const CoredResult *result) {
  GValue faces = G_VALUE_INIT, face = G_VALUE_INIT;
  gboolean alert = FALSE;
  g_value_init(&faces, GST_TYPE_ARRAY);
  for (guint i = 0; i < result->n_faces; i++) {
    g_value_init(&face, GST_TYPE_STRUCTURE);
    g_value_take_boxed(&face, cored_face_result_to_structure(&result->faces[i], "face"));
    gst_value_array_append_and_take_value(&faces, &face);
    alert |= result->faces[i].alert;
  }
  gst_structure_set(structure, "n-faces", G_TYPE_UINT, result->n_faces, "alert", G_TYPE_BOOLEAN,
                    alert, NULL);
  gst_structure_take_value(structure, "faces", &faces);
}

void cored_result_write(const CoredResult *result, GstStructure *structure, const char *stream_id) {
  set_probabilities(structure, result->p_fake, result->p_fake_smoothed);
  set_verdict(structure, result->verdict, result->reason);
  gst_structure_set(structure, "inferred", G_TYPE_BOOLEAN, result->inferred, "result-age-ns",
                    G_TYPE_UINT64, (guint64)result->age, "frame-width", G_TYPE_UINT,
                    (guint)result->width, "frame-height", G_TYPE_UINT, (guint)result->height, NULL);
  set_faces(structure, result);
  if (result->threshold >= 0.0)
    gst_structure_set(structure, "threshold", G_TYPE_DOUBLE, result->threshold, NULL);
  gst_structure_set(structure, "model-id", G_TYPE_STRING, result->model_id, "model-generation",
                    G_TYPE_UINT64, result->generation, "latency-us", G_TYPE_UINT,
                    result->latency_us, "stream-id", G_TYPE_STRING, stream_id ? stream_id : "",
                    "version", G_TYPE_UINT, CORED_META_VERSION, NULL);
}
