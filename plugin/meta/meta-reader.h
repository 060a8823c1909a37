/* SPDX-License-Identifier: MIT
 * What the elements read from a buffer's metadata: coreddetect the regions that upstream elements
 * marked, coredoverlay the result that coreddetect attached. Metadata may come from anywhere, other
 * processes included, and hold any value. */
#ifndef CORED_META_META_READER_H
#define CORED_META_META_READER_H

#include "analysis/result.h"

/* All regions of the wanted class (0: any) that came with the buffer: the objects of all its
 * GstAnalyticsRelationMeta and all its regions of interest. One of each that mark the same box
 * (they overlap by more than CORED_SAME_BOX_OVERLAP) are one region. Clipped to the frame; the
 * `limit` largest. */
void cored_meta_read_regions(CoredRegions *regions, GstBuffer *buffer, GQuark object_class,
                             gint width, gint height, guint limit);

#define CORED_OVERLAY_TEXT 32

typedef struct CoredOverlayFace {
  double x, y, w, h; /* pixels of the frame that is drawn on */
  double p_fake;     /* smoothed where there is such a value; negative: not known */
  CoredVerdict verdict;
  char reason[CORED_OVERLAY_TEXT];
  guint64 track_id;
  gboolean full_frame, alert;
  gboolean present;  /* else it was found before, and is not any more */
  CoredHeatMap heat; /* area in pixels of the frame that is drawn on */
} CoredOverlayFace;

typedef struct CoredOverlayData { /* what the overlay shows of one frame */
  gint width, height;             /* of the frame that is drawn on */
  double pixel_aspect;            /* of its pixels, width by height; read as 1 */
  guint n_faces;
  CoredOverlayFace face[CORED_MAX_OBJECTS];
  double p_fake, threshold; /* negative: none */
  CoredVerdict verdict;
  char reason[CORED_OVERLAY_TEXT];
  char model_id[CORED_OVERLAY_TEXT];
  guint64 generation;
  gboolean alert;
} CoredOverlayData;

/* From the structure of the custom meta. Fields that are missing or of another type are left out;
 * boxes are scaled from the frame that was evaluated to the one that is drawn on. */
void cored_meta_read_overlay_data(CoredOverlayData *data, const GstStructure *result, gint width,
                                  gint height);
/* The heat-* fields of a structure "face". FALSE, and no map, when they are absent or disagree. */
gboolean cored_meta_read_heat_map(CoredHeatMap *heat, const GstStructure *face);

#endif /* CORED_META_META_READER_H */
