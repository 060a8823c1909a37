/* SPDX-License-Identifier: MIT */
#include "analysis/track-score.h"

#include <math.h>

/* A probability that rounds to 0 or 1 would weigh for ever: its logit is infinite. */
#define MAX_LOGIT 16.0

void cored_track_scores_clear(CoredTrackScores *scores) {
  for (guint i = 0; i < G_N_ELEMENTS(scores->item); i++)
    scores->item[i].track_id = 0;
}

static gboolean lives(const CoredTracker *tracker, guint64 track_id) {
  int n;
  const CoredTrackedFace *faces = cored_tracker_faces(tracker, &n);
  for (int i = 0; i < n; i++)
    if (faces[i].id == track_id)
      return TRUE;
  return FALSE;
}

void cored_track_scores_keep(CoredTrackScores *scores, const CoredTracker *tracker) {
  for (guint i = 0; i < G_N_ELEMENTS(scores->item); i++) {
    CoredTrackScore *score = &scores->item[i];
    if (score->track_id && !lives(tracker, score->track_id))
      score->track_id = 0;
  }
}

CoredTrackScore *cored_track_scores_of(CoredTrackScores *scores, guint64 track_id) {
  CoredTrackScore *empty = NULL;
  for (guint i = 0; i < G_N_ELEMENTS(scores->item); i++) {
    CoredTrackScore *score = &scores->item[i];
    if (score->track_id == track_id)
      return score;
    if (!empty && !score->track_id)
      empty = score;
  }
  g_assert(empty); /* as many as tracks */
  empty->track_id = track_id;
  empty->judged = FALSE;
  empty->n_logits = 0;
  return empty;
}

static double mean_of_last(const CoredTrackScore *score, guint window) {
  const guint n = (guint)MIN(window, score->n_logits);
  double sum = 0.0;
  for (guint i = 1; i <= n; i++)
    sum += (double)score->logits[(score->n_logits - i) % CORED_MAX_WINDOW];
  return sum / n;
}

static double probability(double logit) {
  return 1.0 / (1.0 + exp(-logit));
}

void cored_track_score_add(CoredTrackScore *score, const CoredParams *params, double p_fake,
                           double quality, guint64 number, GstClockTime time) {
  const double logit = CLAMP(log(p_fake) - log1p(-p_fake), -MAX_LOGIT, MAX_LOGIT);
  const double past = score->judged ? params->smoothing : 0.0;
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
  score->judged = TRUE;
}
