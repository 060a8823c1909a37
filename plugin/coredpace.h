/* SPDX-License-Identifier: MIT
 * When: which frames are evaluated, where a stream is cut, when a message is due. State of the
 * streaming thread. */
#ifndef CORED_PACE_H
#define CORED_PACE_H

#include "coredparams.h"

typedef struct CoredPace {
  guint64 number;        /* frames begun, so the current one's number counts from 1 */
  guint64 since_due;     /* frames since one was due; 0: none was yet */
  GstClockTime last_pts; /* of the frame before, GST_CLOCK_TIME_NONE */
  GstClockTime last_message;
} CoredPace;

/* Start afresh: the next frame is due, and so is a message. The number goes on. */
void cored_pace_reset(CoredPace *pace);
/* Count a frame. True when it does not continue the one before (DISCONT, a step back in time or a
 * leap forward); the pace is reset then. */
gboolean cored_pace_begin(CoredPace *pace, const GstBuffer *buffer);
/* This frame's turn by inference-interval. Call once per frame. */
gboolean cored_pace_due(CoredPace *pace, guint interval);
/* A message about an evaluated frame at this time is due; remembers it. */
gboolean cored_pace_message_due(CoredPace *pace, GstClockTime now, GstClockTime interval);

#endif /* CORED_PACE_H */
