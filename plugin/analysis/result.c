/* SPDX-License-Identifier: MIT */
#include "analysis/result.h"

#include <math.h>

#define MIN_SIDE (1.0 / 16) /* pixels; less of a box in the frame is nothing */

/* ---- Regions -------------------------------------------------------------------------------- */

void cored_regions_clear(CoredRegions *regions) {
  regions->n = regions->n_bad = 0;
}

static double area(const CoredBox *box) {
  return box->w * box->h;
}

gboolean cored_box_clip(CoredBox *box, gint width, gint height) {
  if (!isfinite(box->x) || !isfinite(box->y) || !isfinite(box->w) || !isfinite(box->h))
    return FALSE;
  const double x0 = fmax(box->x, 0.0), y0 = fmax(box->y, 0.0);
  const double x1 = fmin(box->x + box->w, width), y1 = fmin(box->y + box->h, height);
  if (x1 - x0 < MIN_SIDE || y1 - y0 < MIN_SIDE)
    return FALSE;
  *box = (CoredBox){x0, y0, x1 - x0, y1 - y0};
  return TRUE;
}

void cored_regions_add(CoredRegions *regions, const CoredRegion *region, gint width, gint height,
                       guint limit) {
  CoredRegion item = *region;
  if (!cored_box_clip(&item.box, width, height)) {
    regions->n_bad++;
    return;
  }
  guint at = regions->n;
  while (at > 0 && area(&regions->item[at - 1].box) < area(&item.box))
    at--;
  limit = MIN(limit, CORED_MAX_OBJECTS);
  if (at >= limit)
    return;
  if (regions->n < limit)
    regions->n++;
  for (guint i = regions->n - 1; i > at; i--)
    regions->item[i] = regions->item[i - 1];
  regions->item[at] = item;
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

/* ---- Heat maps ------------------------------------------------------------------------------ */

/* Mean of the cells of map that fall into cell r, c of the smaller map. */
static double cell_mean(const CoredHeatMap *heat, const float *map, guint rows, guint columns,
                        guint r, guint c) {
  const guint top = r * rows / heat->rows, bottom = (r + 1) * rows / heat->rows;
  const guint left = c * columns / heat->columns, right = (c + 1) * columns / heat->columns;
  double sum = 0.0;
  for (guint y = top; y < bottom; y++)
    for (guint x = left; x < right; x++)
      sum += (double)map[y * columns + x];
  return sum / ((bottom - top) * (right - left));
}

void cored_heat_map_set(CoredHeatMap *heat, const float *map, guint rows, guint columns,
                        const CoredCropArea *area) {
  double mean[CORED_HEAT_MAX * CORED_HEAT_MAX], largest = 0.0;
  gboolean finite = TRUE;
  *heat = (CoredHeatMap){
      .rows = MIN(rows, CORED_HEAT_MAX), .columns = MIN(columns, CORED_HEAT_MAX), .area = *area};
  const guint n = heat->rows * heat->columns;
  for (guint i = 0; i < n; i++) {
    mean[i] = cell_mean(heat, map, rows, columns, i / heat->columns, i % heat->columns);
    largest = fmax(largest, fabs(mean[i]));
    finite = finite && isfinite(mean[i]);
  }
  if (!(largest > 0.0) || !finite) {
    heat->rows = heat->columns = 0;
    return;
  }
  heat->scale = largest;
  for (guint i = 0; i < n; i++)
    heat->value[i] = (guint8)CLAMP(lrint(128.0 + 127.0 * mean[i] / largest), 1, 255);
}

/* ---- Results -------------------------------------------------------------------------------- */

const char *cored_verdict_name(CoredVerdict verdict) {
  switch (verdict) {
  case CORED_VERDICT_REAL:
    return "real";
  case CORED_VERDICT_FAKE:
    return "fake";
  case CORED_VERDICT_UNKNOWN:
  case CORED_N_VERDICTS:
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

static void reuse_for_regions(CoredResult *result, const CoredResult *last,
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
    face->has_landmarks = FALSE; /* upstream marks boxes alone */
    face->present = TRUE;
    face->roi_index = region->roi_index;
    face->mtd_id = region->mtd_id;
    face->mtd_meta = region->mtd_meta;
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
    reuse_for_regions(result, last, upstream);
    cored_result_conclude(result);
  }
}
