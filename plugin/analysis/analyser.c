/* SPDX-License-Identifier: MIT */
#include "analysis/analyser.h"

#include <math.h>

#include "base/escape.h"

/* What may continue what, for the tracker. */
enum { KIND_FACE, KIND_FRAME };

struct CoredAnalyser {
  CoredClassifier *classifier, *shadow;
  guint64 n_runs;
  CoredLocator *locator;
  CoredTracker *tracker;
  CoredTrackScores scores;
  GstClockTime now;      /* of the frame */
  gboolean searched;     /* `found` is of this stream and newer than any other regions */
  guint64 search_number; /* frame of the last search */
  CoredRegions found, given;
};

CoredAnalyser *cored_analyser_new(void) {
  CoredAnalyser *analyser = g_new0(CoredAnalyser, 1);
  CoredError error;
  analyser->tracker = cored_tracker_new(NULL, &error);
  if (!analyser->tracker)
    g_error("%s", cored_show(error.message).text); /* no memory: as g_new0 */
  return analyser;
}

void cored_analyser_free(CoredAnalyser *analyser) {
  if (!analyser)
    return;
  cored_locator_free(analyser->locator);
  cored_tracker_free(analyser->tracker);
  g_free(analyser);
}

void cored_analyser_set_classifier(CoredAnalyser *analyser, CoredClassifier *classifier) {
  analyser->classifier = classifier;
}

void cored_analyser_set_shadow(CoredAnalyser *analyser, CoredClassifier *shadow) {
  analyser->shadow = shadow;
}

void cored_analyser_set_locator(CoredAnalyser *analyser, CoredLocator *locator) {
  cored_locator_free(analyser->locator);
  analyser->locator = locator;
  analyser->searched = FALSE;
}

void cored_analyser_reset(CoredAnalyser *analyser) {
  cored_tracker_reset(analyser->tracker);
  cored_track_scores_clear(&analyser->scores);
  analyser->searched = FALSE;
}

/* How faces are cut out, by the element's properties. */
static CoredCropParams crop_params(const CoredParams *params) {
  return (CoredCropParams){.scale_factor = params->face_scale_factor,
                           .min_neighbors = (int)params->face_min_neighbors,
                           .min_size = (int)params->min_object_size,
                           .min_sharpness = params->min_sharpness,
                           .margin = params->roi_padding};
}

static gboolean search(CoredAnalyser *analyser, const CoredParams *params, const CoredView *view,
                       CoredError *error) {
  const CoredCropParams crop = crop_params(params);
  CoredFace faces[CORED_MAX_FACES];
  int n = 0;
  if (!cored_crop_find(analyser->locator, &view->image, &crop, faces, CORED_MAX_FACES, &n, error))
    return FALSE;
  cored_regions_clear(&analyser->found);
  for (int i = 0; i < n; i++) {
    const CoredRegion region = {
        .box = faces[i].box, .score = faces[i].score, .roi_index = -1, .mtd_id = -1};
    cored_regions_add(&analyser->found, &region, view->image.width, view->image.height,
                      params->max_objects);
  }
  analyser->searched = TRUE;
  analyser->search_number = view->number;
  return TRUE;
}

/* What to judge in this frame: see CoredRegionMode. *fresh: this frame was looked at for it. */
static CoredRegions *choose_regions(CoredAnalyser *analyser, const CoredParams *params,
                                    const CoredView *view, gboolean *fresh, CoredError *error) {
  CoredRegions *given = &analyser->given;
  *fresh = TRUE;
  *given = *view->upstream;
  if (params->region_mode != CORED_REGION_MODE_FULL_FRAME &&
      (given->n > 0 || params->region_mode == CORED_REGION_MODE_ROI_LIST)) {
    analyser->searched = FALSE;
    return given;
  }
  if (params->region_mode == CORED_REGION_MODE_FULL_FRAME ||
      params->face_detector == CORED_FACE_DETECTOR_NONE || !analyser->locator) {
    cored_regions_set_full_frame(given, view->image.width, view->image.height);
    analyser->searched = FALSE;
    return given;
  }
  *fresh = !analyser->searched || view->number - analyser->search_number >= params->detect_interval;
  if (*fresh && !search(analyser, params, view, error))
    return NULL;
  return &analyser->found;
}

/* Who is who: gives each region its track. */
static void follow(CoredAnalyser *analyser, const CoredParams *params, CoredRegions *regions,
                   gboolean fresh) {
  CoredSighting seen[CORED_MAX_OBJECTS];
  const double now = (double)analyser->now / GST_SECOND;
  int n;
  cored_tracker_set_max_gap(analyser->tracker, (double)params->max_absence / GST_SECOND);
  if (!fresh) {
    cored_tracker_advance(analyser->tracker, now);
    return;
  }
  for (guint i = 0; i < regions->n; i++)
    seen[i] = (CoredSighting){.box = regions->item[i].box,
                              .score = regions->item[i].score,
                              .kind = regions->item[i].full_frame ? KIND_FRAME : KIND_FACE};
  cored_tracker_update(analyser->tracker, now, seen, (int)regions->n);
  const CoredTrackedFace *faces = cored_tracker_faces(analyser->tracker, &n);
  for (int i = 0; i < n; i++)
    if (faces[i].sighting >= 0)
      regions->item[faces[i].sighting].track_id = faces[i].id;
}

/* The whole pixels that a box touches: what is told of a face. */
static CoredBox whole_pixels(const CoredBox *box) {
  const double x = floor(box->x), y = floor(box->y);
  return (CoredBox){x, y, ceil(box->x + box->w) - x, ceil(box->y + box->h) - y};
}

static void describe_face(CoredFaceResult *face, const CoredRegion *region) {
  *face = (CoredFaceResult){.box = whole_pixels(&region->box),
                            .face_score = region->score,
                            .p_fake = CORED_NOT_COMPUTED,
                            .p_fake_smoothed = CORED_NOT_COMPUTED,
                            .p_shadow = CORED_NOT_COMPUTED,
                            .track_id = region->track_id,
                            .sharpness = CORED_NOT_COMPUTED,
                            .quality = CORED_NOT_COMPUTED,
                            .present = TRUE,
                            .full_frame = region->full_frame,
                            .roi_index = region->roi_index,
                            .mtd_id = region->mtd_id};
}

/* The values of the track's last judgement. */
static void tell_opinion(const CoredAnalyser *analyser, const CoredTrackScore *score,
                         CoredFaceResult *face) {
  face->p_fake = score->p_fake;
  face->p_fake_smoothed = score->p_fake_smoothed;
  face->quality = score->quality;
  face->age = analyser->now > score->time ? analyser->now - score->time : 0;
}

/* One region through the network, if there is enough to see. False on an unreadable picture or
 * output. */
static gboolean judge_face(CoredAnalyser *analyser, const CoredParams *params,
                           const CoredView *view, const CoredRegion *region, CoredTrackScore *score,
                           CoredFaceResult *face, CoredError *error) {
  const CoredImage *image = &view->image;
  const CoredCropParams rule = crop_params(params);
  const CoredBox crop =
      region->full_frame ? region->box : cored_crop_box(&rule, image, &region->box);
  double p_fake;
  face->quality = cored_classifier_quality(analyser->classifier, &crop);
  if (!region->full_frame) {
    face->sharpness = cored_sharpness(image, &region->box);
    face->quality *= face->sharpness;
    if (face->sharpness < params->min_sharpness) {
      face->reason = CORED_REASON_BLURRED;
      return TRUE;
    }
  }
  if (!cored_classifier_run(analyser->classifier, image, &crop, &p_fake, error)) {
    face->reason = CORED_REASON_NO_OUTPUT;
    return FALSE;
  }
  if (params->heat_map)
    cored_classifier_heat(analyser->classifier, &crop, &face->heat);
  if (analyser->shadow && analyser->n_runs % params->shadow_interval == 0) {
    CoredError unused; /* a candidate that fails here simply has no score */
    cored_classifier_run(analyser->shadow, image, &crop, &face->p_shadow, &unused);
  }
  cored_track_score_add(score, params, p_fake, face->quality, view->number, analyser->now);
  tell_opinion(analyser, score, face);
  return TRUE;
}

static gboolean too_small(const CoredView *view, const CoredRegion *region,
                          const CoredParams *params) {
  const CoredCropParams rule = crop_params(params);
  return !region->full_frame && !cored_crop_is_large_enough(&rule, &view->image, &region->box);
}

static gboolean judge_region(CoredAnalyser *analyser, const CoredParams *params,
                             const CoredView *view, const CoredRegion *region,
                             CoredFaceResult *face, CoredError *error) {
  CoredTrackScore *score = cored_track_scores_of(&analyser->scores, region->track_id);
  describe_face(face, region);
  if (too_small(view, region, params)) {
    face->reason = CORED_REASON_TOO_SMALL;
    return TRUE;
  }
  if (score->judged && view->number - score->number < params->reinfer_interval) {
    tell_opinion(analyser, score, face);
    return TRUE;
  }
  return judge_face(analyser, params, view, region, score, face, error);
}

/* Faces that the last scan missed and that were judged before: they may be back soon. */
static void remember_absent(CoredAnalyser *analyser, CoredResult *result) {
  int n;
  const CoredTrackedFace *faces = cored_tracker_faces(analyser->tracker, &n);
  for (int i = 0; i < n && result->n_faces < CORED_MAX_OBJECTS; i++) {
    if (faces[i].misses == 0 || faces[i].kind != KIND_FACE)
      continue;
    const CoredTrackScore *score = cored_track_scores_of(&analyser->scores, faces[i].id);
    if (!score->judged)
      continue;
    const CoredRegion region = {.box = faces[i].seen_box,
                                .score = faces[i].score,
                                .roi_index = -1,
                                .mtd_id = -1,
                                .track_id = faces[i].id};
    CoredFaceResult *face = &result->faces[result->n_faces++];
    describe_face(face, &region);
    tell_opinion(analyser, score, face);
    face->present = FALSE;
  }
}

static gboolean judge_regions(CoredAnalyser *analyser, const CoredParams *params,
                              const CoredView *view, const CoredRegions *regions,
                              CoredResult *result, CoredError *error) {
  gboolean ok = TRUE;
  for (guint i = 0; i < regions->n; i++) {
    CoredFaceResult *face = &result->faces[i];
    ok &= judge_region(analyser, params, view, &regions->item[i], face, error);
    result->n_small += face->reason == CORED_REASON_TOO_SMALL;
    result->n_blurred += face->reason == CORED_REASON_BLURRED;
  }
  result->n_faces = regions->n;
  if (regions->n == 0 || !regions->item[0].full_frame)
    remember_absent(analyser, result);
  for (guint i = 0; i < result->n_faces; i++)
    cored_face_result_conclude(&result->faces[i], result->threshold);
  return ok;
}

static void name_model(CoredResult *result, const CoredClassifier *classifier,
                       const CoredParams *params) {
  const CoredModelVersion *net = cored_classifier_version(classifier);
  g_strlcpy(result->model_id, net->id, sizeof result->model_id);
  result->generation = net->info->generation;
  result->threshold = params->threshold >= 0.0 ? params->threshold : net->info->threshold;
}

gboolean cored_analyser_run(CoredAnalyser *analyser, const CoredParams *params,
                            const CoredView *view, CoredResult *result, CoredError *error) {
  const gint64 start = g_get_monotonic_time();
  gboolean fresh;
  cored_result_clear(result, view->image.width, view->image.height, CORED_REASON_NO_OUTPUT);
  name_model(result, analyser->classifier, params);
  result->inferred = TRUE;
  result->time = analyser->now = view->time;
  result->number = view->number;
  result->n_bad_regions = view->upstream->n_bad;
  CoredRegions *regions = choose_regions(analyser, params, view, &fresh, error);
  if (!regions)
    return FALSE;
  follow(analyser, params, regions, fresh);
  cored_track_scores_keep(&analyser->scores, analyser->tracker);
  const gboolean ok = judge_regions(analyser, params, view, regions, result, error);
  analyser->n_runs++;
  cored_result_conclude(result);
  result->latency_us = (guint)MIN(g_get_monotonic_time() - start, G_MAXUINT);
  return ok;
}
