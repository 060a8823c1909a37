/* SPDX-License-Identifier: MIT */
#include "coredpace.h"

/* Longer than any pause between frames of one scene that is worth smoothing across. */
#define LEAP (3 * GST_SECOND)

void cored_pace_reset(CoredPace *pace) {
  pace->since_due = 0;
  pace->last_pts = GST_CLOCK_TIME_NONE;
  pace->last_due = GST_CLOCK_TIME_NONE;
}

static gboolean is_cut(const CoredPace *pace, const GstBuffer *buffer) {
  const GstClockTime pts = GST_BUFFER_PTS(buffer), last = pace->last_pts;
  if (pace->number == 0)
    return FALSE;
  if (GST_BUFFER_IS_DISCONT(buffer))
    return TRUE;
  if (!GST_CLOCK_TIME_IS_VALID(pts) || !GST_CLOCK_TIME_IS_VALID(last))
    return FALSE;
  return pts < last || pts - last > LEAP;
}

gboolean cored_pace_begin(CoredPace *pace, const GstBuffer *buffer) {
  const gboolean cut = is_cut(pace, buffer);
  if (cut)
    cored_pace_reset(pace);
  if (GST_BUFFER_PTS_IS_VALID(buffer))
    pace->last_pts = GST_BUFFER_PTS(buffer);
  pace->number++;
  return cut;
}

gboolean cored_pace_due(CoredPace *pace, guint interval) {
  const gboolean due = pace->since_due == 0 || pace->since_due >= interval;
  pace->since_due = due ? 1 : pace->since_due + 1;
  return due;
}

gboolean cored_pace_within_fps(CoredPace *pace, GstClockTime running_time, double max_fps) {
  const GstClockTime last = pace->last_due;
  if (max_fps <= 0.0 || !GST_CLOCK_TIME_IS_VALID(running_time))
    return TRUE;
  /* A millisecond of grace: time stamps of 30 fps are rounded, and 15 must take every other. */
  if (GST_CLOCK_TIME_IS_VALID(last) && running_time >= last &&
      (double)(running_time - last + GST_MSECOND) < GST_SECOND / max_fps)
    return FALSE;
  pace->last_due = running_time;
  return TRUE;
}
