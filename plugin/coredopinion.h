/* SPDX-License-Identifier: MIT
 * What is thought of each track: its last judgement and the mean of its logits over time. Who is
 * who, the engine's tracker knows. */
#ifndef CORED_OPINION_H
#define CORED_OPINION_H

#include "coredparams.h"

#include "vision/track.h"

typedef struct CoredOpinion {
  guint64 track_id; /* 0: free */
  gboolean judged;
  guint64 number;    /* frame of the last judgement */
  GstClockTime time; /* of that frame */
  double p_fake, quality;
  double logit; /* running mean */
  double p_fake_smoothed;
  guint64 n_logits;               /* all time */
  float logits[CORED_MAX_WINDOW]; /* ring: the i-th judgement's at i % CORED_MAX_WINDOW */
} CoredOpinion;

typedef struct CoredOpinions {
  CoredOpinion item[CORED_TRACKER_MAX];
} CoredOpinions;

void cored_opinions_clear(CoredOpinions *opinions);
/* Forget the tracks that ended. */
void cored_opinions_keep(CoredOpinions *opinions, const CoredTracker *tracker);
/* Of a track that the tracker has now; an empty one for a new track. */
CoredOpinion *cored_opinions_of(CoredOpinions *opinions, guint64 track_id);

/* Add a judgement: the calibrated probability p of the frame `number` at `time`, its logit
 * l = ln(p / (1 - p)). With window = N > 0 p_fake_smoothed is that of the mean of the last N
 * logits; else of logit = smoothing * logit + (1 - smoothing) * l, the first one as it is. Both
 * means are kept up, so that the settings may change between any two. */
void cored_opinion_add(CoredOpinion *opinion, const CoredParams *params, double p_fake,
                       double quality, guint64 number, GstClockTime time);

#endif /* CORED_OPINION_H */
