/* SPDX-License-Identifier: MIT
 * Which frames are evaluated. State of the streaming thread. */
#ifndef CORED_PACE_H
#define CORED_PACE_H

#include "coredparams.h"

typedef struct CoredPace {
  guint64 number;        /* frames begun, so the current one's number counts from 1 */
  guint64 since_due;     /* frames since one was due; 0: none was yet */
  GstClockTime last_due; /* time of the last frame within max-fps */
} CoredPace;

/* Start afresh: the next frame is due. The number goes on. */
void cored_pace_reset(CoredPace *pace);
/* Count a frame. With a cut before it the pace is reset. */
void cored_pace_begin(CoredPace *pace, gboolean cut);
/* This frame's turn by inference-interval. Call once per frame. */
gboolean cored_pace_due(CoredPace *pace, guint interval);
/* This frame's turn by max-fps (0: always); remembers it. */
gboolean cored_pace_within_fps(CoredPace *pace, GstClockTime now, double max_fps);

#endif /* CORED_PACE_H */
