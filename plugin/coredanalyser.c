/* SPDX-License-Identifier: MIT */
#include "coredanalyser.h"

#include "coredframe.h"

/* A track lives on unseen for three intervals, and at least so many frames. */
#define MIN_TRACK_GAP 30

struct CoredAnalyser {
  CoredJudge *judge, *shadow;
  guint64 n_runs;
  CoredLocator *locator;
  CoredTracks tracks;
  gboolean searched;     /* `found` is of this stream */
  guint64 search_number; /* frame of the last search */
  CoredRegions found;
};

CoredAnalyser *cored_analyser_new(void) {
  return g_new0(CoredAnalyser, 1);
}

void cored_analyser_free(CoredAnalyser *analyser) {
  if (!analyser)
    return;
  cored_locator_free(analyser->locator);
  g_free(analyser);
}

void cored_analyser_set_judge(CoredAnalyser *analyser, CoredJudge *judge) {
  analyser->judge = judge;
}

void cored_analyser_set_shadow(CoredAnalyser *analyser, CoredJudge *shadow) {
  analyser->shadow = shadow;
}

void cored_analyser_set_locator(CoredAnalyser *analyser, CoredLocator *locator) {
  cored_locator_free(analyser->locator);
  analyser->locator = locator;
  analyser->searched = FALSE;
}

void cored_analyser_reset(CoredAnalyser *analyser) {
  cored_tracks_reset(&analyser->tracks);
  analyser->searched = FALSE;
}

static gboolean search(CoredAnalyser *analyser, const CoredParams *params, const CoredView *view,
                       CoredError *error) {
  const CoredLocatorParams settings = {.scale_factor = params->face_scale_factor,
                                       .min_neighbors = (int)params->face_min_neighbors,
                                       .min_size = (int)params->min_object_size};
  CoredFace faces[CORED_MAX_OBJECTS];
  int n = 0;
  if (!cored_locator_find(analyser->locator, &view->image, &settings, faces, CORED_MAX_OBJECTS, &n,
                          error))
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

/* What to judge in this frame: see CoredRegionMode. */
static gboolean choose_regions(CoredAnalyser *analyser, const CoredParams *params,
                               const CoredView *view, CoredRegions *regions, CoredError *error) {
  if (params->region_mode == CORED_REGION_MODE_FULL_FRAME) {
    cored_regions_set_full_frame(regions, view->image.width, view->image.height);
    return TRUE;
  }
  *regions = *view->upstream;
  if (regions->n > 0 || params->region_mode == CORED_REGION_MODE_ROI_LIST)
    return TRUE;
  if (params->face_detector == CORED_FACE_DETECTOR_NONE || !analyser->locator) {
    cored_regions_set_full_frame(regions, view->image.width, view->image.height);
    return TRUE;
  }
  const gboolean due =
      !analyser->searched || view->number - analyser->search_number >= params->detect_interval;
  if (due && !search(analyser, params, view, error))
    return FALSE;
  *regions = analyser->found;
  return TRUE;
}

static void describe_face(CoredFaceResult *face, const CoredRegion *region,
                          const CoredTrack *track) {
  *face = (CoredFaceResult){.box = region->box,
                            .face_score = region->score,
                            .p_fake = CORED_NOT_COMPUTED,
                            .p_fake_smoothed = CORED_NOT_COMPUTED,
                            .p_shadow = CORED_NOT_COMPUTED,
                            .track_id = track->id,
                            .quality = CORED_NOT_COMPUTED,
                            .full_frame = region->full_frame,
                            .roi_index = region->roi_index,
                            .mtd_id = region->mtd_id};
}

/* One region through the network. False on an unreadable picture or output. */
static gboolean judge_face(CoredAnalyser *analyser, const CoredParams *params,
                           const CoredView *view, const CoredRegion *region, CoredTrack *track,
                           CoredFaceResult *face, CoredError *error) {
  CoredImage image = view->image;
  const CoredBox seen =
      cored_region_crop(region, params->roi_padding, view->par, image.width, image.height);
  CoredBox crop = seen;
  double p_fake;
  face->quality = cored_judge_quality(analyser->judge, &crop);
  if (view->interlaced) {
    const double scale = (double)((image.height + 1) / 2) / image.height;
    cored_image_take_field(&image);
    crop.y *= scale;
    crop.h *= scale;
  }
  if (!cored_judge_run(analyser->judge, &image, &crop, &p_fake, error)) {
    face->reason = CORED_REASON_NO_OUTPUT;
    return FALSE;
  }
  if (params->heat_map)
    cored_judge_heat(analyser->judge, &seen, &face->heat);
  if (analyser->shadow && analyser->n_runs % params->shadow_interval == 0) {
    CoredError unused; /* a candidate that fails here simply has no opinion */
    cored_judge_run(analyser->shadow, &image, &crop, &face->p_shadow, &unused);
  }
  cored_track_judge(track, p_fake, face->quality, params->smoothing);
  face->p_fake = track->p_fake;
  face->p_fake_smoothed = track->p_fake_smoothed;
  return TRUE;
}

static gboolean too_small(const CoredRegion *region, const CoredParams *params) {
  return !region->full_frame && MIN(region->box.w, region->box.h) < params->min_object_size;
}

static gboolean judge_regions(CoredAnalyser *analyser, const CoredParams *params,
                              const CoredView *view, const CoredRegions *regions,
                              CoredResult *result, CoredError *error) {
  const guint64 longest = MAX(params->inference_interval, params->detect_interval);
  guint index[CORED_MAX_OBJECTS];
  gboolean ok = TRUE;
  cored_tracks_assign(&analyser->tracks, regions, view->number, MAX(MIN_TRACK_GAP, 3 * longest),
                      index);
  for (guint i = 0; i < regions->n; i++) {
    const CoredRegion *region = &regions->item[i];
    CoredTrack *track = &analyser->tracks.track[index[i]];
    CoredFaceResult *face = &result->faces[i];
    describe_face(face, region, track);
    if (too_small(region, params)) {
      face->reason = CORED_REASON_TOO_SMALL;
      result->n_small++;
    } else if (!judge_face(analyser, params, view, region, track, face, error)) {
      ok = FALSE;
    }
    cored_face_result_conclude(face, result->threshold);
  }
  result->n_faces = regions->n;
  return ok;
}

static void name_model(CoredResult *result, const CoredJudge *judge, const CoredParams *params) {
  const CoredNet *net = cored_judge_net(judge);
  g_strlcpy(result->model_id, net->id, sizeof result->model_id);
  result->generation = net->info->generation;
  result->threshold = params->threshold >= 0.0 ? params->threshold : net->info->threshold;
}

gboolean cored_analyser_run(CoredAnalyser *analyser, const CoredParams *params,
                            const CoredView *view, CoredResult *result, CoredError *error) {
  const gint64 start = g_get_monotonic_time();
  CoredRegions regions;
  cored_result_clear(result, view->image.width, view->image.height, CORED_REASON_NO_OUTPUT);
  name_model(result, analyser->judge, params);
  result->inferred = TRUE;
  result->pts = view->pts;
  result->n_bad_regions = view->upstream->n_bad;
  if (!choose_regions(analyser, params, view, &regions, error))
    return FALSE;
  const gboolean ok = judge_regions(analyser, params, view, &regions, result, error);
  analyser->n_runs++;
  cored_result_conclude(result);
  result->latency_us = (guint)MIN(g_get_monotonic_time() - start, G_MAXUINT);
  return ok;
}
