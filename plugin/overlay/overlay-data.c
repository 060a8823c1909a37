/* SPDX-License-Identifier: MIT */
#include "overlay/overlay-data.h"

#include <math.h>

static double probability(const GstStructure *s) {
  double p = -1.0;
  if (!gst_structure_get_double(s, "p-fake-smoothed", &p) &&
      !gst_structure_get_double(s, "p-fake", &p))
    return -1.0;
  return isfinite(p) ? CLAMP(p, 0.0, 1.0) : -1.0;
}

static CoredOverlayVerdict verdict(const GstStructure *s) {
  const char *name = gst_structure_get_string(s, "verdict");
  if (g_strcmp0(name, "fake") == 0)
    return CORED_OVERLAY_FAKE;
  return g_strcmp0(name, "real") == 0 ? CORED_OVERLAY_REAL : CORED_OVERLAY_UNKNOWN;
}

/* Text out of metadata, which may come from another process: cut, and only if it is UTF-8. */
static void copy_text(char out[CORED_OVERLAY_TEXT], const GstStructure *s, const char *field) {
  const char *text = gst_structure_get_string(s, field);
  out[0] = '\0';
  if (!text || !g_utf8_validate(text, -1, NULL))
    return;
  g_strlcpy(out, text, CORED_OVERLAY_TEXT);
  const char *end;
  if (!g_utf8_validate(out, -1, &end))
    out[end - out] = '\0';
}

static double side(const GstStructure *s, const char *field, double factor) {
  guint value = 0;
  gst_structure_get_uint(s, field, &value);
  return value * factor;
}

static void read_face(CoredOverlayFace *face, const GstStructure *s, double fx, double fy) {
  *face = (CoredOverlayFace){.x = side(s, "x", fx),
                             .y = side(s, "y", fy),
                             .w = side(s, "w", fx),
                             .h = side(s, "h", fy),
                             .p_fake = probability(s),
                             .verdict = verdict(s),
                             .present = TRUE};
  copy_text(face->reason, s, "reason");
  gst_structure_get_uint64(s, "track-id", &face->track_id);
  gst_structure_get_boolean(s, "full-frame", &face->full_frame);
  gst_structure_get_boolean(s, "alert", &face->alert);
  gst_structure_get_boolean(s, "present", &face->present);
  if (cored_heat_map_read(&face->heat, s))
    face->heat.box = (CoredBox){face->heat.box.x * fx, face->heat.box.y * fy, face->heat.box.w * fx,
                                face->heat.box.h * fy};
}

static void read_faces(CoredOverlayData *data, const GstStructure *result, double fx, double fy) {
  const GValue *faces = gst_structure_get_value(result, "faces");
  if (!faces || !GST_VALUE_HOLDS_ARRAY(faces))
    return;
  for (guint i = 0; i < gst_value_array_get_size(faces) && i < CORED_OVERLAY_FACES; i++) {
    const GValue *value = gst_value_array_get_value(faces, i);
    if (!GST_VALUE_HOLDS_STRUCTURE(value))
      continue;
    CoredOverlayFace *face = &data->face[data->n_faces];
    read_face(face, gst_value_get_structure(value), fx, fy);
    /* Cut to the picture: metadata may hold any number. */
    face->w = MIN(face->w, data->width - face->x);
    face->h = MIN(face->h, data->height - face->y);
    if (face->w > 0 && face->h > 0)
      data->n_faces++;
    data->alert |= face->alert;
  }
}

void cored_overlay_data_read(CoredOverlayData *data, const GstStructure *result, gint width,
                             gint height) {
  guint from_width = 0, from_height = 0;
  *data = (CoredOverlayData){.width = width,
                             .height = height,
                             .p_fake = probability(result),
                             .threshold = -1.0,
                             .verdict = verdict(result)};
  copy_text(data->reason, result, "reason");
  copy_text(data->model_id, result, "model-id");
  gst_structure_get_double(result, "threshold", &data->threshold);
  gst_structure_get_uint64(result, "model-generation", &data->generation);
  gst_structure_get_boolean(result, "alert", &data->alert);
  gst_structure_get_uint(result, "frame-width", &from_width);
  gst_structure_get_uint(result, "frame-height", &from_height);
  read_faces(data, result, from_width ? (double)width / from_width : 1.0,
             from_height ? (double)height / from_height : 1.0);
}
