/* SPDX-License-Identifier: MIT
 * What is thought of each track: its last judgement and the mean of its logits over time. Who is
 * who, the engine's tracker knows. */
#ifndef CORED_ANALYSIS_TRACK_SCORE_H
#define CORED_ANALYSIS_TRACK_SCORE_H

#include "detect/params.h"

#include "vision/track/track.h"

typedef struct CoredTrackScore {
  guint64 track_id; /* 0: free */
  gboolean judged;
  guint64 number;    /* frame of the last judgement */
  GstClockTime time; /* of that frame */
  double p_fake, quality;
  double logit; /* running mean */
  double p_fake_smoothed;
  guint64 n_logits;               /* all time */
  float logits[CORED_MAX_WINDOW]; /* ring: the i-th judgement's at i % CORED_MAX_WINDOW */
} CoredTrackScore;

typedef struct CoredTrackScores {
  CoredTrackScore item[CORED_TRACKER_MAX];
} CoredTrackScores;

void cored_track_scores_clear(CoredTrackScores *scores);
/* Forget the tracks that ended. */
void cored_track_scores_keep(CoredTrackScores *scores, const CoredTracker *tracker);
/* Of a track that the tracker has now; an empty one for a new track. */
CoredTrackScore *cored_track_scores_of(CoredTrackScores *scores, guint64 track_id);

/* Add a judgement: the calibrated probability p of the frame `number` at `time`, its logit
 * l = ln(p / (1 - p)). With window = N > 0 p_fake_smoothed is that of the mean of the last N
 * logits; else of logit = smoothing * logit + (1 - smoothing) * l, the first one as it is. Both
 * means are kept up, so that the settings may change between any two. */
void cored_track_score_add(CoredTrackScore *score, const CoredParams *params, double p_fake,
                           double quality, guint64 number, GstClockTime time);

#endif /* CORED_ANALYSIS_TRACK_SCORE_H */
