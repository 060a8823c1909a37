/* SPDX-License-Identifier: MIT */
#include "analysis/clock.h"

/* Longer than any pause between frames that is worth smoothing across. */
#define MAX_GAP (3 * GST_SECOND)
/* Frames a second, where neither time stamps nor caps say it. */
#define DEFAULT_RATE 25

GstClockTime cored_frame_duration(const GstVideoInfo *info) {
  const gint n = GST_VIDEO_INFO_FPS_N(info), d = GST_VIDEO_INFO_FPS_D(info);
  return n > 0 && d > 0 ? gst_util_uint64_scale(GST_SECOND, (guint64)d, (guint64)n) : 0;
}

void cored_clock_init(CoredClock *clock) {
  *clock = (CoredClock){.resync = TRUE, .stamp = GST_CLOCK_TIME_NONE};
}

void cored_clock_resync(CoredClock *clock) {
  clock->resync = TRUE;
  clock->stamp = GST_CLOCK_TIME_NONE;
}

/* In reverse, nothing can be counted from an end that is not known. */
static gboolean has_time(const GstSegment *segment) {
  return segment->format == GST_FORMAT_TIME &&
         (segment->rate > 0.0 || GST_CLOCK_TIME_IS_VALID(segment->stop));
}

static gboolean is_reversed(const GstSegment *segment) {
  return segment->format == GST_FORMAT_TIME && segment->rate < 0.0;
}

/* Demuxers also mark frames before which nothing is missing (GStreamer 1.26 those around the key
 * frames of fragmented MP4): where the time stamp is that of the next frame, there is no cut. */
static gboolean is_next_frame(const CoredClock *clock, GstClockTime pts, GstClockTime frame,
                              const GstSegment *segment) {
  if (clock->resync || !frame || !GST_CLOCK_TIME_IS_VALID(pts) ||
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
  if (GST_BUFFER_IS_DISCONT(buffer) && !clock->was_resync &&
      !is_next_frame(clock, pts, frame, segment))
    return TRUE;
  if (clock->resync || !GST_CLOCK_TIME_IS_VALID(pts) || pts == clock->stamp)
    return FALSE;
  if (GST_CLOCK_TIME_IS_VALID(clock->stamp) && (pts < clock->stamp) != is_reversed(segment))
    return TRUE;
  return (pts > now ? pts - now : now - pts) > MAX_GAP;
}

/* Of a frame without time stamp that comes first, or first after a resync: running time continues
 * if the segment has that time, else it is where the segment starts. */
static GstClockTime first_position(const CoredClock *clock, const GstSegment *segment,
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

static void advance_by_one_frame(CoredClock *clock, const GstSegment *segment, GstClockTime frame) {
  if (clock->resync) {
    clock->position = clock->anchor = first_position(clock, segment, frame);
    clock->n_counted = 0;
    return;
  }
  const GstClockTime passed = ++clock->n_counted * frame;
  if (is_reversed(segment))
    clock->position = MIN(clock->position, clock->anchor - MIN(passed, clock->anchor));
  else
    clock->position = MAX(clock->position, clock->anchor + passed);
}

static void set_to_stamp(CoredClock *clock, const GstSegment *segment, GstClockTime pts) {
  if (clock->resync || (pts < clock->position) == is_reversed(segment))
    clock->position = pts;
  clock->anchor = clock->stamp = pts;
  clock->n_counted = 0;
}

static void convert_position(CoredClock *clock, const GstSegment *segment) {
  clock->running_time = clock->stream_time = clock->position;
  if (!has_time(segment))
    return;
  /* It is negative before the segment. */
  if (gst_segment_to_running_time_full(segment, GST_FORMAT_TIME, clock->position,
                                       &clock->running_time) <= 0)
    clock->running_time = 0;
  clock->stream_time = gst_segment_to_stream_time(segment, GST_FORMAT_TIME, clock->position);
}

gboolean cored_clock_update(CoredClock *clock, const GstBuffer *buffer, const GstSegment *segment,
                            const GstVideoInfo *info) {
  const GstClockTime pts = GST_BUFFER_PTS(buffer), frame = cored_frame_duration(info);
  const gboolean cut = is_cut(clock, buffer, segment, frame), resync = clock->resync;
  if (cut)
    cored_clock_resync(clock);
  if (GST_CLOCK_TIME_IS_VALID(pts) && pts != clock->stamp)
    set_to_stamp(clock, segment, pts);
  else
    advance_by_one_frame(clock, segment, frame ? frame : GST_SECOND / DEFAULT_RATE);
  convert_position(clock, segment);
  clock->was_resync = resync;
  clock->resync = FALSE;
  clock->started = TRUE;
  return cut;
}
