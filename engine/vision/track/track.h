/* SPDX-License-Identifier: MIT
 * Faces found again and again, told apart over time. A scan's sightings are assigned to the tracks
 * so that the sum of overlaps is largest; a track survives short gaps; between scans its box stays,
 * or moves on with the velocity it had and slows down. Memory is fixed, nothing is allocated after
 * creation, and an identifier is never used twice. Belongs to one caller at a time. */
#ifndef CORED_VISION_TRACK_TRACK_H
#define CORED_VISION_TRACK_TRACK_H

#include "cored.h"

#define CORED_TRACKER_MAX 128

typedef enum CoredMotion {
  CORED_MOTION_HOLD,    /* between scans a box stays where it was seen */
  CORED_MOTION_VELOCITY /* it moves on, ever more slowly: in all as far as in half a second at its
                           speed, and by at most 1.25 of its side; its size changes, too, at most by
                           a factor of 1.5 */
} CoredMotion;

typedef struct CoredTrackerParams {
  double min_overlap; /* intersection over union with which a face continues a track, 0..1; below
                         it only a face of like size whose centre is near does */
  double max_gap;     /* seconds from the first scan that missed a face to the end of its track */
  int min_misses;     /* scans that must miss a face before its track ends, however long ago */
  int confirm_hits;   /* sightings after which a track counts as confirmed */
  CoredMotion motion;
} CoredTrackerParams;

/* 0.25, 1 s, 2, 2, CORED_MOTION_VELOCITY. */
extern const CoredTrackerParams cored_tracker_defaults;

typedef struct CoredSighting {
  CoredBox box;
  double score;
  int kind; /* of any meaning: only a sighting of the same kind continues a track */
  bool has_landmarks;
  CoredPoint landmark[CORED_LANDMARKS];
} CoredSighting;

typedef struct CoredTrackedFace {
  uint64_t id;                               /* from 1 */
  CoredBox box;                              /* at the tracker's time: seen or predicted */
  CoredBox seen_box;                         /* as it was last seen */
  bool has_landmarks;                        /* of the last sighting */
  CoredPoint landmark[CORED_LANDMARKS];      /* at the tracker's time: they move with the box */
  CoredPoint seen_landmark[CORED_LANDMARKS]; /* as they were last seen */
  double speed; /* at the last sighting, sides of the face per second; changes of size count as
                   much: doubling in a second is log(2) */
  double score; /* of the last sighting */
  int kind;     /* of all its sightings */
  double first_seen, last_seen; /* seconds */
  double missed;                /* when the first scan since last_seen missed it; with misses > 0 */
  unsigned hits, misses;        /* sightings; scans since the last one */
  int sighting;                 /* index in the last call's sightings, -1: none is it */
  bool confirmed;
} CoredTrackedFace;

typedef struct CoredTracker CoredTracker;

/* params may be NULL. */
CoredTracker *cored_tracker_new(const CoredTrackerParams *params, CoredError *error);
void cored_tracker_free(CoredTracker *tracker); /* NULL is fine */
/* Forget all tracks (a cut, a seek, another picture size); identifiers go on. */
void cored_tracker_reset(CoredTracker *tracker);
/* Another max_gap, from the next call on; what is negative or no number is left out. */
void cored_tracker_set_max_gap(CoredTracker *tracker, double seconds);
/* A scan at `time` (seconds, of any origin) gave these sightings. Boxes that are empty or not
 * finite are passed over; a time before the last one counts as the last one. Ends tracks missed
 * for longer than max_gap. With more than CORED_TRACKER_MAX faces the ones longest unseen give
 * way, then the new ones. */
void cored_tracker_update(CoredTracker *tracker, double time, const CoredSighting *sightings,
                          int n);
/* No scan was made for the frame at `time`: move the boxes there, end tracks as above. */
void cored_tracker_advance(CoredTracker *tracker, double time);
/* The tracks, oldest first; valid until the next call. */
const CoredTrackedFace *cored_tracker_faces(const CoredTracker *tracker, int *n);

#endif /* CORED_VISION_TRACK_TRACK_H */
