/* SPDX-License-Identifier: MIT */
#include "meta/meta-writer.h"

#include <gst/video/video.h>
#ifdef HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

#include "gstcoredmeta.h"
#include "meta/meta-fields.h"

/* ---- Fields --------------------------------------------------------------------------------- */

static void set_boolean(GstStructure *s, CoredMetaField field, gboolean value) {
  gst_structure_set(s, cored_meta_fields[field].name, G_TYPE_BOOLEAN, value, NULL);
}

static void set_uint(GstStructure *s, CoredMetaField field, guint value) {
  gst_structure_set(s, cored_meta_fields[field].name, G_TYPE_UINT, value, NULL);
}

static void set_uint64(GstStructure *s, CoredMetaField field, guint64 value) {
  gst_structure_set(s, cored_meta_fields[field].name, G_TYPE_UINT64, value, NULL);
}

static void set_double(GstStructure *s, CoredMetaField field, double value) {
  gst_structure_set(s, cored_meta_fields[field].name, G_TYPE_DOUBLE, value, NULL);
}

static void set_string(GstStructure *s, CoredMetaField field, const char *value) {
  gst_structure_set(s, cored_meta_fields[field].name, G_TYPE_STRING, value, NULL);
}

/* A value that was not computed is absent. */
static void set_if_computed(GstStructure *s, CoredMetaField field, double value) {
  if (value >= 0.0)
    set_double(s, field, value);
}

static void set_verdict(GstStructure *s, CoredVerdict verdict, CoredReason reason) {
  set_string(s, CORED_FIELD_VERDICT, cored_verdict_name(verdict));
  if (cored_reason_name(reason))
    set_string(s, CORED_FIELD_REASON, cored_reason_name(reason));
}

void cored_meta_write_heat_map(GstStructure *face, const CoredHeatMap *heat) {
  if (!heat->rows)
    return;
  char *text = g_base64_encode(heat->value, heat->rows * heat->columns);
  set_uint(face, CORED_FIELD_HEAT_ROWS, heat->rows);
  set_uint(face, CORED_FIELD_HEAT_COLUMNS, heat->columns);
  set_string(face, CORED_FIELD_HEAT_MAP, text);
  set_double(face, CORED_FIELD_HEAT_SCALE, heat->scale);
  set_uint(face, CORED_FIELD_HEAT_X, (guint)heat->area.box.x);
  set_uint(face, CORED_FIELD_HEAT_Y, (guint)heat->area.box.y);
  set_uint(face, CORED_FIELD_HEAT_W, (guint)heat->area.box.w);
  set_uint(face, CORED_FIELD_HEAT_H, (guint)heat->area.box.h);
  if (heat->area.angle != 0.0)
    set_double(face, CORED_FIELD_HEAT_ANGLE, heat->area.angle);
  g_free(text);
}

static void set_landmarks(GstStructure *s, const CoredFaceResult *face) {
  GValue all = G_VALUE_INIT, one = G_VALUE_INIT;
  if (!face->has_landmarks)
    return;
  g_value_init(&all, GST_TYPE_ARRAY);
  g_value_init(&one, G_TYPE_DOUBLE);
  for (guint i = 0; i < 2 * CORED_LANDMARKS; i++) {
    const CoredPoint *point = &face->landmark[i / 2];
    g_value_set_double(&one, i % 2 ? point->y : point->x);
    gst_value_array_append_value(&all, &one);
  }
  g_value_unset(&one);
  gst_structure_take_value(s, cored_meta_fields[CORED_FIELD_LANDMARKS].name, &all);
}

/* The caller owns the structure. */
static GstStructure *describe_face(const CoredFaceResult *face, const char *name) {
  GstStructure *s = gst_structure_new_empty(name);
  set_if_computed(s, CORED_FIELD_P_FAKE, face->p_fake);
  set_if_computed(s, CORED_FIELD_P_FAKE_SMOOTHED, face->p_fake_smoothed);
  set_verdict(s, face->verdict, face->reason);
  set_uint(s, CORED_FIELD_X, (guint)face->box.x);
  set_uint(s, CORED_FIELD_Y, (guint)face->box.y);
  set_uint(s, CORED_FIELD_W, (guint)face->box.w);
  set_uint(s, CORED_FIELD_H, (guint)face->box.h);
  set_landmarks(s, face);
  set_double(s, CORED_FIELD_FACE_SCORE, face->face_score);
  set_uint64(s, CORED_FIELD_TRACK_ID, face->track_id);
  set_uint64(s, CORED_FIELD_RESULT_AGE, face->age);
  set_boolean(s, CORED_FIELD_PRESENT, face->present);
  set_boolean(s, CORED_FIELD_FULL_FRAME, face->full_frame);
  set_boolean(s, CORED_FIELD_ALERT, face->alert);
  set_if_computed(s, CORED_FIELD_SHARPNESS, face->sharpness);
  set_if_computed(s, CORED_FIELD_QUALITY, face->quality);
  cored_meta_write_heat_map(s, &face->heat);
  return s;
}

static void set_faces(GstStructure *s, const CoredResult *result) {
  GValue faces = G_VALUE_INIT, face = G_VALUE_INIT;
  gboolean alert = FALSE;
  g_value_init(&faces, GST_TYPE_ARRAY);
  for (guint i = 0; i < result->n_faces; i++) {
    g_value_init(&face, GST_TYPE_STRUCTURE);
    g_value_take_boxed(&face, describe_face(&result->faces[i], "face"));
    gst_value_array_append_and_take_value(&faces, &face);
    alert |= result->faces[i].alert;
  }
  set_uint(s, CORED_FIELD_N_FACES, result->n_faces);
  set_boolean(s, CORED_FIELD_ALERT, alert);
  gst_structure_take_value(s, cored_meta_fields[CORED_FIELD_FACES].name, &faces);
}

/* Into an empty structure. */
static void describe_result(GstStructure *s, const CoredResult *result, const char *stream_id) {
  set_if_computed(s, CORED_FIELD_P_FAKE, result->p_fake);
  set_if_computed(s, CORED_FIELD_P_FAKE_SMOOTHED, result->p_fake_smoothed);
  set_verdict(s, result->verdict, result->reason);
  set_boolean(s, CORED_FIELD_INFERRED, result->inferred);
  set_uint64(s, CORED_FIELD_RESULT_AGE, result->age);
  set_uint(s, CORED_FIELD_FRAME_WIDTH, (guint)result->width);
  set_uint(s, CORED_FIELD_FRAME_HEIGHT, (guint)result->height);
  set_faces(s, result);
  set_if_computed(s, CORED_FIELD_THRESHOLD, result->threshold);
  set_string(s, CORED_FIELD_MODEL_ID, result->model_id);
  set_uint64(s, CORED_FIELD_MODEL_GENERATION, result->generation);
  set_uint(s, CORED_FIELD_LATENCY, result->latency_us);
  set_string(s, CORED_FIELD_STREAM_ID, stream_id ? stream_id : "");
  set_uint(s, CORED_FIELD_VERSION, CORED_META_VERSION);
}

/* ---- Custom meta ---------------------------------------------------------------------------- */

static void attach_custom(GstBuffer *buffer, const CoredResult *result,
                          const CoredFrameTimes *times, const char *stream_id) {
  GstCustomMeta *old = gst_buffer_get_custom_meta(buffer, CORED_META_NAME);
  if (old)
    gst_buffer_remove_meta(buffer, &old->meta);
  GstCustomMeta *meta = gst_buffer_add_custom_meta(buffer, CORED_META_NAME);
  if (!meta)
    return;
  GstStructure *s = gst_custom_meta_get_structure(meta);
  describe_result(s, result, stream_id);
  if (GST_CLOCK_TIME_IS_VALID(times->stream_time))
    set_uint64(s, CORED_FIELD_STREAM_TIME, times->stream_time);
}

/* ---- Regions of interest -------------------------------------------------------------------- */

/* The index-th region meta of the buffer (their ids need not be unique), NULL past the end. */
static GstVideoRegionOfInterestMeta *nth_roi(GstBuffer *buffer, gint index) {
  gpointer state = NULL;
  GstMeta *meta = NULL;
  for (gint i = 0; i <= index; i++) {
    meta = gst_buffer_iterate_meta_filtered(buffer, &state,
                                            GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE);
    if (!meta)
      break;
  }
  return (GstVideoRegionOfInterestMeta *)meta;
}

static void replace_param(GstVideoRegionOfInterestMeta *roi, GstStructure *param) {
  GstStructure *old = gst_video_region_of_interest_meta_get_param(roi, CORED_ROI_PARAM);
  if (old) {
    roi->params = g_list_remove(roi->params, old);
    gst_structure_free(old);
  }
  gst_video_region_of_interest_meta_add_param(roi, param);
}

static void attach_roi(GstBuffer *buffer, const CoredResult *result, const CoredFaceResult *face,
                       GQuark object_class) {
  GstVideoRegionOfInterestMeta *roi =
      face->roi_index >= 0 ? nth_roi(buffer, face->roi_index) : NULL;
  if (!roi)
    roi = gst_buffer_add_video_region_of_interest_meta_id(buffer, object_class, (guint)face->box.x,
                                                          (guint)face->box.y, (guint)face->box.w,
                                                          (guint)face->box.h);
  GstStructure *param = describe_face(face, CORED_ROI_PARAM);
  set_boolean(param, CORED_FIELD_INFERRED, result->inferred);
  set_string(param, CORED_FIELD_MODEL_ID, result->model_id);
  set_uint64(param, CORED_FIELD_MODEL_GENERATION, result->generation);
  replace_param(roi, param);
}

/* ---- GstAnalytics ---------------------------------------------------------------------------
 * GStreamer >= 1.24. Class 0 is "fake": objectdetectionoverlay prints that one. It follows
 * RELATE_TO, DL Streamer CONTAIN and IS_PART_OF. */
#ifdef HAVE_GST_ANALYTICS

static gboolean add_classification(GstAnalyticsRelationMeta *relations, double p_fake,
                                   GstAnalyticsClsMtd *cls) {
  gfloat levels[2] = {(gfloat)p_fake, (gfloat)(1.0 - p_fake)};
  GQuark classes[2] = {g_quark_from_static_string("fake"), g_quark_from_static_string("real")};
  return gst_analytics_relation_meta_add_cls_mtd(relations, 2, levels, classes, cls);
}

/* The index-th relation meta of the buffer, NULL past the end. */
static GstAnalyticsRelationMeta *nth_relations(GstBuffer *buffer, guint index) {
  gpointer state = NULL;
  GstMeta *meta = NULL;
  for (guint i = 0; i <= index; i++) {
    meta = gst_buffer_iterate_meta_filtered(buffer, &state, GST_ANALYTICS_RELATION_META_API_TYPE);
    if (!meta)
      break;
  }
  return (GstAnalyticsRelationMeta *)meta;
}

/* A new object for the face. */
static gboolean add_object(GstAnalyticsRelationMeta *relations, const CoredFaceResult *face,
                           GQuark object_class, guint *id) {
  GstAnalyticsODMtd od;
  if (!gst_analytics_relation_meta_add_od_mtd(
          relations, object_class, (gint)face->box.x, (gint)face->box.y, (gint)face->box.w,
          (gint)face->box.h, (gfloat)CLAMP(face->face_score, 0.0, 1.0), &od))
    return FALSE;
  *id = od.id;
  return TRUE;
}

/* The verdict of a detector upstream: metadata cannot be removed, only unrelated. */
static void detach_verdicts(GstAnalyticsRelationMeta *relations, guint object) {
  const GQuark fake = g_quark_from_static_string("fake");
  GstAnalyticsClsMtd cls;
  gpointer state = NULL;
  while (gst_analytics_relation_meta_get_direct_related(
      relations, object, GST_ANALYTICS_REL_TYPE_RELATE_TO, gst_analytics_cls_mtd_get_mtd_type(),
      &state, &cls)) {
    if (gst_analytics_cls_mtd_get_index_by_quark(&cls, fake) < 0)
      continue;
    gst_analytics_relation_meta_set_relation(relations, GST_ANALYTICS_REL_TYPE_NONE, object,
                                             cls.id);
    gst_analytics_relation_meta_set_relation(relations, GST_ANALYTICS_REL_TYPE_NONE, cls.id,
                                             object);
  }
}

/* The face's verdict, related to its object: that of upstream, in the relation meta where it is, or
 * a new one in `relations`. */
static void attach_verdict(GstBuffer *buffer, GstAnalyticsRelationMeta *relations,
                           const CoredFaceResult *face, GQuark object_class) {
  const gboolean of_upstream = face->mtd_id >= 0;
  GstAnalyticsClsMtd cls;
  guint object = (guint)face->mtd_id;
  if (of_upstream)
    relations = nth_relations(buffer, face->mtd_meta);
  if (!relations)
    return;
  const gboolean classified =
      face->p_fake_smoothed >= 0.0 && add_classification(relations, face->p_fake_smoothed, &cls);
  if (face->full_frame || (!of_upstream && !add_object(relations, face, object_class, &object)))
    return;
  detach_verdicts(relations, object);
  if (!classified)
    return;
  gst_analytics_relation_meta_set_relation(
      relations, GST_ANALYTICS_REL_TYPE_RELATE_TO | GST_ANALYTICS_REL_TYPE_CONTAIN, object, cls.id);
  gst_analytics_relation_meta_set_relation(relations, GST_ANALYTICS_REL_TYPE_IS_PART_OF, cls.id,
                                           object);
}

static void attach_analytics(GstBuffer *buffer, const CoredResult *result, GQuark object_class) {
  if (result->n_faces == 0)
    return;
  GstAnalyticsRelationMeta *relations = gst_buffer_get_analytics_relation_meta(buffer);
  if (!relations)
    relations = gst_buffer_add_analytics_relation_meta(buffer);
  for (guint i = 0; relations && i < result->n_faces; i++)
    if (result->faces[i].present)
      attach_verdict(buffer, relations, &result->faces[i], object_class);
}
#endif

/* ---- All of it ------------------------------------------------------------------------------ */

void cored_meta_write(GstBuffer *buffer, const CoredResult *result, const CoredFrameTimes *times,
                      CoredMetadataFlags flags, GQuark object_class, const char *stream_id) {
  if (!object_class)
    object_class = g_quark_from_static_string("face");
  if (flags & CORED_METADATA_CUSTOM)
    attach_custom(buffer, result, times, stream_id);
  for (guint i = 0; (flags & CORED_METADATA_ROI) && i < result->n_faces; i++) {
    if (!result->faces[i].full_frame && result->faces[i].present)
      attach_roi(buffer, result, &result->faces[i], object_class);
  }
#ifdef HAVE_GST_ANALYTICS
  if (flags & CORED_METADATA_ANALYTICS)
    attach_analytics(buffer, result, object_class);
#endif
}

GstMessage *cored_meta_message(GstObject *source, const CoredResult *result,
                               const CoredFrameTimes *times, const char *stream_id) {
  GstStructure *s = gst_structure_new_empty(CORED_MESSAGE_RESULT);
  describe_result(s, result, stream_id);
  set_uint64(s, CORED_FIELD_TIMESTAMP, times->timestamp);
  set_uint64(s, CORED_FIELD_STREAM_TIME, times->stream_time);
  set_uint64(s, CORED_FIELD_RUNNING_TIME, times->running_time);
  set_uint64(s, CORED_FIELD_DURATION, times->duration);
  return gst_message_new_element(source, s);
}
