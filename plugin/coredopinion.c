/* SPDX-License-Identifier: MIT */
#include "coredopinion.h"

#include <math.h>

/* A probability that rounds to 0 or 1 would weigh for ever: its logit is infinite. */
#define MAX_LOGIT 16.0

void cored_opinions_clear(CoredOpinions *opinions) {
  for (guint i = 0; i < G_N_ELEMENTS(opinions->item); i++)
    opinions->item[i].track_id = 0;
}

static gboolean lives(const CoredTracker *tracker, guint64 track_id) {
  int n;
  const CoredTrackedFace *faces = cored_tracker_faces(tracker, &n);
  for (int i = 0; i < n; i++)
    if (faces[i].id == track_id)
      return TRUE;
  return FALSE;
}

void cored_opinions_keep(CoredOpinions *opinions, const CoredTracker *tracker) {
  for (guint i = 0; i < G_N_ELEMENTS(opinions->item); i++) {
    CoredOpinion *opinion = &opinions->item[i];
    if (opinion->track_id && !lives(tracker, opinion->track_id))
      opinion->track_id = 0;
  }
}

CoredOpinion *cored_opinions_of(CoredOpinions *opinions, guint64 track_id) {
  CoredOpinion *empty = NULL;
  for (guint i = 0; i < G_N_ELEMENTS(opinions->item); i++) {
    CoredOpinion *opinion = &opinions->item[i];
    if (opinion->track_id == track_id)
      return opinion;
    if (!empty && !opinion->track_id)
      empty = opinion;
  }
  g_assert(empty); /* as many as tracks */
  empty->track_id = track_id;
  empty->judged = FALSE;
  empty->n_logits = 0;
  return empty;
}

static double mean_of_last(const CoredOpinion *opinion, guint window) {
  const guint n = (guint)MIN(window, opinion->n_logits);
  double sum = 0.0;
  for (guint i = 1; i <= n; i++)
    sum += (double)opinion->logits[(opinion->n_logits - i) % CORED_MAX_WINDOW];
  return sum / n;
}

static double probability(double logit) {
  return 1.0 / (1.0 + exp(-logit));
}

void cored_opinion_add(CoredOpinion *opinion, const CoredParams *params, double p_fake,
                       double quality, guint64 number, GstClockTime time) {
  const double logit = CLAMP(log(p_fake) - log1p(-p_fake), -MAX_LOGIT, MAX_LOGIT);
  const double past = opinion->judged ? params->smoothing : 0.0;
  opinion->logits[opinion->n_logits++ % CORED_MAX_WINDOW] = (float)logit;
  opinion->logit = past * opinion->logit + (1.0 - past) * logit;
  if (params->window > 1)
    opinion->p_fake_smoothed = probability(mean_of_last(opinion, params->window));
  else if (params->window == 0 && past > 0.0)
    opinion->p_fake_smoothed = probability(opinion->logit);
  else /* as it came, unrounded */
    opinion->p_fake_smoothed = p_fake;
  opinion->p_fake = p_fake;
  opinion->quality = quality;
  opinion->number = number;
  opinion->time = time;
  opinion->judged = TRUE;
}
