/* SPDX-License-Identifier: MIT
 * Results as GstAnalytics metadata (GStreamer >= 1.24). Class 0 is "fake": objectdetectionoverlay
 * prints that one. RELATE_TO is what it follows, CONTAIN and IS_PART_OF what DL Streamer does. */
#include "meta/meta-writer.h"

#include <gst/analytics/analytics.h>

static gboolean classify(GstAnalyticsRelationMeta *relations, double p_fake,
                         GstAnalyticsClsMtd *cls) {
  gfloat levels[2] = {(gfloat)p_fake, (gfloat)(1.0 - p_fake)};
  GQuark classes[2] = {g_quark_from_static_string("fake"), g_quark_from_static_string("real")};
  return gst_analytics_relation_meta_add_cls_mtd(relations, 2, levels, classes, cls);
}

/* The upstream object that the face is, or a new one. */
static gboolean find_object(GstAnalyticsRelationMeta *relations, const CoredFaceResult *face,
                            GQuark object_class, guint *id) {
  GstAnalyticsODMtd od;
  if (face->mtd_id >= 0) {
    *id = (guint)face->mtd_id;
    return TRUE;
  }
  if (!gst_analytics_relation_meta_add_od_mtd(
          relations, object_class, (gint)face->box.x, (gint)face->box.y, (gint)face->box.w,
          (gint)face->box.h, (gfloat)CLAMP(face->face_score, 0.0, 1.0), &od))
    return FALSE;
  *id = od.id;
  return TRUE;
}

/* What a detector upstream said of the object: metadata cannot be taken away, only set apart. */
static void forget_verdicts(GstAnalyticsRelationMeta *relations, guint object) {
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

void cored_analytics_attach(GstBuffer *buffer, const CoredResult *result, GQuark object_class) {
  if (result->n_faces == 0)
    return;
  GstAnalyticsRelationMeta *relations = gst_buffer_add_analytics_relation_meta(buffer);
  for (guint i = 0; relations && i < result->n_faces; i++) {
    const CoredFaceResult *face = &result->faces[i];
    GstAnalyticsClsMtd cls;
    guint object;
    if (!face->present)
      continue;
    const gboolean judged =
        face->p_fake_smoothed >= 0.0 && classify(relations, face->p_fake_smoothed, &cls);
    if (face->full_frame || !find_object(relations, face, object_class, &object))
      continue;
    forget_verdicts(relations, object);
    if (!judged)
      continue;
    gst_analytics_relation_meta_set_relation(
        relations, GST_ANALYTICS_REL_TYPE_RELATE_TO | GST_ANALYTICS_REL_TYPE_CONTAIN, object,
        cls.id);
    gst_analytics_relation_meta_set_relation(relations, GST_ANALYTICS_REL_TYPE_IS_PART_OF, cls.id,
                                             object);
  }
}
