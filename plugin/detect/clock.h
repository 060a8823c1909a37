/* SPDX-License-Identifier: MIT
 * Where in time each frame of a stream is, for everything that asks: tracks, alerts, messages,
 * max-fps, delays, the strips of the overlay. A frame with a time stamp is there; one without, or
 * with the time stamp of the one before, is as far from the last one that had its own as frames
 * were counted since, at the rate of the caps. Time never goes back but at a cut. State of the
 * streaming thread. */
#ifndef CORED_DETECT_CLOCK_H
#define CORED_DETECT_CLOCK_H

#include <gst/video/video.h>

typedef struct CoredClock {
  GstClockTime position;     /* in the segment, of the last frame */
  GstClockTime running_time; /* the same as running time; both always valid */
  GstClockTime stream_time;  /* the same as stream time; none outside the segment */
  gboolean started;          /* these are of a frame */
  gboolean fresh;            /* the next frame need not continue the last */
  gboolean first;            /* the last frame was the first of its kind */
  GstClockTime stamp;        /* the last time stamp, GST_CLOCK_TIME_NONE */
  GstClockTime anchor;       /* position that frames are counted from */
  guint64 counted;           /* frames since */
} CoredClock;

/* Nothing is known: a start, or a flush. */
void cored_clock_init(CoredClock *clock);
/* What comes next need not continue what came, as behind a new segment. */
void cored_clock_renew(CoredClock *clock);
/* Bring the clock to this frame. True when it does not continue the one before: DISCONT with a
 * time stamp that is not the next frame's, a step back in time, a time that is more than some
 * seconds off. The first DISCONT may come with the second frame: elements whose first picture has
 * to wait for the next one mark it late. */
gboolean cored_clock_tick(CoredClock *clock, const GstBuffer *buffer, const GstSegment *segment,
                          const GstVideoInfo *info);
/* By the caps; 0 when they do not say. */
GstClockTime cored_frame_duration(const GstVideoInfo *info);

#endif /* CORED_DETECT_CLOCK_H */
