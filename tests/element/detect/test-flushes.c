/* SPDX-License-Identifier: MIT
 * E21, E23: streams that are flushed or end while frames are being evaluated. */
#include "counts.h"
#include "held.h"

#include <math.h>

#define MODEL 3
#define ALL G_MAXUINT

static const char *const modes[] = {"sync", "latest", "delay"};

/* A stream of one picture, evaluated in full. */
typedef struct Stream {
  Rig rig;
  GstBuffer *picture;
  double p;
  GstClockTime step; /* between frames */
  gboolean in_queue, exact;
  guint next;              /* number of the next frame */
  gint told;               /* results, also those that nobody reads; atomic */
  GstClockTime not_before; /* older frames and results must not come any more */
} Stream;

static GstBusSyncReply on_message(GstBus *bus, GstMessage *message, gpointer user) {
  const GstStructure *said = gst_message_get_structure(message);
  Stream *stream = user;
  (void)bus;
  if (said && gst_structure_has_name(said, CORED_MESSAGE_RESULT))
    g_atomic_int_inc(&stream->told);
  return GST_BUS_PASS;
}

/* At 25 frames a second a frame waits for its result for as long as it may (delay, 10 s), at one
 * in five seconds for two frames. */
static void stream_open(Stream *stream, const char *mode, gboolean slow) {
  char *caps = g_strdup_printf("video/x-raw,format=I420,width=64,height=48,framerate=%s",
                               slow ? "1/5" : "25/1");
  *stream = (Stream){.step = slow ? 5 * GST_SECOND : 40 * GST_MSECOND,
                     .in_queue = !g_str_equal(mode, "sync"),
                     .exact = !g_str_equal(mode, "latest")};
  rig_open(&stream->rig, support_model(MODEL), caps, "mode", mode, "delay", "10000000000",
           "inference-region", "full-frame", "message-interval", "0", NULL);
  gst_bus_set_sync_handler(stream->rig.bus, on_message, stream, NULL);
  stream->picture = frame_new(&stream->rig.info, 1, 0);
  const CoredBox box = {0, 0, 64, 48};
  stream->p = reference_p_fake(support_model(MODEL), &stream->rig.info, stream->picture, &box);
  g_free(caps);
}

static void stream_close(Stream *stream) {
  gst_bus_set_sync_handler(stream->rig.bus, NULL, NULL, NULL);
  gst_buffer_unref(stream->picture);
  rig_close(&stream->rig);
}

static GstFlowReturn push_next(Stream *stream) {
  GstBuffer *frame = held_frame_copy(stream->picture);
  GST_BUFFER_PTS(frame) = stream->next++ * stream->step;
  GST_BUFFER_DURATION(frame) = stream->step;
  return gst_harness_push(stream->rig.harness, frame);
}

static void check_p(const Stream *stream, const GstStructure *result) {
  assert_true(fabs(result_double(result, "p-fake") - stream->p) < 1e-6);
}

/* All that came out so far: in order, none of an earlier life, each with what is known of it. */
static void check_frames(Stream *stream, gboolean all_exact) {
  GstClockTime last = stream->not_before;
  for (GstBuffer *out; (out = gst_harness_try_pull(stream->rig.harness));) {
    const GstStructure *result = cored_meta_get(out);
    assert_true(GST_BUFFER_PTS(out) >= last);
    last = GST_BUFFER_PTS(out) + 1;
    if (all_exact)
      assert_true(result_inferred(result));
    if (result_inferred(result))
      check_p(stream, result);
    gst_buffer_unref(out);
  }
}

static void check_messages(Stream *stream) {
  GstMessage *message;
  while ((message = rig_message(&stream->rig, GST_MESSAGE_ANY))) {
    const GstStructure *said = gst_message_get_structure(message);
    assert_int_not_equal(GST_MESSAGE_TYPE(message), GST_MESSAGE_ERROR);
    assert_int_not_equal(GST_MESSAGE_TYPE(message), GST_MESSAGE_WARNING);
    if (said && gst_structure_has_name(said, CORED_MESSAGE_RESULT)) {
      check_p(stream, said);
      assert_true(result_uint64(said, "timestamp") >= stream->not_before);
    }
    gst_message_unref(message);
  }
}

static void check_counters(Stream *stream) {
  Rig *rig = &stream->rig;
  assert_int_equal(rig_stat(rig, "inferred") + rig_skipped(rig), rig_stat(rig, "frames-in"));
  assert_int_equal(rig_stat(rig, "inferred"), g_atomic_int_get(&stream->told));
}

static void begin_again(Stream *stream) {
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(stream->rig.harness, gst_event_new_flush_stop(TRUE));
  check_counters(stream);
  check_messages(stream); /* the last of the old ones */
  stream->not_before = stream->next * stream->step;
  gst_harness_push_event(stream->rig.harness, gst_event_new_segment(&segment));
}

/* ---- E21 ------------------------------------------------------------------------------------ */

/* In a mode with a queue only the worker is held, else this thread. */
static gpointer push_until_refused(gpointer user) {
  Stream *stream = user;
  GstFlowReturn flow;
  if (stream->in_queue)
    held_begin();
  while ((flow = push_next(stream)) == GST_FLOW_OK)
    continue;
  return GINT_TO_POINTER(flow);
}

/* How many buffers have come, with none on its way through the pad. */
static guint received(Stream *stream) {
  GstHarness *harness = stream->rig.harness;
  GST_PAD_STREAM_LOCK(harness->sinkpad);
  const guint n = gst_harness_buffers_received(harness);
  GST_PAD_STREAM_UNLOCK(harness->sinkpad);
  return n;
}

static void flush_once(Stream *stream) {
  const guint64 inferred = rig_stat(&stream->rig, "inferred");
  held_begin();
  if (!stream->in_queue)
    held_let(1); /* the frame is looked at before it is evaluated */
  GThread *pusher = g_thread_new("pusher", push_until_refused, stream);
  held_await(stream->in_queue ? 1 : 2);
  gst_harness_push_event(stream->rig.harness, gst_event_new_flush_start());
  const guint came = received(stream);
  if (!stream->in_queue)
    held_end();
  assert_int_equal(GPOINTER_TO_INT(g_thread_join(pusher)), GST_FLOW_FLUSHING);
  if (stream->in_queue) { /* it did not even wait for the one in flight */
    assert_int_equal(rig_stat(&stream->rig, "inferred"), inferred);
    held_end();
  }
  assert_int_equal(push_next(stream), GST_FLOW_FLUSHING);
  check_frames(stream, FALSE);
  begin_again(stream);
  /* A worker may also evaluate one frame that was on its way to it when the flush began. */
  assert_in_range(rig_stat(&stream->rig, "inferred"), inferred + 1,
                  inferred + 1 + (guint)stream->in_queue);
  assert_int_equal(gst_harness_buffers_received(stream->rig.harness), came);
}

static void flushes_in_the_middle(void **state) {
  (void)state;
  const guint n = counts_of(10000);
  for (guint m = 0; m < G_N_ELEMENTS(modes); m++) {
    const gint64 start = g_get_monotonic_time();
    Stream stream;
    stream_open(&stream, modes[m], TRUE);
    for (guint i = 0; i < n; i++)
      flush_once(&stream);
    stream_close(&stream);
    counts_tell(modes[m], n, start);
  }
}

/* ---- E23 ------------------------------------------------------------------------------------ */

typedef struct Ends { /* of a stream, seen before and behind the element */
  Stream *stream;
  guint came, went;
} Ends;

/* The end is at the element: let those finish that it has to wait for. */
static GstPadProbeReturn on_end_coming(GstPad *pad, GstPadProbeInfo *info, gpointer user) {
  Ends *ends = user;
  (void)pad;
  if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_EOS) {
    ends->came++;
    held_let(ALL);
  }
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn on_end_going(GstPad *pad, GstPadProbeInfo *info, gpointer user) {
  Ends *ends = user;
  (void)pad;
  if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_EOS) {
    ends->went++;
    check_counters(ends->stream);
    assert_int_equal(gst_harness_buffers_received(ends->stream->rig.harness), ends->stream->next);
  }
  return GST_PAD_PROBE_OK;
}

static void watch_ends(Ends *ends, Stream *stream) {
  *ends = (Ends){.stream = stream};
  GstPad *pad = gst_element_get_static_pad(stream->rig.element, "sink");
  gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_end_coming, ends, NULL);
  gst_object_unref(pad);
  gst_pad_add_probe(stream->rig.harness->sinkpad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_end_going,
                    ends, NULL);
}

static void end_while_evaluated(Stream *stream, guint frames) {
  const guint64 inferred = rig_stat(&stream->rig, "inferred");
  held_begin();
  for (guint k = 0; k < frames; k++) {
    assert_int_equal(push_next(stream), GST_FLOW_OK);
    if (stream->in_queue && k == 0)
      held_await(1);
  }
  assert_true(gst_harness_push_event(stream->rig.harness, gst_event_new_eos()));
  /* In mode latest one was in flight and one waited. */
  assert_int_equal(rig_stat(&stream->rig, "inferred") - inferred,
                   stream->exact ? frames : MIN(frames, 2));
  assert_int_equal(push_next(stream), GST_FLOW_EOS);
  stream->next--;
  check_frames(stream, stream->exact);
  check_messages(stream);
  held_end();
}

static void ends_with_frames_being_evaluated(void **state) {
  (void)state;
  const guint n = counts_of(1000);
  for (guint m = 0; m < G_N_ELEMENTS(modes); m++) {
    const gint64 start = g_get_monotonic_time();
    Stream stream;
    Ends ends;
    stream_open(&stream, modes[m], FALSE);
    watch_ends(&ends, &stream);
    for (guint i = 0; i < n; i++) {
      end_while_evaluated(&stream, 1 + i % 4);
      assert_int_equal(ends.came, i + 1);
      assert_int_equal(ends.went, i + 1);
      gst_harness_push_event(stream.rig.harness, gst_event_new_flush_start());
      begin_again(&stream);
    }
    stream_close(&stream);
    counts_tell(modes[m], n, start);
  }
}

/* The end comes to a new element before caps or before the first frame, and then once more. */
static void end_at_once(const char *mode, gboolean before_caps) {
  Stream stream;
  Rig *rig = &stream.rig;
  stream = (Stream){0};
  rig_open(rig, support_model(MODEL),
           before_caps ? NULL
                       : "video/x-raw,format=I420,width=64,"
                         "height=48,framerate=25/1",
           "mode", mode, NULL);
  Ends ends;
  watch_ends(&ends, &stream);
  assert_true(gst_harness_push_event(rig->harness, gst_event_new_eos()));
  assert_int_equal(ends.went, 1);
  gst_harness_push_event(rig->harness, gst_event_new_eos());
  assert_int_equal(ends.went, 1);
  check_messages(&stream);
  assert_int_equal(rig_stat(rig, "frames-in"), 0);
  gst_harness_push_event(rig->harness, gst_event_new_flush_start());
  gst_harness_push_event(rig->harness, gst_event_new_flush_stop(TRUE));
  assert_true(gst_harness_push_event(rig->harness, gst_event_new_eos()));
  assert_int_equal(ends.went, 2);
  rig_close(rig);
}

static void ends_without_frames(void **state) {
  (void)state;
  const guint n = counts_of(1000);
  for (guint m = 0; m < G_N_ELEMENTS(modes); m++) {
    const gint64 start = g_get_monotonic_time();
    for (guint i = 0; i < n; i++) {
      end_at_once(modes[m], TRUE);
      end_at_once(modes[m], FALSE);
    }
    counts_tell(modes[m], n, start);
  }
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(flushes_in_the_middle),
      cmocka_unit_test(ends_with_frames_being_evaluated),
      cmocka_unit_test(ends_without_frames),
  };
  counts_divide(argc, argv);
  return cmocka_run_group_tests(tests, support_setup, support_teardown);
}
