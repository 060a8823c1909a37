/* SPDX-License-Identifier: MIT
 * Faces over time: regions of successive frames that overlap are one track; a track keeps the
 * running mean of its logits. */
#ifndef CORED_TRACKS_H
#define CORED_TRACKS_H

#include "coredregions.h"

typedef struct CoredTrack {
  guint64 id; /* from 1, 0: free slot */
  CoredBox box;
  gboolean full_frame;
  guint64 last_frame; /* when it was last seen */
  gboolean judged;
  double p_fake; /* of the last judgement */
  double quality;
  double logit; /* smoothed */
  double p_fake_smoothed;
} CoredTrack;

typedef struct CoredTracks {
  guint64 next_id;
  CoredTrack track[2 * CORED_MAX_OBJECTS];
} CoredTracks;

/* Forget everything; ids go on, so that a new track never has an old one's id. */
void cored_tracks_reset(CoredTracks *tracks);

/* Assign every region a track by overlap (intersection over union, at least 0.3), else by nearness,
 * opening new ones; index[i] is set to the track of regions->item[i]. A track that was not seen for
 * max_gap frames ends. frame counts up. */
void cored_tracks_assign(CoredTracks *tracks, const CoredRegions *regions, guint64 frame,
                         guint64 max_gap, guint index[CORED_MAX_OBJECTS]);

/* Add a judgement: with l = ln(p / (1 - p)), logit = smoothing * logit + (1 - smoothing) * l, the
 * first one as it is. smoothing is the weight of the past, 0..<1; 0 gives p_fake itself. */
void cored_track_judge(CoredTrack *track, double p_fake, double quality, double smoothing);

#endif /* CORED_TRACKS_H */
