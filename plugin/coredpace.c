/* SPDX-License-Identifier: MIT */
#include "coredpace.h"

void cored_pace_reset(CoredPace *pace) {
  pace->since_due = 0;
  pace->last_due = GST_CLOCK_TIME_NONE;
}

void cored_pace_begin(CoredPace *pace, gboolean cut) {
  if (cut)
    cored_pace_reset(pace);
  pace->number++;
}

gboolean cored_pace_due(CoredPace *pace, guint interval) {
  const gboolean due = pace->since_due == 0 || pace->since_due >= interval;
  pace->since_due = due ? 1 : pace->since_due + 1;
  return due;
}

gboolean cored_pace_within_fps(CoredPace *pace, GstClockTime now, double max_fps) {
  const GstClockTime last = pace->last_due;
  if (max_fps <= 0.0)
    return TRUE;
  /* A millisecond of grace: time stamps of 30 fps are rounded, and 15 must take every other. */
  if (GST_CLOCK_TIME_IS_VALID(last) && now >= last &&
      (double)(now - last + GST_MSECOND) < GST_SECOND / max_fps)
    return FALSE;
  pace->last_due = now;
  return TRUE;
}
