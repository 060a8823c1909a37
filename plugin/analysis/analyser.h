/* SPDX-License-Identifier: MIT
 * All that is done with one frame of one stream, from the mapped picture to the result: find the
 * faces, track them, classify them, smooth the scores of each track. It knows no buffers, pads or
 * messages, so that it can run in the streaming thread or in a worker. Belongs to one caller at a
 * time. */
#ifndef CORED_ANALYSIS_ANALYSER_H
#define CORED_ANALYSIS_ANALYSER_H

#include "analysis/result.h"
#include "model/classifier.h"

typedef struct CoredAnalyser CoredAnalyser;

typedef struct CoredAnalyserFrame {
  CoredImage image;
  guint64 number;               /* counts all frames of the stream */
  GstClockTime time;            /* its position, see clock.h */
  const CoredRegions *upstream; /* regions that came with the frame */
} CoredAnalyserFrame;

CoredAnalyser *cored_analyser_new(void);
void cored_analyser_free(CoredAnalyser *analyser); /* NULL is fine */

/* Both stay the caller's, who keeps them until others are set; run() needs the first. The shadow
 * classifier gives a second score (CoredFaceResult.p_shadow) on every params->shadow_interval-th
 * frame; NULL: none. */
void cored_analyser_set_classifiers(CoredAnalyser *analyser, CoredClassifier *classifier,
                                    CoredClassifier *shadow);
/* Takes ownership; NULL: no faces are searched for. */
void cored_analyser_set_locator(CoredAnalyser *analyser, CoredLocator *locator);

/* After a cut: forget tracks and found faces. */
void cored_analyser_reset(CoredAnalyser *analyser);

/* Fill *result. False when the picture could not be used: *error says why, *result is still
 * complete (unknown). */
gboolean cored_analyser_run(CoredAnalyser *analyser, const CoredParams *params,
                            const CoredAnalyserFrame *frame, CoredResult *result,
                            CoredError *error);

#endif /* CORED_ANALYSIS_ANALYSER_H */
