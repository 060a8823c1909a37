/* SPDX-License-Identifier: MIT */
#include "overlay/history.h"

#define UNKNOWN (-1.f)

void cored_history_init(CoredHistory *history, GstClockTime span) {
  *history = (CoredHistory){.column_time = MAX(span / CORED_HISTORY_COLUMNS, 1)};
}

static const CoredHistoryTrack *find(const CoredHistory *history, guint64 id) {
  for (guint i = 0; i < CORED_HISTORY_TRACKS; i++)
    if (history->track[i].used && history->track[i].id == id)
      return &history->track[i];
  return NULL;
}

static CoredHistoryTrack *add_track(CoredHistory *history, guint64 id, guint64 number) {
  CoredHistoryTrack *oldest = &history->track[0];
  for (guint i = 0; i < CORED_HISTORY_TRACKS && oldest->used; i++) {
    CoredHistoryTrack *track = &history->track[i];
    if (!track->used || track->newest < oldest->newest)
      oldest = track;
  }
  *oldest = (CoredHistoryTrack){.used = TRUE, .id = id, .newest = number};
  for (guint i = 0; i < CORED_HISTORY_COLUMNS; i++)
    oldest->column[i] = UNKNOWN;
  return oldest;
}

void cored_history_add(CoredHistory *history, guint64 id, GstClockTime now, double p) {
  CoredHistoryTrack *track = (CoredHistoryTrack *)find(history, id);
  const guint64 number = GST_CLOCK_TIME_IS_VALID(now) ? now / history->column_time
                         : track                      ? track->newest
                                                      : 0;
  if (!track)
    track = add_track(history, id, number);
  if (number > track->newest) {
    const guint64 passed = MIN(number - track->newest, CORED_HISTORY_COLUMNS);
    for (guint64 i = 0; i < passed; i++)
      track->column[(number - i) % CORED_HISTORY_COLUMNS] = UNKNOWN;
    track->newest = number;
  }
  float *column = &track->column[track->newest % CORED_HISTORY_COLUMNS];
  *column = MAX(*column, (float)p);
}

guint8 *cored_history_note(CoredHistory *history, guint64 id) {
  CoredHistoryTrack *track = (CoredHistoryTrack *)find(history, id);
  return track ? &track->note : NULL;
}

void cored_history_read(const CoredHistory *history, guint64 id, GstClockTime now,
                        float out[CORED_HISTORY_COLUMNS]) {
  const CoredHistoryTrack *track = find(history, id);
  guint64 last = track ? track->newest : 0;
  if (track && GST_CLOCK_TIME_IS_VALID(now))
    last = MAX(last, now / history->column_time);
  for (guint i = 0; i < CORED_HISTORY_COLUMNS; i++) {
    const guint64 back = CORED_HISTORY_COLUMNS - 1 - i;
    const gboolean kept = track && back <= last && last - back <= track->newest &&
                          track->newest - (last - back) < CORED_HISTORY_COLUMNS;
    out[i] = kept ? track->column[(last - back) % CORED_HISTORY_COLUMNS] : UNKNOWN;
  }
}
