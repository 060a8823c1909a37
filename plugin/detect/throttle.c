/* SPDX-License-Identifier: MIT */
#include "detect/throttle.h"

void cored_throttle_reset(CoredThrottle *throttle) {
  throttle->since_due = 0;
  throttle->last_due = GST_CLOCK_TIME_NONE;
}

void cored_throttle_begin(CoredThrottle *throttle, gboolean cut) {
  if (cut)
    cored_throttle_reset(throttle);
  throttle->number++;
}

gboolean cored_throttle_due(CoredThrottle *throttle, guint interval) {
  const gboolean due = throttle->since_due == 0 || throttle->since_due >= interval;
  throttle->since_due = due ? 1 : throttle->since_due + 1;
  return due;
}

gboolean cored_throttle_within_fps(CoredThrottle *throttle, GstClockTime now, double max_fps) {
  const GstClockTime last = throttle->last_due;
  if (max_fps <= 0.0)
    return TRUE;
  /* A millisecond of grace: time stamps of 30 fps are rounded, and 15 must take every other. */
  if (GST_CLOCK_TIME_IS_VALID(last) && now >= last &&
      (double)(now - last + GST_MSECOND) < GST_SECOND / max_fps)
    return FALSE;
  throttle->last_due = now;
  return TRUE;
}
