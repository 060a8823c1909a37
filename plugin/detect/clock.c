/* SPDX-License-Identifier: MIT */
#include "detect/clock.h"

/* Longer than any pause between frames of one data that is worth smoothing across. */
#define LEAP (3 * GST_SECOND)
/* Frames a second, where neither time stamps nor caps say it. */
#define USUAL_RATE 25

GstClockTime cored_frame_duration(const GstVideoInfo *info) {
  const gint n = GST_VIDEO_INFO_FPS_N(info), d = GST_VIDEO_INFO_FPS_D(info);
  return n > 0 && d > 0 ? gst_util_uint64_scale(GST_SECOND, (guint64)d, (guint64)n) : 0;
}

void cored_clock_init(CoredClock *clock) {
  *clock = (CoredClock){.fresh = TRUE, .stamp = GST_CLOCK_TIME_NONE};
}

void cored_clock_renew(CoredClock *clock) {
  clock->fresh = TRUE;
  clock->stamp = GST_CLOCK_TIME_NONE;
}

/* Backwards from an end that is not told nothing can be counted. */
static gboolean has_time(const GstSegment *segment) {
  return segment->format == GST_FORMAT_TIME &&
         (segment->rate > 0.0 || GST_CLOCK_TIME_IS_VALID(segment->stop));
}

static gboolean is_reversed(const GstSegment *segment) {
  return segment->format == GST_FORMAT_TIME && segment->rate < 0.0;
}

/* Demuxers mark frames of which nothing is missing (GStreamer 1.26 those around the key frames of
 * fragmented MP4): where the next time stamp is what it should be, nothing is cut. */
static gboolean goes_on(const CoredClock *clock, GstClockTime pts, GstClockTime frame,
                        const GstSegment *segment) {
  if (clock->fresh || !frame || !GST_CLOCK_TIME_IS_VALID(pts) ||
      !GST_CLOCK_TIME_IS_VALID(clock->stamp))
    return FALSE;
  const GstClockTime from = is_reversed(segment) ? pts : clock->stamp;
  const GstClockTime to = is_reversed(segment) ? clock->stamp : pts;
  return to > from && 2 * (to - from) <= 3 * frame;
}

static gboolean is_cut(const CoredClock *clock, const GstBuffer *buffer, const GstSegment *segment,
                       GstClockTime frame) {
  const GstClockTime pts = GST_BUFFER_PTS(buffer), now = clock->position;
  if (!clock->started)
    return FALSE;
  if (GST_BUFFER_IS_DISCONT(buffer) && !clock->first && !goes_on(clock, pts, frame, segment))
    return TRUE;
  if (clock->fresh || !GST_CLOCK_TIME_IS_VALID(pts) || pts == clock->stamp)
    return FALSE;
  if (GST_CLOCK_TIME_IS_VALID(clock->stamp) && (pts < clock->stamp) != is_reversed(segment))
    return TRUE;
  return (pts > now ? pts - now : now - pts) > LEAP;
}

/* Of a frame that comes first, or first behind a gap, and has no time stamp: running time goes on
 * if the segment has that time, else the segment begins. */
static GstClockTime begin_counting(const CoredClock *clock, const GstSegment *segment,
                                   GstClockTime frame) {
  GstClockTime position = GST_CLOCK_TIME_NONE;
  if (!has_time(segment))
    return clock->started ? clock->position + frame : 0;
  if (clock->started)
    position = gst_segment_position_from_running_time(segment, GST_FORMAT_TIME,
                                                      clock->running_time + frame);
  if (!GST_CLOCK_TIME_IS_VALID(position))
    position = is_reversed(segment) ? segment->stop : segment->start;
  return GST_CLOCK_TIME_IS_VALID(position) ? position : 0;
}

static void count(CoredClock *clock, const GstSegment *segment, GstClockTime frame) {
  if (clock->fresh) {
    clock->position = clock->anchor = begin_counting(clock, segment, frame);
    clock->counted = 0;
    return;
  }
  const GstClockTime passed = ++clock->counted * frame;
  if (is_reversed(segment))
    clock->position = MIN(clock->position, clock->anchor - MIN(passed, clock->anchor));
  else
    clock->position = MAX(clock->position, clock->anchor + passed);
}

static void set(CoredClock *clock, const GstSegment *segment, GstClockTime pts) {
  if (clock->fresh || (pts < clock->position) == is_reversed(segment))
    clock->position = pts;
  clock->anchor = clock->stamp = pts;
  clock->counted = 0;
}

static void translate(CoredClock *clock, const GstSegment *segment) {
  clock->running_time = clock->stream_time = clock->position;
  if (!has_time(segment))
    return;
  /* Before the segment it is negative. */
  if (gst_segment_to_running_time_full(segment, GST_FORMAT_TIME, clock->position,
                                       &clock->running_time) <= 0)
    clock->running_time = 0;
  clock->stream_time = gst_segment_to_stream_time(segment, GST_FORMAT_TIME, clock->position);
}

gboolean cored_clock_tick(CoredClock *clock, const GstBuffer *buffer, const GstSegment *segment,
                          const GstVideoInfo *info) {
  const GstClockTime pts = GST_BUFFER_PTS(buffer), frame = cored_frame_duration(info);
  const gboolean cut = is_cut(clock, buffer, segment, frame), first = clock->fresh;
  if (cut)
    cored_clock_renew(clock);
  if (GST_CLOCK_TIME_IS_VALID(pts) && pts != clock->stamp)
    set(clock, segment, pts);
  else
    count(clock, segment, frame ? frame : GST_SECOND / USUAL_RATE);
  translate(clock, segment);
  clock->first = first;
  clock->fresh = FALSE;
  clock->started = TRUE;
  return cut;
}
