/* SPDX-License-Identifier: MIT
 * All that is done with one frame of one stream, from the mapped picture to the result: find the
 * faces, follow them, classifier them, smooth. It knows no buffers, pads or messages, so that it
 * can run in the streaming thread or in a worker. Belongs to one caller at a time. */
#ifndef CORED_ANALYSIS_ANALYSER_H
#define CORED_ANALYSIS_ANALYSER_H

#include "analysis/classifier.h"
#include "analysis/track-score.h"

typedef struct CoredAnalyser CoredAnalyser;

typedef struct CoredView { /* one frame */
  CoredImage image;
  guint64 number;               /* counts all frames of the stream */
  GstClockTime time;            /* its position, see coredclock.h */
  const CoredRegions *upstream; /* regions that came with the frame */
} CoredView;

CoredAnalyser *cored_analyser_new(void);
void cored_analyser_free(CoredAnalyser *analyser); /* NULL is fine */

/* The classifier stays the caller's, who must keep it until another is set; run() needs one. */
void cored_analyser_set_classifier(CoredAnalyser *analyser, CoredClassifier *classifier);
/* A second score (CoredFaceResult.p_shadow) on every params->shadow_interval-th frame; NULL:
 * none. Like the classifier it stays the caller's. */
void cored_analyser_set_shadow(CoredAnalyser *analyser, CoredClassifier *shadow);
/* Takes ownership; NULL: no faces are looked for. */
void cored_analyser_set_locator(CoredAnalyser *analyser, CoredLocator *locator);

/* A cut: forget tracks and found faces. */
void cored_analyser_reset(CoredAnalyser *analyser);

/* Fill *result. False when the picture could not be used: *error says why, *result is still
 * complete (unknown). */
gboolean cored_analyser_run(CoredAnalyser *analyser, const CoredParams *params,
                            const CoredView *view, CoredResult *result, CoredError *error);

#endif /* CORED_ANALYSIS_ANALYSER_H */
