/* SPDX-License-Identifier: MIT */
#include "analysis/search-schedule.h"

/* How much longer each wait is than the one before. */
#define GROWTH 1.5
/* A face should not move farther between two searches, in sides. */
#define MAX_WAY 0.15
/* Sightings that a face needs to be no longer new: two give its velocity, the third confirms it. */
#define MIN_HITS 3
/* Time stamps are rounded. */
#define TOLERANCE GST_MSECOND

void cored_search_schedule_reset(CoredSearchSchedule *schedule) {
  schedule->begun = FALSE;
  schedule->wait = CORED_SEARCH_SHORTEST;
}

gboolean cored_search_schedule_is_due(const CoredSearchSchedule *schedule, guint interval,
                                      guint64 number, GstClockTime time) {
  if (!schedule->begun)
    return TRUE;
  if (interval > 0)
    return number - schedule->number >= interval;
  const GstClockTime since = time > schedule->time ? time - schedule->time : schedule->time - time;
  return since + TOLERANCE >= schedule->wait;
}

static gboolean is_steady(const CoredTrackedFace *face) {
  return face->misses == 0 && face->hits >= MIN_HITS;
}

/* How long the tracks let the next search wait at most. */
static GstClockTime longest_wait(const CoredTrackedFace *faces, int n, int kind) {
  double speed = 0.0;
  int n_steady = 0;
  for (int i = 0; i < n; i++) {
    if (faces[i].kind != kind)
      continue;
    if (!is_steady(&faces[i]))
      return CORED_SEARCH_SHORTEST;
    speed = MAX(speed, faces[i].speed);
    n_steady++;
  }
  if (n_steady == 0)
    return CORED_SEARCH_SHORTEST;
  if (speed * CORED_SEARCH_LONGEST <= MAX_WAY * GST_SECOND)
    return CORED_SEARCH_LONGEST;
  return (GstClockTime)(MAX_WAY / speed * GST_SECOND);
}

void cored_search_schedule_searched(CoredSearchSchedule *schedule, guint64 number,
                                    GstClockTime time, const CoredTrackedFace *faces, int n,
                                    int kind) {
  const GstClockTime longest = longest_wait(faces, n, kind);
  const GstClockTime grown = (GstClockTime)(GROWTH * (double)schedule->wait);
  schedule->wait = CLAMP(grown, CORED_SEARCH_SHORTEST, MAX(longest, CORED_SEARCH_SHORTEST));
  schedule->begun = TRUE;
  schedule->number = number;
  schedule->time = time;
}
