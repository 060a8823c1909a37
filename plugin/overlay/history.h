/* SPDX-License-Identifier: MIT
 * What each face track was judged over the last seconds, in columns of equal time: the strip that
 * the overlay draws. Fixed memory; the track not heard of for longest gives way. */
#ifndef CORED_OVERLAY_HISTORY_H
#define CORED_OVERLAY_HISTORY_H

#include "detect/params.h"

/* Those of a frame, and as many that are gone. */
#define CORED_HISTORY_TRACKS (2 * CORED_MAX_OBJECTS)
#define CORED_HISTORY_COLUMNS 60

typedef struct CoredHistoryTrack {
  gboolean used;
  guint64 id;
  guint8 place;                        /* see cored_history_place */
  guint64 newest;                      /* number of the last column, from 0 at time 0 */
  float column[CORED_HISTORY_COLUMNS]; /* ring, by number; highest p-fake, negative: none */
} CoredHistoryTrack;

typedef struct CoredHistory {
  GstClockTime column_time;
  CoredHistoryTrack track[CORED_HISTORY_TRACKS];
} CoredHistory;

/* Empty, over `span` nanoseconds. */
void cored_history_init(CoredHistory *history, GstClockTime span);
/* Track id had probability p (negative: not judged) at time now. Without a valid time, or when it
 * goes back, the last column takes it. */
void cored_history_add(CoredHistory *history, guint64 id, GstClockTime now, double p);
/* A note about the track, 0 at first, for whoever draws; NULL for an unknown track. */
guint8 *cored_history_place(CoredHistory *history, guint64 id);
/* The columns up to now, oldest first; all negative for an unknown track. */
void cored_history_read(const CoredHistory *history, guint64 id, GstClockTime now,
                        float out[CORED_HISTORY_COLUMNS]);

#endif /* CORED_OVERLAY_HISTORY_H */
