/* SPDX-License-Identifier: MIT */
#include "analysis/analyser.h"

#include <math.h>
#include <string.h>

#include "analysis/search-schedule.h"
#include "base/escape.h"
#include "vision/track/track.h"

/* A probability that rounds to 0 or 1 has an infinite logit, which would count for ever. */
#define MAX_LOGIT 16.0

/* What a tracker must not confuse. */
enum { KIND_FACE, KIND_FRAME };

/* The score of one track: its last evaluation, and the mean of its logits over time. */
typedef struct TrackScore {
  guint64 track_id;   /* 0: free */
  gboolean evaluated; /* the rest is valid */
  guint64 number;     /* frame of the last evaluation */
  GstClockTime time;  /* of that frame */
  double p_fake, quality;
  double logit; /* running mean */
  double p_fake_smoothed;
  guint64 n_logits;               /* of all time */
  float logits[CORED_MAX_WINDOW]; /* ring: that of the i-th evaluation at i % CORED_MAX_WINDOW */
} TrackScore;

struct CoredAnalyser {
  CoredClassifier *classifier, *shadow;
  guint64 n_runs;
  CoredLocator *locator;
  CoredTracker *tracker;
  TrackScore scores[CORED_TRACKER_MAX];
  GstClockTime now; /* of the frame */
  CoredSearchSchedule
      schedule;       /* begun: `found` is of this stream and newer than any other regions */
  CoredRegions found; /* by the last search */
  CoredRegions given; /* to classify in this frame, where it is not searched */
};

CoredAnalyser *cored_analyser_new(void) {
  CoredAnalyser *analyser = g_new0(CoredAnalyser, 1);
  CoredError error;
  cored_search_schedule_reset(&analyser->schedule);
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

void cored_analyser_set_classifiers(CoredAnalyser *analyser, CoredClassifier *classifier,
                                    CoredClassifier *shadow) {
  analyser->classifier = classifier;
  analyser->shadow = shadow;
}

void cored_analyser_set_locator(CoredAnalyser *analyser, CoredLocator *locator) {
  cored_locator_free(analyser->locator);
  analyser->locator = locator;
  cored_search_schedule_reset(&analyser->schedule);
}

/* ---- Regions -------------------------------------------------------------------------------- */

/* How faces are cut out, by the element's properties. */
static CoredCropParams crop_params(const CoredParams *params) {
  return (CoredCropParams){.scale_factor = params->face_scale_factor,
                           .min_neighbors = (int)params->face_min_neighbors,
                           .min_size = (int)params->min_object_size,
                           .min_sharpness = params->min_sharpness,
                           .margin = params->roi_padding,
                           .upside_down = params->find_upside_down,
                           .align = params->align == CORED_ALIGN_EYES ? CORED_CROP_ALIGN_EYES
                                                                      : CORED_CROP_ALIGN_NONE};
}

static void set_landmarks(CoredRegion *region, gboolean known,
                          const CoredPoint landmark[CORED_LANDMARKS]) {
  region->has_landmarks = known;
  for (guint i = 0; known && i < CORED_LANDMARKS; i++)
    region->landmark[i] = landmark[i];
}

static gboolean search_faces(CoredAnalyser *analyser, const CoredParams *params,
                             const CoredAnalyserFrame *frame, CoredError *error) {
  const CoredCropParams crop = crop_params(params);
  CoredFace faces[CORED_MAX_FACES];
  int n = 0;
  if (!cored_crop_find(analyser->locator, &frame->image, &crop, faces, CORED_MAX_FACES, &n, error))
    return FALSE;
  cored_regions_clear(&analyser->found);
  for (int i = 0; i < n; i++) {
    CoredRegion region = {
        .box = faces[i].box, .score = faces[i].score, .roi_index = -1, .mtd_id = -1};
    set_landmarks(&region, faces[i].has_landmarks, faces[i].landmark);
    cored_regions_add(&analyser->found, &region, frame->image.width, frame->image.height,
                      params->max_objects);
  }
  return TRUE;
}

/* The regions to classify in this frame: see CoredRegionMode. *fresh: they are of this frame, else
 * of the last search. NULL with *error when the search failed. */
static CoredRegions *choose_regions(CoredAnalyser *analyser, const CoredParams *params,
                                    const CoredAnalyserFrame *frame, gboolean *fresh,
                                    CoredError *error) {
  CoredRegions *given = &analyser->given;
  *fresh = TRUE;
  *given = *frame->upstream;
  if (params->region_mode != CORED_REGION_MODE_FULL_FRAME &&
      (given->n > 0 || params->region_mode == CORED_REGION_MODE_ROI_LIST)) {
    cored_search_schedule_reset(&analyser->schedule);
    return given;
  }
  if (params->region_mode == CORED_REGION_MODE_FULL_FRAME ||
      params->face_detector == CORED_FACE_DETECTOR_NONE || !analyser->locator) {
    cored_regions_set_full_frame(given, frame->image.width, frame->image.height);
    cored_search_schedule_reset(&analyser->schedule);
    return given;
  }
  *fresh = cored_search_schedule_is_due(&analyser->schedule, params->detect_interval, frame->number,
                                        analyser->now);
  if (*fresh && !search_faces(analyser, params, frame, error))
    return NULL;
  return &analyser->found;
}

static CoredSighting sighting_of(const CoredRegion *region) {
  CoredSighting seen = {.box = region->box,
                        .score = region->score,
                        .kind = region->full_frame ? KIND_FRAME : KIND_FACE,
                        .has_landmarks = region->has_landmarks};
  memcpy(seen.landmark, region->landmark, sizeof seen.landmark);
  return seen;
}

/* Give each region its track. */
static void track_regions(CoredAnalyser *analyser, CoredRegions *regions) {
  CoredSighting seen[CORED_MAX_OBJECTS];
  const double now = (double)analyser->now / GST_SECOND;
  int n;
  for (guint i = 0; i < regions->n; i++)
    seen[i] = sighting_of(&regions->item[i]);
  cored_tracker_update(analyser->tracker, now, seen, (int)regions->n);
  const CoredTrackedFace *faces = cored_tracker_faces(analyser->tracker, &n);
  for (int i = 0; i < n; i++)
    if (faces[i].sighting >= 0)
      regions->item[faces[i].sighting].track_id = faces[i].id;
}

static const CoredTrackedFace *tracked_face(const CoredTracker *tracker, guint64 track_id) {
  int n;
  const CoredTrackedFace *faces = cored_tracker_faces(tracker, &n);
  for (int i = 0; i < n; i++)
    if (faces[i].id == track_id)
      return &faces[i];
  return NULL;
}

/* How far a coordinate has to go for it to lie in the frame. */
static double way_inside(double coordinate, double length) {
  return fmin(fmax(coordinate, 0.0), length) - coordinate;
}

/* Where the tracker takes a found face to be now; its centre stays in the frame. */
static void predict_region(CoredRegion *region, const CoredTrackedFace *face,
                           const CoredImage *image) {
  const double x = way_inside(face->box.x + 0.5 * face->box.w, image->width);
  const double y = way_inside(face->box.y + 0.5 * face->box.h, image->height);
  region->box = (CoredBox){face->box.x + x, face->box.y + y, face->box.w, face->box.h};
  set_landmarks(region, face->has_landmarks, face->landmark);
  for (guint i = 0; i < CORED_LANDMARKS; i++) {
    region->landmark[i].x += x;
    region->landmark[i].y += y;
  }
}

/* The faces of the last search, each where it is taken to be in this frame. */
static CoredRegions *predict_regions(CoredAnalyser *analyser, const CoredParams *params,
                                     const CoredAnalyserFrame *frame) {
  const CoredImage *image = &frame->image;
  cored_tracker_advance(analyser->tracker, (double)analyser->now / GST_SECOND);
  cored_regions_clear(&analyser->given);
  for (guint i = 0; i < analyser->found.n; i++) {
    CoredRegion region = analyser->found.item[i];
    const CoredTrackedFace *face = tracked_face(analyser->tracker, region.track_id);
    if (face)
      predict_region(&region, face, image);
    cored_regions_add(&analyser->given, &region, image->width, image->height, params->max_objects);
  }
  return &analyser->given;
}

/* After a search, when its faces are tracked. */
static void schedule_search(CoredAnalyser *analyser, const CoredAnalyserFrame *frame) {
  int n;
  const CoredTrackedFace *faces = cored_tracker_faces(analyser->tracker, &n);
  cored_search_schedule_searched(&analyser->schedule, frame->number, analyser->now, faces, n,
                                 KIND_FACE);
}

/* The regions with their tracks, see choose_regions. */
static CoredRegions *follow_regions(CoredAnalyser *analyser, const CoredParams *params,
                                    const CoredAnalyserFrame *frame, CoredError *error) {
  gboolean fresh;
  CoredRegions *regions = choose_regions(analyser, params, frame, &fresh, error);
  cored_tracker_set_max_gap(analyser->tracker, (double)params->max_absence / GST_SECOND);
  if (!regions)
    return NULL;
  if (!fresh)
    return predict_regions(analyser, params, frame);
  track_regions(analyser, regions);
  if (regions == &analyser->found)
    schedule_search(analyser, frame);
  return regions;
}

/* ---- Track scores --------------------------------------------------------------------------- */

/* Forget the scores of tracks that ended. */
static void drop_ended_scores(CoredAnalyser *analyser) {
  for (guint i = 0; i < G_N_ELEMENTS(analyser->scores); i++) {
    TrackScore *score = &analyser->scores[i];
    if (score->track_id && !tracked_face(analyser->tracker, score->track_id))
      score->track_id = 0;
  }
}

/* The score of a track that the tracker has now; an empty one for a new track. */
static TrackScore *score_of(CoredAnalyser *analyser, guint64 track_id) {
  TrackScore *empty = NULL;
  for (guint i = 0; i < G_N_ELEMENTS(analyser->scores); i++) {
    TrackScore *score = &analyser->scores[i];
    if (score->track_id == track_id)
      return score;
    if (!empty && !score->track_id)
      empty = score;
  }
  g_assert(empty); /* as many as tracks */
  empty->track_id = track_id;
  empty->evaluated = FALSE;
  empty->n_logits = 0;
  return empty;
}

static double mean_of_last(const TrackScore *score, guint window) {
  const guint n = (guint)MIN(window, score->n_logits);
  double sum = 0.0;
  for (guint i = 1; i <= n; i++)
    sum += (double)score->logits[(score->n_logits - i) % CORED_MAX_WINDOW];
  return sum / n;
}

static double probability(double logit) {
  return 1.0 / (1.0 + exp(-logit));
}

/* Add the calibrated probability p of a frame; its logit is l = ln(p / (1 - p)). With window = N >
 * 0 p_fake_smoothed is that of the mean of the last N logits; else of logit = smoothing * logit +
 * (1 - smoothing) * l, the first one as it is. Both means are kept up to date, so that the settings
 * may change between any two frames. */
static void add_to_score(TrackScore *score, const CoredParams *params, double p_fake,
                         double quality, guint64 number, GstClockTime time) {
  const double logit = CLAMP(log(p_fake) - log1p(-p_fake), -MAX_LOGIT, MAX_LOGIT);
  const double past = score->evaluated ? params->smoothing : 0.0;
  score->logits[score->n_logits++ % CORED_MAX_WINDOW] = (float)logit;
  score->logit = past * score->logit + (1.0 - past) * logit;
  if (params->window > 1)
    score->p_fake_smoothed = probability(mean_of_last(score, params->window));
  else if (params->window == 0 && past > 0.0)
    score->p_fake_smoothed = probability(score->logit);
  else /* as it came, unrounded */
    score->p_fake_smoothed = p_fake;
  score->p_fake = p_fake;
  score->quality = quality;
  score->number = number;
  score->time = time;
  score->evaluated = TRUE;
}

/* The values of the track's last evaluation, into the result. */
static void copy_score(const CoredAnalyser *analyser, const TrackScore *score,
                       CoredFaceResult *face) {
  face->p_fake = score->p_fake;
  face->p_fake_smoothed = score->p_fake_smoothed;
  face->quality = score->quality;
  face->age = analyser->now > score->time ? analyser->now - score->time : 0;
}

/* ---- Classification ------------------------------------------------------------------------- */

/* The whole pixels that a box touches: that is what results name. */
static CoredBox whole_pixels(const CoredBox *box) {
  const double x = floor(box->x), y = floor(box->y);
  return (CoredBox){x, y, ceil(box->x + box->w) - x, ceil(box->y + box->h) - y};
}

static void init_face(CoredFaceResult *face, const CoredRegion *region) {
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
                            .has_landmarks = region->has_landmarks,
                            .roi_index = region->roi_index,
                            .mtd_id = region->mtd_id,
                            .mtd_meta = region->mtd_meta};
  memcpy(face->landmark, region->landmark, sizeof face->landmark);
}

static void set_heat_map(CoredAnalyser *analyser, const CoredCropArea *crop, CoredHeatMap *heat) {
  guint rows, columns;
  const float *map = cored_classifier_activation_map(analyser->classifier, &rows, &columns);
  *heat = (CoredHeatMap){0};
  if (map)
    cored_heat_map_set(heat, map, rows, columns, crop);
}

/* What the networks see of a region. */
static CoredCropArea crop_of(const CoredParams *params, const CoredImage *image,
                             const CoredRegion *region) {
  const CoredCropParams rule = crop_params(params);
  CoredFace face = {.box = region->box, .has_landmarks = region->has_landmarks};
  if (region->full_frame)
    return (CoredCropArea){.box = region->box};
  memcpy(face.landmark, region->landmark, sizeof face.landmark);
  return cored_crop_area(&rule, image, &face);
}

/* Run the networks on one region, if there is enough to see. False on an unreadable picture or
 * output. */
static gboolean classify_face(CoredAnalyser *analyser, const CoredParams *params,
                              const CoredAnalyserFrame *frame, const CoredRegion *region,
                              TrackScore *score, CoredFaceResult *face, CoredError *error) {
  const CoredImage *image = &frame->image;
  const CoredCropArea crop = crop_of(params, image, region);
  double p_fake;
  face->quality = cored_classifier_quality(analyser->classifier, &crop.box);
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
    set_heat_map(analyser, &crop, &face->heat);
  if (analyser->shadow && analyser->n_runs % params->shadow_interval == 0) {
    CoredError unused; /* a candidate that fails here simply has no score */
    cored_classifier_run(analyser->shadow, image, &crop, &face->p_shadow, &unused);
  }
  add_to_score(score, params, p_fake, face->quality, frame->number, analyser->now);
  copy_score(analyser, score, face);
  return TRUE;
}

static gboolean is_too_small(const CoredAnalyserFrame *frame, const CoredRegion *region,
                             const CoredParams *params) {
  const CoredCropParams rule = crop_params(params);
  return !region->full_frame && !cored_crop_is_large_enough(&rule, &frame->image, &region->box);
}

static gboolean analyse_region(CoredAnalyser *analyser, const CoredParams *params,
                               const CoredAnalyserFrame *frame, const CoredRegion *region,
                               CoredFaceResult *face, CoredError *error) {
  TrackScore *score = score_of(analyser, region->track_id);
  init_face(face, region);
  if (is_too_small(frame, region, params)) {
    face->reason = CORED_REASON_TOO_SMALL;
    return TRUE;
  }
  if (score->evaluated && frame->number - score->number < params->reinfer_interval) {
    copy_score(analyser, score, face);
    return TRUE;
  }
  return classify_face(analyser, params, frame, region, score, face, error);
}

/* Faces that the last search missed and that were evaluated before: they may be back soon. */
static void add_absent_faces(CoredAnalyser *analyser, CoredResult *result) {
  int n;
  const CoredTrackedFace *faces = cored_tracker_faces(analyser->tracker, &n);
  for (int i = 0; i < n && result->n_faces < CORED_MAX_OBJECTS; i++) {
    if (faces[i].misses == 0 || faces[i].kind != KIND_FACE)
      continue;
    const TrackScore *score = score_of(analyser, faces[i].id);
    if (!score->evaluated)
      continue;
    CoredRegion region = {.box = faces[i].seen_box,
                          .score = faces[i].score,
                          .roi_index = -1,
                          .mtd_id = -1,
                          .track_id = faces[i].id};
    set_landmarks(&region, faces[i].has_landmarks, faces[i].seen_landmark);
    CoredFaceResult *face = &result->faces[result->n_faces++];
    init_face(face, &region);
    copy_score(analyser, score, face);
    face->present = FALSE;
  }
}

static gboolean analyse_regions(CoredAnalyser *analyser, const CoredParams *params,
                                const CoredAnalyserFrame *frame, const CoredRegions *regions,
                                CoredResult *result, CoredError *error) {
  gboolean ok = TRUE;
  for (guint i = 0; i < regions->n; i++) {
    CoredFaceResult *face = &result->faces[i];
    ok &= analyse_region(analyser, params, frame, &regions->item[i], face, error);
    result->n_small += face->reason == CORED_REASON_TOO_SMALL;
    result->n_blurred += face->reason == CORED_REASON_BLURRED;
  }
  result->n_faces = regions->n;
  if (regions->n == 0 || !regions->item[0].full_frame)
    add_absent_faces(analyser, result);
  for (guint i = 0; i < result->n_faces; i++)
    cored_face_result_conclude(&result->faces[i], result->threshold);
  return ok;
}

/* ---- One frame ------------------------------------------------------------------------------ */

void cored_analyser_reset(CoredAnalyser *analyser) {
  cored_tracker_reset(analyser->tracker);
  for (guint i = 0; i < G_N_ELEMENTS(analyser->scores); i++)
    analyser->scores[i].track_id = 0;
  cored_search_schedule_reset(&analyser->schedule);
}

static void init_result(CoredAnalyser *analyser, const CoredParams *params,
                        const CoredAnalyserFrame *frame, CoredResult *result) {
  const CoredModelVersion *version = cored_classifier_version(analyser->classifier);
  cored_result_clear(result, frame->image.width, frame->image.height, CORED_REASON_NO_OUTPUT);
  g_strlcpy(result->model_id, version->id, sizeof result->model_id);
  result->generation = version->info->generation;
  result->threshold = params->threshold >= 0.0 ? params->threshold : version->info->threshold;
  result->inferred = TRUE;
  result->time = frame->time;
  result->number = frame->number;
  result->n_bad_regions = frame->upstream->n_bad;
}

gboolean cored_analyser_run(CoredAnalyser *analyser, const CoredParams *params,
                            const CoredAnalyserFrame *frame, CoredResult *result,
                            CoredError *error) {
  const gint64 start = g_get_monotonic_time();
  init_result(analyser, params, frame, result);
  analyser->now = frame->time;
  CoredRegions *regions = follow_regions(analyser, params, frame, error);
  if (!regions)
    return FALSE;
  drop_ended_scores(analyser);
  const gboolean ok = analyse_regions(analyser, params, frame, regions, result, error);
  analyser->n_runs++;
  cored_result_conclude(result);
  result->latency_us = (guint)MIN(g_get_monotonic_time() - start, G_MAXUINT);
  return ok;
}
