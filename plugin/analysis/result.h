/* SPDX-License-Identifier: MIT
 * What is known about one frame: the one struct that all carriers (metas, messages) are written
 * from. Plain values; a probability that was not computed is negative, never NaN. */
#ifndef CORED_ANALYSIS_RESULT_H
#define CORED_ANALYSIS_RESULT_H

#include "analysis/heat-map.h"
#include "analysis/regions.h"

#include "cored.h"

#define CORED_NOT_COMPUTED (-1.0)
#define CORED_MODEL_ID_SIZE 64

typedef enum CoredVerdict {
  CORED_VERDICT_UNKNOWN,
  CORED_VERDICT_REAL,
  CORED_VERDICT_FAKE
} CoredVerdict;

typedef enum CoredReason { /* why a verdict is unknown */
                           CORED_REASON_NONE,
                           CORED_REASON_NO_MODEL,
                           CORED_REASON_NO_FACE,
                           CORED_REASON_TOO_SMALL,
                           CORED_REASON_BLURRED,
                           CORED_REASON_NOT_EVALUATED, /* not yet: skipped by an interval or still
                                                          being computed */
                           CORED_REASON_NO_SIGNAL,     /* gap or corrupted buffer */
                           CORED_REASON_NO_OUTPUT /* the picture could not be read or the output is
                                                     not finite */
} CoredReason;

typedef struct CoredFaceResult {
  CoredBox box; /* whole pixels, inside the frame */
  double face_score;
  double p_fake, p_fake_smoothed; /* 0..1 or CORED_NOT_COMPUTED */
  double p_shadow;                /* what the shadow model says, or CORED_NOT_COMPUTED */
  CoredVerdict verdict;
  CoredReason reason;
  guint64 track_id;
  double sharpness; /* of the face in this frame, 0..1 or CORED_NOT_COMPUTED */
  double quality;   /* of what was judged, the same: sharpness times the share of the network's
                       resolution that there is */
  GstClockTime age; /* of the judgement */
  gboolean present; /* found or marked, now or at the last search; else only remembered */
  gboolean full_frame;
  gboolean alert; /* an alert about this face has begun and not ended */
  gint roi_index; /* see CoredRegion */
  gint64 mtd_id;
  CoredHeatMap heat;
} CoredFaceResult;

typedef struct CoredResult {
  double p_fake, p_fake_smoothed;
  CoredVerdict verdict;
  CoredReason reason;
  gboolean inferred;
  GstClockTime age;
  gint width, height;
  guint n_faces;
  CoredFaceResult faces[CORED_MAX_OBJECTS];
  double threshold;
  char model_id[CORED_MODEL_ID_SIZE];
  guint64 generation;
  guint latency_us;
  guint n_bad_regions;      /* empty or outside the frame */
  guint n_small, n_blurred; /* faces not judged because they are too small or blurred */
  GstClockTime time;        /* position of the frame that was evaluated, see coredclock.h */
  guint64 number;           /* of the same frame, from 1; 0: none was */
} CoredResult;

const char *cored_verdict_name(CoredVerdict verdict);
/* NULL for CORED_REASON_NONE. */
const char *cored_reason_name(CoredReason reason);

/* Nothing known about a frame of this size. */
void cored_result_clear(CoredResult *result, gint width, gint height, CoredReason reason);
/* A face's verdict from its smoothed probability. */
void cored_face_result_conclude(CoredFaceResult *face, double threshold);
/* The frame's probabilities and verdict from its faces': the highest counts. With no face judged
 * it is unknown, for the reason of the first face or, without faces, CORED_REASON_NO_FACE. */
void cored_result_conclude(CoredResult *result);

/* The last result for a frame that is not evaluated: its faces, or, where upstream names regions
 * of this frame, those with the values of the faces they overlap with. `last` may be NULL. */
void cored_result_reuse(CoredResult *result, const CoredResult *last, const CoredRegions *upstream,
                        gint width, gint height, GstClockTime age);

/* Add the fields of gstcoredmeta.h, in its order, to an empty structure. */
void cored_result_write(const CoredResult *result, GstStructure *structure, const char *stream_id);
/* The caller owns the structure. */
GstStructure *cored_face_result_to_structure(const CoredFaceResult *face, const char *name);

#endif /* CORED_ANALYSIS_RESULT_H */
