/* SPDX-License-Identifier: MIT
 * What is looked at in a frame (regions) and what was found there (results): plain values, from
 * which all metadata and messages are written. A probability that was not computed is negative,
 * never NaN. Boxes are in pixels of the frame, times in nanoseconds. */
#ifndef CORED_ANALYSIS_RESULT_H
#define CORED_ANALYSIS_RESULT_H

#include <gst/gst.h>

#include "cored.h"
#include "analysis/params.h"
#include "model/model-version.h"

/* ---- Regions -------------------------------------------------------------------------------- */

typedef struct CoredRegion {
  CoredBox box;   /* inside the frame, not empty; with its fractions of a pixel */
  double score;   /* of the detector that found it; 0 unknown */
  gint roi_index; /* which of the buffer's GstVideoRegionOfInterestMeta, -1: none */
  gint64 mtd_id;  /* of the analytics object, -1: none */
  guint mtd_meta; /* which of the buffer's GstAnalyticsRelationMeta has that object */
  gboolean full_frame;
  guint64 track_id;       /* 0: not known yet */
  gboolean has_landmarks; /* else the detector that found it gave none */
  CoredPoint landmark[CORED_LANDMARKS];
} CoredRegion;

typedef struct CoredRegions {
  guint n;
  CoredRegion item[CORED_MAX_OBJECTS]; /* largest first */
  guint n_bad;                         /* empty or outside the frame */
} CoredRegions;

void cored_regions_clear(CoredRegions *regions);
/* Clip to the frame and insert by size; keeps the `limit` largest. Box values may be anything,
 * NaN included. */
void cored_regions_add(CoredRegions *regions, const CoredRegion *region, gint width, gint height,
                       guint limit);
void cored_regions_set_full_frame(CoredRegions *regions, gint width, gint height);

/* The part inside a frame of this size. FALSE, and nothing changed, where there is none or the
 * values are not finite. */
gboolean cored_box_clip(CoredBox *box, gint width, gint height);
/* Intersection over union, 0..1. */
double cored_box_overlap(const CoredBox *a, const CoredBox *b);
/* The smallest overlap of two boxes that are taken for one face. */
#define CORED_SAME_FACE_OVERLAP 0.3
/* That of two boxes, of two kinds of metadata, that mark one thing. */
#define CORED_SAME_BOX_OVERLAP 0.9

/* ---- Results -------------------------------------------------------------------------------- */

#define CORED_NOT_COMPUTED (-1.0)
#define CORED_HEAT_MAX 16

/* A class activation map. Cell r, c covers the part of the area in row r and column c and adds
 * (value - 128) / 127 * scale to the logit of fake less that of real. */
typedef struct CoredHeatMap {
  guint rows, columns; /* 0: no map; at most CORED_HEAT_MAX */
  CoredCropArea area;  /* that the network saw */
  double scale;        /* largest magnitude, > 0 */
  guint8 value[CORED_HEAT_MAX * CORED_HEAT_MAX];
} CoredHeatMap;

/* In this order: the highest of its faces is that of the frame. */
typedef enum CoredVerdict {
  CORED_VERDICT_UNKNOWN,
  CORED_VERDICT_REAL,
  CORED_VERDICT_FAKE,
  CORED_N_VERDICTS
} CoredVerdict;

/* Why a verdict is unknown. */
typedef enum CoredReason {
  CORED_REASON_NONE,
  CORED_REASON_NO_MODEL,
  CORED_REASON_NO_FACE,
  CORED_REASON_TOO_SMALL,
  CORED_REASON_BLURRED,
  CORED_REASON_NOT_EVALUATED, /* not yet: skipped by an interval or still being computed */
  CORED_REASON_NO_SIGNAL,     /* gap or corrupted buffer */
  CORED_REASON_NO_OUTPUT      /* the picture could not be read or the output is not finite */
} CoredReason;

typedef struct CoredFaceResult {
  CoredBox box; /* whole pixels, inside the frame */
  double face_score;
  gboolean has_landmarks;               /* see CoredRegion */
  CoredPoint landmark[CORED_LANDMARKS]; /* as in CoredFace */
  double p_fake, p_fake_smoothed;       /* 0..1 or CORED_NOT_COMPUTED */
  double p_shadow;                      /* of the shadow model, the same */
  CoredVerdict verdict;
  CoredReason reason;
  guint64 track_id;
  double sharpness; /* of the face in this frame, 0..1 or CORED_NOT_COMPUTED */
  double quality;   /* of the evaluation, the same: sharpness times the share of the network's
                       resolution that the crop has */
  GstClockTime age; /* of the evaluation */
  gboolean present; /* found or marked, now or at the last search; else only remembered */
  gboolean full_frame;
  gboolean alert; /* an alert about this face has begun and not ended */
  gint roi_index; /* see CoredRegion */
  gint64 mtd_id;
  guint mtd_meta;
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
  guint n_small, n_blurred; /* faces not evaluated because they are too small or blurred */
  GstClockTime time;        /* position of the evaluated frame, see clock.h */
  guint64 number;           /* of the same frame, from 1; 0: none was */
} CoredResult;

/* "unknown", "real", "fake". */
const char *cored_verdict_name(CoredVerdict verdict);
/* NULL for CORED_REASON_NONE. */
const char *cored_reason_name(CoredReason reason);

/* From map[rows, columns], of any size: larger ones are averaged. No map when it is all zero or not
 * finite. */
void cored_heat_map_set(CoredHeatMap *heat, const float *map, guint rows, guint columns,
                        const CoredCropArea *area);

/* Nothing known about a frame of this size. */
void cored_result_clear(CoredResult *result, gint width, gint height, CoredReason reason);
/* A face's verdict from its smoothed probability. */
void cored_face_result_conclude(CoredFaceResult *face, double threshold);
/* The frame's probabilities and verdict from its faces': the highest counts. When no face was
 * evaluated it is unknown, for the reason of the first face or, without faces,
 * CORED_REASON_NO_FACE. */
void cored_result_conclude(CoredResult *result);
/* The last result for a frame that is not evaluated: its faces, or, where upstream marked regions
 * of this frame, those with the values of the faces that they overlap with. `last` may be NULL. */
void cored_result_reuse(CoredResult *result, const CoredResult *last, const CoredRegions *upstream,
                        gint width, gint height, GstClockTime age);

#endif /* CORED_ANALYSIS_RESULT_H */
