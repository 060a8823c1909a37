/* SPDX-License-Identifier: MIT */
#include "meta/meta-reader.h"

#include <gst/video/video.h>
#include <math.h>
#include <string.h>
#ifdef HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

#include "meta/meta-fields.h"

/* ---- Regions that upstream marked ----------------------------------------------------------- */

/* A ROI meta's position is unsigned; elements that compute a negative one store it wrapped. */
static double unwrap(guint position) {
  return position > G_MAXINT ? (double)(gint)position : (double)position;
}

/* An analytics object marks that box as well: the region of interest with this index gets its
 * result, too. */
static gboolean is_marked(CoredRegions *regions, const CoredBox *box, gint index) {
  for (guint i = 0; i < regions->n; i++) {
    CoredRegion *region = &regions->item[i];
    if (region->mtd_id >= 0 && region->roi_index < 0 &&
        cored_box_overlap(&region->box, box) > CORED_SAME_BOX_OVERLAP) {
      region->roi_index = index;
      return TRUE;
    }
  }
  return FALSE;
}

static void add_rois(CoredRegions *regions, GstBuffer *buffer, GQuark object_class, gint width,
                     gint height, guint limit) {
  gpointer state = NULL;
  GstMeta *meta;
  for (gint index = 0; (meta = gst_buffer_iterate_meta_filtered(
                            buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE));
       index++) {
    const GstVideoRegionOfInterestMeta *roi = (const GstVideoRegionOfInterestMeta *)meta;
    CoredRegion region = {
        .box = {unwrap(roi->x), unwrap(roi->y), roi->w, roi->h}, .roi_index = index, .mtd_id = -1};
    if (object_class && roi->roi_type != object_class)
      continue;
    if (cored_box_clip(&region.box, width, height) && is_marked(regions, &region.box, index))
      continue;
    cored_regions_add(regions, &region, width, height, limit);
  }
}

#ifdef HAVE_GST_ANALYTICS
/* The objects of the index-th relation meta. */
static void add_objects(CoredRegions *regions, GstAnalyticsRelationMeta *relations, guint index,
                        GQuark object_class, gint width, gint height, guint limit) {
  gpointer state = NULL;
  GstAnalyticsMtd mtd;
  while (gst_analytics_relation_meta_iterate(relations, &state, gst_analytics_od_mtd_get_mtd_type(),
                                             &mtd)) {
    GstAnalyticsODMtd *od = (GstAnalyticsODMtd *)&mtd;
    gint x, y, w, h;
    gfloat score;
    if (object_class && gst_analytics_od_mtd_get_obj_type(od) != object_class)
      continue;
    if (!gst_analytics_od_mtd_get_location(od, &x, &y, &w, &h, &score))
      continue;
    const CoredRegion region = {.box = {x, y, w, h},
                                .score = (double)score,
                                .roi_index = -1,
                                .mtd_id = mtd.id,
                                .mtd_meta = index};
    cored_regions_add(regions, &region, width, height, limit);
  }
}

static void add_analytics(CoredRegions *regions, GstBuffer *buffer, GQuark object_class, gint width,
                          gint height, guint limit) {
  gpointer state = NULL;
  GstMeta *meta;
  for (guint index = 0; (meta = gst_buffer_iterate_meta_filtered(
                             buffer, &state, GST_ANALYTICS_RELATION_META_API_TYPE));
       index++)
    add_objects(regions, (GstAnalyticsRelationMeta *)meta, index, object_class, width, height,
                limit);
}
#endif

void cored_meta_read_regions(CoredRegions *regions, GstBuffer *buffer, GQuark object_class,
                             gint width, gint height, guint limit) {
  cored_regions_clear(regions);
#ifdef HAVE_GST_ANALYTICS
  add_analytics(regions, buffer, object_class, width, height, limit);
#endif
  add_rois(regions, buffer, object_class, width, height, limit);
}

/* ---- Fields of a result: FALSE or NULL when absent or of another type ------------------------ */

static gboolean get_boolean(const GstStructure *s, CoredMetaField field, gboolean *value) {
  return gst_structure_get_boolean(s, cored_meta_fields[field].name, value);
}

static gboolean get_uint(const GstStructure *s, CoredMetaField field, guint *value) {
  return gst_structure_get_uint(s, cored_meta_fields[field].name, value);
}

static gboolean get_uint64(const GstStructure *s, CoredMetaField field, guint64 *value) {
  return gst_structure_get_uint64(s, cored_meta_fields[field].name, value);
}

static gboolean get_double(const GstStructure *s, CoredMetaField field, double *value) {
  return gst_structure_get_double(s, cored_meta_fields[field].name, value);
}

static const char *get_string(const GstStructure *s, CoredMetaField field) {
  return gst_structure_get_string(s, cored_meta_fields[field].name);
}

static gboolean get_heat_size(CoredHeatMap *heat, const GstStructure *face) {
  guint x, y, w, h;
  if (!get_uint(face, CORED_FIELD_HEAT_ROWS, &heat->rows) ||
      !get_uint(face, CORED_FIELD_HEAT_COLUMNS, &heat->columns) ||
      !get_double(face, CORED_FIELD_HEAT_SCALE, &heat->scale) ||
      !get_uint(face, CORED_FIELD_HEAT_X, &x) || !get_uint(face, CORED_FIELD_HEAT_Y, &y) ||
      !get_uint(face, CORED_FIELD_HEAT_W, &w) || !get_uint(face, CORED_FIELD_HEAT_H, &h))
    return FALSE;
  heat->area.box = (CoredBox){x, y, w, h};
  get_double(face, CORED_FIELD_HEAT_ANGLE, &heat->area.angle); /* absent: 0 */
  return isfinite(heat->area.angle);
}

gboolean cored_meta_read_heat_map(CoredHeatMap *heat, const GstStructure *face) {
  const char *text = get_string(face, CORED_FIELD_HEAT_MAP);
  *heat = (CoredHeatMap){0};
  if (!text || strlen(text) > 2 * sizeof heat->value || !get_heat_size(heat, face)) {
    heat->rows = heat->columns = 0;
    return FALSE;
  }
  gsize size;
  guchar *bytes = g_base64_decode(text, &size);
  const gboolean ok = heat->rows >= 1 && heat->columns >= 1 && heat->rows <= CORED_HEAT_MAX &&
                      heat->columns <= CORED_HEAT_MAX && size == heat->rows * heat->columns;
  if (ok)
    memcpy(heat->value, bytes, size);
  else
    heat->rows = heat->columns = 0;
  g_free(bytes);
  return ok;
}

/* ---- Overlay data --------------------------------------------------------------------------- */

static double get_probability(const GstStructure *s) {
  double p = -1.0;
  if (!get_double(s, CORED_FIELD_P_FAKE_SMOOTHED, &p) && !get_double(s, CORED_FIELD_P_FAKE, &p))
    return -1.0;
  return isfinite(p) ? CLAMP(p, 0.0, 1.0) : -1.0;
}

static CoredVerdict get_verdict(const GstStructure *s) {
  const char *name = get_string(s, CORED_FIELD_VERDICT);
  if (g_strcmp0(name, cored_verdict_name(CORED_VERDICT_FAKE)) == 0)
    return CORED_VERDICT_FAKE;
  return g_strcmp0(name, cored_verdict_name(CORED_VERDICT_REAL)) == 0 ? CORED_VERDICT_REAL
                                                                      : CORED_VERDICT_UNKNOWN;
}

/* Cut to size, and only if it is UTF-8. */
static void copy_text(char out[CORED_OVERLAY_TEXT], const GstStructure *s, CoredMetaField field) {
  const char *text = get_string(s, field);
  out[0] = '\0';
  if (!text || !g_utf8_validate(text, -1, NULL))
    return;
  g_strlcpy(out, text, CORED_OVERLAY_TEXT);
  const char *end;
  if (!g_utf8_validate(out, -1, &end))
    out[end - out] = '\0';
}

static double get_scaled(const GstStructure *s, CoredMetaField field, double factor) {
  guint value = 0;
  get_uint(s, field, &value);
  return value * factor;
}

static void read_face(CoredOverlayFace *face, const GstStructure *s, double fx, double fy) {
  *face = (CoredOverlayFace){.x = get_scaled(s, CORED_FIELD_X, fx),
                             .y = get_scaled(s, CORED_FIELD_Y, fy),
                             .w = get_scaled(s, CORED_FIELD_W, fx),
                             .h = get_scaled(s, CORED_FIELD_H, fy),
                             .p_fake = get_probability(s),
                             .verdict = get_verdict(s),
                             .present = TRUE};
  copy_text(face->reason, s, CORED_FIELD_REASON);
  get_uint64(s, CORED_FIELD_TRACK_ID, &face->track_id);
  get_boolean(s, CORED_FIELD_FULL_FRAME, &face->full_frame);
  get_boolean(s, CORED_FIELD_ALERT, &face->alert);
  get_boolean(s, CORED_FIELD_PRESENT, &face->present);
  if (cored_meta_read_heat_map(&face->heat, s)) {
    CoredBox *box = &face->heat.area.box;
    *box = (CoredBox){box->x * fx, box->y * fy, box->w * fx, box->h * fy};
  }
}

static void read_faces(CoredOverlayData *data, const GstStructure *result, double fx, double fy) {
  const GValue *faces = gst_structure_get_value(result, cored_meta_fields[CORED_FIELD_FACES].name);
  if (!faces || !GST_VALUE_HOLDS_ARRAY(faces))
    return;
  for (guint i = 0; i < gst_value_array_get_size(faces) && i < CORED_MAX_OBJECTS; i++) {
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

void cored_meta_read_overlay_data(CoredOverlayData *data, const GstStructure *result, gint width,
                                  gint height) {
  guint from_width = 0, from_height = 0;
  *data = (CoredOverlayData){.width = width,
                             .height = height,
                             .pixel_aspect = 1.0,
                             .p_fake = get_probability(result),
                             .threshold = -1.0,
                             .verdict = get_verdict(result)};
  copy_text(data->reason, result, CORED_FIELD_REASON);
  copy_text(data->model_id, result, CORED_FIELD_MODEL_ID);
  get_double(result, CORED_FIELD_THRESHOLD, &data->threshold);
  get_uint64(result, CORED_FIELD_MODEL_GENERATION, &data->generation);
  get_boolean(result, CORED_FIELD_ALERT, &data->alert);
  get_uint(result, CORED_FIELD_FRAME_WIDTH, &from_width);
  get_uint(result, CORED_FIELD_FRAME_HEIGHT, &from_height);
  read_faces(data, result, from_width ? (double)width / from_width : 1.0,
             from_height ? (double)height / from_height : 1.0);
}
