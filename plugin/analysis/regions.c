/* SPDX-License-Identifier: MIT */
#include "analysis/regions.h"

#include <math.h>

#ifdef HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>
#endif

void cored_regions_clear(CoredRegions *regions) {
  regions->n = regions->n_bad = regions->n_left_out = 0;
}

static double area(const CoredBox *box) {
  return box->w * box->h;
}

/* In pixels; less of a box in the frame is nothing. */
#define LEAST_SIDE (1.0 / 16)

/* False when nothing of the box lies in the frame. */
static gboolean clip(CoredBox *box, gint width, gint height) {
  if (!isfinite(box->x) || !isfinite(box->y) || !isfinite(box->w) || !isfinite(box->h))
    return FALSE;
  const double x0 = fmax(box->x, 0.0), y0 = fmax(box->y, 0.0);
  const double x1 = fmin(box->x + box->w, width), y1 = fmin(box->y + box->h, height);
  if (x1 - x0 < LEAST_SIDE || y1 - y0 < LEAST_SIDE)
    return FALSE;
  *box = (CoredBox){x0, y0, x1 - x0, y1 - y0};
  return TRUE;
}

void cored_regions_add(CoredRegions *regions, const CoredRegion *region, gint width, gint height,
                       guint limit) {
  CoredRegion item = *region;
  if (!clip(&item.box, width, height)) {
    regions->n_bad++;
    return;
  }
  guint at = regions->n;
  while (at > 0 && area(&regions->item[at - 1].box) < area(&item.box))
    at--;
  limit = MIN(limit, CORED_MAX_OBJECTS);
  if (regions->n == limit)
    regions->n_left_out++;
  if (at >= limit)
    return;
  if (regions->n < limit)
    regions->n++;
  for (guint i = regions->n - 1; i > at; i--)
    regions->item[i] = regions->item[i - 1];
  regions->item[at] = item;
}

/* A ROI meta's position is unsigned; elements that compute a negative one store it wrapped. */
static double unwrap(guint position) {
  return position > G_MAXINT ? (double)(gint)position : (double)position;
}

GstVideoRegionOfInterestMeta *cored_buffer_nth_roi(GstBuffer *buffer, gint index) {
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

static void add_rois(CoredRegions *regions, GstBuffer *buffer, GQuark object_class, gint width,
                     gint height, guint limit) {
  gpointer state = NULL;
  GstMeta *meta;
  for (gint index = 0; (meta = gst_buffer_iterate_meta_filtered(
                            buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE));
       index++) {
    const GstVideoRegionOfInterestMeta *roi = (const GstVideoRegionOfInterestMeta *)meta;
    if (object_class && roi->roi_type != object_class)
      continue;
    const CoredRegion region = {
        .box = {unwrap(roi->x), unwrap(roi->y), roi->w, roi->h}, .roi_index = index, .mtd_id = -1};
    cored_regions_add(regions, &region, width, height, limit);
  }
}

#ifdef HAVE_GST_ANALYTICS
static void add_analytics(CoredRegions *regions, GstBuffer *buffer, GQuark object_class, gint width,
                          gint height, guint limit) {
  GstAnalyticsRelationMeta *relations = gst_buffer_get_analytics_relation_meta(buffer);
  if (!relations)
    return;
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
    const CoredRegion region = {
        .box = {x, y, w, h}, .score = (double)score, .roi_index = -1, .mtd_id = mtd.id};
    cored_regions_add(regions, &region, width, height, limit);
  }
}
#endif

#ifdef HAVE_GST_ANALYTICS
/* The region metas that say the same as analytics metas get the result, too. */
static void match_rois(CoredRegions *regions, GstBuffer *buffer, GQuark object_class) {
  gpointer state = NULL;
  GstMeta *meta;
  guint n_open = regions->n;
  for (gint index = 0;
       n_open > 0 && (meta = gst_buffer_iterate_meta_filtered(
                          buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE));
       index++) {
    const GstVideoRegionOfInterestMeta *roi = (const GstVideoRegionOfInterestMeta *)meta;
    const CoredBox box = {unwrap(roi->x), unwrap(roi->y), roi->w, roi->h};
    if (object_class && roi->roi_type != object_class)
      continue;
    for (guint i = 0; i < regions->n; i++) {
      CoredRegion *region = &regions->item[i];
      if (region->roi_index < 0 &&
          cored_box_overlap(&region->box, &box) > CORED_SAME_FACE_OVERLAP) {
        region->roi_index = index;
        n_open--;
        break;
      }
    }
  }
}
#endif

void cored_regions_from_buffer(CoredRegions *regions, GstBuffer *buffer, GQuark object_class,
                               gint width, gint height, guint limit) {
  cored_regions_clear(regions);
#ifdef HAVE_GST_ANALYTICS
  add_analytics(regions, buffer, object_class, width, height, limit);
  if (regions->n > 0) { /* a detector that writes both kinds means the same faces */
    match_rois(regions, buffer, object_class);
    return;
  }
#endif
  add_rois(regions, buffer, object_class, width, height, limit);
}

void cored_regions_set_full_frame(CoredRegions *regions, gint width, gint height) {
  cored_regions_clear(regions);
  regions->n = 1;
  regions->item[0] = (CoredRegion){
      .box = {0, 0, width, height}, .roi_index = -1, .mtd_id = -1, .full_frame = TRUE};
}

double cored_box_overlap(const CoredBox *a, const CoredBox *b) {
  const double w = fmin(a->x + a->w, b->x + b->w) - fmax(a->x, b->x);
  const double h = fmin(a->y + a->h, b->y + b->h) - fmax(a->y, b->y);
  if (w <= 0.0 || h <= 0.0)
    return 0.0;
  return w * h / (area(a) + area(b) - w * h);
}
