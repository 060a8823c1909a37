/* SPDX-License-Identifier: MIT
 * What the overlay shows of one frame, read from the metadata of gstcoredmeta.h. */
#ifndef CORED_OVERLAY_OVERLAY_DATA_H
#define CORED_OVERLAY_OVERLAY_DATA_H

#include "analysis/heat-map.h"
#include "detect/params.h"

#define CORED_OVERLAY_FACES CORED_MAX_OBJECTS
#define CORED_OVERLAY_TEXT 32

typedef enum CoredOverlayVerdict {
  CORED_OVERLAY_UNKNOWN,
  CORED_OVERLAY_REAL,
  CORED_OVERLAY_FAKE,
  CORED_OVERLAY_N_VERDICTS
} CoredOverlayVerdict;

typedef struct CoredOverlayFace {
  double x, y, w, h; /* pixels of the frame that is drawn on */
  double p_fake;     /* smoothed where there is such a value; negative: not judged */
  CoredOverlayVerdict verdict;
  char reason[CORED_OVERLAY_TEXT];
  guint64 track_id;
  gboolean full_frame, alert;
  gboolean present;  /* else it was, and is not found any more */
  CoredHeatMap heat; /* box in pixels of the frame that is drawn on */
} CoredOverlayFace;

typedef struct CoredOverlayData {
  gint width, height; /* of the frame that is drawn on */
  guint n_faces;
  CoredOverlayFace face[CORED_OVERLAY_FACES];
  double p_fake, threshold; /* negative: none */
  CoredOverlayVerdict verdict;
  char reason[CORED_OVERLAY_TEXT];
  char model_id[CORED_OVERLAY_TEXT];
  guint64 generation;
  gboolean alert;
} CoredOverlayData;

/* Whatever is missing or of another type is left out; boxes are scaled from the frame that was
 * judged to this one. */
void cored_overlay_data_read(CoredOverlayData *data, const GstStructure *result, gint width,
                             gint height);

#endif /* CORED_OVERLAY_OVERLAY_DATA_H */
