/* SPDX-License-Identifier: MIT
 * Regions of a frame to judge: read from the metas of a buffer, brought into the frame and limited
 * in number. */
#ifndef CORED_ANALYSIS_REGIONS_H
#define CORED_ANALYSIS_REGIONS_H

#include "detect/params.h"

#include <gst/video/video.h>

#include "cored.h"

typedef struct CoredRegion {
  CoredBox box;   /* inside the frame, not empty; with its fractions of a pixel */
  double score;   /* of whoever found it; 0 unknown */
  gint roi_index; /* which of the buffer's GstVideoRegionOfInterestMeta, -1: none */
  gint64 mtd_id;  /* of the analytics object, -1: none */
  gboolean full_frame;
  guint64 track_id; /* 0: not known yet */
} CoredRegion;

typedef struct CoredRegions {
  guint n;
  CoredRegion item[CORED_MAX_OBJECTS]; /* largest first */
  guint n_bad;                         /* empty or outside the frame */
  guint n_left_out;                    /* beyond max-objects */
} CoredRegions;

void cored_regions_clear(CoredRegions *regions);
/* Clip to the frame and insert by size; keeps the `limit` largest. Box values may be anything,
 * NaN included. */
void cored_regions_add(CoredRegions *regions, const CoredRegion *region, gint width, gint height,
                       guint limit);
/* All upstream regions of the wanted class (0: any). */
void cored_regions_from_buffer(CoredRegions *regions, GstBuffer *buffer, GQuark object_class,
                               gint width, gint height, guint limit);
void cored_regions_set_full_frame(CoredRegions *regions, gint width, gint height);

/* The index-th region meta of the buffer (their ids need not be unique), NULL past the end. */
GstVideoRegionOfInterestMeta *cored_buffer_nth_roi(GstBuffer *buffer, gint index);

/* Intersection over union, 0..1. */
double cored_box_overlap(const CoredBox *a, const CoredBox *b);
/* The least overlap of two boxes that are taken for one face. */
#define CORED_SAME_FACE_OVERLAP 0.3

#endif /* CORED_ANALYSIS_REGIONS_H */
