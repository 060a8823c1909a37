/* SPDX-License-Identifier: MIT
 * Where in time each frame of a stream is, for all that depends on it: tracks, alerts, messages,
 * max-fps, delays, the history of the overlay. A frame with a time stamp has that time. One
 * without, or with the time stamp of the frame before, comes as much later than the last frame that
 * had one of its own as frames were counted since, at the rate of the caps. Time goes back only at
 * a cut, and from frame to frame of a segment that is played in reverse. Belongs to the streaming
 * thread. */
#ifndef CORED_ANALYSIS_CLOCK_H
#define CORED_ANALYSIS_CLOCK_H

#include <gst/video/video.h>

typedef struct CoredClock {
  GstClockTime position;     /* in the segment, of the last frame */
  GstClockTime running_time; /* the same as running time; both always valid */
  GstClockTime stream_time;  /* the same as stream time; none outside the segment */
  gboolean started;          /* these are those of a frame */
  gboolean resync;           /* the next frame need not continue the last */
  gboolean was_resync;       /* that was so before the last frame */
  GstClockTime stamp;        /* the last time stamp, GST_CLOCK_TIME_NONE */
  GstClockTime anchor;       /* position from which frames are counted */
  guint64 n_counted;         /* frames since */
} CoredClock;

typedef struct CoredFrameTimes {                    /* of one frame, in nanoseconds */
  GstClockTime timestamp, duration;                 /* as the buffer has them, or none */
  GstClockTime position, stream_time, running_time; /* by the clock */
} CoredFrameTimes;

/* Nothing is known: at a start, or after a flush. */
void cored_clock_init(CoredClock *clock);
/* The next frame need not continue the last, as after a new segment. */
void cored_clock_resync(CoredClock *clock);
/* Bring the clock to this frame. True when there is a cut before it: DISCONT with a time stamp that
 * is not the next frame's, a step back in time, a time that is more than some seconds off. A first
 * DISCONT on the second frame is none: elements whose first picture has to wait for the next one
 * mark it late. */
gboolean cored_clock_update(CoredClock *clock, const GstBuffer *buffer, const GstSegment *segment,
                            const GstVideoInfo *info);
/* By the caps; 0 when they do not say. */
GstClockTime cored_frame_duration(const GstVideoInfo *info);

#endif /* CORED_ANALYSIS_CLOCK_H */
