/* SPDX-License-Identifier: MIT
 * The history of each face track over the last seconds, in columns of equal time: the strip that
 * the overlay draws. Fixed memory: a new track replaces the one that was added to longest ago. */
#ifndef CORED_OVERLAY_HISTORY_H
#define CORED_OVERLAY_HISTORY_H

#include "analysis/params.h"

/* Those of a frame, and as many of the past. */
#define CORED_HISTORY_TRACKS (2 * CORED_MAX_OBJECTS)
#define CORED_HISTORY_COLUMNS 60

typedef struct CoredHistoryTrack {
  gboolean used;
  guint64 id;
  guint8 note;                         /* see cored_history_note */
  guint64 newest;                      /* number of the last column, from 0 at time 0 */
  float column[CORED_HISTORY_COLUMNS]; /* ring, by number; highest p-fake, negative: none */
} CoredHistoryTrack;

typedef struct CoredHistory {
  GstClockTime column_time;
  CoredHistoryTrack track[CORED_HISTORY_TRACKS];
} CoredHistory;

/* Empty, over `span` nanoseconds. */
void cored_history_init(CoredHistory *history, GstClockTime span);
/* Track id had probability p (negative: not known) at time now. Without a valid time, or when it
 * goes back, the last column takes it. */
void cored_history_add(CoredHistory *history, guint64 id, GstClockTime now, double p);
/* A number that the caller keeps with the track, 0 at first: where its panel is. NULL for an
 * unknown track. */
guint8 *cored_history_note(CoredHistory *history, guint64 id);
/* The columns up to now, oldest first; all negative for an unknown track. */
void cored_history_read(const CoredHistory *history, guint64 id, GstClockTime now,
                        float out[CORED_HISTORY_COLUMNS]);

#endif /* CORED_OVERLAY_HISTORY_H */
