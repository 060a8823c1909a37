/* SPDX-License-Identifier: MIT
 * Faces found again and again, told apart over time. A scan's faces are assigned to the tracks so
 * that the sum of overlaps is largest; a track survives short gaps; between scans its box stays or
 * moves on with the velocity it had. Memory is fixed, nothing is allocated after creation, and an
 * identifier is never used twice. Belongs to one caller at a time. */
#ifndef CORED_VISION_TRACK_H
#define CORED_VISION_TRACK_H

#include "cored.h"

#define CORED_TRACKER_MAX 32

typedef enum CoredMotion {
  CORED_MOTION_HOLD,    /* between scans a box stays where it was seen */
  CORED_MOTION_VELOCITY /* it moves on; size changes too */
} CoredMotion;

typedef struct CoredTrackerParams {
  double min_overlap; /* intersection over union with which a face continues a track, 0..1; below
                         it only a face of like size whose centre is near does */
  double max_gap;     /* seconds without a sighting after which a track ends */
  int confirm_hits;   /* sightings after which a track counts as confirmed */
  CoredMotion motion;
} CoredTrackerParams;

/* 0.25, 1 s, 2, CORED_MOTION_VELOCITY. */
extern const CoredTrackerParams cored_tracker_defaults;

typedef struct CoredTrackedFace {
  uint64_t id;                  /* from 1 */
  CoredBox box;                 /* at the tracker's time: seen or predicted */
  CoredBox seen_box;            /* as it was last seen */
  double score;                 /* of the last sighting */
  double first_seen, last_seen; /* seconds */
  unsigned hits;                /* sightings */
  int face;                     /* index in the last update's faces, -1: not seen by it */
  bool confirmed;
} CoredTrackedFace;

typedef struct CoredTracker CoredTracker;

/* params may be NULL. */
CoredTracker *cored_tracker_new(const CoredTrackerParams *params, CoredError *error);
void cored_tracker_free(CoredTracker *tracker); /* NULL is fine */
/* Forget all tracks (a cut, a seek, another picture size); identifiers go on. */
void cored_tracker_reset(CoredTracker *tracker);
/* A scan at `time` (seconds, of any origin) found these faces. Boxes that are empty or not finite
 * are passed over; a time before the last one counts as the last one. Ends tracks unseen for
 * longer than max_gap. With more than CORED_TRACKER_MAX faces the ones longest unseen give way,
 * then the new ones. */
void cored_tracker_update(CoredTracker *tracker, double time, const CoredFace *faces, int n);
/* No scan was made for the frame at `time`: move the boxes there, end tracks as above. */
void cored_tracker_advance(CoredTracker *tracker, double time);
/* The tracks, oldest first; valid until the next call. */
const CoredTrackedFace *cored_tracker_faces(const CoredTracker *tracker, int *n);

#endif /* CORED_VISION_TRACK_H */
