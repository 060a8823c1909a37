/* SPDX-License-Identifier: MIT */
#include "ends.h"

#include <stdlib.h>

#define FRAME_BYTES (ENDS_SIDE * ENDS_SIDE * 4)

static GstStaticPadTemplate anything =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

static GstFlowReturn take(GstPad *pad, GstObject *parent, GstBuffer *buffer) {
  Ends *ends = gst_pad_get_element_private(pad);
  (void)parent;
  cored_meta_get(buffer);
  ends->came++;
  gst_buffer_unref(buffer);
  return GST_FLOW_OK;
}

/* The latency of a file. */
static gboolean answer(GstPad *pad, GstObject *parent, GstQuery *query) {
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY)
    return gst_pad_query_default(pad, parent, query);
  gst_query_set_latency(query, FALSE, 0, GST_CLOCK_TIME_NONE);
  return TRUE;
}

/* What the base class says when frames come while the element is starting or flushes: that there is
 * no segment yet, or that it changed while the running time for QoS was computed. */
static gboolean is_to_be_expected(const gchar *domain, GLogLevelFlags level, const gchar *text) {
  return g_strcmp0(domain, "GStreamer") == 0 &&
         ((level & G_LOG_LEVEL_WARNING) || g_str_has_prefix(text, "gst_segment_to_running_time"));
}

static void check_log(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer user) {
  if (is_to_be_expected(domain, level, text))
    return;
  g_log_default_handler(domain, level, text, user);
  if (level & (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR))
    abort();
}

void ends_open(Ends *ends) {
  *ends = (Ends){0};
  g_log_set_always_fatal(G_LOG_FATAL_MASK);
  g_log_set_default_handler(check_log, NULL);
  ends->bus = gst_bus_new();
  ends->source = gst_pad_new("source", GST_PAD_SRC);
  gst_pad_set_query_function(ends->source, answer);
  ends->sink = gst_pad_new_from_static_template(&anything, "sink");
  GST_PAD_SET_ACCEPT_TEMPLATE(ends->sink);
  gst_pad_set_element_private(ends->sink, ends);
  gst_pad_set_chain_function(ends->sink, take);
  gst_pad_set_active(ends->source, TRUE);
  gst_pad_set_active(ends->sink, TRUE);
}

void ends_close(Ends *ends) {
  gst_pad_set_active(ends->source, FALSE);
  gst_pad_set_active(ends->sink, FALSE);
  gst_object_unref(ends->source);
  gst_object_unref(ends->sink);
  gst_bus_set_flushing(ends->bus, TRUE);
  gst_object_unref(ends->bus);
}

GstElement *ends_detector_new(const char *model, const char *shadow, const char *mode) {
  GstElement *element = gst_element_factory_make("coreddetect", NULL);
  assert_non_null(element);
  gst_object_ref_sink(element);
  g_object_set(element, "model", model, "shadow-model", shadow, "threads", 1, "message-interval",
               G_GUINT64_CONSTANT(0), NULL);
  gst_util_set_object_arg(G_OBJECT(element), "mode", mode);
  gst_util_set_object_arg(G_OBJECT(element), "inference-region", "full-frame");
  return element;
}

static void join_pads(GstPad *from, GstPad *to) {
  assert_int_equal(gst_pad_link_full(from, to, GST_PAD_LINK_CHECK_NOTHING), GST_PAD_LINK_OK);
}

static void set_state(const Ends *ends, GstState state) {
  gst_element_set_state(ends->last, state);
  if (ends->first != ends->last)
    gst_element_set_state(ends->first, state);
}

void ends_join(Ends *ends, GstElement *first, GstElement *last) {
  GstPad *in = gst_element_get_static_pad(first, "sink");
  GstPad *out = gst_element_get_static_pad(last, "src");
  ends->first = first;
  ends->last = last;
  gst_element_set_bus(first, ends->bus);
  gst_element_set_bus(last, ends->bus);
  join_pads(out, ends->sink);
  set_state(ends, GST_STATE_PLAYING);
  join_pads(ends->source, in); /* at last, so that no frame finds it stopped */
  gst_object_unref(in);
  gst_object_unref(out);
}

void ends_part(Ends *ends) {
  GstPad *in = gst_pad_get_peer(ends->source), *out = gst_pad_get_peer(ends->sink);
  set_state(ends, GST_STATE_NULL);
  gst_pad_unlink(ends->source, in);
  gst_pad_unlink(out, ends->sink);
  gst_object_unref(in);
  gst_object_unref(out);
  gst_element_set_bus(ends->first, NULL);
  gst_element_set_bus(ends->last, NULL);
}

void ends_begin_stream(Ends *ends, GRand *rand) {
  static const GstVideoFormat formats[] = {GST_VIDEO_FORMAT_I420, GST_VIDEO_FORMAT_RGB,
                                           GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_GRAY8};
  GstSegment segment;
  GstVideoInfo info;
  gst_video_info_set_format(&info, formats[g_rand_int_range(rand, 0, G_N_ELEMENTS(formats))],
                            (guint)g_rand_int_range(rand, 1, ENDS_SIDE),
                            (guint)g_rand_int_range(rand, 1, ENDS_SIDE));
  GST_VIDEO_INFO_FPS_N(&info) = 25;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  GstCaps *caps = gst_video_info_to_caps(&info);
  gst_pad_push_event(ends->source, gst_event_new_stream_start("stress"));
  gst_pad_push_event(ends->source, gst_event_new_caps(caps));
  gst_pad_push_event(ends->source, gst_event_new_segment(&segment));
  gst_caps_unref(caps);
}

GstFlowReturn ends_push(Ends *ends, guint number) {
  GstBuffer *frame = gst_buffer_new_allocate(NULL, FRAME_BYTES, NULL);
  gst_buffer_memset(frame, 0, (guint8)number, FRAME_BYTES);
  GST_BUFFER_PTS(frame) = number * 40 * GST_MSECOND;
  return gst_pad_push(ends->source, frame);
}
