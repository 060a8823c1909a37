/* SPDX-License-Identifier: MIT
 * Which frames are evaluated. State of the streaming thread. */
#ifndef CORED_DETECT_THROTTLE_H
#define CORED_DETECT_THROTTLE_H

#include "detect/params.h"

typedef struct CoredThrottle {
  guint64 number;        /* frames begun, so the current one's number counts from 1 */
  guint64 since_due;     /* frames since one was due; 0: none was yet */
  GstClockTime last_due; /* time of the last frame within max-fps */
} CoredThrottle;

/* Start afresh: the next frame is due. The number goes on. */
void cored_throttle_reset(CoredThrottle *throttle);
/* Count a frame. With a cut before it the throttle is reset. */
void cored_throttle_begin(CoredThrottle *throttle, gboolean cut);
/* This frame's turn by inference-interval. Call once per frame. */
gboolean cored_throttle_due(CoredThrottle *throttle, guint interval);
/* This frame's turn by max-fps (0: always); remembers it. */
gboolean cored_throttle_within_fps(CoredThrottle *throttle, GstClockTime now, double max_fps);

#endif /* CORED_DETECT_THROTTLE_H */
