/* SPDX-License-Identifier: MIT */
#include "coredtracks.h"

#include <math.h>

/* A probability that rounds to 0 or 1 would weigh for ever: its logit is infinite. */
#define MAX_LOGIT 16.0

void cored_tracks_reset(CoredTracks *tracks) {
  for (guint i = 0; i < G_N_ELEMENTS(tracks->track); i++)
    tracks->track[i].id = 0;
}

static void end_old(CoredTracks *tracks, guint64 frame, guint64 max_gap) {
  for (guint i = 0; i < G_N_ELEMENTS(tracks->track); i++) {
    CoredTrack *track = &tracks->track[i];
    if (track->id && frame - track->last_frame > max_gap)
      track->id = 0;
  }
}

static void extend(CoredTrack *track, const CoredRegion *region, guint64 frame) {
  track->box = region->box;
  track->last_frame = frame;
}

/* How surely two boxes are one face, 0: not. Overlap counts first; between two searches a face may
 * move by half its size, so nearness of the centres, in units of the mean side, counts after it
 * where the sizes agree within a factor of two. */
static double affinity(const CoredBox *a, const CoredBox *b) {
  const double overlap = cored_box_overlap(a, b);
  if (overlap >= CORED_SAME_FACE_OVERLAP)
    return 1.0 + overlap;
  const double side_a = sqrt(a->w * a->h), side_b = sqrt(b->w * b->h);
  if (side_a > 2.0 * side_b || side_b > 2.0 * side_a)
    return 0.0;
  const double dx = (a->x + 0.5 * a->w) - (b->x + 0.5 * b->w);
  const double dy = (a->y + 0.5 * a->h) - (b->y + 0.5 * b->h);
  return fmax(0.0, 1.0 - hypot(dx, dy) / (0.75 * 0.5 * (side_a + side_b)));
}

/* Repeatedly the surest pair of those left: a face is not lost to a neighbour that merely comes
 * first in the list. */
static void match(CoredTracks *tracks, const CoredRegions *regions, guint64 frame, guint *index) {
  gboolean taken[2 * CORED_MAX_OBJECTS] = {FALSE};
  for (;;) {
    double best = 0.0;
    guint best_region = 0, best_track = G_MAXUINT;
    for (guint r = 0; r < regions->n; r++) {
      for (guint t = 0; index[r] == G_MAXUINT && t < G_N_ELEMENTS(tracks->track); t++) {
        const CoredTrack *track = &tracks->track[t];
        if (!track->id || taken[t] || track->full_frame != regions->item[r].full_frame)
          continue;
        const double score = affinity(&track->box, &regions->item[r].box);
        if (score > best) {
          best = score;
          best_region = r;
          best_track = t;
        }
      }
    }
    if (best_track == G_MAXUINT)
      return;
    taken[best_track] = TRUE;
    index[best_region] = best_track;
    extend(&tracks->track[best_track], &regions->item[best_region], frame);
  }
}

/* A free slot, else the one not seen for longest; never one of this frame. There are twice as
 * many slots as regions. */
static guint slot_for_new(const CoredTracks *tracks, guint64 frame) {
  guint oldest = 0;
  guint64 oldest_frame = G_MAXUINT64;
  for (guint i = 0; i < G_N_ELEMENTS(tracks->track); i++) {
    const CoredTrack *track = &tracks->track[i];
    if (!track->id)
      return i;
    if (track->last_frame != frame && track->last_frame < oldest_frame) {
      oldest_frame = track->last_frame;
      oldest = i;
    }
  }
  return oldest;
}

void cored_tracks_assign(CoredTracks *tracks, const CoredRegions *regions, guint64 frame,
                         guint64 max_gap, guint index[CORED_MAX_OBJECTS]) {
  end_old(tracks, frame, max_gap);
  for (guint r = 0; r < regions->n; r++)
    index[r] = G_MAXUINT;
  match(tracks, regions, frame, index);
  for (guint r = 0; r < regions->n; r++) {
    if (index[r] != G_MAXUINT)
      continue;
    index[r] = slot_for_new(tracks, frame);
    tracks->track[index[r]] =
        (CoredTrack){.id = ++tracks->next_id, .full_frame = regions->item[r].full_frame};
    extend(&tracks->track[index[r]], &regions->item[r], frame);
  }
}

void cored_track_judge(CoredTrack *track, double p_fake, double quality, double smoothing) {
  const double logit = CLAMP(log(p_fake) - log1p(-p_fake), -MAX_LOGIT, MAX_LOGIT);
  const double past = track->judged ? smoothing : 0.0;
  track->logit = past * track->logit + (1.0 - past) * logit;
  track->p_fake = p_fake;
  track->p_fake_smoothed = past > 0.0 ? 1.0 / (1.0 + exp(-track->logit)) : p_fake;
  track->quality = quality;
  track->judged = TRUE;
}
